// A small paper for the tests of the renderers: two rows measured on their own
// data, two on none, a claim of each kind.
#ifndef COMMON_REPRODUCTION_DEMO_PAPER_H_
#define COMMON_REPRODUCTION_DEMO_PAPER_H_

#include <string>
#include <utility>
#include <vector>

#include "common/reproduction/paper_record.h"

namespace seg {

constexpr char kDemoLedger[] = R"(
paper: demo
rows:
  - {id: a, table: Table 1, dataset: Set, method: A | one, metric: mean IoU,
     unit: "%", direction: higher, value: 80.0}
  - {id: b, table: Table 1, dataset: Set, method: B, metric: mean IoU,
     unit: "%", direction: higher, value: 70.0}
  - {id: c, table: Table 2, dataset: Far, method: C, metric: IoU cat,
     unit: "%", direction: higher, value: 60.65, reason: needs a GPU}
  - {id: d, table: Table 2, dataset: Far, method: C, metric: IoU dog,
     unit: "%", direction: higher, value: 50, reason: needs a GPU}
claims:
  - {id: pair, text: A beats B., source: Table 1, better: a, worse: b}
  - {id: eye, text: Pretty., source: Fig. 1, reason: "judged by eye: filters"}
)";

constexpr char kDemoProtocol[] = R"(
paper: demo
metrics:
  mean IoU: {key: /m}
summary:
  experiments: [a, b]
  baseline: b
  columns:
    - {name: mean IoU (%), key: /m}
tables:
  - baseline: b
    columns:
      - {name: mean IoU (%), key: /m}
      - {name: ms, key: /ms, scale: 1000, decimals: 0}
experiments:
  - {name: b, title: B | two, config: c.yaml, seeds: [0, 1, 2],
     data: set (split of ours), answers: [b]}
  - {name: a, title: A, config: c.yaml, seeds: [0, 1, 2],
     data: set (split of ours), answers: [a]}
  - {name: hidden, config: c.yaml, seeds: [0], data: set (split of ours)}
)";

inline ExperimentResult DemoResult(const std::string& row,
                                   const std::vector<double>& values) {
  ExperimentResult result;
  result.experiment = row;
  result.data = "set (split of ours)";
  result.split = "test";
  result.config = "c.yaml";
  Answer answer;
  answer.row = row;
  answer.metric = "/m";
  result.answers = {answer};
  for (size_t i = 0; i < values.size(); ++i) {
    MeasuredRun run;
    run.seed = i;
    run.eval = {{"m", values[i]}};
    if (row == "a") run.eval["ms"] = 0.007;
    run.commit = run.train_commit = "abc";
    run.date = "2026-01-31T12:00:00Z";
    run.device = "cpu";
    run.hardware = {"CPU", 2, "none"};
    run.train_fingerprint = run.eval_fingerprint = "f";
    result.runs.push_back(run);
  }
  FillAnswers(&result).IgnoreError();  // each run has the number
  return result;
}

// A result on other data than the row's.
inline ExperimentResult DemoStandIn(const std::string& row,
                                    const std::string& data,
                                    const std::vector<double>& values) {
  ExperimentResult result = DemoResult(row, values);
  result.data = data;
  std::swap(result.answers, result.stands_in_for);
  return result;
}

inline PaperRecord DemoPaper() {
  PaperRecord paper;
  paper.ledger = *ParseLedger(kDemoLedger, "r.yaml");
  paper.protocol = *ParseProtocol(kDemoProtocol, "p.yaml", paper.ledger);
  paper.results = {DemoResult("a", {81, 82, 83}),
                   DemoResult("b", {70, 69, 68})};
  paper.verdicts = *ComputeVerdicts(paper.ledger, paper.results);
  return paper;
}

}  // namespace seg

#endif  // COMMON_REPRODUCTION_DEMO_PAPER_H_
