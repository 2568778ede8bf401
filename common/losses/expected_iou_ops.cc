#include "common/losses/expected_iou_ops.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/losses/expected_iou_cpu.h"

namespace seg {
namespace expected_iou {

const char* Name(Ratio ratio) {
  return ratio == Ratio::kIou ? "ExpectedIou" : "ExpectedUoi";
}

void CheckShare(bool is_valid, Ratio ratio, double share) {
  TORCH_CHECK(is_valid, Name(ratio),
              ": target must have shares >= 0, at most 1 in a cell together, "
              "got ",
              share);
}

namespace {

// One value and its derivatives in I and U, from the sums of a class that
// counts.
struct Term {
  double value, by_both, by_union;
};

Term TermOf(const ExpectedIouTotals& t, Ratio ratio, double epsilon) {
  const double together = t.predicted + t.target - t.both;
  if (ratio == Ratio::kIou) {
    if (together == 0) return {0, 0, 0};  // of kAll: neither true nor predicted
    return {t.both / together, 1 / together, -t.both / (together * together)};
  }
  const double below = t.both + epsilon;
  return {together / below, -together / (below * below), 1 / below};
}

// The cells of all images in runs of at most kExpectedIouCells of one image.
struct Runs {
  Runs(const at::Tensor& p, const at::Tensor& target, double floor,
       bool whole_cells)
      : p(p),
        target(target),
        floor(floor),
        whole_cells(whole_cells),
        classes(p.size(1)),
        cells(p.numel() / (p.size(0) * classes)),
        per_image((cells + kExpectedIouCells - 1) / kExpectedIouCells),
        count(p.size(0) * per_image) {}
  const at::Tensor &p, &target;
  double floor;
  bool whole_cells;
  int64_t classes, cells, per_image, count;

  // Of the first cell of a run, class 0, in [N, C, cells].
  int64_t Offset(int64_t run) const {
    return run / per_image * classes * cells + Begin(run);
  }
  int64_t Begin(int64_t run) const {
    return run % per_image * kExpectedIouCells;
  }

  template <typename T>
  ExpectedIouRun<T> Get(int64_t run) const {
    return {p.const_data_ptr<T>() + Offset(run),
            target.const_data_ptr<T>() + Offset(run),
            cells,
            std::min(kExpectedIouCells, cells - Begin(run)),
            classes,
            static_cast<T>(floor),
            whole_cells};
  }
};

// The sums of each class over the minibatch (one group) or each image.
struct Groups {
  std::vector<ExpectedIouTotals> totals;  // [groups * classes]
  std::vector<double> weight;             // [groups]
};

Groups Sum(const Runs& runs, Ratio ratio, int64_t groups) {
  std::vector<ExpectedIouTotals> parts(runs.count * runs.classes);
  std::vector<double> weights(runs.count), bad_shares(runs.count);
  std::vector<char> is_valid(runs.count);
  AT_DISPATCH_FLOATING_TYPES(runs.p.scalar_type(), "ExpectedIou", [&] {
    at::parallel_for(0, runs.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        is_valid[i] =
            SumExpectedIou(runs.Get<scalar_t>(i), &parts[i * runs.classes],
                           &weights[i], &bad_shares[i]);
      }
    });
  });
  Groups sums{std::vector<ExpectedIouTotals>(groups * runs.classes),
              std::vector<double>(groups)};
  for (int64_t i = 0; i < runs.count; ++i) {
    CheckShare(is_valid[i], ratio, bad_shares[i]);
    const int64_t group = groups == 1 ? 0 : i / runs.per_image;
    sums.weight[group] += weights[i];
    for (int64_t c = 0; c < runs.classes; ++c) {
      const ExpectedIouTotals& part = parts[i * runs.classes + c];
      ExpectedIouTotals& sum = sums.totals[group * runs.classes + c];
      sum.both += part.both;
      sum.predicted += part.predicted;
      sum.target += part.target;
      sum.raised += part.raised;
    }
  }
  return sums;
}

double Divisor(ExpectedIouScale scale, int64_t counted, int64_t classes) {
  if (scale == ExpectedIouScale::kSum) return 1;
  return static_cast<double>(scale == ExpectedIouScale::kMeanOfAll ? classes
                                                                   : counted);
}

// Value, slopes of the kernel for each class of each group, and the counts.
struct Evaluation {
  double value = 0;
  at::Tensor slopes;  // [groups, classes, 2]
  int64_t counted = 0, skipped = 0, raised = 0;
};

Evaluation Evaluate(const Groups& sums, Ratio ratio,
                    const ExpectedIouOptions& options) {
  const int64_t groups = static_cast<int64_t>(sums.weight.size());
  const int64_t classes = static_cast<int64_t>(sums.totals.size()) / groups;
  Evaluation result;
  result.slopes = at::zeros({groups, classes, 2}, at::kDouble);
  double* slope = result.slopes.mutable_data_ptr<double>();
  int64_t groups_that_count = 0;
  for (int64_t g = 0; g < groups; ++g) {
    const ExpectedIouTotals* totals = &sums.totals[g * classes];
    const auto counts = [&](int64_t c) {
      return options.classes == ExpectedIouClasses::kAll
                 ? sums.weight[g] > 0
                 : totals[c].target > options.min_target_mass;
    };
    int64_t counted = 0;
    for (int64_t c = 0; c < classes; ++c) {
      result.raised += totals[c].raised;
      if (counts(c)) {
        ++counted;
      } else if (totals[c].target > 0) {
        ++result.skipped;
      }
    }
    result.counted += counted;
    groups_that_count += counted > 0;
    const double divisor = Divisor(options.scale, counted, classes);
    for (int64_t c = 0; c < classes; ++c, slope += 2) {
      if (!counts(c)) continue;
      const Term term = TermOf(totals[c], ratio, options.intersection_epsilon);
      result.value += term.value / divisor;
      // dI / d ph = w p and dU / d ph = w (1 - p).
      slope[0] = term.by_union / divisor;
      slope[1] = (term.by_both - term.by_union) / divisor;
    }
  }
  if (groups_that_count > 0) {
    result.value /= static_cast<double>(groups_that_count);
    result.slopes /= static_cast<double>(groups_that_count);
  }
  return result;
}

at::Tensor Gradient(const Runs& runs, const at::Tensor& slopes) {
  at::Tensor gradient = at::empty_like(runs.p);
  AT_DISPATCH_FLOATING_TYPES(runs.p.scalar_type(), "ExpectedIou", [&] {
    scalar_t* to = gradient.mutable_data_ptr<scalar_t>();
    const double* slope = slopes.const_data_ptr<double>();
    const int64_t stride = slopes.size(0) == 1 ? 0 : 2 * runs.classes;
    at::parallel_for(0, runs.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        ExpectedIouGradient(runs.Get<scalar_t>(i),
                            slope + i / runs.per_image * stride,
                            to + runs.Offset(i));
      }
    });
  });
  return gradient;
}

// The raw operators: no autograd, no checks but those of the shares' values.

// scores and target: contiguous, not empty. The value, a scalar; the counts,
// [3]; the softmax p of scores; what Gradient takes for slopes. classes and
// scale: the numbers of their enumerations.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> ForwardCpu(
    const at::Tensor& any_scores, const at::Tensor& any_target, bool is_iou,
    bool sums_of_images, int64_t classes, double min_target_mass, int64_t scale,
    bool whole_cells, double prediction_floor, double intersection_epsilon) {
  CheckRaw("ExpectedIou", any_target, any_scores.sizes(), any_scores);
  TORCH_CHECK(any_scores.dim() >= 2 && any_scores.numel() > 0,
              "ExpectedIou: there is nothing to sum");
  const at::Tensor scores = any_scores.contiguous();
  const at::Tensor target = any_target.contiguous();
  const Ratio ratio = is_iou ? Ratio::kIou : Ratio::kUoi;
  ExpectedIouOptions options;
  options.classes = static_cast<ExpectedIouClasses>(classes);
  options.min_target_mass = min_target_mass;
  options.scale = static_cast<ExpectedIouScale>(scale);
  options.intersection_epsilon = intersection_epsilon;
  const at::Tensor p = at::softmax(scores, 1);
  const Evaluation result =
      Evaluate(Sum(Runs(p, target, prediction_floor, whole_cells), ratio,
                   sums_of_images ? p.size(0) : 1),
               ratio, options);
  return {
      at::scalar_tensor(result.value, scores.options()),
      at::tensor({result.counted, result.skipped, result.raised}, at::kLong), p,
      result.slopes};
}

at::Tensor BackwardCpu(const at::Tensor& g, const at::Tensor& any_p,
                       const at::Tensor& any_target, const at::Tensor& slopes,
                       bool whole_cells, double prediction_floor) {
  CheckRaw("ExpectedIou", any_target, any_p.sizes(), any_p);
  TORCH_CHECK(any_p.dim() >= 2 && any_p.numel() > 0 && g.numel() == 1 &&
                  slopes.dim() == 3 && slopes.scalar_type() == at::kDouble &&
                  (slopes.size(0) == 1 || slopes.size(0) == any_p.size(0)) &&
                  slopes.size(1) == any_p.size(1) && slopes.size(2) == 2,
              "ExpectedIou: not what the forward pass gave");
  const at::Tensor p = any_p.contiguous(), target = any_target.contiguous();
  return Gradient(Runs(p, target, prediction_floor, whole_cells),
                  (slopes * g.to(at::kDouble)).contiguous());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> ForwardMeta(
    const at::Tensor& scores, const at::Tensor&, bool, bool sums_of_images,
    int64_t, double, int64_t, bool, double, double) {
  const c10::SymInt groups = sums_of_images ? scores.sym_size(0) : 1;
  return {at::empty({}, scores.options()),
          at::empty({3}, scores.options().dtype(at::kLong)),
          at::empty_symint(scores.sym_sizes(), scores.options()),
          at::empty_symint({groups, scores.sym_size(1), 2},
                           scores.options().dtype(at::kDouble))};
}

at::Tensor BackwardMeta(const at::Tensor&, const at::Tensor& p,
                        const at::Tensor&, const at::Tensor&, bool, double) {
  return at::empty_symint(p.sym_sizes(), p.options());
}

}  // namespace

ForwardResult Forward(const at::Tensor& scores, const at::Tensor& target,
                      Ratio ratio, const ExpectedIouOptions& options) {
  static const auto op =
      FindOperator<decltype(ForwardCpu)>("expected_iou_forward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  auto [value, counts, p, slopes] =
      op.call(scores, target, ratio == Ratio::kIou,
              options.sums == ExpectedIouSums::kImage,
              static_cast<int64_t>(options.classes), options.min_target_mass,
              static_cast<int64_t>(options.scale),
              options.cell == ExpectedIouCell::kWhole, options.prediction_floor,
              options.intersection_epsilon);
  return {value, counts, p, slopes};
}

at::Tensor Backward(const at::Tensor& g, const ForwardResult& forward,
                    const at::Tensor& target,
                    const ExpectedIouOptions& options) {
  static const auto op =
      FindOperator<decltype(BackwardCpu)>("expected_iou_backward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(g, forward.p, target, forward.slopes,
                 options.cell == ExpectedIouCell::kWhole,
                 options.prediction_floor);
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "expected_iou_forward(Tensor scores, Tensor target, bool is_iou, bool "
      "sums_of_images, int classes, float min_target_mass, int scale, bool "
      "whole_cells, float prediction_floor, float intersection_epsilon) -> "
      "(Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "expected_iou_backward(Tensor g, Tensor p, Tensor target, Tensor slopes, "
      "bool whole_cells, float prediction_floor) -> Tensor");
}

TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("expected_iou_forward", TORCH_FN(ForwardCpu));
  m.impl("expected_iou_backward", TORCH_FN(BackwardCpu));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("expected_iou_forward", TORCH_FN(ForwardMeta));
  m.impl("expected_iou_backward", TORCH_FN(BackwardMeta));
}

}  // namespace expected_iou
}  // namespace seg
