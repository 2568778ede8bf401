// Labels photographs with a trained run: see README.md.
#include "common/inference/predict.h"

#include <c10/core/InferenceMode.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/io/image.h"
#include "spn/pictures.h"
#include "spn/restore.h"

namespace {

using seg::spn::Restored;

// PREFIX_affinity.png and PREFIX_gates.png, as the configuration says.
absl::Status WritePictures(const std::string& prefix, const seg::Sample& sample,
                           Restored* restored) {
  const c10::InferenceMode inference;
  const seg::spn::PredictConfig& config = restored->config.predict;
  const int64_t height = sample.image.size(1);
  const int64_t width = sample.image.size(2);
  if (height * width > config.max_pixels) {
    seg::LogWarning(absl::StrCat(
        sample.path,
        ": no pictures of gates and affinity, which take images of "
        "at most predict.max_pixels = ",
        config.max_pixels, " pixels; it has ", width, "x", height));
    return absl::OkStatus();
  }
  const seg::Batch batch = seg::MakeBatch(sample, restored->run.device);
  const at::Tensor gates = restored->model->PredictGates(batch.images);
  const seg::spn::RefinementHeadOptions& head = restored->model->head_options();
  const std::vector<int64_t>& pixel = config.affinity;
  if (!pixel.empty()) {
    SEG_RETURN_IF_ERROR(seg::WriteImage(
        prefix + "_affinity.png",
        seg::spn::AffinityPicture(sample.image, gates, pixel[0], pixel[1],
                                  head.units(), head.propagation())));
  }
  if (!config.gates) return absl::OkStatus();
  return seg::WriteImage(prefix + "_gates.png",
                         seg::spn::GatesPicture(gates, head.propagation()));
}

absl::Status Predict(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(Restored restored, seg::spn::Restore(args));
  const seg::spn::PredictConfig& config = restored.config.predict;
  if (config.overlap >= config.tile) {
    return seg::UsageError(absl::InvalidArgumentError(
        absl::StrCat("predict.overlap: must be below predict.tile, got ",
                     config.overlap, " and ", config.tile)));
  }
  if (restored.config.coarse.source == seg::spn::CoarseSource::kTruth) {
    return seg::UsageError(absl::InvalidArgumentError(
        "coarse.source: truth needs labels, which photographs do not have; "
        "name a folder of probabilities or labels by data.probabilities and "
        "set coarse.source=data"));
  }
  seg::PredictOptions options;
  options.device = restored.run.device;
  options.tiling = {config.max_pixels, config.tile, config.overlap};
  options.probabilities = restored.config.data.probabilities;
  if (!config.affinity.empty() || config.gates) {
    if (restored.config.refine.type != seg::spn::RefineType::kSpn) {
      return seg::UsageError(absl::InvalidArgumentError(
          "predict.affinity, predict.gates: need refine.type=spn"));
    }
    if (!config.affinity.empty() && config.affinity.size() != 2) {
      return seg::UsageError(absl::InvalidArgumentError(
          absl::StrCat("predict.affinity: expected [x, y], got ",
                       config.affinity.size(), " numbers")));
    }
    options.endings = {"_affinity.png", "_gates.png"};
    options.after_image = [&](const std::string& prefix,
                              const seg::Sample& sample,
                              const std::vector<at::Tensor>& /*outputs*/) {
      return WritePictures(prefix, sample, &restored);
    };
  }
  return seg::RunPredict(
      args, restored.run.info,
      [&](const seg::Batch& batch) { return restored.model->Predict(batch); },
      options);
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kPredict, "spn", Predict);
}
