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

// -log p above the floor, its tangent below.
at::Tensor NegativeLog(const at::Tensor& p, double epsilon) {
  const at::Tensor above = -p.clamp_min(epsilon).log();  // flat below
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

  // Ignored pixels point at label 0 and count as zero.
  const at::Tensor index = labels.masked_fill(~valid, 0);
  const at::Tensor values = options.input == CrossEntropyInput::kScores
                                ? at::log_softmax(input, 1)
                                : input;
  const at::Tensor picked = values.gather(1, index.unsqueeze(1)).squeeze(1);
  at::Tensor loss;
  if (options.input == CrossEntropyInput::kProbabilities) {
    // Ignored pixels may hold anything: 1 keeps NaN out of the gradient.
    loss = NegativeLog(picked.masked_fill(~valid, 1.0), options.epsilon);
  } else {
    loss = -picked;
  }
  loss = loss.masked_fill(~valid, 0.0);

  const at::Tensor sum = loss.sum();
  if (options.reduction == CrossEntropyReduction::kSum) return sum;
  // No valid pixel: the sum is zero and so is sum / 1.
  return sum / valid.sum().clamp_min(1).to(input.scalar_type());
}

}  // namespace seg
