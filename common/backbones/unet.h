// Symmetric U-net with skips by summation.
//
//   encoder level i (widths w_0 .. w_n-1, finest first):
//     pool_first = false:  conv 3x3 - norm - act - pool 2x2   (parser)
//     pool_first = true:   [pool 2x2 but for i = 0] - conv - norm - act
//                                                             (guidance)
//   decoder, from the deepest map:
//     upsample to the size of e_i - conv 3x3 to w_i - norm - act - + e_i
//     for i = n-2 down to the level above the output's resolution
//   upsample to the output's size - conv 3x3 to out_channels [- batch norm]
//
// Upsampling is bilinear (align_corners = false), always to the size of the map
// that follows, and pooling rounds up: any input size works.
//
// Used by the face experiments of SPN, and by the auto-encoder of GANSeg.
//
// Liu et al. 2017, supplement (the parser: widths 32 .. 512, ReLU, no norm, 11
// classes at the input's resolution) and the authors' released model (guidance:
// widths 16 .. 512, batch norm and ELU, 384 channels with batch norm at half of
// the input's resolution).
#ifndef COMMON_BACKBONES_UNET_H_
#define COMMON_BACKBONES_UNET_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/batchnorm.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/pimpl.h"

namespace seg {

// A 3x3 convolution (or kernel x kernel) with He et al. 2015's normal start for
// fan-in and zero bias.
torch::nn::Conv2d MakeConv(int64_t in, int64_t out, int64_t kernel = 3,
                           int64_t stride = 1, bool bias = true);

// Scales weight and bias of what is last in a network, the batch norm where
// there is one, else the convolution, by `factor`: a start near zero.
void ScaleLast(double factor, torch::nn::Conv2d* conv,
               torch::nn::BatchNorm2d* norm);

// Bilinear resizing to height x width (align_corners = false); x itself where
// it has that size.
at::Tensor ResizeTo(const at::Tensor& x, int64_t height, int64_t width);

struct UNetOptions {
  UNetOptions(std::vector<int64_t> widths, int64_t out_channels)
      : widths_(std::move(widths)), out_channels_(out_channels) {}
  TORCH_ARG(std::vector<int64_t>, widths);  // encoder, finest first, not empty
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(int64_t, in_channels) = 3;
  TORCH_ARG(bool, pool_first) = false;
  TORCH_ARG(bool, elu) = false;          // ELU, else ReLU
  TORCH_ARG(bool, batch_norm) = false;   // after each convolution but the last
  TORCH_ARG(bool, output_norm) = false;  // batch norm on the output
  // Output at half of the input's resolution (ceil), else at the input's.
  TORCH_ARG(bool, half_resolution) = false;
};

class UNetImpl : public torch::nn::Module {
 public:
  // Throws c10::Error for no widths, or fewer than two with half_resolution.
  explicit UNetImpl(const UNetOptions& options);

  // x: [N,in_channels,H,W], any H, W >= 1 and strides. Returns
  // [N,out_channels,H,W], or [N,out_channels,ceil(H/2),ceil(W/2)].
  at::Tensor forward(const at::Tensor& x);

  void ScaleOutput(double factor) {  // ScaleLast
    ScaleLast(factor, &output_, &output_norm_);
  }

  const UNetOptions& options() const { return options_; }

 private:
  // conv 3x3 - norm - activation
  struct Block {
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};
  };
  Block MakeBlock(const std::string& name, int64_t in, int64_t out);
  at::Tensor Run(Block& block, const at::Tensor& x);

  UNetOptions options_;
  std::vector<Block> encoder_;
  std::vector<Block> decoder_;  // deepest first
  torch::nn::Conv2d output_{nullptr};
  torch::nn::BatchNorm2d output_norm_{nullptr};
};
TORCH_MODULE(UNet);

}  // namespace seg

#endif  // COMMON_BACKBONES_UNET_H_
