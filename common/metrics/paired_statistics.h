// Paired comparison of two methods over seeds: the rule behind each "held / not
// held / undecided" of a reproduction table.

#ifndef COMMON_METRICS_PAIRED_STATISTICS_H_
#define COMMON_METRICS_PAIRED_STATISTICS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace seg {

double Mean(const std::vector<double>& values);  // NaN if empty

// Sample standard deviation (n - 1); NaN for fewer than two values.
double StandardDeviation(const std::vector<double>& values);

enum class Verdict { kHeld, kNotHeld, kUndecided };

// "held", "not held", "undecided".
std::string ToString(Verdict verdict);

struct PairedComparison {
  int64_t n = 0;
  double mean = 0.0;                // of the differences
  double standard_deviation = 0.0;  // sample; NaN for n < 2
  double threshold = 0.0;           // 2 SD / sqrt(n); NaN for n < 2
  Verdict verdict = Verdict::kUndecided;
};

// differences[i]: score of A minus score of B with seed i, for the claim "A is
// better than B" (greater is better).
//   held:      n >= 3, all differences > 0, and  mean > 2 SD / sqrt(n)
//   not held:  n >= 3, all differences < 0, and -mean > 2 SD / sqrt(n)
//   undecided: everything else, in particular a zero, a NaN or an infinity.
PairedComparison ComparePaired(const std::vector<double>& differences);

}  // namespace seg

#endif  // COMMON_METRICS_PAIRED_STATISTICS_H_
