// The discriminator (He et al. 2022; layers from the released code):
//
//   blocks of 3 -> c_0 -> c_1 -> ..., each halves the image:
//     main  conv 3x3 in -> out, LReLU, conv 3x3 out -> out, LReLU,
//           conv 3x3 out -> out with stride 2
//     side  conv 1x1 in -> out of every second pixel
//     y = (main + side) / sqrt(2)
//   flatten (channel, row, column), linear -> fc_width, LReLU, linear -> 1
//
// Leaky ReLUs with slope 0.2, no normalisation. Can be differentiated twice,
// for a gradient penalty.
//
// Side branch: LibTorch 2.11 corrupts the heap in the backward pass of a 1x1
// convolution with stride 2 and few input channels when the input is
// channels-last (CPU; third_party/libtorch/KNOWN_FAULTS.md). The block takes
// every second pixel first and convolves with stride 1, with the same result; a
// test guards it.
#ifndef GANSEG_DISCRIMINATOR_H_
#define GANSEG_DISCRIMINATOR_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "torch/arg.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/modules/linear.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace ganseg {

// Defaults are those of 128-pixel images; 256 pixels want one more 512.
struct DiscriminatorOptions {
  TORCH_ARG(std::vector<int64_t>, channels) = {64, 128, 256, 512, 512, 512};
  TORCH_ARG(int64_t, fc_width) = 512;
  // A multiple of 2^(number of blocks).
  TORCH_ARG(int64_t, image_size) = 128;

 public:
  static DiscriminatorOptions Demo();  // 32 pixels, 0.007 G multiply-adds
};

// InvalidArgument with the option, what it is and what it must be.
absl::Status CheckOptions(const DiscriminatorOptions& options);

// x [N,in,H,W] with even H, W -> [N,out,H/2,W/2]. Modules "conv0", "conv1",
// "conv2", "side".
class DownBlockImpl : public torch::nn::Module {
 public:
  DownBlockImpl(int64_t in, int64_t out);
  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::Conv2d conv0_{nullptr}, conv1_{nullptr}, conv2_{nullptr},
      side_{nullptr};
};
TORCH_MODULE(DownBlock);

// images [N,3,image_size,image_size] in [-1,1] -> scores [N], large for real
// ones. Throws c10::Error where CheckOptions objects or sizes differ. Modules
// "block0", ..., "fc0", "fc1".
class DiscriminatorImpl : public torch::nn::Module {
 public:
  explicit DiscriminatorImpl(const DiscriminatorOptions& options);
  at::Tensor forward(const at::Tensor& images);

  const DiscriminatorOptions& options() const { return options_; }

 private:
  DiscriminatorOptions options_;
  std::vector<DownBlock> blocks_;
  torch::nn::Linear fc0_{nullptr}, fc1_{nullptr};
};
TORCH_MODULE(Discriminator);

// Multiply-adds of one image's forward pass.
int64_t MultiplyAdds(const DiscriminatorOptions& options);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_DISCRIMINATOR_H_
