#include "common/losses/cross_entropy.h"

#include <ATen/ATen.h>

namespace seg {

at::Tensor CrossEntropy(const at::Tensor& predictions,
                        const at::Tensor& targets,
                        const CrossEntropyOptions& options) {
  TORCH_CHECK(predictions.dim() == 4 && predictions.is_floating_point(),
              "CrossEntropy: predictions must be floating [N,L,H,W], got ",
              predictions.scalar_type(), " ", predictions.sizes());
  TORCH_CHECK(targets.scalar_type() == at::kLong && targets.dim() == 3 &&
                  targets.size(0) == predictions.size(0) &&
                  targets.size(1) == predictions.size(2) &&
                  targets.size(2) == predictions.size(3),
              "CrossEntropy: targets must be int64 [N,H,W] for predictions ",
              predictions.sizes(), ", got ", targets.scalar_type(), " ",
              targets.sizes());
  const int64_t labels = predictions.size(1);
  const at::Tensor counted = targets.ne(options.ignore_label);
  const at::Tensor outside =
      counted.logical_and(targets.lt(0).logical_or(targets.ge(labels)));
  // An assertion on the device: on a GPU a check here would wait for it.
  if (predictions.is_cpu() && outside.any().item<bool>()) {
    TORCH_CHECK(false, "CrossEntropy: target ",
                targets.masked_select(outside)[0].item<int64_t>(),
                " is neither a class, 0 to ", labels - 1,
                ", nor the ignore label ", options.ignore_label);
  }
  at::Tensor log_probabilities;
  switch (options.kind) {
    case PredictionKind::kScores:
      log_probabilities = at::log_softmax(predictions, 1);
      break;
    case PredictionKind::kLogProbabilities:
      log_probabilities = predictions;
      break;
    case PredictionKind::kProbabilities:
      log_probabilities = at::log(predictions.clamp(options.clamp, 1.0));
      break;
  }
  const at::Tensor sum =
      at::nll_loss2d(log_probabilities, targets, /*weight=*/{},
                     at::Reduction::Sum, options.ignore_label);
  if (options.reduction == Reduction::kSum) return sum;
  return sum / counted.sum().clamp_min(1).to(sum.scalar_type());
}

}  // namespace seg
