// SegNet-rerank as the commands see it (common/app/paper.h).
#ifndef SEGNET_RERANK_PAPER_H_
#define SEGNET_RERANK_PAPER_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/app/paper.h"
#include "common/app/predict.h"
#include "common/app/restore.h"
#include "common/app/train.h"
#include "common/training/run_options.h"
#include "common/training/task.h"
#include "common/training/training_data.h"
#include "segnet_rerank/config.h"
#include "segnet_rerank/model.h"
#include "segnet_rerank/system.h"

namespace seg {
namespace segnet_rerank {

struct Paper : PaperDefaults<Config, Model, System> {
  static constexpr char kName[] = "segnet_rerank";
  static constexpr bool kHasStages = true;

  static absl::Status Check(const Config& config, const DatasetInfo& info,
                            const MainArgs& args, const Command& command);
  static absl::StatusOr<Model> Build(const Config& config,
                                     const DatasetInfo& info);
  static absl::Status LoadPretrained(const Config& config, Model& model);
  // The stages before the network's (stages.h). With --init_from the run that
  // it names has done them.
  static absl::StatusOr<bool> Prepare(const Config& config,
                                      const TrainingSets& sets,
                                      const RunOptions& run, Model& model);
  // Features of a frozen trunk, else photographs.
  static absl::StatusOr<seg::TrainingData> Learning(const Config& config,
                                                    const TrainingSets& sets,
                                                    const RunOptions& run);
  static std::unique_ptr<Task> MakeTask(const Config& config, Model model,
                                        const DatasetInfo& info);
  static std::unique_ptr<System> MakeSystem(const Config& config,
                                            std::vector<Model> models);
  // Regions and proposals are those of whole images.
  static TilingOptions Tiling(const Config& config);
  // The coarse map and all proposals of a photograph.
  static absl::Status Predicting(Restored<Paper>& restored,
                                 PredictOptions* options);
  static Measures MakeMeasures(const Config& config, System& system,
                               const DatasetInfo& info, Moment moment);
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_PAPER_H_
