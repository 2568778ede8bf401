// What follows from reported claims and measured results: verdicts, recorded in
// PAPER/results/verdicts.json by //tools:reproduce, and whether everything on
// record fits together.
#ifndef COMMON_REPRODUCTION_CLAIMS_H_
#define COMMON_REPRODUCTION_CLAIMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/results.h"
#include "common/reproduction/verdict.h"

namespace seg {

// A verdict that follows from results.
struct ClaimVerdict {
  std::string claim, data;
  std::vector<int64_t> seeds;
  PairedResult statistics;  // differences: better - worse, or value - bound,
                            // positive in favour of the claim
};

// The verdicts that the results allow, ordered as the claims, then by data. A
// claim on a pair needs both rows measured on the same data by the same seeds;
// seeds that only one has are left out. A claim whose number no run has printed
// gets no verdict; one that only some runs have is an error.
absl::StatusOr<std::vector<ClaimVerdict>> ComputeVerdicts(
    const Ledger& ledger, const std::vector<ExperimentResult>& results);

std::string FormatVerdicts(const std::vector<ClaimVerdict>& verdicts);
absl::StatusOr<std::vector<ClaimVerdict>> ParseVerdicts(
    const std::string& json, const std::string& file);
// None where the file does not exist.
absl::StatusOr<std::vector<ClaimVerdict>> ReadVerdicts(
    const std::string& folder);

// Everything that is wrong with a ledger and its results, one line each; none
// means consistent:
//   a row with neither result nor reason, or with both;
//   a result that answers an unknown row, or two results for one row;
//   a mean, sd or n that does not follow from the runs;
//   a claim with neither verdict nor reason; a pair whose reported numbers
//   say the opposite of the claim;
//   a verdict in verdicts.json or reported.yaml that the results contradict,
//   or that has no results behind it;
//   a verdict "not held" without `tried`.
std::vector<std::string> CheckConsistency(
    const Ledger& ledger, const std::vector<ExperimentResult>& results,
    const std::vector<ClaimVerdict>& verdicts);

// For a reproduction test that measured `now` anew: an error when it
// contradicts a verdict on record (by hand, or in `verdicts`), or when none is
// on record.
//   Three differences or more have a verdict of their own: held contradicts not
//   held, and the other way round.
//   One or two have none. They contradict "held" when none of them is above
//   zero, and "not held" when none is below: a verdict on record means that
//   every seed had that sign.
//   Nothing contradicts "undecided".
absl::Status CheckNewVerdict(const Ledger& ledger,
                             const std::vector<ClaimVerdict>& verdicts,
                             const std::string& claim, const std::string& data,
                             const PairedResult& now);

// The same with the ledger and the verdicts on record of the paper in a folder.
absl::Status CheckNewVerdict(const std::string& paper_dir,
                             const std::string& claim, const std::string& data,
                             const std::vector<double>& differences);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_CLAIMS_H_
