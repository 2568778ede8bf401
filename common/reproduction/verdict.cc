#include "common/reproduction/verdict.h"

#include "absl/strings/str_cat.h"

namespace seg {

absl::StatusOr<Verdict> ParseVerdict(const std::string& name) {
  for (Verdict v : {Verdict::kHeld, Verdict::kNotHeld, Verdict::kUndecided}) {
    if (name == ToString(v)) return v;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("expected held, not held or undecided, got '", name, "'"));
}

MeanSd ComputeMeanSd(const std::vector<double>& values) {
  MeanSd out;
  out.mean = Mean(values);
  if (values.size() > 1) out.sd = StandardDeviation(values);
  return out;
}

PairedResult JudgeDifferences(const std::vector<double>& differences) {
  const MeanSd moments = ComputeMeanSd(differences);
  PairedResult out;
  out.differences = differences;
  out.mean = moments.mean;
  out.sd = moments.sd;
  out.verdict = ComparePaired(differences).verdict;
  return out;
}

}  // namespace seg
