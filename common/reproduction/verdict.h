// Verdicts on claims, as the ledger records them. The rule itself is
// ComparePaired of common/metrics/paired_statistics.h: n >= 3 differences (one
// a seed, positive in favour of the claim), all of one sign, and a mean beyond
// 2 SD / sqrt(n). (With n = 3 this is a screen, not a test at 5 %: t = 2 at two
// degrees of freedom leaves 9 % one-sided.)
#ifndef COMMON_REPRODUCTION_VERDICT_H_
#define COMMON_REPRODUCTION_VERDICT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/metrics/paired_statistics.h"

namespace seg {

// The inverse of ToString(Verdict); an error names what is allowed.
absl::StatusOr<Verdict> ParseVerdict(const std::string& name);

struct MeanSd {
  double mean = 0;  // NaN for no value
  double sd = 0;    // 0 for fewer than two: files hold finite numbers only
};
MeanSd ComputeMeanSd(const std::vector<double>& values);

// Differences with what follows from them.
struct PairedResult {
  std::vector<double> differences;
  double mean = 0;  // as in MeanSd
  double sd = 0;
  Verdict verdict = Verdict::kUndecided;
};
PairedResult JudgeDifferences(const std::vector<double>& differences);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_VERDICT_H_
