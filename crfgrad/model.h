// The CRF-Grad system: a fully convolutional network, or class probabilities of
// any other system, and on them the CRF-Grad layer; for comparison a mean-field
// dense CRF and CRF-RNN on the same.
#ifndef CRFGRAD_MODEL_H_
#define CRFGRAD_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/backbones/fcn.h"
#include "common/datasets/dataset.h"
#include "common/layers/mean_field/crf_rnn.h"
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
  // model.input_size where that is set. Only where has_fcn().
  at::Tensor Scores(const at::Tensor& images);

  // The same of a batch, from where unary.source says: scores of the FCN, or
  // logarithms of the batch's probabilities (below 1e-6 as 1e-6), whose
  // soft-max they are. Throws where the batch has none.
  at::Tensor Unary(const Batch& batch);

  // q^T of the CRF-Grad layer on soft-max(scores); see CrfLayerImpl::forward.
  at::Tensor Crf(const at::Tensor& scores, const at::Tensor& images,
                 std::vector<at::Tensor>* states = nullptr);

  // log Q of CRF-RNN on the same scores.
  at::Tensor LogCrfRnn(const at::Tensor& scores, const at::Tensor& images);

  // What model.inference says first, then the unary's soft-max where that is
  // not it already: the outputs for Evaluate and RunPredict.
  std::vector<at::Tensor> Predict(const Batch& batch);
  std::vector<std::string> OutputNames() const;

  bool has_fcn() const { return !fcn_.is_empty(); }
  Fcn& fcn() { return fcn_; }  // only where has_fcn()
  // Whether model.inference is a CRF that learns.
  bool has_crf() const { return !crf_.is_empty() || !crf_rnn_.is_empty(); }
  std::vector<at::Tensor> crf_parameters() const;  // empty where there is none
  CrfLayer& crf() { return crf_; }  // only where model.inference is crfgrad

 private:
  SystemConfig config_;
  Fcn fcn_{nullptr};         // empty unless unary.source is network
  CrfLayer crf_{nullptr};    // empty unless model.inference is crfgrad
  CrfRnn crf_rnn_{nullptr};  // empty unless it is crf_rnn
};
TORCH_MODULE(Model);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_MODEL_H_
