// SegNet as the Trainer sees it: targets, losses and parameter groups.
#ifndef SEGNET_RERANK_SEGNET_TASK_H_
#define SEGNET_RERANK_SEGNET_TASK_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/config/config.h"
#include "common/losses/expected_iou.h"
#include "common/training/task.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/segnet.h"
#include "torch/nn/module.h"

namespace seg {

SEG_DECLARE_ENUM(ExpectedIouScale)
SEG_DECLARE_ENUM(CrossEntropyReduction)

namespace segnet_rerank {

// cross_entropy: with the shares of the classes in each cell.
// iou: minus the expected IOU of the minibatch. uoi: its expected union over
// intersection. mix: uoi_weight * UOI + cross_entropy_weight * cross-entropy.
enum class SegNetLossType { kCrossEntropy, kIou, kUoi, kMix };
SEG_DECLARE_ENUM(SegNetLossType)

// expected_iou.h says what the terms are. IOU and UOI are of the classes that
// are in the minibatch.
struct SegNetLossConfig {
  SegNetLossType type = SegNetLossType::kMix;
  // So many updates on the cross-entropy first, whatever the type. (In the
  // paper 4,000, once for all losses: a run of its own, then --init_from.)
  int64_t cross_entropy_steps = 0;
  // Of mix: the paper's grid search, which does not say for which scales.
  double uoi_weight = 0.7;
  double cross_entropy_weight = 0.3;
  // mean_of_counted, mean_of_all (as the paper's main text) or sum (as its
  // supplement) over the classes; mean or sum over the cells.
  ExpectedIouScale scale = ExpectedIouScale::kMeanOfCounted;
  CrossEntropyReduction cross_entropy = CrossEntropyReduction::kMean;
  // Against the gradient of a class that is rare in the minibatch, in cells:
  // one with at most this mass does not count; what is added to I in U / I.
  double min_target_mass = 0;
  double intersection_epsilon = 0;

  static std::vector<KeyRule> Rules();
};
SEG_DECLARE_CONFIG(SegNetLossConfig)

// The loss of a minibatch at a step, for who trains on features of his own
// making; SegNetTask's.
//   scores: [N,C,g,g]; target: the same sizes and type (ClassShares)
// Logged, at every step and for every type: what ExpectedIouResult counts, as
// "counted", "skipped" (classes) and "raised" (predictions of the minibatch
// that the floor raised).
StepLoss SegNetLoss(const at::Tensor& scores, const at::Tensor& target,
                    const SegNetLossConfig& config, int64_t step);

// Batches are photographs with masks; or, without masks, features of the trunk
// as images and class shares as probabilities (network_data.h).
class SegNetTask : public Task {
 public:
  // ignore_label: of the training masks.
  SegNetTask(const SegNetLossConfig& config, SegNet net,
             int64_t ignore_label = 255);

  torch::nn::Module& module() override { return *net_; }
  // One phase, "main": group head, and group trunk where it is not frozen.
  std::vector<Phase> Phases() override;
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 private:
  SegNetLossConfig config_;
  SegNet net_;
  int64_t ignore_label_;
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_SEGNET_TASK_H_
