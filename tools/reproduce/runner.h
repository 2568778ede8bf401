// The work of //tools:reproduce: runs a paper's protocol, records what was
// measured, renders RESULTS.md and the README's summary.
//
//   WORK_DIR/EXPERIMENT/seed-N/          run folder of train
//   WORK_DIR/EXPERIMENT/seed-N.state.json  how far training has come
//   PAPER/results/EXPERIMENT.json        written after every evaluation
//   PAPER/results/verdicts.json, RESULTS.md, README.md
//                                        written at the end, also when
//                                        interrupted or when a run failed
//
// A (experiment, seed) is finished when results/ holds it with the fingerprints
// that the protocol gives now: of the configuration's text, overrides, seed and
// the runs that it starts from and needs (train), and of split and eval
// overrides (eval). Finished ones are not repeated; a changed configuration is
// measured anew and its old runs are dropped. A run that training began is
// continued with
// --resume once it has a checkpoint.
#ifndef TOOLS_REPRODUCE_RUNNER_H_
#define TOOLS_REPRODUCE_RUNNER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace seg {

struct ReproduceOptions {
  std::string paper_dir;   // holds reported.yaml, protocol.yaml, README.md
  std::string work_dir;    // made where missing
  std::string repository;  // a folder of the git tree; for the commit
  std::string train_binary, eval_binary;
  std::string runfiles_dir;       // given to both as RUNFILES_DIR; may be empty
  std::vector<std::string> only;  // experiments; empty: all
  std::vector<int64_t> seeds;     // empty: the protocol's
  std::string data_root, device;  // passed on where not empty
  int64_t threads = 0;            // passed on where not 0
  bool force = false;             // repeat what is finished
  bool allow_dirty = false;       // measure with uncommitted changes, marked
  std::vector<std::string> merge;  // results folders to take runs from first
  bool render_only = false;        // verdicts, tables from the results
};

// Errors: kInvalidArgument (wrong option or file: usage), kCancelled
// (interrupted by a signal, resumable), else what failed; the other runs are
// done nevertheless. Progress goes to the log, the table to stdout.
absl::Status Reproduce(const ReproduceOptions& options);

}  // namespace seg

#endif  // TOOLS_REPRODUCE_RUNNER_H_
