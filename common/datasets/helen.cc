#include "common/datasets/helen.h"

#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/datasets/synthetic/faces.h"
#include "common/io/file.h"
#include "common/io/image.h"

namespace seg {
namespace {

std::string ImagePath(const std::string& folder, const std::string& id) {
  return absl::StrCat(folder, "/images/", id, ".jpg");
}
std::string LabelPath(const std::string& folder, const std::string& id,
                      int64_t label) {
  return absl::StrCat(folder, "/labels/", id, "/", id, "_lbl",
                      label < 10 ? "0" : "", label, ".png");
}

absl::StatusOr<std::vector<std::string>> ReadHelenList(
    const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_RETURN_IF_ERROR(WithPath(CheckNotUtf16(text), path));
  std::vector<std::string> ids;
  std::set<std::string> seen;
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const size_t comma = line.rfind(',');
    const std::string id(absl::StripAsciiWhitespace(
        comma == absl::string_view::npos ? line : line.substr(comma + 1)));
    if (id.empty()) continue;
    if (id.find_first_of("/\\ \t") != std::string::npos || id[0] == '.' ||
        !seen.insert(id).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": '", id,
                       "', expected lines \"12 , ID\", each ID once"));
    }
    ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<Sample> ReadHelenSample(const std::string& folder,
                                       const DatasetInfo& info,
                                       const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = ImagePath(folder, id);
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  at::Tensor best;
  for (int64_t label = 0; label < info.num_classes(); ++label) {
    const std::string path = LabelPath(folder, id, label);
    SEG_ASSIGN_OR_RETURN(const at::Tensor weight, ReadMask(path));
    if (label == 0) {
      best = weight;
      sample.mask = at::zeros_like(weight);
      SEG_RETURN_IF_ERROR(CheckMask(path, sample, info));
      continue;
    }
    if (!weight.sizes().equals(best.sizes())) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", weight.size(1), "x", weight.size(0),
                       ", expected the size of label 00, ", best.size(1), "x",
                       best.size(0)));
    }
    const uint8_t* w = weight.data_ptr<uint8_t>();
    uint8_t* b = best.data_ptr<uint8_t>();
    uint8_t* mask = sample.mask.data_ptr<uint8_t>();
    for (int64_t i = 0; i < weight.numel(); ++i) {
      if (w[i] > b[i]) {
        b[i] = w[i];
        mask[i] = static_cast<uint8_t>(label);
      }
    }
  }
  return sample;
}

}  // namespace

DatasetInfo HelenInfo() {
  DatasetInfo info = FacesInfo();  // the synthetic set has HELEN's labels
  info.name = "helen";
  info.title = "HELEN, 11 labels (Smith et al. 2013)";
  return info;
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenHelen(
    const std::string& folder, const std::string& split) {
  const std::string list = split == "train"  ? "exemplars.txt"
                           : split == "val"  ? "tuning.txt"
                           : split == "test" ? "testing.txt"
                                             : "";
  if (list.empty()) {
    return NoSuchSplitError(
        absl::StrCat(folder, ": no split '", split,
                     "'; HELEN has train (exemplars.txt), val (tuning.txt), "
                     "test (testing.txt)"));
  }
  const std::string path = absl::StrCat(folder, "/", list);
  if (!IsFile(path)) {
    return absl::NotFoundError(
        absl::StrCat(path,
                     ": not found; expected the folder of HELEN with "
                     "images, labels and exemplars.txt in it"));
  }
  SEG_ASSIGN_OR_RETURN(std::vector<std::string> ids, ReadHelenList(path));
  for (const std::string& id : ids) {
    for (const std::string& file :
         {ImagePath(folder, id), LabelPath(folder, id, 0)}) {
      if (!IsFile(file)) {
        return absl::NotFoundError(
            absl::StrCat(file, ": not found, but ", path, " lists ", id));
      }
    }
  }
  const DatasetInfo info = HelenInfo();
  return ListedDataset(info, std::move(ids),
                       [folder, info](const std::string& id) {
                         return ReadHelenSample(folder, info, id);
                       });
}

}  // namespace seg
