// Picks one of the proposals that another system made: see README.md.
#include "common/app/command.h"
#include "common/app/predict.h"
#include "common/base/usage_error.h"
#include "segnet_rerank/paper.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr Command kRerank = {
    "rerank", kRunFlag | kInputFlag | kOutFlag | kLabelFlags, "reranked"};

absl::Status Rerank(const MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(Restored<Paper> restored, Restore<Paper>(args, kRerank));
  if (restored.config.proposals_folder.empty()) {
    return UsageError(absl::InvalidArgumentError(
        "proposals_folder: rerank needs the folder of proposals, "
        "proposals_folder=DIR with DIR/NAME/*.png for each image NAME"));
  }
  PredictOptions options;
  options.device = restored.run.device;
  SEG_ASSIGN_OR_RETURN(options.pipeline,
                       PipelineOf(args, restored.config.data));
  SEG_RETURN_IF_ERROR(Paper::Predicting(restored, &options));
  return RunPredict(args, restored.outputs, *restored.predictor, options);
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::segnet_rerank::kRerank,
                      seg::segnet_rerank::Paper::kName,
                      seg::segnet_rerank::Rerank);
}
