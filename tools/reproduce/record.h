// What is on record for a paper: its ledger, its protocol and its results, and
// which of the results still are what the protocol asks for.
#ifndef TOOLS_REPRODUCE_RECORD_H_
#define TOOLS_REPRODUCE_RECORD_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/protocol.h"
#include "common/reproduction/results.h"

namespace seg {

class Record {
 public:
  // Reads reported.yaml, protocol.yaml and results/. Results that are current
  // get the protocol's present answers and data name; the others, and those of
  // unknown experiments, are warned of and left as they are.
  static absl::StatusOr<Record> Open(const std::string& paper_dir);

  const Protocol& protocol() const { return protocol_; }
  const std::string& paper_dir() const { return paper_dir_; }

  // The experiment whose weights `e` evaluates: itself, or its eval_of.
  const Experiment& Source(const Experiment& e) const;

  // What training depends on (configuration's text, overrides, seed, the runs
  // that it starts from and needs), and what evaluation depends on besides
  // (split, eval overrides), as 16 hexadecimal digits.
  absl::StatusOr<std::string> TrainFingerprint(const Experiment& e,
                                               int64_t seed) const;
  absl::StatusOr<std::string> EvalFingerprint(const Experiment& e,
                                              int64_t seed) const;

  // Whether a run with today's fingerprints is on record.
  absl::StatusOr<bool> Holds(const Experiment& e, int64_t seed) const;

  // Puts `run` in the place of the one with its seed and writes the result's
  // file, beside the seeds that are in it by then. Runs with other fingerprints
  // than today's are dropped: they must not be averaged with this one.
  absl::Status Add(const Experiment& e, MeasuredRun run);

  // Adds the runs of another results folder of this paper, as `reproduce` wrote
  // it on another machine. A seed that is on record already stays; a run of
  // another configuration than today's is warned of and left out.
  absl::Status Merge(const std::string& folder);

  // Writes verdicts.json, RESULTS.md and the summary in README.md, prints
  // RESULTS.md to stdout, and warns of what CheckConsistency finds.
  absl::Status Render() const;

 private:
  std::string PathOf(const std::string& experiment) const;  // of its result
  absl::Status Refresh();
  absl::StatusOr<bool> IsCurrent(const Experiment& e,
                                 const MeasuredRun& run) const;
  absl::Status Write(const ExperimentResult& result) const;

  std::string paper_dir_;
  Ledger ledger_;
  Protocol protocol_;
  std::map<std::string, ExperimentResult> results_;  // by experiment
};

}  // namespace seg

#endif  // TOOLS_REPRODUCE_RECORD_H_
