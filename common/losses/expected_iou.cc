#include "common/losses/expected_iou.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/losses/expected_iou_cpu.h"
#include "common/losses/expected_iou_ops.h"
#include "common/losses/soft_cross_entropy.h"

namespace seg {
namespace {

using expected_iou::Backward;
using expected_iou::CheckShare;
using expected_iou::Forward;
using expected_iou::ForwardResult;
using expected_iou::Name;
using expected_iou::Ratio;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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

class RatioFunction : public torch::autograd::Function<RatioFunction> {
 public:
  // scores and target: contiguous, not empty, on a CPU. Returns the value and
  // the counts, [3].
  static variable_list forward(AutogradContext* context,
                               const at::Tensor& scores,
                               const at::Tensor& target, Ratio ratio,
                               const ExpectedIouOptions& options) {
    const ForwardResult result = Forward(scores, target, ratio, options);
    context->save_for_backward({scores, result.p, target, result.slopes});
    context->saved_data["floor"] = options.prediction_floor;
    context->saved_data["whole_cells"] =
        options.cell == ExpectedIouCell::kWhole;
    context->saved_data["is_iou"] = ratio == Ratio::kIou;
    context->mark_non_differentiable({result.counts});
    return {result.value, result.counts};
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    ExpectedIouOptions options;
    options.prediction_floor = context->saved_data["floor"].toDouble();
    options.cell = context->saved_data["whole_cells"].toBool()
                       ? ExpectedIouCell::kWhole
                       : ExpectedIouCell::kValidShare;
    ForwardResult result;
    result.p = saved[1];
    result.slopes = saved[3];
    variable_list gradient(4);
    {
      const at::NoGradGuard no_grad;
      gradient[0] = Backward(gradients[0], result, saved[2], options);
    }
    const Ratio ratio =
        context->saved_data["is_iou"].toBool() ? Ratio::kIou : Ratio::kUoi;
    RefuseSecondDerivatives(Name(ratio), {gradients[0], saved[0]}, &gradient);
    return gradient;
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
  AutocastToFloat<&CallOperator<Ratio::kIou>>(&m, "expected_iou");
  AutocastToFloat<&CallOperator<Ratio::kUoi>>(&m, "expected_uoi");
}

}  // namespace seg
