#include "common/reproduction/verdict.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace seg {
namespace {

constexpr size_t kFewestSeeds = 3;

}  // namespace

std::string VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHeld:
      return "held";
    case Verdict::kNotHeld:
      return "not held";
    case Verdict::kUndecided:
      return "undecided";
  }
  return "";
}

absl::StatusOr<Verdict> ParseVerdict(const std::string& name) {
  for (Verdict v : {Verdict::kHeld, Verdict::kNotHeld, Verdict::kUndecided}) {
    if (name == VerdictName(v)) return v;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("expected held, not held or undecided, got '", name, "'"));
}

MeanSd ComputeMeanSd(const std::vector<double>& values) {
  MeanSd out;
  if (values.empty()) {
    out.mean = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  double sum = 0;
  for (double v : values) sum += v;
  out.mean = sum / values.size();
  if (values.size() < 2) return out;
  double squares = 0;
  for (double v : values) squares += (v - out.mean) * (v - out.mean);
  out.sd = std::sqrt(squares / (values.size() - 1));
  return out;
}

PairedResult JudgeDifferences(const std::vector<double>& differences) {
  PairedResult out;
  out.differences = differences;
  const MeanSd moments = ComputeMeanSd(differences);
  out.mean = moments.mean;
  out.sd = moments.sd;
  if (differences.size() < kFewestSeeds || !std::isfinite(out.mean) ||
      !std::isfinite(out.sd)) {
    return out;
  }
  const double bound = 2 * out.sd / std::sqrt(double(differences.size()));
  const auto all = [&](bool (*test)(double)) {
    return std::all_of(differences.begin(), differences.end(), test);
  };
  if (all([](double d) { return d > 0; }) && out.mean > bound) {
    out.verdict = Verdict::kHeld;
  } else if (all([](double d) { return d < 0; }) && out.mean < -bound) {
    out.verdict = Verdict::kNotHeld;
  }
  return out;
}

}  // namespace seg
