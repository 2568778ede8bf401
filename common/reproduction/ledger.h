// The ledger of a paper: what it reports, what was measured here, and what
// follows from the two.
//
//   PAPER/reported.yaml    written by hand: every reported number (rows) and
//                          every qualitative statement (claims)
//   PAPER/results/*.json   written by //tools:reproduce: one file an experiment
//   PAPER/results/verdicts.json  written by //tools:reproduce: the verdicts
//
// reported.yaml:
//   paper: crfgrad
//   rows:
//     - id: weizmann/full          # [a-z0-9_/.-]+, unique
//       table: Table 1
//       dataset: Weizmann Horse, test (128 images)
//       method: FCN-8s + full
//       metric: mean IoU
//       unit: "%"
//       direction: higher          # or lower: which is better
//       value: 84.0                # as printed; its decimals are kept
//       recalled: false            # optional: written from memory, to be
//       checked reason: needs a GPU        # where there is no result, see
//       below
//   claims:
//     - id: learned_beats_gaussian
//       text: Arbitrary filters beat fixed Gaussians.
//       source: Table 1, Sec. 6.1
//       better: weizmann/full            # either a pair of rows,
//       worse: weizmann/full_gaussian
//       metric: /metrics/mean_iou        # optional: of the runs, instead of
//       direction: higher                #   the rows' own metric
//     - id: energy_falls_early
//       text: ...
//       source: Fig. 6
//       statistic:                       # or a number of each run,
//         row: weizmann/full
//         metric: /metrics/energy_share_after_2
//         above: 0.5                     # above or below a bound of ours
//       verdicts:                        # optional, by hand
//         - data: weizmann_horse
//           verdict: held                # held | not held | undecided
//           measured_by: results         # or reproduction_test; default
//           results tried: what was tried where the verdict is against the
//           paper
//     - id: cityscapes_better
//       ...
//       reason: "data not obtainable: ..."   # a claim nothing was measured for
//
// A reason starts with "data not obtainable" or "needs a GPU"; nothing else
// counts. A claim that neither a pair nor a statistic can express (filter
// shapes, pictures) may state `reason: "judged by eye: ..."` instead.
//
// Keys not listed here are errors; so are duplicate keys and ids, and YAML
// aliases. Errors name file, line, row, key, what was expected and the remedy.
// Parsing is linear in the size of the file.
#ifndef COMMON_REPRODUCTION_LEDGER_H_
#define COMMON_REPRODUCTION_LEDGER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reproduction/verdict.h"
#include "nlohmann/json.hpp"

namespace seg {

struct ReportedRow {
  std::string id, table, dataset, method, metric, unit;
  bool higher_is_better = true;
  double value = 0;
  int decimals = 0;  // digits after the point as printed in the paper
  bool recalled = false;
  std::string reason;  // empty: a result is expected
};

struct RecordedVerdict {
  std::string data;
  Verdict verdict = Verdict::kUndecided;
  bool measured_by_test = false;  // measured_by: reproduction_test
  std::string tried;
};

struct Claim {
  std::string id, text, source;
  // A pair of rows; empty where the claim is about a statistic.
  std::string better, worse;
  // The statistic's row, pointer and bound; `metric` and `direction` also
  // serve a pair (empty: the rows' own metric and direction).
  std::string row, metric;
  bool higher_is_better = true;
  double bound = 0;
  bool has_bound = false;  // true: a statistic
  std::vector<RecordedVerdict> verdicts;
  std::string reason;
};

struct Ledger {
  std::string paper;
  std::string file;  // for messages
  std::vector<ReportedRow> rows;
  std::vector<Claim> claims;

  const ReportedRow* FindRow(const std::string& id) const;  // null: none
  const Claim* FindClaim(const std::string& id) const;
};

// A measured number for one reported row.
struct Answer {
  std::string row;
  std::string metric;          // JSON pointer into the output of eval --json
  double scale = 1;            // eval's number times this is in the row's unit
  std::vector<double> values;  // one a run, in the order of the runs
  double mean = 0, sd = 0;     // sd: n - 1 in the denominator, 0 for n = 1
};

struct Hardware {
  std::string cpu;
  int64_t cores = 0;
  std::string gpu = "none";
};

// One seed of one experiment.
struct MeasuredRun {
  int64_t seed = 0;
  nlohmann::json eval;  // what eval --json printed, whole
  double train_seconds = 0, eval_seconds = 0;
  int64_t interruptions = 0;  // times that training was taken up again
  std::string commit;
  bool dirty = false;  // the tree had changes that no commit holds
  std::string date;    // UTC, 2026-01-31T12:00:00Z
  std::string device;  // "cpu", "cuda:0"
  Hardware hardware;
  std::string train_fingerprint, eval_fingerprint;  // see tools/reproduce
};

struct ExperimentResult {
  std::string experiment;
  std::string file;  // for messages
  std::string data;  // the data set really used
  std::string split;
  std::string config;  // path inside the paper's folder
  std::vector<std::string> overrides, eval_overrides;
  std::vector<Answer> answers;
  // Measured on other data than the row's: shown, used for claims on that
  // data, and no answer to the row.
  std::vector<Answer> stands_in_for;
  std::vector<MeasuredRun> runs;  // sorted by seed
};

absl::StatusOr<Ledger> ParseLedger(const std::string& yaml,
                                   const std::string& file);
absl::StatusOr<Ledger> ReadLedger(const std::string& path);

absl::StatusOr<ExperimentResult> ParseResult(const std::string& json,
                                             const std::string& file);
// The same content always gives the same bytes.
std::string FormatResult(const ExperimentResult& result);
// All results in a folder, sorted by experiment; verdicts.json is passed over.
// A folder that does not exist holds none.
absl::StatusOr<std::vector<ExperimentResult>> ReadResults(
    const std::string& folder);

// Fills values, mean and sd of every answer from the runs. Error: a run
// without that number.
absl::Status FillAnswers(ExperimentResult* result);

// A verdict that follows from results.
struct ClaimVerdict {
  std::string claim, data;
  std::vector<int64_t> seeds;
  PairedResult statistics;  // differences: better - worse, or value - bound,
                            // positive in favour of the claim
};

// The verdicts that the results allow, ordered as the claims, then by data. A
// claim on a pair needs both rows measured on the same data by the same seeds;
// seeds that only one has are left out.
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

// For a reproduction test that measured `now` anew: an error when the verdict
// on record (by hand, or in `verdicts`) is held and the new one not held, or
// the other way round, or when nothing is on record.
absl::Status CheckNewVerdict(const Ledger& ledger,
                             const std::vector<ClaimVerdict>& verdicts,
                             const std::string& claim, const std::string& data,
                             const PairedResult& now);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_LEDGER_H_
