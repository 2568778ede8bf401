// SGD with momentum and Adam over groups of parameters, each group with its own
// rate and weight decay, on LibTorch's fused multi-tensor kernels.
//
// (torch::optim's C++ classes loop over tensors with several small operators
// for each, cannot skip an update on the device, and keep their state in an
// archive format of their own.)
#ifndef COMMON_TRAINING_OPTIMIZER_H_
#define COMMON_TRAINING_OPTIMIZER_H_

#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/io/tensor_map.h"
#include "common/training/train_config.h"

namespace seg {

struct ParameterGroup {
  std::string name;  // part of the state's file names: unique, no dots
  std::vector<at::Tensor> parameters;  // leaves, dense, of one floating type
  double lr_scale = 1.0;               // 0 freezes the group
  double weight_decay = -1.0;          // negative: the optimiser's own
};

class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, std::vector<ParameterGroup> groups);

  void ZeroGradients();  // drops them: a parameter without gradient is skipped

  // Euclidean norm of all gradients together, a float32 scalar tensor on the
  // gradients' device (0 where there are none).
  at::Tensor GradientNorm() const;
  // Scales all gradients by min(1, max_norm / norm), without a sync.
  void ClipGradients(double max_norm, const at::Tensor& norm);

  // One update with rate `lr` (times each group's lr_scale). `skip`: float32
  // scalar on the parameters' device; where it is 1 nothing changes, decided on
  // the device.
  //   sgd:  g += wd p;  b = momentum b + g;  p -= lr b  (nesterov: g + mom. b)
  //   adam: Kingma and Ba 2015, bias-corrected, L2 decay added to g
  void Step(double lr, const at::Tensor& skip);

  // Moments and step counts by "GROUP.INDEX.KIND", sharing storage.
  TensorMap State() const;
  // Takes what State() gave. InvalidArgument when names or shapes differ.
  absl::Status LoadState(const TensorMap& state);

  const OptimizerConfig& config() const { return config_; }

 private:
  struct Slot {
    at::Tensor first;   // momentum, or Adam's first moment
    at::Tensor second;  // Adam's second moment
    at::Tensor steps;   // Adam's count of updates, float32 scalar
  };

  OptimizerConfig config_;
  std::vector<ParameterGroup> groups_;
  std::vector<std::vector<Slot>> slots_;
};

}  // namespace seg

#endif  // COMMON_TRAINING_OPTIMIZER_H_
