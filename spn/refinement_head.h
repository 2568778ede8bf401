// What turns a coarse segmentation and a guidance map into refined scores, at
// half of the image's resolution inside.
//
//   coarse [N,L,H,W] -> entry -> x [N,C,h,w] -> refine by the guidance
//     -> exit -> scores [N,L,H,W],     h = ceil(H/2), w = ceil(W/2)
//
//   kind kPropagation: `units` spatial propagations in cascade that share the
//       gates; the merged map of one is the input of the next
//   kind kConvolution: relu(conv 3x3 [x | guidance] -> C): a baseline with the
//       same guidance network and no propagation
//
//   form kSupplement: entry conv 3x3, bilinear down; exit bilinear up, conv 3x3
//       to C, ReLU, conv 3x3 to L              (the paper's supplement)
//   form kFaces:      entry conv 4x4 / 2; exit deconv 4x4 / 2 to 64, ReLU, conv
//       3x3 to L                               (released, HELEN)
//   form kVoc:        entry conv 4x4 / 2; exit bilinear up, conv 3x3 to 64,
//       ReLU, conv 3x3 to L                    (released, VOC)
//
// Liu et al. 2017, Sec. 3.3 and supplement; forms from the authors' released
// models. Convolutions start as He et al. 2015 do (released: N(0, 0.02^2)).
#ifndef SPN_REFINEMENT_HEAD_H_
#define SPN_REFINEMENT_HEAD_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/layers/spatial_propagation/spatial_propagation_layer.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace spn {

struct RefinementHeadOptions {
  enum class Kind { kPropagation, kConvolution };
  enum class Form { kSupplement, kFaces, kVoc };

  explicit RefinementHeadOptions(int64_t num_classes)
      : num_classes_(num_classes) {}
  TORCH_ARG(int64_t, num_classes);
  TORCH_ARG(Kind, kind) = Kind::kPropagation;
  TORCH_ARG(Form, form) = Form::kFaces;
  TORCH_ARG(int64_t, channels) = 32;  // C
  TORCH_ARG(int64_t, units) = 2;
  TORCH_ARG(SpatialPropagationOptions,
            propagation) = SpatialPropagationOptions();
};

class RefinementHeadImpl : public torch::nn::Module {
 public:
  explicit RefinementHeadImpl(const RefinementHeadOptions& options);

  // coarse:   [N,L,H,W] class probabilities
  // guidance: [N,guidance_channels(),ceil(H/2),ceil(W/2)], raw gates
  // returns:  [N,L,H,W] scores (logits)
  // Differentiable in everything. Any H, W >= 1.
  at::Tensor forward(const at::Tensor& coarse, const at::Tensor& guidance);

  // 12 C with three-way connections (also for the convolution), 4 C one-way.
  int64_t guidance_channels() const;

  const RefinementHeadOptions& options() const { return options_; }

 private:
  RefinementHeadOptions options_;
  torch::nn::Conv2d entry_{nullptr};
  SpatialPropagationLayer propagation_{nullptr};
  torch::nn::Conv2d mix_{nullptr};               // kConvolution
  torch::nn::ConvTranspose2d exit_up_{nullptr};  // kFaces
  torch::nn::Conv2d exit_{nullptr};              // the other forms
  torch::nn::Conv2d classifier_{nullptr};
};
TORCH_MODULE(RefinementHead);

}  // namespace spn
}  // namespace seg

#endif  // SPN_REFINEMENT_HEAD_H_
