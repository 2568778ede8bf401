// The trained system: the network, and in buffers what was fitted before it.
#ifndef SEGNET_RERANK_MODEL_H_
#define SEGNET_RERANK_MODEL_H_

#include <cstdint>

#include "segnet_rerank/config.h"
#include "segnet_rerank/fitted.h"
#include "segnet_rerank/segnet.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace segnet_rerank {

// Module "segnet"; buffers "fitted_axes", "fitted_rankers", .. (fitted.h).
class ModelImpl : public torch::nn::Module {
 public:
  // Throws c10::Error for options that the network refuses.
  ModelImpl(const Config& config, int64_t classes);

  SegNet& segnet() { return segnet_; }
  int64_t classes() const { return classes_; }

  // Copies of the buffers, on the CPU.
  Fitted fitted() const;
  // Copies `fitted`, of the shapes of UntrainedFitted, into the buffers.
  void SetFitted(const Fitted& fitted);

 private:
  int64_t classes_;
  SegNet segnet_;
};
TORCH_MODULE(Model);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_MODEL_H_
