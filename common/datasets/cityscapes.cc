#include "common/datasets/cityscapes.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/io/image.h"

namespace seg {
namespace {

constexpr char kImageEnd[] = "_leftImg8bit";

// The benchmark's classes by train id (cityscapesScripts, helpers/labels.py).
struct Class {
  const char* name;
  int id;
  std::array<uint8_t, 3> colour;
};
constexpr Class kClasses[] = {
    {"road", 7, {128, 64, 128}},
    {"sidewalk", 8, {244, 35, 232}},
    {"building", 11, {70, 70, 70}},
    {"wall", 12, {102, 102, 156}},
    {"fence", 13, {190, 153, 153}},
    {"pole", 17, {153, 153, 153}},
    {"traffic light", 19, {250, 170, 30}},
    {"traffic sign", 20, {220, 220, 0}},
    {"vegetation", 21, {107, 142, 35}},
    {"terrain", 22, {152, 251, 152}},
    {"sky", 23, {70, 130, 180}},
    {"person", 24, {220, 20, 60}},
    {"rider", 25, {255, 0, 0}},
    {"car", 26, {0, 0, 142}},
    {"truck", 27, {0, 0, 70}},
    {"bus", 28, {0, 60, 100}},
    {"train", 31, {0, 80, 100}},
    {"motorcycle", 32, {0, 0, 230}},
    {"bicycle", 33, {119, 11, 32}},
};
constexpr int kLastId = 33;
constexpr int kMinusOne = 255;  // the id -1 as a byte
constexpr uint8_t kIgnored = 255;
constexpr uint8_t kUnknown = 254;  // no id of Cityscapes

std::array<uint8_t, 256> TrainIds() {
  std::array<uint8_t, 256> table;
  table.fill(kUnknown);
  for (int id = 0; id <= kLastId; ++id) table[id] = kIgnored;
  table[kMinusOne] = kIgnored;
  uint8_t train_id = 0;
  for (const Class& c : kClasses) table[c.id] = train_id++;
  return table;
}

struct Places {
  std::string folder, split;

  std::string Images() const {
    return absl::StrCat(folder, "/leftImg8bit/", split);
  }
  std::string Image(const std::string& id) const {
    return absl::StrCat(Images(), "/", id, kImageEnd, ".png");
  }
  std::string Mask(const std::string& id) const {
    return absl::StrCat(folder, "/gtFine/", split, "/", id,
                        "_gtFine_labelIds.png");
  }
};

// The mask of train ids of a file of ids. uint8 [H,W]
absl::StatusOr<at::Tensor> ReadLabels(const std::string& path) {
  static const std::array<uint8_t, 256> table = TrainIds();
  SEG_ASSIGN_OR_RETURN(at::Tensor ids, ReadMask(path));
  ids = ids.contiguous();
  at::Tensor mask = at::empty_like(ids);
  const uint8_t* from = ids.const_data_ptr<uint8_t>();
  uint8_t* to = mask.data_ptr<uint8_t>();
  for (int64_t i = 0; i < ids.numel(); ++i) {
    to[i] = table[from[i]];
    if (to[i] != kUnknown) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": label ", static_cast<int>(from[i]), " at row ",
        i / ids.size(1), ", column ", i % ids.size(1),
        " is no id of Cityscapes, 0 .. ", kLastId, "; is the file damaged?"));
  }
  return mask;
}

absl::StatusOr<Sample> ReadSample(const Places& places, const DatasetInfo& info,
                                  const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = places.Image(id);
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  if (!info.has_masks) return sample;
  const std::string path = places.Mask(id);
  SEG_ASSIGN_OR_RETURN(sample.mask, ReadLabels(path));
  SEG_RETURN_IF_ERROR(CheckMask(path, sample, info));
  return sample;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenCityscapes(
    const std::string& folder, const std::string& split) {
  if (split != "train" && split != "val" && split != "test") {
    return NoSuchSplitError(absl::StrCat(folder, ": no split '", split,
                                         "'; there are train, val, test"));
  }
  const Places places = {folder, split};
  std::error_code error;
  if (!std::filesystem::is_directory(places.Images(), error)) {
    return absl::NotFoundError(absl::StrCat(
        places.Images(),
        ": no such folder; expected the folder with leftImg8bit and gtFine of "
        "Cityscapes in it"));
  }
  DatasetInfo info;
  info.name = "cityscapes";
  info.title = "Cityscapes, 19 classes";
  for (const Class& c : kClasses) {
    info.class_names.emplace_back(c.name);
    info.palette.push_back(c.colour);
  }
  info.has_masks = split != "test";
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                       ListImagesBelow(places.Images()));
  std::vector<std::string> ids;
  for (absl::string_view name : names) {
    if (!absl::ConsumeSuffix(&name, kImageEnd)) continue;
    ids.emplace_back(name);
    const std::string mask = places.Mask(ids.back());
    if (!info.has_masks || IsFile(mask)) continue;
    return absl::NotFoundError(absl::StrCat(
        mask, ": not found, but there is ", places.Image(ids.back()),
        "; the masks are those of gtFine_trainvaltest.zip"));
  }
  return ListedDataset(info, std::move(ids),
                       [places, info](const std::string& id) {
                         return ReadSample(places, info, id);
                       });
}

}  // namespace seg
