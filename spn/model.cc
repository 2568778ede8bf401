#include "spn/model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/backbones/imagenet.h"
#include "common/backbones/pretrained.h"
#include "common/base/status_macros.h"
#include "common/datasets/augment.h"
#include "common/datasets/transforms.h"
#include "common/layers/mean_field/mean_field.h"

namespace seg {
namespace spn {
namespace {

// Below this a coarse probability counts as this in the dense CRF's energies.
constexpr double kLeastProbability = 1e-6;

constexpr int64_t kPyramidStride = 32;  // of a feature pyramid's deepest map

RefinementHeadOptions HeadOptions(const RefineConfig& config,
                                  int64_t num_classes) {
  RefinementHeadOptions options(num_classes);
  options.kind(config.type == RefineType::kSpn
                   ? RefinementHeadOptions::Kind::kPropagation
                   : RefinementHeadOptions::Kind::kConvolution);
  options.form(config.form);
  options.channels(config.channels).units(config.units);
  options.propagation(SpatialPropagationOptions()
                          .three_way(config.three_way)
                          .normalization(config.normalization)
                          .sum_all_gates(config.sum_all_gates));
  return options;
}

at::Tensor Shrink(const at::Tensor& x, int64_t height, int64_t width) {
  if (x.size(2) == height && x.size(3) == width) return x;
  return at::_upsample_bilinear2d_aa(x, {height, width},
                                     /*align_corners=*/false);
}

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

at::Tensor CoarseTruth(const at::Tensor& masks, int64_t num_classes,
                       int64_t ignore_label, int64_t scale) {
  const at::Tensor valid = masks.ne(ignore_label).unsqueeze(1);
  const at::Tensor classes =
      at::arange(num_classes, masks.options()).view({1, -1, 1, 1});
  const auto mean = [&](const at::Tensor& x) {
    // A last block that is not whole is averaged over the pixels it has.
    return at::avg_pool2d(x.to(at::kFloat), scale, scale, 0, /*ceil_mode=*/true,
                          /*count_include_pad=*/false);
  };
  const at::Tensor sums = mean(masks.unsqueeze(1).eq(classes) & valid);
  const at::Tensor weight = mean(valid);
  return at::where(
      weight > 0, sums / weight.clamp_min(1e-12),
      at::full({}, 1.0 / static_cast<double>(num_classes), sums.options()));
}

ModelImpl::ModelImpl(const SystemConfig& config, const DatasetInfo& info)
    : config_(config),
      num_classes_(info.num_classes()),
      ignore_label_(info.ignore_label) {
  if (config.coarse.source == CoarseSource::kParser) {
    if (config.coarse.network == "unet") {
      parser_ = register_module(
          "parser", UNet(UNetOptions(config.coarse.widths, num_classes_)));
    } else {
      fcn_ = register_module(
          "fcn", Fcn(FcnOptions(config.coarse.network, num_classes_)));
    }
  }
  if (config.refine.type == RefineType::kSpn ||
      config.refine.type == RefineType::kConvolution) {
    head_ = register_module(
        "head", RefinementHead(HeadOptions(config.refine, num_classes_)));
    const int64_t gates = head_->guidance_channels();
    const bool norm = config.refine.output_norm;
    if (config.refine.guidance == "unet") {
      guidance_ = register_module(
          "guidance", UNet(UNetOptions(config.refine.guidance_widths, gates)
                               .pool_first(true)
                               .elu(true)
                               .batch_norm(true)
                               .output_norm(norm)
                               .half_resolution(true)));
      guidance_->ScaleOutput(config.refine.gate_scale);
    } else {
      feature_guidance_ = register_module(
          "guidance", FeatureGuidance(config.refine.guidance, gates, norm,
                                      config.refine.gate_scale));
    }
  }
}

absl::Status ModelImpl::LoadPretrainedBackbones() {
  if (!fcn_.is_empty()) {
    SEG_RETURN_IF_ERROR(LoadPretrained(config_.coarse.weights, &fcn_));
  }
  if (feature_guidance_.is_empty()) return absl::OkStatus();
  return LoadPretrained(config_.refine.guidance_weights,
                        &feature_guidance_->pyramid());
}

at::Tensor ModelImpl::ParserScores(const at::Tensor& images) {
  TORCH_CHECK(has_parser(), "Model: coarse.source is ",
              EnumName(config_.coarse.source), ", so there is no parser");
  const int64_t scale = config_.coarse.scale;
  const at::Tensor small = Shrink(images, CeilDivide(images.size(2), scale),
                                  CeilDivide(images.size(3), scale));
  return parser_.is_empty() ? fcn_->forward(small)
                            : parser_->forward(NormalizeSigned(small));
}

at::Tensor ModelImpl::CoarseFromScores(const at::Tensor& scores, int64_t height,
                                       int64_t width) const {
  return ResizeTo(at::softmax(scores, 1), height, width);
}

at::Tensor ModelImpl::Coarse(const Batch& batch) {
  const int64_t height = batch.images.size(2);
  const int64_t width = batch.images.size(3);
  if (has_parser()) {
    return CoarseFromScores(ParserScores(batch.images), height, width);
  }
  if (config_.coarse.source == CoarseSource::kData) {
    TORCH_CHECK(batch.probabilities.defined(),
                "coarse.source is data: expected a folder in "
                "data.probabilities, got none");
    return batch.probabilities;
  }
  TORCH_CHECK(batch.masks.defined(),
              "coarse.source is truth: expected data with masks; for "
              "photographs without labels take parser or data");
  // A last block that is not whole keeps its place.
  const int64_t scale = config_.coarse.scale;
  return ResizeTo(CoarseTruth(batch.masks, num_classes_, ignore_label_, scale),
                  CeilDivide(height, scale) * scale,
                  CeilDivide(width, scale) * scale)
      .narrow(2, 0, height)
      .narrow(3, 0, width);
}

at::Tensor ModelImpl::Gates(const at::Tensor& images) {
  return feature_guidance_.is_empty()
             ? guidance_->forward(NormalizeSigned(images))
             : feature_guidance_->forward(images);
}

at::Tensor ModelImpl::Refine(const at::Tensor& images,
                             const at::Tensor& coarse) {
  return head_->forward(coarse, Gates(images));
}

ModelImpl::Canvas ModelImpl::Pad(const at::Tensor& images,
                                 const at::Tensor& coarse) const {
  const int64_t height = images.size(2);
  const int64_t width = images.size(3);
  if (config_.refine.pad_to == 0) {
    // The deepest map of the guidance network has whole pixels then.
    const int64_t stride =
        feature_guidance_.is_empty()
            ? int64_t{1} << (config_.refine.guidance_widths.size() - 1)
            : kPyramidStride;
    const std::vector<int64_t> pad = {
        0, CeilDivide(width, stride) * stride - width, 0,
        CeilDivide(height, stride) * stride - height};
    return {at::replication_pad2d(images, pad),
            at::replication_pad2d(coarse, pad), height, width};
  }
  const int64_t side = config_.refine.pad_to;
  const double factor =
      std::min(1.0, static_cast<double>(side) /
                        static_cast<double>(std::max(height, width)));
  const auto scaled = [&](int64_t n) {
    return std::clamp<int64_t>(std::llround(static_cast<double>(n) * factor), 1,
                               side);
  };
  Canvas canvas;
  canvas.height = scaled(height);
  canvas.width = scaled(width);
  const auto inner = [&](const at::Tensor& x) {
    return x.narrow(2, 0, canvas.height).narrow(3, 0, canvas.width);
  };
  canvas.images = at::tensor(at::ArrayRef<uint8_t>(kFillColour.data(), 3))
                      .to(images.options())
                      .view({1, 3, 1, 1})
                      .expand({images.size(0), 3, side, side})
                      .clone();
  inner(canvas.images).copy_(Shrink(images, canvas.height, canvas.width));
  canvas.coarse =
      at::zeros({images.size(0), coarse.size(1), side, side}, coarse.options());
  canvas.coarse.select(1, 0).fill_(1);
  inner(canvas.coarse).copy_(Shrink(coarse, canvas.height, canvas.width));
  return canvas;
}

at::Tensor ModelImpl::RefinePadded(const at::Tensor& images,
                                   const at::Tensor& coarse) {
  const Canvas canvas = Pad(images, coarse);
  return ResizeTo(Refine(canvas.images, canvas.coarse)
                      .narrow(2, 0, canvas.height)
                      .narrow(3, 0, canvas.width),
                  images.size(2), images.size(3));
}

at::Tensor ModelImpl::PredictGates(const at::Tensor& images) {
  // The gates do not look at the coarse probabilities.
  const Canvas canvas = Pad(images, images.narrow(1, 0, 1));
  return Gates(canvas.images)
      .narrow(2, 0, CeilDivide(canvas.height, 2))
      .narrow(3, 0, CeilDivide(canvas.width, 2));
}

std::vector<std::string> ModelImpl::OutputNames() const {
  if (config_.refine.type == RefineType::kNone) return {"coarse"};
  return {EnumName(config_.refine.type), "coarse"};
}

std::vector<at::Tensor> ModelImpl::Predict(const Batch& batch) {
  const at::Tensor coarse = Coarse(batch);
  if (config_.refine.type == RefineType::kNone) return {coarse};
  if (config_.refine.type == RefineType::kDenseCrf) {
    return {MeanField(-at::log(coarse.clamp_min(kLeastProbability)),
                      batch.images, config_.dense_crf.Options()),
            coarse};
  }
  at::Tensor scores = RefinePadded(batch.images, coarse);
  if (config_.refine.restrict_to_coarse) {
    // [N,L]: whether the class wins at a pixel of the coarse map.
    const at::Tensor labels = coarse.argmax(1).flatten(1);
    const at::Tensor present =
        at::zeros({coarse.size(0), num_classes_}, scores.options())
            .scatter_(1, labels, 1.0);
    scores = scores.masked_fill(present.eq(0).unsqueeze(-1).unsqueeze(-1),
                                -std::numeric_limits<float>::infinity());
  }
  return {at::softmax(scores, 1), coarse};
}

std::vector<at::Tensor> ModelImpl::coarse_parameters() const {
  if (!parser_.is_empty()) return parser_->parameters();
  if (!fcn_.is_empty()) return fcn_->parameters();
  return {};
}

std::vector<at::Tensor> ModelImpl::guidance_parameters() const {
  if (!feature_guidance_.is_empty()) {
    return feature_guidance_->decoder_parameters();
  }
  return guidance_.is_empty() ? std::vector<at::Tensor>()
                              : guidance_->parameters();
}

std::vector<at::Tensor> ModelImpl::guidance_backbone_parameters() const {
  return feature_guidance_.is_empty()
             ? std::vector<at::Tensor>()
             : feature_guidance_->backbone_parameters();
}

std::vector<at::Tensor> ModelImpl::head_parameters() const {
  return head_.is_empty() ? std::vector<at::Tensor>() : head_->parameters();
}

torch::nn::Module* ModelImpl::parser() {
  if (!parser_.is_empty()) return parser_.get();
  return fcn_.is_empty() ? nullptr : fcn_.get();
}

}  // namespace spn
}  // namespace seg
