// PAPER/protocol.yaml: the experiments that //tools:reproduce runs.
//
//   paper: crfgrad
//   metrics:                       # metric name in reported.yaml -> eval
//   --json
//     mean IoU: {key: /metrics/mean_iou, scale: 100}
//   summary:                       # optional: the README's table, at most
//     experiments: [fcn8s, full]   #   eight experiments; keys as of tables
//     columns: [...]
//   tables:                        # optional: RESULTS.md's of the experiments
//     - heading: Weizmann Horse    # optional, default: Measured here
//       experiments: [fcn8s, full] # optional, default: all that have a title
//       baseline: fcn8s            # gains of the first column over this one
//       columns:
//         - {name: mean IoU (%), key: /metrics/mean_iou, scale: 100}
//         - {name: ms an image, key: /ms_per_image, decimals: 0}
//   experiments:                   # in an order in which they can be run
//     - name: fcn8s                # [a-z0-9_-]+, unique; results/NAME.json
//       title: FCN alone           # optional: its line in that table
//       config: configs/weizmann_fcn8s.yaml   # inside the paper's folder
//       overrides: [train.steps=2000]         # to train, optional
//       seeds: [0, 1, 2]
//       data: weizmann_horse (random split 150/50/128)
//       split: test                # optional, default test
//       answers: [weizmann/fcn8s]  # reported ids
//       quick: true                # optional: in the full reproduction test
//       gpu: true                  # optional: left out without --device=cuda:N
//     - name: full
//       config: configs/weizmann_full.yaml
//       init_from: fcn8s           # weights of the same seed: best, else last
//       eval_overrides: [model.iterations=5]  # to eval, optional
//       answers:
//         - weizmann/full
//         - {row: weizmann/full_boundary, key: /metrics/boundary_iou, scale:
//         100}
//     - name: ranker
//       config: configs/ranker.yaml
//       needs:                     # several runs of the same seed
//         coarse: [fold0, fold1]   # to train: needs.coarse=['RUN', 'RUN']
//         weights: fcn8s           # the same as init_from: fcn8s
//     - name: full_ten_steps
//       eval_of: full              # no training: another experiment's weights
//       eval_overrides: [model.iterations=10]
//       ...
//     - name: camvid_full
//       stands_in_for: [cityscapes/crfgrad]   # other data than the row's
//
// In the overrides to train "{seed}" is the seed of the run, and "{work_dir}"
// the folder of all runs: for `data.split_seed={seed}`, and for a folder of
// stages that experiments share.
// `data` contains the name that the data set gives itself ("data" in the output
// of eval); //tools:reproduce refuses a result under another name.
// `answers` and `stands_in_for` take ids (the row's metric is looked up in
// `metrics`) or {row, key, scale}. Keys are JSON pointers ("/" inside a name is
// written "~1": /metrics/fcn~1mean_iou). An experiment with
// `eval_of` has no config, overrides, init_from or needs of its own. What a
// quick experiment starts from, needs or evaluates is quick too.
#ifndef COMMON_REPRODUCTION_PROTOCOL_H_
#define COMMON_REPRODUCTION_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/reproduction/ledger.h"

namespace seg {

struct ProtocolAnswer {
  std::string row;
  std::string metric;  // JSON pointer
  double scale = 1;
};

struct Experiment {
  std::string name, title, config, init_from, eval_of, data, split = "test";
  // Experiments whose run folders train gets as needs.KEY; but for weights,
  // which is init_from.
  std::map<std::string, std::vector<std::string>> needs;
  std::vector<std::string> overrides, eval_overrides;
  std::vector<int64_t> seeds;
  std::vector<ProtocolAnswer> answers, stands_in_for;
  bool quick = false;
  bool gpu = false;  // too long for a CPU, or a parent is

  // What has to be trained before: eval_of, init_from and needs, each once.
  std::vector<std::string> Parents() const;
};

// The README's table has at most so many lines.
constexpr size_t kSummaryLines = 8;

// A column of the table of experiments.
struct TableColumn {
  std::string name;
  std::string key;  // JSON pointer
  double scale = 1;
  int decimals = 1;
};

struct ExperimentTable {
  std::string heading;
  std::vector<std::string> experiments;  // empty: all that have a title
  std::string baseline;                  // an experiment, or empty: no gains
  std::vector<TableColumn> columns;
};

struct Protocol {
  std::string paper;
  ExperimentTable summary;  // no experiments: none
  std::vector<ExperimentTable> tables;
  std::vector<Experiment> experiments;

  const Experiment* Find(const std::string& name) const;  // null: none
};

// `ledger` resolves the answers; an id that it lacks is an error with the
// nearest one.
absl::StatusOr<Protocol> ParseProtocol(const std::string& yaml,
                                       const std::string& file,
                                       const Ledger& ledger);
absl::StatusOr<Protocol> ReadProtocol(const std::string& path,
                                      const Ledger& ledger);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_PROTOCOL_H_
