// Labels photographs with a trained run: see README.md.
#include "common/inference/predict.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cgm/inference.h"
#include "cgm/pictures.h"
#include "cgm/restore.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/io/image.h"

namespace {

using seg::cgm::Restored;

// The size at which a picture goes through the network: data.resize_*, else its
// own.
seg::ImageSize NetworkSize(const seg::DataConfig& data,
                           const at::Tensor& images) {
  if (data.resize_height > 0) return {data.resize_height, data.resize_width};
  return {images.size(images.dim() - 2), images.size(images.dim() - 1)};
}

// PREFIX_samples.png, PREFIX_entropy.png, PREFIX_variance.png.
absl::Status WritePictures(const std::string& prefix, const seg::Sample& sample,
                           Restored* restored) {
  const c10::InferenceMode inference;
  seg::cgm::Model& model = restored->models[0];
  const seg::Batch batch = seg::MakeBatch(sample, restored->run.device);
  const seg::ImageSize size = NetworkSize(restored->config.data, batch.images);
  at::Generator generator = seg::cgm::MakeGenerator(
      static_cast<uint64_t>(restored->config.inference.seed));
  const at::Tensor x = model->Prepare(at::_upsample_bilinear2d_aa(
      batch.images, {size.height, size.width}, /*align_corners=*/false));
  const at::Tensor posteriors = at::upsample_bilinear2d(
      seg::cgm::SamplePosteriors(model, x, restored->config.predict.samples,
                                 generator),
      {sample.image.size(1), sample.image.size(2)}, /*align_corners=*/false);
  SEG_RETURN_IF_ERROR(seg::WriteImage(
      prefix + "_samples.png",
      seg::cgm::SamplesPicture(sample.image, posteriors,
                               restored->run.info.palette,
                               seg::OverlayFor(restored->run.info))));
  const seg::cgm::Uncertainty maps = seg::cgm::Summarize(posteriors);
  // Of one class both are zero, whatever the scale.
  const double classes =
      static_cast<double>(std::max<int64_t>(2, model->classes()));
  SEG_RETURN_IF_ERROR(
      seg::WriteImage(prefix + "_entropy.png",
                      seg::cgm::GreyPicture(maps.entropy, std::log(classes))));
  return seg::WriteImage(prefix + "_variance.png",
                         seg::cgm::GreyPicture(maps.variance, 1 - 1 / classes));
}

absl::Status Predict(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(Restored restored, seg::cgm::Restore(args));
  const seg::cgm::Config& config = restored.config;
  seg::cgm::Predictor predictor(restored.models, config.inference);
  seg::PredictOptions options;
  options.device = restored.run.device;
  // Whole images only: a shape is one sample.
  options.tiling.max_pixels = std::numeric_limits<int64_t>::max();
  if (config.predict.samples > 0) {
    if (!predictor.model()->samples()) {
      return seg::UsageError(absl::InvalidArgumentError(
          absl::StrCat("predict.samples: the run's model.type is ",
                       seg::EnumName(predictor.model()->config().type),
                       ", which does not sample")));
    }
    options.endings = {"_samples.png", "_entropy.png", "_variance.png"};
    options.after_image = [&](const std::string& prefix,
                              const seg::Sample& sample,
                              const std::vector<at::Tensor>& /*outputs*/) {
      return WritePictures(prefix, sample, &restored);
    };
  }
  return seg::RunPredict(
      args, restored.run.info,
      [&](const seg::Batch& batch) {
        const seg::ImageSize size = NetworkSize(config.data, batch.images);
        return predictor.PredictResized(batch, size.height, size.width);
      },
      options);
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kPredict, "cgm", Predict);
}
