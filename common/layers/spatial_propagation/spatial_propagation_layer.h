// Module form of SpatialPropagation: holds the options, no parameters. The
// gates come from a guidance network; units in cascade share them by calling
// forward again with the merged map:
//   SpatialPropagationLayer unit(SpatialPropagationOptions().three_way(true));
//   y = unit(unit(x, gates), gates);

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_LAYER_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_LAYER_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <ostream>

#include "common/layers/spatial_propagation/spatial_propagation.h"

namespace seg {

class SpatialPropagationLayerImpl : public torch::nn::Module {
 public:
  // Refuses options that no call of forward would accept.
  explicit SpatialPropagationLayerImpl(
      const SpatialPropagationOptions& options = SpatialPropagationOptions());

  // [N, C, H, W], [N, gate_channels(C), H, W] -> [N, C, H, W].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& gates);

  // Channels that the guidance network must give for x with `channels`.
  int64_t gate_channels(int64_t channels) const;

  void pretty_print(std::ostream& stream) const override;

 private:
  SpatialPropagationOptions options_;
};
TORCH_MODULE(SpatialPropagationLayer);

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_LAYER_H_
