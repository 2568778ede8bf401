#include "crfgrad/model.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/layers/mean_field/mean_field.h"

namespace seg {
namespace crfgrad {
namespace {

// Below this a probability of a folder counts as this.
constexpr double kLeastProbability = 1e-6;

}  // namespace

ModelImpl::ModelImpl(const SystemConfig& config, int64_t num_classes)
    : config_(config) {
  if (config.unary.source == UnarySource::kNetwork) {
    fcn_ = register_module(
        "fcn", Fcn(FcnOptions(config.model.backbone, num_classes)
                       .drop_connect_rate(config.model.drop_connect_rate)));
  }
  if (config.model.inference == Inference::kCrfGrad) {
    crf_ = register_module("crf", CrfLayer(config.crf, num_classes));
  }
  if (config.model.inference == Inference::kCrfRnn) {
    crf_rnn_ =
        register_module("crf", CrfRnn(config.crf_rnn.Options(num_classes)));
  }
}

at::Tensor ModelImpl::Unary(const Batch& batch) {
  if (has_fcn()) return Scores(batch.images);
  TORCH_CHECK(batch.probabilities.defined(),
              "unary.source is folder: expected a folder in "
              "data.probabilities, got none");
  return batch.probabilities.clamp_min(kLeastProbability).log();
}

at::Tensor ModelImpl::Scores(const at::Tensor& images) {
  const int64_t size = config_.model.input_size;
  if (size == 0 || (images.size(2) == size && images.size(3) == size)) {
    return fcn_->forward(images);
  }
  const at::Tensor scores =
      fcn_->forward(at::_upsample_bilinear2d_aa(images, {size, size}, false));
  return at::upsample_bilinear2d(scores, {images.size(2), images.size(3)},
                                 false);
}

at::Tensor ModelImpl::Crf(const at::Tensor& scores, const at::Tensor& images,
                          std::vector<at::Tensor>* states) {
  return crf_->forward(at::softmax(scores, 1), crf_->BuildLattices(images),
                       states);
}

at::Tensor ModelImpl::LogCrfRnn(const at::Tensor& scores,
                                const at::Tensor& images) {
  return crf_rnn_->forward(scores, images);
}

std::vector<std::string> ModelImpl::OutputNames() const {
  const std::string unary = has_fcn() ? "fcn" : "folder";
  if (config_.model.inference == Inference::kFcn) return {unary};
  return {EnumName(config_.model.inference), unary};
}

std::vector<at::Tensor> ModelImpl::Predict(const Batch& batch) {
  const at::Tensor& images = batch.images;
  const at::Tensor scores = Unary(batch);
  const at::Tensor probabilities = at::softmax(scores, 1);
  const Inference inference = config_.model.inference;
  if (inference == Inference::kFcn) return {probabilities};
  if (inference == Inference::kCrfGrad) {
    return {crf_->forward(probabilities, crf_->BuildLattices(images)),
            probabilities};
  }
  if (inference == Inference::kCrfRnn) {
    return {LogCrfRnn(scores, images).exp(), probabilities};
  }
  return {MeanField(-at::log_softmax(scores, 1), images,
                    config_.dense_crf.Options()),
          probabilities};
}

std::vector<at::Tensor> ModelImpl::crf_parameters() const {
  if (!crf_.is_empty()) return crf_->parameters();
  if (!crf_rnn_.is_empty()) return crf_rnn_->parameters();
  return {};
}

}  // namespace crfgrad
}  // namespace seg
