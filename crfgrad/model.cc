#include "crfgrad/model.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/layers/mean_field/mean_field.h"

namespace seg {
namespace crfgrad {

ModelImpl::ModelImpl(const SystemConfig& config, int64_t num_classes)
    : config_(config) {
  fcn_ = register_module(
      "fcn", Fcn(FcnOptions(config.model.backbone, num_classes)
                     .drop_connect_rate(config.model.drop_connect_rate)));
  if (config.model.inference == Inference::kCrfGrad) {
    crf_ = register_module("crf", CrfLayer(config.crf, num_classes));
  }
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

std::vector<std::string> ModelImpl::OutputNames() const {
  if (config_.model.inference == Inference::kFcn) return {"fcn"};
  return {EnumName(config_.model.inference), "fcn"};
}

std::vector<at::Tensor> ModelImpl::Predict(const at::Tensor& images) {
  const at::Tensor scores = Scores(images);
  const at::Tensor probabilities = at::softmax(scores, 1);
  if (config_.model.inference == Inference::kFcn) return {probabilities};
  if (config_.model.inference == Inference::kCrfGrad) {
    return {crf_->forward(probabilities, crf_->BuildLattices(images)),
            probabilities};
  }
  return {MeanField(-at::log_softmax(scores, 1), images,
                    config_.dense_crf.Options()),
          probabilities};
}

}  // namespace crfgrad
}  // namespace seg
