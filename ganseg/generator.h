// The generator (He et al. 2022, section 3; released code for what the paper
// leaves open):
//
//   points_noise ------ MLP --> points --> centres, scales --> heatmaps
//   appearance_noise -- MLP --> w_dynamic; w_k = part_embedding_k * w_dynamic
//   background_noise -- MLP --> w_bg
//
//   masks       SPADE blocks on PE(points - p), style sum_k heatmap_k w_k,
//               softmax over K parts and the background
//   foreground  SPADE blocks on PE(centres - p), style sum_k mask_k w_k
//   background  AdaIN blocks on PE(background_position - p), style w_bg
//   image       tanh(head(LReLU((1 - m) foreground + m background))), m the
//               background's mask
//
// PE(d) = [sin(pi C d), cos(pi C d)], C learned. No block sees where a pixel
// lies, only differences to points; margins keep the border out (geometry.h).
// Coordinates are (row, column) in [-1,1]. Every layer is a module of its own.
#ifndef GANSEG_GENERATOR_H_
#define GANSEG_GENERATOR_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/layers/conditional_norm/adain.h"
#include "common/layers/conditional_norm/spade.h"
#include "ganseg/generator_options.h"
#include "ganseg/geometry.h"
#include "torch/nn/module.h"
#include "torch/nn/modules/conv.h"
#include "torch/nn/modules/linear.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace ganseg {

struct Latents {
  at::Tensor points_noise;         // [N,noise_size]
  at::Tensor appearance_noise;     // [N,noise_size]
  at::Tensor background_noise;     // [N,noise_size]
  at::Tensor background_position;  // [N,2], [-1,1]
};

// Noise ~ N(0,1), position uniform in [-1,1]^2 (row 0 where that is fixed), of
// float32 on `device`, from its default generator.
Latents SampleLatents(int64_t batch, const GeneratorOptions& options,
                      at::Device device = at::kCPU);

// What an image is made of, to be edited at will.
struct Codes {
  at::Tensor points;               // [N,K*n,2]
  at::Tensor appearance;           // w_dynamic, [N,embedding_size]
  at::Tensor background;           // w_bg, [N,embedding_size]
  at::Tensor background_position;  // [N,2]
};

struct Generated {
  at::Tensor points;                // [N,K*n,2], as given
  at::Tensor centres;               // [N,K,2]
  at::Tensor scales;                // tau, [N,K]
  at::Tensor part_embeddings;       // w_k, [N,K,embedding_size]
  at::Tensor background_embedding;  // w_bg, [N,embedding_size], as given
  at::Tensor masks;       // [N,K+1,H,W], background last; sum 1, all >= 0
  at::Tensor foreground;  // features [N,C,H,W]
  at::Tensor background;  // likewise
  at::Tensor images;      // [N,3,H,W] in [-1,1]
};

// `hidden_layers` times (linear, LReLU), then linear: [N,in] -> [N,out].
// Modules "linear0", "linear1", ...
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(int64_t in, int64_t width, int64_t hidden_layers, int64_t out);
  at::Tensor forward(const at::Tensor& x);

 private:
  std::vector<torch::nn::Linear> layers_;
};
TORCH_MODULE(Mlp);

// PE of the differences between m points and each pixel: points [N,m,2], axis
// [S] -> [N,2 channels,S,S] in channels-last order. Module "projection", a 1x1
// convolution 2 m -> channels with bias; as it is linear, it is applied to
// points and pixels apart, and no map of differences is made.
class PositionalEmbeddingImpl : public torch::nn::Module {
 public:
  PositionalEmbeddingImpl(int64_t points, int64_t channels);
  at::Tensor forward(const at::Tensor& points, const at::Tensor& axis);

 private:
  torch::nn::Conv2d projection_{nullptr};
};
TORCH_MODULE(PositionalEmbedding);

// Throws c10::Error where CheckOptions objects, and for a call of what its
// options leave out. In training mode batch norms
// use, and count, the batch's own statistics. Modules "point_mlp",
// "appearance_mlp", "background_mlp"; "mask_embedding", "mask_block0", ..., and
// likewise "foreground_" and "background_"; "head0" and with kConv3x3 "head1".
// Parameter "part_embedding" [K,embedding_size], N(0,1) at the start, while the
// rest starts as InitializeKaiming has it.
class GeneratorImpl : public torch::nn::Module {
 public:
  explicit GeneratorImpl(const GeneratorOptions& options);

  Codes Embed(const Latents& latents);
  Generated Render(const Codes& codes);
  // The same with masks that are given, [N,K+1,H,W] as in Generated; no look at
  // codes.points. A part's centre is its mask's; it stands for its points, and
  // scales are 0.
  Generated RenderMasks(const at::Tensor& masks, const Codes& codes);
  Generated forward(const Latents& latents) { return Render(Embed(latents)); }

  const GeneratorOptions& options() const { return options_; }

 private:
  at::Tensor Masks(const Generated& parts);
  at::Tensor Foreground(const Generated& parts);
  at::Tensor Background(const Codes& codes);
  at::Tensor Axis(const Level& level) const;
  void CheckStyles(const Codes& codes, int64_t images) const;
  // What is left to draw of points, centres, scales and masks.
  Generated Draw(const Codes& codes, Generated parts);

  GeneratorOptions options_;
  std::vector<Level> levels_;
  Mlp point_mlp_{nullptr}, appearance_mlp_{nullptr}, background_mlp_{nullptr};
  PositionalEmbedding mask_embedding_{nullptr}, foreground_embedding_{nullptr},
      background_embedding_{nullptr};
  std::vector<SpadeResBlock> mask_blocks_, foreground_blocks_;
  std::vector<AdainConvBlock> background_blocks_;
  torch::nn::Conv2d head0_{nullptr}, head1_{nullptr};
  at::Tensor part_embedding_;
};
TORCH_MODULE(Generator);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_GENERATOR_H_
