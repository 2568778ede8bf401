// The list of methods that //tools:shootout compares: refiners.yaml.
#ifndef TOOLS_SHOOTOUT_REFINERS_H_
#define TOOLS_SHOOTOUT_REFINERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace seg {

// One way to refine class probabilities, or to choose among proposals. A
// learned one is trained by its paper's `train`; another is the run of a
// learned one, evaluated otherwise.
struct Refiner {
  std::string name;   // a-z 0-9 _
  std::string title;  // as the table shows it
  std::string paper;
  std::string config;  // of `train`, beside the list; "" with run_of
  std::string run_of;  // the earlier refiner whose run is evaluated; ""
  // Is evaluated on a folder of proposals (segnet_rerank/ready_proposals.h) and
  // does not see the probabilities.
  bool proposals = false;
  // key.path=value: of `train`, with run_of of `eval`.
  std::vector<std::string> overrides;
  // As Grid takes it (tools/tune/tune.h), for the same program; empty: none.
  std::vector<std::string> grid;

  bool learned() const { return run_of.empty(); }
};

// Errors (kInvalidArgument) name `file`, the refiner and the remedy.
absl::StatusOr<std::vector<Refiner>> ParseRefiners(const std::string& yaml,
                                                   const std::string& file);

}  // namespace seg

#endif  // TOOLS_SHOOTOUT_REFINERS_H_
