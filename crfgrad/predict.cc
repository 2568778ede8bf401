// Labels photographs with a trained run: see README.md.
#include "common/inference/predict.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "crfgrad/restore.h"
#include "crfgrad/states.h"

namespace {

using seg::crfgrad::Restored;

absl::Status Predict(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(Restored restored, seg::crfgrad::Restore(args));
  const seg::crfgrad::PredictConfig& config = restored.config.predict;
  if (config.overlap >= config.tile) {
    return seg::UsageError(absl::InvalidArgumentError(
        absl::StrCat("predict.overlap: must be below predict.tile, got ",
                     config.overlap, " and ", config.tile)));
  }
  seg::PredictOptions options;
  options.device = restored.run.device;
  options.tiling = {config.max_pixels, config.tile, config.overlap};
  if (config.states) {
    if (!restored.model->has_crf()) {
      return seg::UsageError(absl::InvalidArgumentError(
          "predict.states: needs model.inference=crfgrad"));
    }
    for (int64_t t = 0; t <= restored.config.crf.iterations; ++t) {
      options.endings.push_back(absl::StrCat("_state-", t, ".png"));
    }
    options.after_image = [&](const std::string& prefix,
                              const seg::Sample& sample,
                              const std::vector<at::Tensor>& /*outputs*/) {
      return seg::crfgrad::WriteStates(prefix, sample.image,
                                       restored.run.info.palette,
                                       restored.run.device, &restored.model);
    };
  }
  return seg::RunPredict(
      args, restored.run.info,
      [&](const seg::Batch& batch) {
        return restored.model->Predict(batch.images);
      },
      options);
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kPredict, "crfgrad", Predict);
}
