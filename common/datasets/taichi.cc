#include "common/datasets/taichi.h"

#include <map>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/datasets/id_check.h"
#include "common/datasets/listed_dataset.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/pack.h"
#include "common/datasets/points.h"
#include "common/io/image.h"

namespace seg {
namespace {

DatasetInfo TaichiInfo(bool has_masks) {
  DatasetInfo info;
  info.name = "taichi";
  info.title = "Taichi, person or not";
  info.class_names = {"background", "person"};
  info.palette = {{0, 0, 0}, {60, 120, 220}};
  info.has_masks = has_masks;
  return info;
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenFrames(
    const std::string& root) {
  SEG_ASSIGN_OR_RETURN(std::vector<std::string> ids, ListImagesBelow(root));
  if (ids.empty()) {
    return absl::NotFoundError(
        absl::StrCat(root, ": no .jpg, .jpeg or .png in it or below"));
  }
  return ListedDataset(
      TaichiInfo(/*has_masks=*/false), std::move(ids),
      [root](const std::string& id) -> absl::StatusOr<Sample> {
        Sample sample;
        sample.id = id;
        SEG_ASSIGN_OR_RETURN(sample.path, FindImageFile(root + "/" + id));
        SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
        return sample;
      });
}

// masks: their folder, empty where there are none.
absl::StatusOr<Sample> ReadFrame(const std::string& images,
                                 const std::string& masks,
                                 const at::Tensor& points,
                                 const DatasetInfo& info,
                                 const std::string& id) {
  Sample sample;
  sample.id = id;
  sample.path = images + "/" + id;
  SEG_ASSIGN_OR_RETURN(sample.image, ReadImage(sample.path));
  sample.points = points;
  if (masks.empty()) return sample;
  const std::string path = masks + "/" + id;
  SEG_ASSIGN_OR_RETURN(const at::Tensor grey, ReadImage(path));
  sample.mask = grey[0].eq(255).to(at::kByte);
  SEG_RETURN_IF_ERROR(CheckMask(path, sample, info));
  return sample;
}

// part: "train" or "test", as the files are called.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenEvaluation(
    const std::string& folder, const std::string& part) {
  const std::string images = folder + "/eval_images/taichi-256/" + part;
  const std::string table = folder + "/landmark/taichi_" + part + "_gt.csv";
  if (!IsFile(table)) {
    return absl::NotFoundError(absl::StrCat(
        table,
        ": not found; lines NAME,x,y,x,y,.. of the table of landmarks that "
        "motion co-part segmentation has as a pickle"));
  }
  SEG_ASSIGN_OR_RETURN(auto read, ReadPoints(table));
  const std::string masks = part == "test" ? folder + "/taichi-test-masks" : "";
  std::vector<std::string> ids;
  for (const auto& [name, points] : read) {
    SEG_RETURN_IF_ERROR(CheckId(table, name));
    for (const std::string& root : {images, masks}) {
      if (root.empty() || IsFile(root + "/" + name)) continue;
      return absl::NotFoundError(absl::StrCat(
          root, "/", name, ": not found, but ", table, " lists it"));
    }
    ids.push_back(name);
  }
  DatasetInfo info = TaichiInfo(/*has_masks=*/!masks.empty());
  info.has_points = true;
  const auto points = std::make_shared<const std::map<std::string, at::Tensor>>(
      std::move(read));
  return ListedDataset(info, std::move(ids),
                       [images, masks, points, info](const std::string& id) {
                         return ReadFrame(images, masks, points->at(id), info,
                                          id);
                       });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenTaichi(
    const std::string& folder, const std::string& split) {
  if (split == "train") return OpenFrames(folder + "/train");
  if (split == "val") return OpenEvaluation(folder, "train");
  if (split == "test") return OpenEvaluation(folder, "test");
  return NoSuchSplitError(absl::StrCat(
      folder, ": no split '", split,
      "'; there are train, val (frames to fit a regression on) and test"));
}

}  // namespace seg
