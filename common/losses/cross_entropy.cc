#include "common/losses/cross_entropy.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

namespace seg {
namespace {

void Check(const at::Tensor& input, const at::Tensor& target,
           const CrossEntropyOptions& options) {
  TORCH_CHECK(input.dim() >= 2,
              "CrossEntropy: input must be [N, C, ...], got sizes ",
              input.sizes());
  TORCH_CHECK(
      input.scalar_type() == at::kFloat || input.scalar_type() == at::kDouble,
      "CrossEntropy: input must be float32 or float64, got ",
      input.scalar_type());
  std::vector<int64_t> expected = input.sizes().vec();
  expected.erase(expected.begin() + 1);
  TORCH_CHECK(target.sizes() == at::IntArrayRef(expected),
              "CrossEntropy: target must have sizes ",
              at::IntArrayRef(expected), " for input ", input.sizes(), ", got ",
              target.sizes());
  TORCH_CHECK(
      target.scalar_type() == at::kLong || target.scalar_type() == at::kByte,
      "CrossEntropy: target must be int64 or uint8, got ",
      target.scalar_type());
  TORCH_CHECK(options.epsilon > 0.0 && options.epsilon < 1.0,
              "CrossEntropy: epsilon must be in (0, 1), got ", options.epsilon);
  TORCH_CHECK(!options.class_weights.defined() ||
                  (options.class_weights.dim() == 1 &&
                   options.class_weights.size(0) == input.size(1)),
              "CrossEntropy: class_weights must be [", input.size(1), "], got ",
              options.class_weights.sizes());
}

void CheckLabels(const at::Tensor& labels, const at::Tensor& valid,
                 int64_t classes, const CrossEntropyOptions& options) {
  const at::Tensor outside = valid & ((labels < 0) | (labels >= classes));
  if (!outside.any().item<bool>()) return;
  TORCH_CHECK(false, "CrossEntropy: target has label ",
              labels.masked_select(outside)[0].item<int64_t>(),
              ", which is neither in 0..", classes - 1,
              " nor the ignore label ", options.ignore_label);
}

// -log p above the floor, its continuation below.
at::Tensor NegativeLog(const at::Tensor& p,
                       const CrossEntropyOptions& options) {
  const double epsilon = options.epsilon;
  at::Tensor above = -p.clamp_min(epsilon).log();  // flat below
  if (options.floor == ProbabilityFloor::kClamp) return above;
  return above + (epsilon - p).clamp_min(0.0) * (1.0 / epsilon);
}

}  // namespace

at::Tensor CrossEntropy(const at::Tensor& input, const at::Tensor& target,
                        const CrossEntropyOptions& options) {
  Check(input, target, options);
  const int64_t classes = input.size(1);
  const at::Tensor labels = target.to(at::kLong);
  const at::Tensor valid = labels != options.ignore_label;
  if (labels.is_cpu()) CheckLabels(labels, valid, classes, options);
  if (input.numel() == 0) return input.sum();  // 0, connected to input

  // Ignored pixels point at label 0 and get the weight zero.
  const at::Tensor index = labels.masked_fill(~valid, 0);
  const at::Tensor values = options.input == CrossEntropyInput::kScores
                                ? at::log_softmax(input, 1)
                                : input;
  const at::Tensor picked = values.gather(1, index.unsqueeze(1)).squeeze(1);
  at::Tensor loss;
  if (options.input == CrossEntropyInput::kProbabilities) {
    // Ignored pixels may hold anything: 1 keeps NaN out of the gradient.
    loss = NegativeLog(picked.masked_fill(~valid, 1.0), options);
  } else {
    loss = -picked;
  }
  loss = loss.masked_fill(~valid, 0.0);

  at::Tensor total_weight;
  if (options.class_weights.defined()) {
    const at::Tensor weight = options.class_weights.detach()
                                  .to(input.options())
                                  .take(index)
                                  .masked_fill(~valid, 0.0);
    loss = loss * weight;
    total_weight = weight.sum(at::kDouble);
  } else {
    total_weight = valid.sum().to(at::kDouble);
  }
  at::Tensor sum = loss.sum();
  if (options.reduction == CrossEntropyReduction::kSum) return sum;
  // No weight at all: the sum is zero and so is sum / 1.
  return sum / total_weight.masked_fill(total_weight == 0.0, 1.0)
                   .to(input.scalar_type());
}

}  // namespace seg
