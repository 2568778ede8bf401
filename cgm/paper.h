// CGM as the commands see it (common/app/paper.h).
#ifndef CGM_PAPER_H_
#define CGM_PAPER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cgm/config.h"
#include "cgm/inference.h"
#include "cgm/model.h"
#include "common/app/paper.h"
#include "common/app/predict.h"
#include "common/app/restore.h"
#include "common/training/task.h"

namespace seg {
namespace cgm {

struct Paper : PaperDefaults<Config, Model, System> {
  static constexpr char kName[] = "cgm";
  static constexpr int64_t kValidationBatch = 32;

  static absl::Status Check(const Config& config, const DatasetInfo& info,
                            const MainArgs& args, const Command& command);
  static absl::StatusOr<Model> Build(const Config& config,
                                     const DatasetInfo& info);
  // Heads for training alone.
  static bool MayDiffer(const std::string& name, bool missing);
  static std::vector<std::string> Ensemble(const Config& config);
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

}  // namespace cgm
}  // namespace seg

#endif  // CGM_PAPER_H_
