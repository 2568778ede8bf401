#include "cgm/model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace seg {
namespace cgm {
namespace {

NetworkOptions Options(const ModelConfig& config, int64_t classes) {
  return NetworkOptions(classes)
      .width(config.width)
      .latent_channels(config.latent_channels)
      .multi_scale(config.multi_scale)
      .head(!config.shared_head)
      .fused(config.fused_unpool);
}

bool Samples(ModelType type) {
  return type == ModelType::kGsnn || type == ModelType::kCvae ||
         type == ModelType::kHybrid;
}

}  // namespace

ModelImpl::ModelImpl(const ModelConfig& config, int64_t classes)
    : config_(config),
      classes_(classes),
      samples_(Samples(config.type)),
      noisy_(config.noisy_layer == NoisyLayer::kOn ||
             (config.noisy_layer == NoisyLayer::kAuto && samples_)) {
  TORCH_CHECK(classes >= 1, "Model: classes must be positive, got ", classes);
  const NetworkOptions options = Options(config, classes);
  cnn_ = register_module("cnn", Cnn(NetworkOptions(options).noisy(noisy_)));
  if (config.type != ModelType::kCnn) {
    prior_ = register_module("prior", Encoder(options));
    generator_ = register_module("generator", Generator(options));
  }
  if (config.type == ModelType::kCvae || config.type == ModelType::kHybrid) {
    recognition_ = register_module("recognition", Encoder(options));
  }
  Initialize(this);
}

at::Tensor ModelImpl::Prepare(const at::Tensor& images) const {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3,
              "Model: images must be [N,3,H,W], got ", images.sizes());
  TORCH_CHECK(images.size(2) > 0 && images.size(3) > 0 &&
                  images.size(2) % kStride == 0 &&
                  images.size(3) % kStride == 0,
              "Model: height and width must be multiples of ", kStride,
              ", got ", images.size(2), " x ", images.size(3),
              "; set data.resize_height and data.resize_width");
  return images.contiguous(at::MemoryFormat::ChannelsLast) / 255.0;
}

CnnScores ModelImpl::RunCnn(const at::Tensor& x, bool low_resolution) {
  return cnn_->forward(x, low_resolution);
}

DiagonalGaussian ModelImpl::Prior(const at::Tensor& x, const at::Tensor& a) {
  TORCH_CHECK(has_latent(), "Model: type ", EnumName(config_.type),
              " has no prior");
  return prior_->forward(x, at::softmax(config_.guess_scale * a, 1));
}

DiagonalGaussian ModelImpl::Recognition(const at::Tensor& x,
                                        const at::Tensor& target) {
  TORCH_CHECK(has_recognition(), "Model: type ", EnumName(config_.type),
              " has no recognition network");
  return recognition_->forward(x, target);
}

at::Tensor ModelImpl::Generate(const at::Tensor& z) {
  TORCH_CHECK(has_latent(), "Model: type ", EnumName(config_.type),
              " has no generator");
  return config_.shared_head ? cnn_->Classify(generator_->Features(z))
                             : generator_->forward(z);
}

absl::Status CheckClasses(const Config& config, const DatasetInfo& info) {
  const int64_t classes = info.num_classes();
  if (config.model.classes != 0 && config.model.classes != classes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.classes: the configuration says ", config.model.classes,
        ", the data (", info.name, ") has ", classes,
        " classes; set it to 0, or map the data's classes by data.map"));
  }
  if (config.evaluation.foreground >= classes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "evaluation.foreground: expected a class of the data, 0 .. ",
        classes - 1, ", got ", config.evaluation.foreground));
  }
  return absl::OkStatus();
}

at::Tensor OneHot(const at::Tensor& masks, int64_t classes,
                  at::ScalarType dtype) {
  TORCH_CHECK(masks.dim() == 3, "OneHot: masks must be [N,H,W], got ",
              masks.sizes());
  return masks.unsqueeze(1)
      .eq(at::arange(classes, masks.options()).view({1, -1, 1, 1}))
      .to(dtype, /*non_blocking=*/false, /*copy=*/false,
          at::MemoryFormat::ChannelsLast);
}

Cost MultiplyAdds(const ModelConfig& config, int64_t classes, int64_t height,
                  int64_t width, bool fused) {
  const auto w = [&](int64_t channels) {
    return std::max<int64_t>(
        1, std::llround(config.width * static_cast<double>(channels)));
  };
  // Of a convolution whose output is the image over `stride`.
  const auto conv = [&](int64_t in, int64_t out, int64_t kernel,
                        int64_t stride) {
    return in * out * kernel * kernel * (height / stride) * (width / stride);
  };
  const auto unpooled = [&](int64_t in, int64_t out, int64_t kernel,
                            int64_t stride) {
    return conv(in, out, kernel, stride) / (fused ? 4 : 1);
  };
  const int64_t z = config.latent_channels;
  Cost cost;
  cost.cnn = conv(3, w(64), 9, 2) + conv(w(64), w(96), 5, 4) +
             conv(w(96), w(128), 3, 8) + conv(w(128), w(128), 3, 8) +
             conv(w(128), w(96), 3, 8) + unpooled(w(96), w(64), 5, 4) +
             unpooled(w(64), w(48), 5, 2) + unpooled(w(48), classes, 9, 1);
  if (config.type == ModelType::kCnn) return cost;
  cost.prior = conv(3 + classes, w(64), 9, 2) + conv(w(64), w(96), 5, 4) +
               conv(w(96), w(128), 3, 8) + 2 * conv(w(128), z, 3, 16);
  cost.generator = conv(z, w(96), 3, 16) + unpooled(w(96), w(64), 5, 8) +
                   unpooled(w(64), w(48), 5, 4) + unpooled(w(48), w(48), 5, 2) +
                   unpooled(w(48), classes, 9, 1);
  return cost;
}

}  // namespace cgm
}  // namespace seg
