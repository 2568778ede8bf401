#include "common/backbones/tiny_backbone.h"

#include <cmath>
#include <string>

#include "ATen/ATen.h"

namespace seg {
namespace {

struct Layer {
  int64_t in_channels, out_channels, stride;
};
constexpr Layer kLayers[] = {
    {3, 16, 2}, {16, 32, 2}, {32, 32, 1}, {32, 48, 2}, {48, 48, 1}};

}  // namespace

TinyBackboneImpl::TinyBackboneImpl(int64_t output_stride)
    : torch::nn::Module("TinyBackbone") {
  TORCH_CHECK(output_stride == 2 || output_stride == 4 || output_stride == 8,
              "TinyBackbone: output_stride must be 2, 4 or 8, got ",
              output_stride);
  int64_t reached = 1, dilation = 1;
  for (const Layer& layer : kLayers) {
    // A stride that is left out becomes dilation of the layers behind.
    const int64_t used_dilation = dilation;
    int64_t stride = layer.stride;
    if (reached * stride > output_stride) {
      dilation *= stride;
      stride = 1;
    }
    reached *= stride;
    if (stride == 2 && !convs_.empty()) {
      channels_.push_back(layer.in_channels);  // the level that ends here
    }
    const std::string index = std::to_string(convs_.size());
    torch::nn::Conv2d conv(
        torch::nn::Conv2dOptions(layer.in_channels, layer.out_channels, 3)
            .stride(stride)
            .padding(used_dilation)
            .dilation(used_dilation)
            .bias(false));
    {
      const at::NoGradGuard no_grad;  // He et al. 2015, fan-in
      conv->weight.normal_(
          0, std::sqrt(2.0 / (9.0 * static_cast<double>(layer.in_channels))));
    }
    convs_.push_back(register_module("conv" + index, conv));
    bns_.push_back(register_module("bn" + index,
                                   torch::nn::BatchNorm2d(layer.out_channels)));
  }
  channels_.push_back(std::rbegin(kLayers)->out_channels);
}

std::vector<at::Tensor> TinyBackboneImpl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3,
              "TinyBackbone: x must be [N,3,H,W], got ", x.sizes());
  std::vector<at::Tensor> features;
  at::Tensor y = x.contiguous(at::MemoryFormat::ChannelsLast);
  for (size_t i = 0; i < convs_.size(); ++i) {
    if (i > 0 && convs_[i]->options.stride()->at(0) == 2) features.push_back(y);
    y = bns_[i](convs_[i](y)).relu_();
  }
  features.push_back(y);
  return features;
}

}  // namespace seg
