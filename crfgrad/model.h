// The CRF-Grad system: a fully convolutional network and, on its soft-max, the
// CRF-Grad layer; for comparison a mean-field dense CRF on the same network.
#ifndef CRFGRAD_MODEL_H_
#define CRFGRAD_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/backbones/fcn.h"
#include "crfgrad/config.h"
#include "crfgrad/crf_layer.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace crfgrad {

class ModelImpl : public torch::nn::Module {
 public:
  ModelImpl(const SystemConfig& config, int64_t num_classes);

  // images: [N,3,H,W] float32, RGB 0..255 -> scores (logits) [N,L,H,W], through
  // model.input_size where that is set.
  at::Tensor Scores(const at::Tensor& images);

  // q^T of the CRF-Grad layer on soft-max(scores); see CrfLayerImpl::forward.
  at::Tensor Crf(const at::Tensor& scores, const at::Tensor& images,
                 std::vector<at::Tensor>* states = nullptr);

  // What model.inference says first, then the FCN's soft-max where that is not
  // it already: the outputs for Evaluate and RunPredict.
  std::vector<at::Tensor> Predict(const at::Tensor& images);
  std::vector<std::string> OutputNames() const;

  Fcn& fcn() { return fcn_; }
  bool has_crf() const { return !crf_.is_empty(); }
  CrfLayer& crf() { return crf_; }  // only where has_crf()

 private:
  SystemConfig config_;
  Fcn fcn_{nullptr};
  CrfLayer crf_{nullptr};  // empty unless model.inference is crfgrad
};
TORCH_MODULE(Model);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_MODEL_H_
