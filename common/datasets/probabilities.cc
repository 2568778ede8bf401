#include "common/datasets/probabilities.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/datasets/mask_check.h"
#include "common/datasets/pack.h"
#include "common/datasets/transforms.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/io/npy.h"

namespace seg {
namespace {

absl::StatusOr<at::Tensor> ReadSoft(const std::string& path,
                                    int64_t num_classes, ImageSize size) {
  SEG_ASSIGN_OR_RETURN(at::Tensor map, ReadNpy(path));
  if (map.dim() != 3 || map.size(0) != num_classes || map.size(1) < 1 ||
      map.size(2) < 1 || !map.is_floating_point()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a float array [", num_classes,
                     ", height, width] of class probabilities, got ",
                     c10::str(map.scalar_type(), " ", map.sizes())));
  }
  map = map.to(at::kFloat).contiguous();
  if (!at::isfinite(map).all().item<bool>() || !(map >= 0).all().item<bool>()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": holds negative values, NaN or infinity; expected "
        "probabilities, e.g. what predict --probabilities writes"));
  }
  if (map.size(1) == size.height && map.size(2) == size.width) return map;
  return at::upsample_bilinear2d(map.unsqueeze(0), {size.height, size.width},
                                 /*align_corners=*/false)
      .squeeze(0);
}

absl::StatusOr<at::Tensor> ReadHard(const std::string& path,
                                    const DatasetInfo& info, ImageSize size) {
  SEG_ASSIGN_OR_RETURN(at::Tensor mask, ReadMask(path));
  SEG_RETURN_IF_ERROR(CheckLabels(path, mask, info));
  mask = ResizeMask(mask, size.height, size.width);
  const at::Tensor classes =
      at::arange(info.num_classes(), at::kByte).view({-1, 1, 1});
  at::Tensor map = mask.unsqueeze(0).eq(classes).to(at::kFloat);
  return map.masked_fill_(mask.eq(info.ignore_label),
                          1.0 / static_cast<double>(info.num_classes()));
}

class Dressed : public Dataset {
 public:
  Dressed(std::shared_ptr<const Dataset> base, std::string folder)
      : base_(std::move(base)), folder_(std::move(folder)) {}
  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return base_->size(); }
  std::string id(int64_t index) const override { return base_->id(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    SEG_ASSIGN_OR_RETURN(Sample sample, base_->Get(index));
    SEG_ASSIGN_OR_RETURN(
        sample.probabilities,
        ReadProbabilities(folder_, sample.id, info(),
                          {sample.image.size(1), sample.image.size(2)}));
    return sample;
  }

 private:
  std::shared_ptr<const Dataset> base_;
  std::string folder_;
};

}  // namespace

absl::StatusOr<at::Tensor> ReadProbabilities(const std::string& folder,
                                             const std::string& id,
                                             const DatasetInfo& info,
                                             ImageSize size) {
  const std::string stem = absl::StrCat(ExpandHome(folder), "/", id);
  for (const char* ending : {"", "_probabilities"}) {
    const std::string path = FindInAnyCase(stem + ending, ".npy");
    if (IsFile(path)) return ReadSoft(path, info.num_classes(), size);
  }
  const std::string labels = FindInAnyCase(stem, ".png");
  if (IsFile(labels)) return ReadHard(labels, info, size);
  return absl::NotFoundError(absl::StrCat(
      stem, ".npy: not found, nor ", stem, "_probabilities.npy, nor ", stem,
      ".png; data.probabilities names a folder with one of them for each "
      "image"));
}

std::shared_ptr<const Dataset> WithProbabilities(
    std::shared_ptr<const Dataset> dataset, const std::string& folder) {
  return std::make_shared<Dressed>(std::move(dataset), folder);
}

}  // namespace seg
