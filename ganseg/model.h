// GANSeg: the generator, its discriminator, and the segmenter that learns from
// generated pictures (He et al. 2022).
#ifndef GANSEG_MODEL_H_
#define GANSEG_MODEL_H_

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/backbones/deeplab_v3.h"
#include "ganseg/config.h"
#include "ganseg/discriminator.h"
#include "ganseg/encoder.h"
#include "ganseg/generator.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace ganseg {

// A generated picture with its labels, as the segmenter sees it.
struct LabelledImages {
  at::Tensor images;  // float32 [N,3,S,S], 0..255, not rounded
  at::Tensor labels;  // int64 [N,S,S]: 0 background, 1 .. K parts
};
// masks: [N,K+1,S,S], background last -> the labels above. The only place where
// the generator's order of channels becomes the segmenter's.
at::Tensor PartLabels(const at::Tensor& masks);

// images in -1..1 -> 0..255, and back (the released code's (x/255 - 0.5)/0.5).
at::Tensor ToColours(const at::Tensor& images);
at::Tensor FromColours(const at::Tensor& colours);

// Modules "generator"; "discriminator" unless the run trains the segmenter
// alone; "segmenter" unless it trains the GAN alone. An auto-encoder has
// "generator" and "encoder". The running average of the generator's weights,
// where the configuration wants one, is the buffers below "generator_ema", with
// the names of the generator's tensors.
class ModelImpl : public torch::nn::Module {
 public:
  // Throws c10::Error for options that a network refuses.
  explicit ModelImpl(const Config& config);

  Generator& generator() { return generator_; }
  // The generator that draws: the average where there is one, which is in eval
  // mode always.
  Generator& sampler() { return average_.is_empty() ? generator_ : average_; }
  Discriminator& discriminator() { return discriminator_; }
  DeepLabV3& segmenter() { return segmenter_; }
  Encoder& encoder() { return encoder_; }
  bool has_segmenter() const { return !segmenter_.is_empty(); }
  bool has_encoder() const { return !encoder_.is_empty(); }
  // Whether Segment finds parts: by an encoder, or a segmenter that was
  // trained.
  bool segments() const { return has_encoder() || segmenter_updates() > 0; }

  // Updates of the segmenter so far; kept in the checkpoint.
  int64_t segmenter_updates() const;
  void CountSegmenterUpdate();

  // Takes the weights (and running statistics) of the generator into their
  // average, where there is one: average = d average + (1 - d) generator with
  // d = min(decay, (1 + step) / (10 + step)), and 0 at step 0. Once an update.
  void AverageGenerator(int64_t step);

  // A batch of the sampler from noise of LibTorch's default generator, without
  // gradients, in the mode that it is in.
  LabelledImages Sample(int64_t count);

  // An auto-encoder's picture of photographs [N,3,S,S], 0..255, S the image
  // size.
  Generated Reconstruct(const at::Tensor& images);

  // Class probabilities [N,K+1,H,W] (0 is the background) of photographs
  // [N,3,H,W], 0..255. A segmenter that was never trained says background; an
  // encoder sees them at the generator's size.
  at::Tensor Segment(const at::Tensor& images);

  int64_t parts() const { return generator_->options().parts(); }
  int64_t image_size() const { return generator_->options().image_size(); }
  c10::Device device() const;

 private:
  Generator generator_{nullptr};
  // No submodule: its parameters are buffers of the model.
  Generator average_{nullptr};
  double decay_;
  Discriminator discriminator_{nullptr};
  DeepLabV3 segmenter_{nullptr};
  Encoder encoder_{nullptr};
  at::Tensor segmenter_updates_;  // int64 scalar, a buffer
};
TORCH_MODULE(Model);

// InvalidArgument where a network cannot be built, in terms of the keys.
absl::Status CheckNetworks(const Config& config);

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_MODEL_H_
