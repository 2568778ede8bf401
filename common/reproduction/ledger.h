// PAPER/reported.yaml, written by hand: every number that a paper reports
// (rows) and every qualitative statement (claims). What was measured here is in
// results.h, what follows from the two in claims.h.
//
//   paper: crfgrad
//   rows:
//     - id: weizmann/full          # [a-z0-9_/.-]+, unique
//       table: Table 1
//       dataset: Weizmann Horse, test (128 images)
//       method: FCN-8s + full
//       metric: mean IoU
//       unit: "%"
//       direction: higher          # or lower: which is better
//       value: 84.0                # as printed
//       recalled: false            # optional: from memory, to be checked
//       reason: needs a GPU        # where there is no result, see below
//   claims:
//     - id: learned_beats_gaussian
//       text: Arbitrary filters beat fixed Gaussians.
//       source: Table 1, Sec. 6.1
//       better: weizmann/full            # either a pair of rows,
//       worse: weizmann/full_gaussian
//       metric: /metrics/mean_iou        # optional: of the runs, instead of
//       direction: higher                #   the rows' own metric
//     - id: beats_further_layers
//       text: ...
//       source: Sec. 4
//       better_experiment: three_way     # or a pair of experiments, names of
//       worse_experiment: convolution    #   protocol.yaml, on one data set
//       metric: /metrics/mean_iou
//       scale: 100                       # optional: differences in points
//       direction: higher
//     - id: energy_falls_early
//       text: ...
//       source: Fig. 6
//       statistic:                       # or a number of each run,
//         row: weizmann/full
//         metric: /metrics/energy_share_after_2
//         above: 0.5                     # above or below a bound of ours
//                                        # (instead of row: experiments: [..],
//                                        # names of protocol.yaml)
//       verdicts:                        # optional, by hand
//         - data: weizmann_horse
//           verdict: held                # held | not held | undecided
//           measured_by: results         # default; or reproduction_test:
//                                        # by a test that is always run
//           tried: what was tried where the verdict is against the paper
//     - id: cityscapes_better
//       ...
//       reason: "data not obtainable: ..."   # a claim nothing was measured for
//
// A reason starts with "data not obtainable" or "needs a GPU"; nothing else
// counts. A claim that neither a pair nor a statistic can express (filter
// shapes, pictures) may state `reason: "judged by eye: ..."` instead.
//
// Keys not listed here are errors; so are duplicate keys and ids, and YAML
// aliases. Errors name file, row (or line, where it is no YAML), key, what was
// expected and the remedy.
// Parsing is linear in the size of the file.
#ifndef COMMON_REPRODUCTION_LEDGER_H_
#define COMMON_REPRODUCTION_LEDGER_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reproduction/verdict.h"

namespace seg {

struct ReportedRow {
  std::string id, table, dataset, method, metric, unit;
  bool higher_is_better = true;
  double value = 0;
  int decimals = 0;  // digits after the point: the most of its table and metric
  bool recalled = false;
  std::string reason;  // empty: a result is expected
};

struct RecordedVerdict {
  std::string data;
  Verdict verdict = Verdict::kUndecided;
  bool measured_by_test = false;  // measured_by: reproduction_test
  std::string tried;
};

// What a claim compares. A metric is a JSON pointer into each run's evaluation.
struct RowPair {  // two reported rows
  std::string better, worse;
  std::string metric;  // empty: the rows' own metric and direction
  bool higher_is_better = true;
};
struct ExperimentPair {  // two experiments of protocol.yaml
  std::string better, worse;
  std::string metric;
  double scale = 1;  // of the differences
  bool higher_is_better = true;
};
struct Statistic {  // a number of each run against a bound of ours
  std::string row;  // of the runs that answer it; empty: those of `experiments`
  std::vector<std::string> experiments;
  std::string metric;
  double bound = 0;
  bool above = true;  // false: below
};

struct Claim {
  std::string id, text, source;
  // monostate: nothing that runs could be compared by.
  std::variant<std::monostate, RowPair, ExperimentPair, Statistic> comparison;
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

absl::StatusOr<Ledger> ParseLedger(const std::string& yaml,
                                   const std::string& file);
absl::StatusOr<Ledger> ReadLedger(const std::string& path);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_LEDGER_H_
