// The GPU's work of a step, recorded once and then launched as a whole: a CUDA
// graph. What it saves is the time that launching takes, which is most of a
// step of small networks.
#ifndef COMMON_TRAINING_STEP_GRAPH_H_
#define COMMON_TRAINING_STEP_GRAPH_H_

#include <functional>
#include <memory>

namespace seg {

class StepGraph {
 public:
  virtual ~StepGraph() = default;

  // Runs `work` and records what it launches on the current device, instead of
  // launching it. The tensors that it makes are overwritten by each Replay and
  // live as long as this. Throws c10::Error (and can then be destroyed only)
  // where `work` waits for the GPU or copies from memory that is not its own.
  virtual void Record(const std::function<void()>& work) = 0;

  // Launches it on the current stream. Random numbers are those that follow
  // the default generators' seeds, as if `work` had run.
  virtual void Replay() = 0;
};

// nullptr in a build without CUDA.
std::unique_ptr<StepGraph> MakeStepGraph();

// Called once by the CUDA build's part.
using StepGraphFactory = std::unique_ptr<StepGraph> (*)();
void RegisterStepGraph(StepGraphFactory factory);

}  // namespace seg

#endif  // COMMON_TRAINING_STEP_GRAPH_H_
