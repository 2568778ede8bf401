// CRF-Grad as the commands see it (common/app/paper.h).
#ifndef CRFGRAD_PAPER_H_
#define CRFGRAD_PAPER_H_

#include <memory>
#include <string>
#include <vector>

#include "common/app/paper.h"
#include "common/app/predict.h"
#include "common/app/restore.h"
#include "common/training/task.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"
#include "crfgrad/system.h"

namespace seg {
namespace crfgrad {

// The command that only this paper has (figures.cc).
inline constexpr Command kFigures = {
    "figures", kRunFlag | kSplitFlag | kOutFlag, "figures"};

struct Paper : PaperDefaults<Config, Model, System> {
  static constexpr char kName[] = "crfgrad";

  static absl::Status Check(const Config& config, const DatasetInfo& info,
                            const MainArgs& args, const Command& command);
  static DataConfig TrainingData(const Config& config);
  static absl::StatusOr<Model> Build(const Config& config,
                                     const DatasetInfo& info);
  static absl::Status LoadPretrained(const Config& config, Model& model);
  // The CRF layer may come after training, or go; so may the FCN, where a
  // folder gives the probabilities.
  static bool MayDiffer(const std::string& name, bool missing);
  static std::unique_ptr<Task> MakeTask(const Config& config, Model model,
                                        const DatasetInfo& info);
  static std::unique_ptr<System> MakeSystem(const Config& config,
                                            std::vector<Model> models);
  static TilingOptions Tiling(const Config& config);
  static Measures MakeMeasures(const Config& config, System& system,
                               const DatasetInfo& info, Moment moment);
  static absl::Status Predicting(Restored<Paper>& restored,
                                 PredictOptions* options);
};

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_PAPER_H_
