#include "spn/model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/datasets/augment.h"
#include "common/datasets/transforms.h"
#include "common/layers/mean_field/mean_field.h"

namespace seg {
namespace spn {
namespace {

// Below this a coarse probability counts as this in the dense CRF's energies.
constexpr double kLeastProbability = 1e-6;

GateNormalization Normalization(const std::string& name) {
  if (name == "tanh") return GateNormalization::kTanh;
  if (name == "divide") return GateNormalization::kDivide;
  if (name == "clamp") return GateNormalization::kClamp;
  if (name == "divide_plus") return GateNormalization::kDividePlus;
  return GateNormalization::kNone;
}

RefinementHeadOptions HeadOptions(const RefineConfig& config,
                                  int64_t num_classes) {
  using Form = RefinementHeadOptions::Form;
  RefinementHeadOptions options(num_classes);
  options.kind(config.type == "spn"
                   ? RefinementHeadOptions::Kind::kPropagation
                   : RefinementHeadOptions::Kind::kConvolution);
  options.form(config.form == "faces" ? Form::kFaces
               : config.form == "voc" ? Form::kVoc
                                      : Form::kSupplement);
  options.channels(config.channels).units(config.units);
  options.propagation(SpatialPropagationOptions()
                          .three_way(config.three_way)
                          .normalization(Normalization(config.normalization))
                          .sum_all_gates(config.sum_all_gates));
  return options;
}

// (x - 127) / 128, as the EfficientNet-Lite weights want it.
at::Tensor Scaled(const at::Tensor& images) { return (images - 127.0) / 128.0; }

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

ModelImpl::ModelImpl(const Config& config, const DatasetInfo& info)
    : config_(config),
      num_classes_(info.num_classes()),
      ignore_label_(info.ignore_label) {
  if (config.coarse.source == "parser") {
    if (config.coarse.network == "unet") {
      parser_ = register_module(
          "parser", UNet(UNetOptions(config.coarse.widths, num_classes_)));
    } else {
      fcn_ = register_module(
          "fcn", Fcn(FcnOptions(config.coarse.network, num_classes_)));
    }
  }
  if (config.refine.type == "spn" || config.refine.type == "convolution") {
    head_ = register_module(
        "head", RefinementHead(HeadOptions(config.refine, num_classes_)));
    guidance_ = register_module("guidance",
                                UNet(UNetOptions(config.refine.guidance_widths,
                                                 head_->guidance_channels())
                                         .pool_first(true)
                                         .elu(true)
                                         .batch_norm(true)
                                         .output_norm(config.refine.output_norm)
                                         .half_resolution(true)));
    if (config.refine.gate_scale != 1.0) {
      guidance_->ScaleOutput(config.refine.gate_scale);
    }
  }
}

at::Tensor ModelImpl::ParserScores(const at::Tensor& images) {
  TORCH_CHECK(has_parser(), "Model: coarse.source is ", config_.coarse.source,
              ", so there is no parser");
  const int64_t scale = config_.coarse.scale;
  const at::Tensor small = Shrink(images, CeilDivide(images.size(2), scale),
                                  CeilDivide(images.size(3), scale));
  return parser_.is_empty() ? fcn_->forward(small)
                            : parser_->forward(Scaled(small));
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
  if (config_.coarse.source == "data") {
    TORCH_CHECK(batch.probabilities.defined(),
                "coarse.source is data: expected a folder in "
                "data.probabilities, got none");
    return batch.probabilities;
  }
  TORCH_CHECK(batch.masks.defined(),
              "coarse.source is truth: expected data with masks; for "
              "photographs without labels take parser or data");
  return ResizeTo(CoarseTruth(batch.masks, num_classes_, ignore_label_,
                              config_.coarse.scale),
                  height, width);
}

at::Tensor ModelImpl::Gates(const at::Tensor& images) {
  return guidance_->forward(Scaled(images));
}

at::Tensor ModelImpl::Refine(const at::Tensor& images,
                             const at::Tensor& coarse) {
  return head_->forward(coarse, Gates(images));
}

at::Tensor ModelImpl::RefinePadded(const at::Tensor& images,
                                   const at::Tensor& coarse) {
  const int64_t height = images.size(2);
  const int64_t width = images.size(3);
  if (config_.refine.pad_to == 0) {
    // The deepest map of the guidance network has whole pixels then.
    const int64_t stride = int64_t{1}
                           << (config_.refine.guidance_widths.size() - 1);
    const std::vector<int64_t> pad = {
        0, CeilDivide(width, stride) * stride - width, 0,
        CeilDivide(height, stride) * stride - height};
    return Refine(at::replication_pad2d(images, pad),
                  at::replication_pad2d(coarse, pad))
        .narrow(2, 0, height)
        .narrow(3, 0, width);
  }
  const int64_t side = config_.refine.pad_to;
  const double factor =
      std::min(1.0, static_cast<double>(side) /
                        static_cast<double>(std::max(height, width)));
  const auto scaled = [&](int64_t n) {
    return std::clamp<int64_t>(std::llround(static_cast<double>(n) * factor), 1,
                               side);
  };
  const int64_t inner_height = scaled(height);
  const int64_t inner_width = scaled(width);
  at::Tensor canvas = at::tensor(at::ArrayRef<uint8_t>(kFillColour.data(), 3))
                          .to(images.options())
                          .view({1, 3, 1, 1})
                          .expand({images.size(0), 3, side, side})
                          .clone();
  at::Tensor map =
      at::zeros({images.size(0), num_classes_, side, side}, coarse.options());
  map.select(1, 0).fill_(1);
  const auto inner = [&](const at::Tensor& x) {
    return x.narrow(2, 0, inner_height).narrow(3, 0, inner_width);
  };
  inner(canvas).copy_(Shrink(images, inner_height, inner_width));
  inner(map).copy_(Shrink(coarse, inner_height, inner_width));
  return ResizeTo(inner(Refine(canvas, map)), height, width);
}

std::vector<std::string> ModelImpl::OutputNames() const {
  if (config_.refine.type == "none") return {"coarse"};
  return {config_.refine.type, "coarse"};
}

std::vector<at::Tensor> ModelImpl::Predict(const Batch& batch) {
  const at::Tensor coarse = Coarse(batch);
  if (config_.refine.type == "none") return {coarse};
  if (config_.refine.type == "dense_crf") {
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
  return guidance_.is_empty() ? std::vector<at::Tensor>()
                              : guidance_->parameters();
}

std::vector<at::Tensor> ModelImpl::head_parameters() const {
  return head_.is_empty() ? std::vector<at::Tensor>() : head_->parameters();
}

void ModelImpl::TrainParser(bool on) {
  if (!parser_.is_empty()) parser_->train(on);
  if (!fcn_.is_empty()) fcn_->train(on);
}

}  // namespace spn
}  // namespace seg
