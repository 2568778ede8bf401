#include "common/datasets/hdf5_dataset.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/datasets/no_such_split.h"
#include "common/io/hdf5.h"

namespace seg {
namespace {

using Array = std::shared_ptr<const Hdf5Array>;

constexpr int64_t kFacePoints = 5;

struct Arrays {
  std::string path, name;          // of the file and of the split
  Array images, masks, landmarks;  // the latter two may be empty
};

class Hdf5Dataset : public Dataset {
 public:
  Hdf5Dataset(DatasetInfo info, Arrays arrays)
      : info_(std::move(info)), arrays_(std::move(arrays)) {}

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return arrays_.images->rows(); }
  std::string id(int64_t index) const override {
    return absl::StrFormat("%s_%06d", arrays_.name, index);
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    Sample sample;
    sample.id = id(index);
    sample.path = absl::StrCat(arrays_.path, ":", sample.id);
    SEG_ASSIGN_OR_RETURN(sample.image, arrays_.images->Row(index));
    if (arrays_.masks != nullptr) {
      SEG_ASSIGN_OR_RETURN(const at::Tensor mask, arrays_.masks->Row(index));
      sample.mask = mask.ne(0).to(at::kByte);
    }
    if (arrays_.landmarks != nullptr) {
      SEG_ASSIGN_OR_RETURN(const at::Tensor rows,
                           arrays_.landmarks->Row(index));
      sample.points =
          at::cat({rows.flip(1), at::ones({rows.size(0), 1}, at::kFloat)}, 1);
    }
    return sample;
  }

 private:
  DatasetInfo info_;
  Arrays arrays_;
};

// The array SPLIT_KIND, or nothing where the file has none.
absl::StatusOr<Array> Optional(const Arrays& arrays,
                               const std::vector<std::string>& there,
                               const std::string& kind) {
  const std::string name = arrays.name + "_" + kind;
  if (std::find(there.begin(), there.end(), name) == there.end()) {
    return Array();
  }
  return Hdf5Array::Open(arrays.path, name);
}

absl::Status CheckSizes(const Arrays& arrays) {
  const std::vector<int64_t>& image = arrays.images->sizes();
  const auto bad = [&](const char* kind, const char* expected,
                       const std::vector<int64_t>& sizes) {
    return absl::InvalidArgumentError(
        absl::StrCat(arrays.path, ": ", arrays.name, "_", kind, ": expected ",
                     expected, ", got [", absl::StrJoin(sizes, ","), "]"));
  };
  if (image.size() != 4 || image[1] != 3 || image[2] < 1 || image[3] < 1) {
    return bad("img", "[N,3,H,W]", image);
  }
  if (arrays.masks != nullptr) {
    const std::vector<int64_t>& mask = arrays.masks->sizes();
    if (mask != std::vector<int64_t>{image[0], image[2], image[3]}) {
      return bad("seg", "[N,H,W] as the images", mask);
    }
  }
  if (arrays.landmarks != nullptr) {
    const std::vector<int64_t>& marks = arrays.landmarks->sizes();
    if (marks.size() != 3 || marks[0] != image[0] || marks[1] < 1 ||
        marks[2] != 2) {
      return bad("landmark", "[N,P,2]", marks);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenHdf5Dataset(
    const std::string& path, const std::string& split) {
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> there,
                       ListHdf5Arrays(path));
  const auto has = [&](const std::string& name) {
    return std::find(there.begin(), there.end(), name + "_img") != there.end();
  };
  Arrays arrays;
  arrays.path = path;
  arrays.name = split;
  if (!has(split) && split == "val") arrays.name = "mafl_train";
  if (!has(split) && split == "test") arrays.name = "mafl_test";
  if (!has(arrays.name)) {
    std::vector<std::string> splits;
    for (absl::string_view name : there) {
      if (absl::ConsumeSuffix(&name, "_img")) splits.emplace_back(name);
    }
    return NoSuchSplitError(absl::StrCat(
        path, ": no array ", split, "_img for the split '", split,
        "'; the file has ",
        splits.empty() ? "no images at all" : absl::StrJoin(splits, ", ")));
  }
  SEG_ASSIGN_OR_RETURN(arrays.images,
                       Hdf5Array::Open(path, arrays.name + "_img"));
  SEG_ASSIGN_OR_RETURN(arrays.masks, Optional(arrays, there, "seg"));
  SEG_ASSIGN_OR_RETURN(arrays.landmarks, Optional(arrays, there, "landmark"));
  SEG_RETURN_IF_ERROR(CheckSizes(arrays));
  if (arrays.images->type() != at::kByte) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", arrays.name, "_img: expected bytes, got numbers"));
  }
  DatasetInfo info;
  info.name = std::filesystem::path(path).stem().string();
  info.class_names = {"background", "foreground"};
  info.palette = {{0, 0, 0}, {230, 97, 1}};
  info.has_masks = arrays.masks != nullptr;
  info.has_points = arrays.landmarks != nullptr;
  if (arrays.landmarks != nullptr &&
      arrays.landmarks->sizes()[1] == kFacePoints) {
    info.point_flip_pairs = {{0, 1}, {3, 4}};
  }
  return std::make_shared<Hdf5Dataset>(std::move(info), std::move(arrays));
}

}  // namespace seg
