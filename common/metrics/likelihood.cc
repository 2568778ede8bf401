#include "common/metrics/likelihood.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace seg {

LikelihoodEstimate EstimateLogLikelihood(absl::Span<const double> log_weights) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  TORCH_CHECK(!log_weights.empty(),
              "EstimateLogLikelihood: needs at least one sample, got none");
  for (double value : log_weights) {
    TORCH_CHECK(value < kInfinity,  // false for NaN too
                "EstimateLogLikelihood: log-weights must be finite or "
                "-infinity, got ",
                value);
  }
  const double count = static_cast<double>(log_weights.size());
  LikelihoodEstimate estimate;
  estimate.samples = static_cast<int64_t>(log_weights.size());
  const double largest =
      *std::max_element(log_weights.begin(), log_weights.end());
  if (largest == -kInfinity) {
    estimate.log_likelihood = -kInfinity;
    estimate.standard_error = kNan;
    return estimate;
  }
  // Weights over the largest: no overflow, and one of them is 1.
  double sum = 0.0, squares = 0.0;
  for (double value : log_weights) {
    const double weight = std::exp(value - largest);
    sum += weight;
    squares += weight * weight;
  }
  const double mean = sum / count;
  double deviations = 0.0;
  for (double value : log_weights) {
    const double deviation = std::exp(value - largest) - mean;
    deviations += deviation * deviation;
  }
  estimate.log_likelihood = largest + std::log(mean);
  estimate.effective_samples = sum * sum / squares;
  estimate.standard_error =
      log_weights.size() < 2
          ? kNan
          : std::sqrt(deviations / (count - 1.0) / count) / mean;
  return estimate;
}

}  // namespace seg
