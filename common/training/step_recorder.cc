#include "common/training/step_recorder.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"

namespace seg {
namespace {

// So many runs compute first: libraries choose algorithms and take memory.
constexpr int64_t kWarmUp = 2;

// Pointers to the tensors of a Batch or a const Batch.
template <typename AnyBatch>
auto Tensors(AnyBatch& batch) -> std::vector<decltype(&batch.images)> {
  return {&batch.images, &batch.masks, &batch.probabilities, &batch.points};
}

std::string Shapes(const Batch& batch) {
  std::string shapes;
  for (const at::Tensor* t : Tensors(batch)) {
    absl::StrAppend(&shapes, ";");
    if (t->defined()) absl::StrAppend(&shapes, absl::StrJoin(t->sizes(), ","));
  }
  return shapes;
}

// A recording's tensors are written again while the log still reads the last.
PhaseResult Copy(const PhaseResult& result) {
  PhaseResult copy = {result.loss.clone(),
                      {},
                      result.gradient_norm.clone(),
                      result.skip.clone()};
  for (const auto& [name, value] : result.logged) {
    copy.logged.emplace_back(name, value.clone());
  }
  return copy;
}

}  // namespace

void StepRecorder::Record(const Batch& batch,
                          const std::vector<at::Tensor>& parameters,
                          const Compute& compute, Recording* recording) {
  recording->batch = batch;
  for (at::Tensor* t : Tensors(recording->batch)) {
    if (t->defined()) *t = t->clone();
  }
  recording->compute = compute;
  recording->graph = MakeStepGraph();
  TORCH_CHECK(recording->graph != nullptr, "this build has no CUDA");
  recording->graph->Record([recording, parameters] {
    recording->result = recording->compute(recording->batch);
    recording->gradients.clear();
    for (const at::Tensor& parameter : parameters) {
      recording->gradients.push_back(parameter.grad());
    }
  });
}

PhaseResult StepRecorder::Run(const std::string& key, const Batch& batch,
                              const std::vector<at::Tensor>& parameters,
                              const Compute& compute) {
  Recording& recording = recordings_[absl::StrCat(key, Shapes(batch))];
  if (recording.computed == kWarmUp) {
    try {
      Record(batch, parameters, compute, &recording);
      ++recording.computed;
    } catch (const c10::Error& e) {
      LogWarning(absl::StrCat("train.cuda_graphs: phase ", key,
                              " cannot be recorded and is computed as ever: ",
                              e.what_without_backtrace()));
      recording = Recording();
      recording.computed = -1;
    }
  }
  if (recording.computed <= kWarmUp) {
    if (recording.computed >= 0) ++recording.computed;
    return compute(batch);
  }
  const std::vector<const at::Tensor*> from = Tensors(batch);
  const std::vector<at::Tensor*> to = Tensors(recording.batch);
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i]->defined()) to[i]->copy_(*from[i]);
  }
  recording.graph->Replay();
  for (size_t i = 0; i < parameters.size(); ++i) {
    at::Tensor parameter = parameters[i];
    parameter.mutable_grad() = recording.gradients[i];
  }
  return Copy(recording.result);
}

}  // namespace seg
