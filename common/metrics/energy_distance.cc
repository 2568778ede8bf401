#include "common/metrics/energy_distance.h"

#include <ATen/ATen.h>

#include <cmath>

namespace seg {
namespace {

void CheckMaps(const char* name, const at::Tensor& maps,
               const EnergyDistanceOptions& options) {
  TORCH_CHECK(maps.dim() == 3, "EnergyDistance: ", name,
              " must be [maps, H, W], got sizes ", maps.sizes());
  TORCH_CHECK(
      maps.scalar_type() == at::kLong || maps.scalar_type() == at::kByte,
      "EnergyDistance: ", name, " must be int64 or uint8, got ",
      maps.scalar_type());
  TORCH_CHECK(maps.size(0) >= 1, "EnergyDistance: ", name, " has no maps");
  const at::Tensor outside =
      (maps != options.ignore_label)
          .logical_and_((maps < 0).logical_or_(maps >= options.num_classes));
  if (outside.any().item<bool>()) {
    TORCH_CHECK(false, "EnergyDistance: ", name, " has label ",
                maps.masked_select(outside)[0].item<int64_t>(),
                ", which is neither in 0..", options.num_classes - 1,
                " nor the ignore label ", options.ignore_label);
  }
}

// [maps, pixels], 1 where `maps` is so. Counts up to 2^24 pixels are exact in
// float; the sums of products run over pixels, so larger images take double.
at::Tensor Indicator(const at::Tensor& is) {
  const at::Tensor flat = is.flatten(1);
  return flat.to(flat.size(1) < (1 << 24) ? at::kFloat : at::kDouble);
}

}  // namespace

at::Tensor IouDistances(const at::Tensor& a, const at::Tensor& b,
                        const EnergyDistanceOptions& options) {
  TORCH_CHECK(
      options.first_class >= 0 && options.first_class < options.num_classes,
      "EnergyDistance: first_class must be in 0..", options.num_classes - 1,
      ", got ", options.first_class);
  CheckMaps("the first set", a, options);
  CheckMaps("the second set", b, options);
  TORCH_CHECK(a.size(1) == b.size(1) && a.size(2) == b.size(2),
              "EnergyDistance: maps must have one size, got ", a.size(1), " x ",
              a.size(2), " and ", b.size(1), " x ", b.size(2));
  const at::Tensor valid_a = Indicator(a != options.ignore_label);
  const at::Tensor valid_b = Indicator(b != options.ignore_label);
  at::Tensor sum =
      at::zeros({a.size(0), b.size(0)}, a.options().dtype(at::kDouble));
  at::Tensor classes = at::zeros_like(sum);
  for (int64_t c = options.first_class; c < options.num_classes; ++c) {
    const at::Tensor in_a = Indicator(a == c), in_b = Indicator(b == c);
    const at::Tensor both = in_a.mm(in_b.t()).to(at::kDouble);
    const at::Tensor either = in_a.mm(valid_b.t()).to(at::kDouble) +
                              valid_a.mm(in_b.t()).to(at::kDouble) - both;
    sum += both / either.clamp_min(1.0);  // 0 / 1 where neither has the class
    classes += (either > 0).to(at::kDouble);
  }
  return at::where(classes > 0, 1.0 - sum / classes.clamp_min(1.0),
                   at::zeros_like(sum));
}

EnergyDistance GeneralizedEnergyDistance(const at::Tensor& samples,
                                         const at::Tensor& truths,
                                         const EnergyDistanceOptions& options) {
  const at::Tensor cross = IouDistances(samples, truths, options).cpu();
  const int64_t num_truths = truths.size(0);
  TORCH_CHECK(
      options.truth_weights.empty() ||
          static_cast<int64_t>(options.truth_weights.size()) == num_truths,
      "EnergyDistance: truth_weights must be one for each of ", num_truths,
      " truths, got ", options.truth_weights.size());
  double total = 0.0;
  for (double weight : options.truth_weights) {
    TORCH_CHECK(weight >= 0.0 && std::isfinite(weight),
                "EnergyDistance: truth_weights must be finite and not "
                "negative, got ",
                weight);
    total += weight;
  }
  TORCH_CHECK(options.truth_weights.empty() || total > 0.0,
              "EnergyDistance: truth_weights must not all be zero");
  const at::Tensor weights =
      options.truth_weights.empty()
          ? at::full({num_truths}, 1.0 / static_cast<double>(num_truths),
                     at::kDouble)
          : at::tensor(options.truth_weights, at::kDouble) / total;

  EnergyDistance result;
  result.samples_truths = cross.mean(0).dot(weights).item<double>();
  result.samples =
      IouDistances(samples, samples, options).mean().item<double>();
  result.truths = IouDistances(truths, truths, options)
                      .cpu()
                      .mv(weights)
                      .dot(weights)
                      .item<double>();
  result.squared = 2.0 * result.samples_truths - result.samples - result.truths;
  return result;
}

}  // namespace seg
