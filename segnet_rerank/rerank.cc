// Picks one of the proposals that another system made: see README.md.
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/status/status.h"
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
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(ExpandHome(input));
  if (!std::filesystem::is_directory(folder, error)) {
    folder = folder.parent_path();
    // A pattern names a folder down to its first wildcard.
    const size_t wildcard = folder.string().find_first_of("*?[");
    if (wildcard != std::string::npos) {
      folder = std::filesystem::path(folder.string().substr(0, wildcard))
                   .parent_path();
    }
  }
  folder = folder.lexically_normal();
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
