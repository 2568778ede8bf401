#include "common/losses/cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <cmath>
#include <vector>

#include "common/layers/dispatch/dispatch.h"

namespace seg {
namespace {

void Check(const at::Tensor& input, const at::Tensor& target,
           const CrossEntropyOptions& options) {
  TORCH_CHECK(input.dim() >= 2,
              "CrossEntropy: input must be [N, C, ...], got sizes ",
              input.sym_sizes());
  TORCH_CHECK(
      input.scalar_type() == at::kFloat || input.scalar_type() == at::kDouble,
      "CrossEntropy: input must be float32 or float64, got ",
      input.scalar_type());
  std::vector<c10::SymInt> expected = input.sym_sizes().vec();
  expected.erase(expected.begin() + 1);
  TORCH_CHECK(target.sym_sizes() == c10::SymIntArrayRef(expected),
              "CrossEntropy: target must have sizes ",
              c10::SymIntArrayRef(expected), " for input ", input.sym_sizes(),
              ", got ", target.sym_sizes());
  TORCH_CHECK(
      target.scalar_type() == at::kLong || target.scalar_type() == at::kByte,
      "CrossEntropy: target must be int64 or uint8, got ",
      target.scalar_type());
  TORCH_CHECK(options.epsilon > 0.0 && options.epsilon < 1.0,
              "CrossEntropy: epsilon must be in (0, 1), got ", options.epsilon);
}

// The raw operator check_labels: each of `labels` is in 0..classes-1 or the
// ignore label. Nothing on a GPU or in a trace: it would have to be read back.
void CheckLabelsCpu(const at::Tensor& labels, int64_t classes,
                    int64_t ignore_label) {
  const at::Tensor outside =
      (labels != ignore_label) & ((labels < 0) | (labels >= classes));
  if (!outside.any().item<bool>()) return;
  TORCH_CHECK(false, "CrossEntropy: target has label ",
              labels.masked_select(outside)[0].item<int64_t>(),
              ", which is neither in 0..", classes - 1,
              " nor the ignore label ", ignore_label);
}

void CheckLabelsNot(const at::Tensor&, int64_t, int64_t) {}

void CheckLabels(const at::Tensor& labels, int64_t classes,
                 int64_t ignore_label) {
  static const auto op = FindOperator<decltype(CheckLabelsCpu)>("check_labels");
  const at::AutoDispatchBelowADInplaceOrView guard;
  op.call(labels, classes, ignore_label);
}

// -log p above the floor, its tangent below.
at::Tensor NegativeLog(const at::Tensor& p, double epsilon) {
  const at::Tensor above = -p.clamp_min(epsilon).log();  // flat below
  // Not clamp_min, whose gradient at the floor itself is added to that of
  // `above`.
  return above + at::threshold(epsilon - p, 0, 0) * (1.0 / epsilon);
}

constexpr const char* kInputs[] = {"scores", "log_probabilities",
                                   "probabilities"};
constexpr const char* kReductions[] = {"mean", "sum"};

// The place of `name` in `names`, which are in the order of the enumeration.
template <typename Enum, size_t kCount>
Enum FromName(const char* what, const char* const (&names)[kCount],
              c10::string_view name) {
  for (size_t i = 0; i < kCount; ++i) {
    if (name == names[i]) return static_cast<Enum>(i);
  }
  TORCH_CHECK(false, "CrossEntropy: ", what, " must be one of ",
              c10::ArrayRef<const char*>(names), ", got ", name);
}

at::Tensor Compute(const at::Tensor& input, const at::Tensor& target,
                   c10::string_view input_kind, c10::string_view reduction,
                   int64_t ignore_label, double epsilon) {
  CrossEntropyOptions options;
  options.input = FromName<CrossEntropyInput>("input", kInputs, input_kind);
  options.reduction =
      FromName<CrossEntropyReduction>("reduction", kReductions, reduction);
  options.ignore_label = ignore_label;
  options.epsilon = epsilon;
  Check(input, target, options);
  const at::Tensor labels = target.to(at::kLong);
  const at::Tensor valid = labels != options.ignore_label;
  CheckLabels(labels, input.sym_size(1).guard_int(__FILE__, __LINE__),
              ignore_label);
  if (input.sym_numel() == 0) return input.sum();  // 0, connected to input

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

at::Tensor Call(const at::Tensor& input, const at::Tensor& target,
                c10::string_view input_kind, c10::string_view reduction,
                int64_t ignore_label, double epsilon) {
  static const auto op = FindOperator<decltype(Compute)>("cross_entropy");
  return op.call(input, target, input_kind, reduction, ignore_label, epsilon);
}

}  // namespace

at::Tensor CrossEntropy(const at::Tensor& input, const at::Tensor& target,
                        const CrossEntropyOptions& options) {
  return Call(input, target, kInputs[static_cast<int>(options.input)],
              kReductions[static_cast<int>(options.reduction)],
              options.ignore_label, options.epsilon);
}

// Of LibTorch's operators, on every device.
TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "cross_entropy(Tensor input, Tensor target, str input_kind='scores', str "
      "reduction='mean', int ignore_label=255, float epsilon=0.01) -> Tensor",
      TORCH_FN(Compute));
  m.def("check_labels(Tensor labels, int classes, int ignore_label) -> ()");
  AutocastToFloat<&Call>(&m, "cross_entropy");
}

TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("check_labels", TORCH_FN(CheckLabelsCpu));
}
TORCH_LIBRARY_IMPL(segpapers, CUDA, m) {
  m.impl("check_labels", TORCH_FN(CheckLabelsNot));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("check_labels", TORCH_FN(CheckLabelsNot));
}

}  // namespace seg
