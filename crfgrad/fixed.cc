#include "crfgrad/fixed.h"

#include "common/app/predict.h"
#include "common/base/device.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/datasets/open.h"
#include "common/datasets/pack.h"
#include "common/evaluation/tiling.h"
#include "crfgrad/paper.h"

namespace seg {
namespace crfgrad {
namespace {

bool NothingIsLearned(const Config& config) {
  const Inference inference = config.model.inference;
  return config.unary.source == UnarySource::kFolder &&
         (inference == Inference::kFcn || inference == Inference::kDenseCrf);
}

absl::Status PredictWithoutRun(const MainArgs& args, const Config& config) {
  SEG_ASSIGN_OR_RETURN(const std::string pack,
                       FindPack(config.data.pack, args.data_root));
  SEG_ASSIGN_OR_RETURN(const DatasetInfo info, ReadPackInfo(pack));
  SEG_RETURN_IF_ERROR(
      UsageError(Paper::Check(config, info, args, Command::kPredict)));
  PredictOptions options;
  SEG_ASSIGN_OR_RETURN(options.device,
                       ResolveDevice(args.device, config.CpuOnly()));
  SEG_ASSIGN_OR_RETURN(options.pipeline, PipelineOf(args, config.data));
  options.probabilities = config.data.probabilities;
  Model model(config, info.num_classes());
  model->eval();
  System system(model);
  const TilingOptions tiling = Paper::Tiling(config);
  SEG_RETURN_IF_ERROR(UsageError(CheckTiling(tiling)));
  TiledPredictor predictor(system, tiling);
  return RunPredict(args, info, predictor, options);
}

}  // namespace

absl::Status RunPredictWithOrWithoutRun(const MainArgs& args) {
  if (!args.config.empty() && args.checkpoint.empty()) {
    Config config;
    SEG_RETURN_IF_ERROR(LoadConfig(args, args.config, &config));
    if (NothingIsLearned(config)) return PredictWithoutRun(args, config);
  }
  return RunPaperPredict<Paper>(args);
}

}  // namespace crfgrad
}  // namespace seg
