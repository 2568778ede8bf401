#include "ganseg/generated_pictures.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstddef>
#include <utility>

#include "common/backbones/unet.h"
#include "common/base/status_macros.h"
#include "ganseg/draw.h"

namespace seg {
namespace ganseg {
namespace {

constexpr size_t kBatch = 32;

}  // namespace

GeneratedPictures::GeneratedPictures(Model model, int64_t samples,
                                     uint64_t seed, PictureMeasures measures)
    : model_(std::move(model)),
      samples_(samples),
      seed_(seed),
      measures_(std::move(measures)) {}

absl::Status GeneratedPictures::Add(const Scored& image) {
  for (const auto& measure : measures_) {
    SEG_RETURN_IF_ERROR(measure->AddImage(image));
  }
  const int64_t waiting = static_cast<int64_t>(images_.size());
  if (model_->has_encoder() && reconstructed_ + waiting < samples_) {
    const int64_t size = model_->image_size();
    images_.push_back(ResizeTo(image.batch.images, size, size));
    if (images_.size() == kBatch) Reconstruct();
  }
  return absl::OkStatus();
}

void GeneratedPictures::Reconstruct() {
  if (images_.empty()) return;
  const at::NoGradGuard no_grad;
  const Generated batch = model_->Reconstruct(at::cat(images_));
  reconstructed_ += static_cast<int64_t>(images_.size());
  images_.clear();
  for (const auto& measure : measures_) measure->AddPictures(batch);
}

absl::Status GeneratedPictures::Finish(Findings* findings) {
  if (model_->has_encoder()) {
    Reconstruct();
  } else {
    DrawSamples(model_, samples_, seed_, [&](const Generated& batch) {
      for (const auto& measure : measures_) measure->AddPictures(batch);
    });
  }
  for (const auto& measure : measures_) {
    SEG_RETURN_IF_ERROR(measure->Finish(findings));
  }
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
