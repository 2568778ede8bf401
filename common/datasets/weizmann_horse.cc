#include "common/datasets/weizmann_horse.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/datasets/soft_mask.h"
#include "common/datasets/transforms.h"
#include "common/io/image.h"

namespace seg {
namespace {

// What horse001, horse002, .. is for: r train, v val, t test.
constexpr char kParts[] =
    "tvvrtrtvtrrvrrtrttvrttrrrvvrrvrttvtvrrtrrrrtvttttvrtttvvrrrttrrtttrrtrvt"
    "rvtrrrrrrtrttrrrtrvtrttrrvtrvtrrtrtvttrrrrttttttrtvrrtrvrtrtvtrrrrttttrv"
    "ttrtrrrrrrvrrtttttvtrrrvtrrvtrrtrrrrvvtrrvtvrrttrtrtrrrvrtrtrtttrtrrrvtr"
    "trrrtvtrrrrtrtrvtrvrvttrrvtvtvrtrttvtvttrttrttrttvrtttvrtrtrrrvtvttrrrrr"
    "trrttttrrrrtrrrrtttrtttrtrrrrtrvrvtrrvrt";
constexpr int64_t kHorses = 328;
static_assert(sizeof(kParts) == kHorses + 1, "a letter for each horse");

constexpr double kProportions = 0.01;  // the release: 0.6 % at most
constexpr uint8_t kBlack = 8;  // horse318: 2 at most, any other 120 or more

std::string File(const std::string& folder, const char* kind,
                 const std::string& id) {
  return absl::StrCat(folder, "/", kind, "/", id, ".jpg");
}

// Whether a picture resized to the size of the mask keeps its proportions.
bool SameProportions(const at::Tensor& image, const at::Tensor& mask) {
  const double scale = static_cast<double>(mask.size(1)) / image.size(2);
  const double height = image.size(1) * scale;
  return std::abs(height - mask.size(0)) <=
         std::max(1.0, kProportions * mask.size(0));
}

absl::StatusOr<Sample> ReadHorse(const std::string& folder,
                                 const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = File(folder, "rgb", id);
  SEG_ASSIGN_OR_RETURN(at::Tensor image, ReadImage(sample.path));
  if (image.max().item<uint8_t>() <= kBlack) {
    sample.path = File(folder, "gray", id);
    SEG_ASSIGN_OR_RETURN(image, ReadImage(sample.path));
  }
  const std::string mask = File(folder, "figure_ground", id);
  SEG_ASSIGN_OR_RETURN(sample.mask, ReadSoftMask(mask));
  if (!SameProportions(image, sample.mask)) {
    return absl::InvalidArgumentError(
        absl::StrCat(mask, ": ", sample.mask.size(1), "x", sample.mask.size(0),
                     ", expected the proportions of ", sample.path, ", ",
                     image.size(2), "x", image.size(1)));
  }
  sample.image = ResizeImage(image, sample.mask.size(0), sample.mask.size(1));
  return sample;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenWeizmannHorse(
    const std::string& folder, const std::string& split) {
  const char part = split == "train"  ? 'r'
                    : split == "val"  ? 'v'
                    : split == "test" ? 't'
                                      : ' ';
  if (part == ' ' && split != "all") {
    return NoSuchSplitError(absl::StrCat(folder, ": no split '", split,
                                         "'; there are train, val, test, all"));
  }
  std::vector<std::string> ids;
  for (int64_t i = 0; i < kHorses; ++i) {
    if (part != ' ' && kParts[i] != part) continue;
    const std::string id = absl::StrFormat("horse%03d", i + 1);
    for (const char* kind : {"rgb", "figure_ground"}) {
      const std::string file = File(folder, kind, id);
      if (IsFile(file)) continue;
      return absl::NotFoundError(absl::StrCat(
          file,
          ": not found; expected the folder with rgb, gray and figure_ground "
          "of all 328 horses in it"));
    }
    ids.push_back(id);
  }
  DatasetInfo info;
  info.name = "weizmann_horse";
  info.title = "Weizmann Horse, 328 pictures";
  info.class_names = {"background", "horse"};
  info.palette = {{0, 0, 0}, {128, 0, 0}};
  return ListedDataset(
      std::move(info), std::move(ids),
      [folder](const std::string& id) { return ReadHorse(folder, id); });
}

}  // namespace seg
