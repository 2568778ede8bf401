// SPN as the Trainer sees it: losses and parameter groups.
#ifndef SPN_TASK_H_
#define SPN_TASK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/inference/evaluated_task.h"
#include "spn/config.h"
#include "spn/model.h"

namespace seg {
namespace spn {

class SpnTask : public EvaluatedTask {
 public:
  SpnTask(const Config& config, Model model, EvaluatedTaskOptions options);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  // A parser that the refinement does not train is frozen.
  void SetTraining(int64_t step) override;
  // The parser's cross-entropy at its own resolution; the refinement's on
  // random squares of the images; their weighted sum when both train.
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 protected:
  std::vector<at::Tensor> Predict(const Batch& batch) override;
  std::vector<std::string> OutputNames() const override;
  void AddMetrics(const EvaluateResult& result, Metrics* metrics) override;
  absl::Status AddToTable(const EvaluateResult& result,
                          std::string* table) override;

 private:
  bool TrainsParser() const;
  at::Tensor ParserLoss(const at::Tensor& scores, const at::Tensor& masks);
  at::Tensor RefinementLoss(const Batch& batch, const at::Tensor& coarse);

  Config config_;
  Model model_;
};

// The part F-measures of every output as text, one row an output; "" where the
// classes are not HELEN's.
std::string PartTable(const EvaluateResult& result);

// {"part_f": {PART: ..}} of the first output, and {"OUTPUT/part_f": ..} of the
// others, added to `json`.
void AddPartScores(const EvaluateResult& result, nlohmann::json* json);

}  // namespace spn
}  // namespace seg

#endif  // SPN_TASK_H_
