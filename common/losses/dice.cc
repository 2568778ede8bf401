#include "common/losses/dice.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

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
              scores.sizes());
  TORCH_CHECK(
      scores.scalar_type() == at::kFloat || scores.scalar_type() == at::kDouble,
      "DiceLoss: scores must be float32 or float64, got ",
      scores.scalar_type());
  TORCH_CHECK(scores.size(1) >= 1,
              "DiceLoss: scores need at least one class, got sizes ",
              scores.sizes());
  std::vector<int64_t> expected = scores.sizes().vec();
  expected.erase(expected.begin() + 1);
  TORCH_CHECK(labels.sizes() == at::IntArrayRef(expected),
              "DiceLoss: labels must have sizes ", at::IntArrayRef(expected),
              " for scores ", scores.sizes(), ", got ", labels.sizes());
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

class DiceFunction : public torch::autograd::Function<DiceFunction> {
 public:
  // scores and labels: contiguous, not empty, on a CPU.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& scores,
                            const at::Tensor& labels, int64_t ignore_label,
                            double epsilon) {
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
    context->save_for_backward(
        {scores, p, labels, slopes / static_cast<double>(terms)});
    context->saved_data["ignore_label"] = ignore_label;
    return at::scalar_tensor(loss / static_cast<double>(terms),
                             scores.options());
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    variable_list result(4);
    {
      const at::NoGradGuard no_grad;
      result[0] =
          Gradient(saved[1], saved[2], saved[3] * gradients[0].item<double>(),
                   context->saved_data["ignore_label"].toInt());
    }
    RefuseSecondDerivatives("DiceLoss", {gradients[0], saved[0]}, &result);
    return result;
  }
};

}  // namespace

at::Tensor DiceLoss(const at::Tensor& scores, const at::Tensor& labels,
                    const DiceOptions& options) {
  Check(scores, labels, options);
  if (!scores.is_cpu()) return DiceLossComposed(scores, labels, options);
  if (scores.numel() == 0) return scores.sum();  // 0, connected to scores
  return DiceFunction::apply(scores.contiguous(), labels.contiguous(),
                             options.ignore_label, options.epsilon);
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

}  // namespace seg
