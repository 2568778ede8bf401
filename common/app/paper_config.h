// What the configurations of all papers have: the commands read it.
//
//   struct Config : PaperConfig {          // header
//     EvalConfig eval;
//     int64_t width = 16;
//     static std::vector<KeyRule> Rules() {
//       return PaperRules({{"width", 1, 1024}});
//     }
//   };
//   SEG_DECLARE_CONFIG(Config)
//   SEG_DEFINE_CONFIG(Config, SEG_PAPER_KEYS, eval, width)  // source file
#ifndef COMMON_APP_PAPER_CONFIG_H_
#define COMMON_APP_PAPER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/datasets/data_config.h"
#include "common/training/train_config.h"

namespace seg {

struct PaperConfig {
  DataConfig data;
  TrainConfig train;
  // Split of the final table and report of `train`.
  std::string report_split = "val";
  int64_t report_pictures = 5;

  // The part of this configuration that has no CUDA kernel, "" for none. A
  // paper that has one declares its own.
  std::string CpuOnly() const { return ""; }
};
#define SEG_PAPER_KEYS data, train, report_split, report_pictures

// The `eval` section; a paper may have further keys in it.
struct EvalConfig {
  std::string classes = "by_name";  // or by_order: same_classes.h
  // Names of classes over which mean IoUs are reported too ("chosen_mean_iou"):
  // those that the data has enough of. []: none.
  std::vector<std::string> mean_classes;
};
SEG_DECLARE_CONFIG(EvalConfig)

// A paper's own rules, and those of the keys above.
std::vector<KeyRule> PaperRules(std::vector<KeyRule> own);

}  // namespace seg

#endif  // COMMON_APP_PAPER_CONFIG_H_
