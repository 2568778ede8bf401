#include "crfgrad/system.h"

#include <ATen/ATen.h>

namespace seg {
namespace crfgrad {

Prediction System::Predict(const Batch& batch) {
  if (!keep_states_) return {model_->Predict(batch), {}};
  states_ = {};
  states_.unary = at::softmax(model_->Unary(batch), 1);
  states_.lattices = model_->crf()->BuildLattices(batch.images);
  const at::Tensor q =
      model_->crf()->forward(states_.unary, states_.lattices, &states_.q);
  return {{q, states_.unary}, {}};
}

double System::Energy(const at::Tensor& unary, const at::Tensor& q,
                      const LatticeVector& lattice) {
  return model_->crf()->Energy(unary, q, lattice).item<double>();
}

}  // namespace crfgrad
}  // namespace seg
