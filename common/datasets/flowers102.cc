#include "common/datasets/flowers102.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/mat_numbers.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/io/image.h"

namespace seg {
namespace {

constexpr int64_t kMostPictures = 99999;  // five digits

std::string Id(int64_t number) { return absl::StrFormat("image_%05d", number); }
std::string ImagePath(const std::string& folder, const std::string& id) {
  return absl::StrCat(folder, "/jpg/", id, ".jpg");
}
std::string MaskFile(const std::string& folder, const std::string& id) {
  return absl::StrCat(folder, "/segmim/segmim_", id.substr(6), ".jpg");
}

absl::StatusOr<Sample> ReadFlower(const std::string& folder,
                                  const DatasetInfo& info,
                                  const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = ImagePath(folder, id);
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  const std::string path = MaskFile(folder, id);
  SEG_ASSIGN_OR_RETURN(const at::Tensor rgb, ReadImage(path));
  sample.mask = (rgb[0].ne(0) & rgb[1].ne(0) & rgb[2].ne(254)).to(at::kByte);
  SEG_RETURN_IF_ERROR(CheckMask(path, sample, info));
  return sample;
}

// variable: of setid.mat, for each of train, val, test.
absl::StatusOr<std::shared_ptr<const Dataset>> Open(const std::string& folder,
                                                    const std::string& split,
                                                    const std::string& name,
                                                    const std::string& train,
                                                    const std::string& test) {
  const std::string variable = split == "train"  ? train
                               : split == "val"  ? "valid"
                               : split == "test" ? test
                                                 : "";
  if (variable.empty()) {
    return NoSuchSplitError(absl::StrCat(folder, ": no split '", split,
                                         "'; there are train, val, test"));
  }
  const std::string list = folder + "/setid.mat";
  if (!IsFile(list)) {
    return absl::NotFoundError(absl::StrCat(
        list,
        ": not found; expected the folder with jpg, segmim and setid.mat of "
        "Flowers-102 in it"));
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers,
                       ReadMatNumbers(list, variable, kMostPictures));
  std::vector<std::string> ids;
  for (const int64_t number : numbers) ids.push_back(Id(number));
  for (const std::string& id : ids) {
    for (const std::string& file :
         {ImagePath(folder, id), MaskFile(folder, id)}) {
      if (IsFile(file)) continue;
      return absl::NotFoundError(absl::StrCat(file, ": not found, but ", list,
                                              " lists it in ", variable));
    }
  }
  DatasetInfo info;
  info.name = name;
  info.title = "Oxford Flowers-102, flower or not";
  info.class_names = {"background", "flower"};
  info.palette = {{0, 0, 0}, {220, 60, 160}};
  return ListedDataset(info, std::move(ids),
                       [folder, info](const std::string& id) {
                         return ReadFlower(folder, info, id);
                       });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenFlowers102(
    const std::string& folder, const std::string& split) {
  return Open(folder, split, "flowers102", "trnid", "tstid");
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenFlowers102Redo(
    const std::string& folder, const std::string& split) {
  return Open(folder, split, "flowers102_redo", "tstid", "trnid");
}

}  // namespace seg
