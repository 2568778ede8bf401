#include "common/losses/expected_iou.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/losses/expected_iou_cpu.h"
#include "common/losses/soft_cross_entropy.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

enum class Ratio { kIou, kUoi };

const char* Name(Ratio ratio) {
  return ratio == Ratio::kIou ? "ExpectedIou" : "ExpectedUoi";
}

void Check(const at::Tensor& scores, const at::Tensor& target, Ratio ratio,
           const ExpectedIouOptions& options) {
  const char* name = Name(ratio);
  TORCH_CHECK(scores.dim() >= 2, name,
              ": scores must be [N, C, ...], got sizes ", scores.sym_sizes());
  TORCH_CHECK(
      scores.scalar_type() == at::kFloat || scores.scalar_type() == at::kDouble,
      name, ": scores must be float32 or float64, got ", scores.scalar_type());
  TORCH_CHECK(scores.sym_size(1) >= 1, name,
              ": scores need at least one class, got sizes ",
              scores.sym_sizes());
  TORCH_CHECK(target.sym_sizes() == scores.sym_sizes(), name,
              ": target must have the sizes of scores, ", scores.sym_sizes(),
              ", got ", target.sym_sizes());
  TORCH_CHECK(target.scalar_type() == scores.scalar_type(), name,
              ": target must have the type of scores, ", scores.scalar_type(),
              ", got ", target.scalar_type());
  TORCH_CHECK(target.device() == scores.device(), name,
              ": target must be on the device of scores, ", scores.device(),
              ", got ", target.device());
  TORCH_CHECK(options.min_target_mass >= 0, name,
              ": min_target_mass must be >= 0, got ", options.min_target_mass);
  TORCH_CHECK(options.prediction_floor >= 0 && options.prediction_floor < 1,
              name, ": prediction_floor must be in [0, 1), got ",
              options.prediction_floor);
  TORCH_CHECK(options.intersection_epsilon >= 0, name,
              ": intersection_epsilon must be >= 0, got ",
              options.intersection_epsilon);
  if (options.classes == ExpectedIouClasses::kInTarget) return;
  TORCH_CHECK(options.min_target_mass == 0, name,
              ": min_target_mass must be 0 where all classes count, got ",
              options.min_target_mass);
  TORCH_CHECK(ratio == Ratio::kIou || options.intersection_epsilon > 0, name,
              ": all classes count, so intersection_epsilon must be > 0");
}

void CheckShare(bool is_valid, Ratio ratio, double share) {
  TORCH_CHECK(is_valid, Name(ratio),
              ": target must have shares >= 0, at most 1 in a cell together, "
              "got ",
              share);
}

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

class RatioFunction : public torch::autograd::Function<RatioFunction> {
 public:
  // scores and target: contiguous, not empty, on a CPU. Returns the value and
  // the counts, [3].
  static variable_list forward(AutogradContext* context,
                               const at::Tensor& scores,
                               const at::Tensor& target, Ratio ratio,
                               const ExpectedIouOptions& options) {
    static const auto op =
        FindOperator<decltype(ForwardCpu)>("expected_iou_forward");
    const bool whole_cells = options.cell == ExpectedIouCell::kWhole;
    const at::AutoDispatchBelowADInplaceOrView guard;
    auto [value, counts, p, slopes] =
        op.call(scores, target, ratio == Ratio::kIou,
                options.sums == ExpectedIouSums::kImage,
                static_cast<int64_t>(options.classes), options.min_target_mass,
                static_cast<int64_t>(options.scale), whole_cells,
                options.prediction_floor, options.intersection_epsilon);
    context->save_for_backward({scores, p, target, slopes});
    context->saved_data["floor"] = options.prediction_floor;
    context->saved_data["whole_cells"] = whole_cells;
    context->saved_data["is_iou"] = ratio == Ratio::kIou;
    context->mark_non_differentiable({counts});
    return {value, counts};
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    static const auto op =
        FindOperator<decltype(BackwardCpu)>("expected_iou_backward");
    const variable_list saved = context->get_saved_variables();
    variable_list result(4);
    {
      const at::NoGradGuard no_grad;
      const at::AutoDispatchBelowADInplaceOrView guard;
      result[0] = op.call(gradients[0], saved[1], saved[2], saved[3],
                          context->saved_data["whole_cells"].toBool(),
                          context->saved_data["floor"].toDouble());
    }
    const Ratio ratio =
        context->saved_data["is_iou"].toBool() ? Ratio::kIou : Ratio::kUoi;
    RefuseSecondDerivatives(Name(ratio), {gradients[0], saved[0]}, &result);
    return result;
  }
};

// No cells: 0, connected to scores.
ExpectedIouResult Nothing(const at::Tensor& scores) {
  const at::Tensor none = at::zeros({}, scores.options().dtype(at::kLong));
  return {scores.sum(), none, none, none};
}

// Weights and shares of the cells: target times what makes the shares of a
// cell sum to its weight, [N, C, ...]; the weights, [N, 1, ...].
struct Weighted {
  at::Tensor target, weight;
};

Weighted Weigh(const at::Tensor& target, ExpectedIouCell cell) {
  const at::Tensor constant = target.detach();
  const at::Tensor share = constant.sum(1, /*keepdim=*/true);
  if (cell == ExpectedIouCell::kValidShare) return {constant, share};
  const at::Tensor is_void = share == 0;
  return {constant / share.masked_fill(is_void, 1),
          (~is_void).to(target.scalar_type())};
}

ExpectedIouResult Composed(const at::Tensor& scores, const at::Tensor& target,
                           Ratio ratio, const ExpectedIouOptions& options) {
  Check(scores, target, ratio, options);
  if (scores.numel() == 0) return Nothing(scores);
  const int64_t images = scores.size(0), classes = scores.size(1);
  const at::Tensor t = target.detach().reshape({images, classes, -1});
  if (t.is_cpu()) {
    const at::Tensor bad = ~(t >= 0);  // so that NaN is bad
    if (bad.any().item<bool>()) {
      CheckShare(false, ratio, t.masked_select(bad)[0].item<double>());
    }
    const double most = t.sum(1).max().item<double>();
    CheckShare(most <= 1 + kExpectedIouShareSlack, ratio, most);
  }
  const auto [true_shares, weight] = Weigh(t, options.cell);
  const at::Tensor p = at::softmax(scores.reshape({images, classes, -1}), 1);
  const at::Tensor raised = p.clamp_min(options.prediction_floor);
  const auto sum = [&](const at::Tensor& x) {  // [groups, C] or [groups, 1]
    const at::Tensor each = x.sum(2, /*keepdim=*/false, at::kDouble);
    return options.sums == ExpectedIouSums::kImage
               ? each
               : each.sum(0, /*keepdim=*/true);
  };
  const at::Tensor both = sum(raised * true_shares);
  const at::Tensor true_mass = sum(true_shares);
  const at::Tensor together = sum(weight * raised) + true_mass - both;
  const at::Tensor counted = options.classes == ExpectedIouClasses::kAll
                                 ? (sum(weight) > 0).expand_as(both)
                                 : true_mass > options.min_target_mass;
  // A class that does not count has a denominator of 1: one of 0 would make
  // the gradient NaN under the mask.
  const at::Tensor off = ~counted;
  const at::Tensor terms =
      ratio == Ratio::kIou
          ? both / together.masked_fill(off | (together == 0), 1)
          : together /
                (both + options.intersection_epsilon).masked_fill(off, 1);
  at::Tensor values = terms.masked_fill(off, 0).sum(1);  // of the groups
  const at::Tensor count = counted.sum(1);
  if (options.scale == ExpectedIouScale::kMeanOfCounted) {
    values = values / count.clamp_min(1);
  } else if (options.scale == ExpectedIouScale::kMeanOfAll) {
    values = values / classes;
  }
  const at::Tensor value = values.sum() / (count > 0).sum().clamp_min(1);
  return {value.to(scores.scalar_type()), count.sum(),
          (off & (true_mass > 0)).sum(),
          ((p < options.prediction_floor) & (t > 0)).sum()};
}

ExpectedIouResult Fused(const at::Tensor& scores, const at::Tensor& target,
                        Ratio ratio, const ExpectedIouOptions& options) {
  Check(scores, target, ratio, options);
  if (!scores.is_cpu()) return Composed(scores, target, ratio, options);
  if (scores.sym_numel() == 0) return Nothing(scores);
  const variable_list result = RatioFunction::apply(
      scores.contiguous(), target.detach().contiguous(), ratio, options);
  return {result[0], result[1][0], result[1][1], result[1][2]};
}

// The operators: value, counted, skipped, raised. Enumerations by their
// numbers; a composition, whose parts have kernels.
using Parts = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

template <Ratio kRatio>
Parts Operator(const at::Tensor& scores, const at::Tensor& target, int64_t sums,
               int64_t classes, double min_target_mass, int64_t scale,
               int64_t cell, double prediction_floor,
               double intersection_epsilon) {
  TORCH_CHECK(sums >= 0 && sums <= 1 && classes >= 0 && classes <= 1 &&
                  scale >= 0 && scale <= 2 && cell >= 0 && cell <= 1,
              Name(kRatio),
              ": sums, classes, scale and cell must be in 0..1, "
              "0..1, 0..2 and 0..1, got ",
              sums, ", ", classes, ", ", scale, " and ", cell);
  const ExpectedIouResult result = Fused(
      scores, target, kRatio,
      {static_cast<ExpectedIouSums>(sums),
       static_cast<ExpectedIouClasses>(classes), min_target_mass,
       static_cast<ExpectedIouScale>(scale), static_cast<ExpectedIouCell>(cell),
       prediction_floor, intersection_epsilon});
  return {result.value, result.counted, result.skipped, result.raised};
}

template <Ratio kRatio>
Parts CallOperator(const at::Tensor& scores, const at::Tensor& target,
                   int64_t sums, int64_t classes, double min_target_mass,
                   int64_t scale, int64_t cell, double prediction_floor,
                   double intersection_epsilon) {
  static const auto op = FindOperator<decltype(Operator<kRatio>)>(
      kRatio == Ratio::kIou ? "expected_iou" : "expected_uoi");
  return op.call(scores, target, sums, classes, min_target_mass, scale, cell,
                 prediction_floor, intersection_epsilon);
}

template <Ratio kRatio>
ExpectedIouResult Call(const at::Tensor& scores, const at::Tensor& target,
                       const ExpectedIouOptions& options) {
  auto [value, counted, skipped, raised] = CallOperator<kRatio>(
      scores, target, static_cast<int64_t>(options.sums),
      static_cast<int64_t>(options.classes), options.min_target_mass,
      static_cast<int64_t>(options.scale), static_cast<int64_t>(options.cell),
      options.prediction_floor, options.intersection_epsilon);
  return {value, counted, skipped, raised};
}

}  // namespace

ExpectedIouResult ExpectedIou(const at::Tensor& scores,
                              const at::Tensor& target,
                              const ExpectedIouOptions& options) {
  return Call<Ratio::kIou>(scores, target, options);
}

ExpectedIouResult ExpectedUoi(const at::Tensor& scores,
                              const at::Tensor& target,
                              const ExpectedIouOptions& options) {
  return Call<Ratio::kUoi>(scores, target, options);
}

ExpectedIouResult ExpectedIouComposed(const at::Tensor& scores,
                                      const at::Tensor& target,
                                      const ExpectedIouOptions& options) {
  return Composed(scores, target, Ratio::kIou, options);
}

ExpectedIouResult ExpectedUoiComposed(const at::Tensor& scores,
                                      const at::Tensor& target,
                                      const ExpectedIouOptions& options) {
  return Composed(scores, target, Ratio::kUoi, options);
}

ExpectedIouResult ExpectedIouMix(const at::Tensor& scores,
                                 const at::Tensor& target,
                                 const ExpectedIouMixOptions& options) {
  const bool is_uoi = options.term == ExpectedIouTerm::kUoi;
  ExpectedIouResult result = is_uoi
                                 ? ExpectedUoi(scores, target, options.overlap)
                                 : ExpectedIou(scores, target, options.overlap);
  const Weighted cells = Weigh(target, options.overlap.cell);
  at::Tensor cross_entropy = SoftCrossEntropySum(scores, cells.target);
  if (options.cross_entropy == CrossEntropyReduction::kMean) {
    const at::Tensor weight = cells.weight.sum();
    cross_entropy = cross_entropy / weight.masked_fill(weight == 0, 1);
  }
  result.value =
      (is_uoi ? options.term_weight : -options.term_weight) * result.value +
      options.cross_entropy_weight * cross_entropy;
  return result;
}

#define SEG_EXPECTED_IOU_PARAMETERS                                  \
  "(Tensor scores, Tensor target, int sums=0, int classes=0, float " \
  "min_target_mass=0., int scale=0, int cell=0, float "              \
  "prediction_floor=1e-08, "                                         \
  "float intersection_epsilon=0.) -> (Tensor, Tensor, Tensor, Tensor)"

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def("expected_iou" SEG_EXPECTED_IOU_PARAMETERS,
        TORCH_FN(Operator<Ratio::kIou>));
  m.def("expected_uoi" SEG_EXPECTED_IOU_PARAMETERS,
        TORCH_FN(Operator<Ratio::kUoi>));
  m.def(
      "expected_iou_forward(Tensor scores, Tensor target, bool is_iou, bool "
      "sums_of_images, int classes, float min_target_mass, int scale, bool "
      "whole_cells, float prediction_floor, float intersection_epsilon) -> "
      "(Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "expected_iou_backward(Tensor g, Tensor p, Tensor target, Tensor slopes, "
      "bool whole_cells, float prediction_floor) -> Tensor");
  AutocastToFloat<&CallOperator<Ratio::kIou>>(&m, "expected_iou");
  AutocastToFloat<&CallOperator<Ratio::kUoi>>(&m, "expected_uoi");
}

TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("expected_iou_forward", TORCH_FN(ForwardCpu));
  m.impl("expected_iou_backward", TORCH_FN(BackwardCpu));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("expected_iou_forward", TORCH_FN(ForwardMeta));
  m.impl("expected_iou_backward", TORCH_FN(BackwardMeta));
}

}  // namespace seg
