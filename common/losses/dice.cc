#include "common/losses/dice.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/losses/dice_cpu.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void Check(const at::Tensor& scores, const at::Tensor& labels,
           const DiceOptions& options) {
  TORCH_CHECK(scores.dim() >= 2,
              "DiceLoss: scores must be [N, C, ...], got sizes ",
              scores.sym_sizes());
  TORCH_CHECK(
      scores.scalar_type() == at::kFloat || scores.scalar_type() == at::kDouble,
      "DiceLoss: scores must be float32 or float64, got ",
      scores.scalar_type());
  TORCH_CHECK(scores.sym_size(1) >= 1,
              "DiceLoss: scores need at least one class, got sizes ",
              scores.sym_sizes());
  std::vector<c10::SymInt> expected = scores.sym_sizes().vec();
  expected.erase(expected.begin() + 1);
  TORCH_CHECK(labels.sym_sizes() == c10::SymIntArrayRef(expected),
              "DiceLoss: labels must have sizes ",
              c10::SymIntArrayRef(expected), " for scores ", scores.sym_sizes(),
              ", got ", labels.sym_sizes());
  TORCH_CHECK(
      labels.scalar_type() == at::kLong || labels.scalar_type() == at::kByte,
      "DiceLoss: labels must be int64 or uint8, got ", labels.scalar_type());
  TORCH_CHECK(labels.device() == scores.device(),
              "DiceLoss: labels must be on the device of scores, ",
              scores.device(), ", got ", labels.device());
  TORCH_CHECK(options.epsilon > 0, "DiceLoss: epsilon must be > 0, got ",
              options.epsilon);
}

void CheckLabel(bool is_valid, int64_t label, int64_t classes,
                int64_t ignore_label) {
  TORCH_CHECK(is_valid, "DiceLoss: labels have ", label,
              ", which is neither in 0..", classes - 1,
              " nor the ignore label ", ignore_label);
}

// The pixels of all images in runs of at most kDicePixels of one image.
struct Runs {
  explicit Runs(const at::Tensor& p)
      : classes(p.size(1)),
        pixels(p.numel() / (p.size(0) * classes)),
        per_image((pixels + kDicePixels - 1) / kDicePixels),
        count(p.size(0) * per_image) {}
  int64_t classes, pixels, per_image, count;

  // Of the first pixel of a run, class 0, in [N, C, pixels].
  int64_t Offset(int64_t run) const {
    return run / per_image * classes * pixels + Begin(run);
  }
  int64_t Begin(int64_t run) const { return run % per_image * kDicePixels; }

  template <typename T, typename Label>
  DicePixels<T, Label> Get(const at::Tensor& p, const at::Tensor& labels,
                           int64_t ignore_label, int64_t run) const {
    return {
        p.const_data_ptr<T>() + Offset(run),
        pixels,
        labels.const_data_ptr<Label>() + run / per_image * pixels + Begin(run),
        std::min(kDicePixels, pixels - Begin(run)),
        classes,
        ignore_label};
  }
};

// Calls f with a value of the type of p and one of the type of labels.
template <typename F>
void DispatchTypes(const at::Tensor& p, const at::Tensor& labels, const F& f) {
  AT_DISPATCH_FLOATING_TYPES(p.scalar_type(), "DiceLoss", [&] {
    if (labels.scalar_type() == at::kByte) {
      f(scalar_t(), uint8_t());
    } else {
      f(scalar_t(), int64_t());
    }
  });
}

// The sums of each class of each image, [N * C].
std::vector<DiceSums> Sums(const at::Tensor& p, const at::Tensor& labels,
                           int64_t ignore_label) {
  const Runs runs(p);
  std::vector<DiceSums> parts(runs.count * runs.classes);
  std::vector<int64_t> bad_labels(runs.count);
  std::vector<char> is_valid(runs.count);
  DispatchTypes(p, labels, [&](auto value, auto label) {
    using T = decltype(value);
    using Label = decltype(label);
    at::parallel_for(0, runs.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        is_valid[i] = SumDice(runs.Get<T, Label>(p, labels, ignore_label, i),
                              &parts[i * runs.classes], &bad_labels[i]);
      }
    });
  });
  std::vector<DiceSums> sums(p.size(0) * runs.classes);
  for (int64_t i = 0; i < runs.count; ++i) {
    CheckLabel(is_valid[i], bad_labels[i], runs.classes, ignore_label);
    for (int64_t c = 0; c < runs.classes; ++c) {
      const DiceSums& part = parts[i * runs.classes + c];
      DiceSums& sum = sums[i / runs.per_image * runs.classes + c];
      sum.both += part.both;
      sum.predicted += part.predicted;
      sum.true_pixels += part.true_pixels;
    }
  }
  return sums;
}

at::Tensor Gradient(const at::Tensor& p, const at::Tensor& labels,
                    const at::Tensor& slopes, int64_t ignore_label) {
  const Runs runs(p);
  at::Tensor gradient = at::empty_like(p);
  DispatchTypes(p, labels, [&](auto value, auto label) {
    using T = decltype(value);
    using Label = decltype(label);
    T* to = gradient.mutable_data_ptr<T>();
    at::parallel_for(0, runs.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        DiceGradient(runs.Get<T, Label>(p, labels, ignore_label, i),
                     slopes.const_data_ptr<double>() +
                         2 * runs.classes * (i / runs.per_image),
                     to + runs.Offset(i));
      }
    });
  });
  return gradient;
}

// The raw operators: no autograd, no checks but those of the labels' values.

// scores and labels: contiguous, not empty. The loss, a scalar; the softmax p
// of scores; what Gradient takes for slopes, [N * C, 2].
std::tuple<at::Tensor, at::Tensor, at::Tensor> ForwardCpu(
    const at::Tensor& any_scores, const at::Tensor& any_labels,
    int64_t ignore_label, double epsilon) {
  Check(any_scores, any_labels, {ignore_label, epsilon});
  TORCH_CHECK(any_scores.numel() > 0, "DiceLoss: there is nothing to sum");
  const at::Tensor scores = any_scores.contiguous();
  const at::Tensor labels = any_labels.contiguous();
  const at::Tensor p = at::softmax(scores, 1);
  const std::vector<DiceSums> sums = Sums(p, labels, ignore_label);
  const int64_t terms = static_cast<int64_t>(sums.size());
  const at::Tensor slopes = at::empty({terms, 2}, at::kDouble);
  double* slope = slopes.data_ptr<double>();
  double loss = 0;
  for (const DiceSums& s : sums) {
    const double above = 2 * s.both + epsilon;
    const double below = s.predicted + s.true_pixels + epsilon;
    loss += 1 - above / below;
    *slope++ = above / (below * below);
    *slope++ = -2 / below;
  }
  return {
      at::scalar_tensor(loss / static_cast<double>(terms), scores.options()), p,
      slopes / static_cast<double>(terms)};
}

at::Tensor BackwardCpu(const at::Tensor& g, const at::Tensor& p,
                       const at::Tensor& labels, const at::Tensor& slopes,
                       int64_t ignore_label) {
  Check(p, labels, {ignore_label});
  TORCH_CHECK(p.numel() > 0 && g.numel() == 1 &&
                  slopes.scalar_type() == at::kDouble &&
                  slopes.numel() == 2 * p.size(0) * p.size(1),
              "DiceLoss: not what the forward pass gave");
  return Gradient(p.contiguous(), labels.contiguous(),
                  (slopes * g.to(at::kDouble)).contiguous(), ignore_label);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> ForwardMeta(
    const at::Tensor& scores, const at::Tensor&, int64_t, double) {
  return {at::empty({}, scores.options()),
          at::empty_symint(scores.sym_sizes(), scores.options()),
          at::empty_symint({scores.sym_size(0) * scores.sym_size(1), 2},
                           scores.options().dtype(at::kDouble))};
}

at::Tensor BackwardMeta(const at::Tensor&, const at::Tensor& p,
                        const at::Tensor&, const at::Tensor&, int64_t) {
  return at::empty_symint(p.sym_sizes(), p.options());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> Forward(const at::Tensor& scores,
                                                       const at::Tensor& labels,
                                                       int64_t ignore_label,
                                                       double epsilon) {
  static const auto op =
      FindOperator<decltype(ForwardCpu)>("dice_loss_forward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(scores, labels, ignore_label, epsilon);
}

class DiceFunction : public torch::autograd::Function<DiceFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& scores,
                            const at::Tensor& labels, int64_t ignore_label,
                            double epsilon) {
    auto [loss, p, slopes] = Forward(scores, labels, ignore_label, epsilon);
    context->save_for_backward({scores, p, labels, slopes});
    context->saved_data["ignore_label"] = ignore_label;
    return loss;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    static const auto op =
        FindOperator<decltype(BackwardCpu)>("dice_loss_backward");
    const variable_list saved = context->get_saved_variables();
    variable_list result(4);
    {
      const at::NoGradGuard no_grad;
      const at::AutoDispatchBelowADInplaceOrView guard;
      result[0] = op.call(gradients[0], saved[1], saved[2], saved[3],
                          context->saved_data["ignore_label"].toInt());
    }
    RefuseSecondDerivatives("DiceLoss", {gradients[0], saved[0]}, &result);
    return result;
  }
};

// Where no kernel is: other devices, and nothing to sum.
bool IsFused(const at::Tensor& scores) {
  return scores.is_cpu() && scores.sym_numel() != 0;
}

at::Tensor LossAutograd(const at::Tensor& scores, const at::Tensor& labels,
                        int64_t ignore_label, double epsilon) {
  const DiceOptions options = {ignore_label, epsilon};
  if (!IsFused(scores)) return DiceLossComposed(scores, labels, options);
  Check(scores, labels, options);
  return DiceFunction::apply(scores.contiguous(), labels.contiguous(),
                             ignore_label, epsilon);
}

at::Tensor Loss(const at::Tensor& scores, const at::Tensor& labels,
                int64_t ignore_label, double epsilon) {
  const DiceOptions options = {ignore_label, epsilon};
  if (!IsFused(scores)) return DiceLossComposed(scores, labels, options);
  Check(scores, labels, options);
  return std::get<0>(Forward(scores, labels, ignore_label, epsilon));
}

at::Tensor CallLoss(const at::Tensor& scores, const at::Tensor& labels,
                    int64_t ignore_label, double epsilon) {
  static const auto op = FindOperator<decltype(Loss)>("dice_loss");
  return op.call(scores, labels, ignore_label, epsilon);
}

}  // namespace

at::Tensor DiceLoss(const at::Tensor& scores, const at::Tensor& labels,
                    const DiceOptions& options) {
  return CallLoss(scores, labels, options.ignore_label, options.epsilon);
}

at::Tensor DiceLossComposed(const at::Tensor& scores, const at::Tensor& labels,
                            const DiceOptions& options) {
  Check(scores, labels, options);
  if (scores.numel() == 0) return scores.sum();  // 0, connected to scores
  const int64_t images = scores.size(0), classes = scores.size(1);
  const at::Tensor label = labels.to(at::kLong).reshape({images, 1, -1});
  const at::Tensor valid = label != options.ignore_label;
  if (label.is_cpu()) {
    const at::Tensor outside = valid & ((label < 0) | (label >= classes));
    if (outside.any().item<bool>()) {
      CheckLabel(false, label.masked_select(outside)[0].item<int64_t>(),
                 classes, options.ignore_label);
    }
  }
  const at::Tensor index =
      at::arange(classes, label.options()).view({1, classes, 1});
  const at::Tensor t = (valid & (label == index)).to(scores.scalar_type());
  const at::Tensor p =
      at::softmax(scores.reshape({images, classes, -1}), 1) * valid;
  const at::Tensor both = (p * t).sum(2);
  return (1 - (2 * both + options.epsilon) /
                  (p.sum(2) + t.sum(2) + options.epsilon))
      .mean();
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "dice_loss(Tensor scores, Tensor labels, int ignore_label=255, float "
      "epsilon=1e-08) -> Tensor");
  m.def(
      "dice_loss_forward(Tensor scores, Tensor labels, int ignore_label, float "
      "epsilon) -> (Tensor, Tensor, Tensor)");
  m.def(
      "dice_loss_backward(Tensor g, Tensor p, Tensor labels, Tensor slopes, "
      "int ignore_label) -> Tensor");
  AutocastToFloat<&CallLoss>(&m, "dice_loss");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("dice_loss", TORCH_FN(LossAutograd));
}
TORCH_LIBRARY_IMPL(segpapers, CompositeExplicitAutograd, m) {
  m.impl("dice_loss", TORCH_FN(Loss));
}
TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("dice_loss_forward", TORCH_FN(ForwardCpu));
  m.impl("dice_loss_backward", TORCH_FN(BackwardCpu));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("dice_loss_forward", TORCH_FN(ForwardMeta));
  m.impl("dice_loss_backward", TORCH_FN(BackwardMeta));
}

}  // namespace seg
