#include "common/layers/spatial_propagation/spatial_propagation_layer.h"

namespace seg {

SpatialPropagationLayerImpl::SpatialPropagationLayerImpl(
    const SpatialPropagationOptions& options)
    : options_(options) {
  SpatialPropagationGateChannels(1, options);  // checks the options
}

at::Tensor SpatialPropagationLayerImpl::forward(const at::Tensor& x,
                                                const at::Tensor& gates) {
  return SpatialPropagation(x, gates, options_);
}

int64_t SpatialPropagationLayerImpl::gate_channels(int64_t channels) const {
  return SpatialPropagationGateChannels(channels, options_);
}

void SpatialPropagationLayerImpl::pretty_print(std::ostream& stream) const {
  stream << "seg::SpatialPropagationLayer("
         << (options_.three_way() ? "three-way" : "one-way") << ")";
}

}  // namespace seg
