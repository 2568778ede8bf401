#include "common/metrics/paired_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace seg {

double Mean(const std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0.0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double StandardDeviation(const std::vector<double>& values) {
  if (values.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const double mean = Mean(values);
  double sum = 0.0;
  for (double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

std::string ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHeld:
      return "held";
    case Verdict::kNotHeld:
      return "not held";
    case Verdict::kUndecided:
      break;
  }
  return "undecided";
}

PairedComparison ComparePaired(const std::vector<double>& differences) {
  PairedComparison result;
  result.n = static_cast<int64_t>(differences.size());
  result.mean = Mean(differences);
  result.standard_deviation = StandardDeviation(differences);
  result.threshold = 2.0 * result.standard_deviation /
                     std::sqrt(static_cast<double>(differences.size()));
  const auto all = [&differences](int sign) {
    return std::all_of(
        differences.begin(), differences.end(),
        [sign](double d) { return std::isfinite(d) && sign * d > 0.0; });
  };
  if (result.n < 3 || !(std::abs(result.mean) > result.threshold)) {
    return result;
  }
  if (all(1)) result.verdict = Verdict::kHeld;
  if (all(-1)) result.verdict = Verdict::kNotHeld;
  return result;
}

}  // namespace seg
