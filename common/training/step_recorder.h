// Computes a phase of a step, or replays it from a recording (StepGraph).
#ifndef COMMON_TRAINING_STEP_RECORDER_H_
#define COMMON_TRAINING_STEP_RECORDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/dataset.h"
#include "common/training/step_graph.h"

namespace seg {

// What a phase has before its update, beside the parameters' gradients.
struct PhaseResult {
  at::Tensor loss;  // scalar, without its graph
  std::vector<std::pair<std::string, at::Tensor>> logged;
  at::Tensor gradient_norm;  // scalar
  at::Tensor skip;           // float32 scalar: 1 where the update is left out
};

class StepRecorder {
 public:
  using Compute = std::function<PhaseResult(const Batch&)>;

  // compute(batch), which leaves gradients in `parameters`. Runs of one `key`
  // whose batches have the same shapes do the same work: the first two compute,
  // the third is recorded, and from then on the recording is replayed. Where
  // one cannot be recorded the log says why, and all of them compute.
  PhaseResult Run(const std::string& key, const Batch& batch,
                  const std::vector<at::Tensor>& parameters,
                  const Compute& compute);

 private:
  struct Recording {
    int64_t computed = 0;  // -1: cannot be recorded
    Batch batch;           // what `graph` reads
    Compute compute;
    std::unique_ptr<StepGraph> graph;
    PhaseResult result;                 // what it writes, and
    std::vector<at::Tensor> gradients;  // of the parameters; some undefined
  };
  static void Record(const Batch& batch,
                     const std::vector<at::Tensor>& parameters,
                     const Compute& compute, Recording* recording);

  std::map<std::string, Recording> recordings_;
};

}  // namespace seg

#endif  // COMMON_TRAINING_STEP_RECORDER_H_
