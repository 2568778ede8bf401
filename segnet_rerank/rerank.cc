// Picks one of the proposals that another system made: see README.md.
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "common/app/inputs.h"
#include "common/app/main.h"
#include "common/app/predict.h"
#include "common/app/restore.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "segnet_rerank/paper.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr Command kRerank = {
    "rerank", kRunFlag | kInputFlag | kOutFlag | kLabelFlags, "reranked"};

// "photos_proposals" for --input=photos, photos/a.jpg or photos/*.jpg, by its
// whole path.
std::string ProposalsBeside(const std::string& input) {
  std::filesystem::path folder =
      (std::filesystem::current_path() / InputFolder(ExpandHome(input)))
          .lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  return folder.string() + "_proposals";
}

absl::Status Rerank(const MainArgs& given) {
  MainArgs args = given;
  SEG_ASSIGN_OR_RETURN(Restored<Paper> restored, Restore<Paper>(args, kRerank));
  if (restored.config.proposals_folder.empty()) {
    args.overrides.push_back("proposals_folder=" + ProposalsBeside(args.input));
    SEG_ASSIGN_OR_RETURN(restored, Restore<Paper>(args, kRerank));
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
