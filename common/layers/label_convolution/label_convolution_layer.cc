#include "common/layers/label_convolution/label_convolution_layer.h"

#include <ATen/ATen.h>

#include "common/layers/label_convolution/label_convolution.h"

namespace seg {

LabelConvolutionLayerImpl::LabelConvolutionLayerImpl(
    const LabelConvolutionLayerOptions& options)
    : options_(options) {
  TORCH_CHECK(options.labels() >= 1,
              "LabelConvolutionLayer: labels must be at least 1, got ",
              options.labels());
  TORCH_CHECK(options.radius() >= 0,
              "LabelConvolutionLayer: radius must not be negative, got ",
              options.radius());
  const int64_t size = 2 * options.radius() + 1;
  weight_ = register_parameter(
      "weight", at::zeros({options.labels(), options.labels(), size, size}));
}

at::Tensor LabelConvolutionLayerImpl::kernel() const {
  const at::Tensor kernel = options_.tied() ? TiedKernel(weight_) : weight_;
  return options_.mask_centre() ? WithoutCentre(kernel) : kernel;
}

at::Tensor LabelConvolutionLayerImpl::forward(const at::Tensor& q) {
  return LabelConvolution(q, kernel());
}

}  // namespace seg
