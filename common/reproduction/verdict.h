// The rule by which a claim "a beats b" is held, not held or undecided.
//
// From paired differences d_1..d_n (one a seed, positive in favour of the
// claim), n >= 3: held when all are positive and mean > 2 SD / sqrt(n), not
// held when all are negative and mean < -2 SD / sqrt(n), else undecided. SD
// has n - 1 in its denominator. Fewer than three differences, or one that is
// not finite, are undecided. (With n = 3 the rule is a screen, not a test at
// 5 %: t = 2 at two degrees of freedom leaves about 9 % one-sided; the sign
// condition alone leaves 1/4 two-sided under chance.)
#ifndef COMMON_REPRODUCTION_VERDICT_H_
#define COMMON_REPRODUCTION_VERDICT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace seg {

enum class Verdict { kHeld, kNotHeld, kUndecided };

// "held", "not held", "undecided".
std::string VerdictName(Verdict verdict);
// The inverse; an error names what is allowed.
absl::StatusOr<Verdict> ParseVerdict(const std::string& name);

struct PairedResult {
  std::vector<double> differences;
  double mean = 0;  // NaN for n = 0
  double sd = 0;    // 0 for n < 2
  Verdict verdict = Verdict::kUndecided;
};

PairedResult JudgeDifferences(const std::vector<double>& differences);

struct MeanSd {
  double mean = 0, sd = 0;
};
// Mean (NaN for none) and standard deviation (0 for fewer than two).
MeanSd ComputeMeanSd(const std::vector<double>& values);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_VERDICT_H_
