// SPN as the commands see it (common/app/paper.h).
#ifndef SPN_PAPER_H_
#define SPN_PAPER_H_

#include <memory>
#include <string>
#include <vector>

#include "common/app/paper.h"
#include "common/app/predict.h"
#include "common/app/restore.h"
#include "common/training/task.h"
#include "spn/config.h"
#include "spn/model.h"

namespace seg {
namespace spn {

struct Paper : PaperDefaults<Config, Model> {
  static constexpr char kName[] = "spn";

  static absl::Status Check(const Config& config, const DatasetInfo& info,
                            const MainArgs& args, const Command& command);
  static absl::StatusOr<Model> Build(const Config& config,
                                     const DatasetInfo& info);
  static absl::Status LoadPretrained(const Config& config, Model& model);
  // Parts that the configuration has no use for may lie in a checkpoint.
  static bool MayDiffer(const std::string& name, bool missing);
  static std::unique_ptr<Task> MakeTask(const Config& config, Model model,
                                        const DatasetInfo& info);
  static std::unique_ptr<Predictor> MakeSystem(const Config& config,
                                               std::vector<Model> models);
  static TilingOptions Tiling(const Config& config);
  static Measures MakeMeasures(const Config& config, Predictor& system,
                               const DatasetInfo& info, Moment moment);
  static absl::Status Predicting(Restored<Paper>& restored,
                                 PredictOptions* options);
};

}  // namespace spn
}  // namespace seg

#endif  // SPN_PAPER_H_
