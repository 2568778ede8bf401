// A trained CRF-Grad model in use, as eval, predict and validation see it.
#ifndef CRFGRAD_SYSTEM_H_
#define CRFGRAD_SYSTEM_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/evaluation/predictor.h"
#include "crfgrad/energy.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {

class System : public Predictor {
 public:
  explicit System(Model model) : model_(std::move(model)) {}

  std::vector<std::string> Names() const override {
    return model_->OutputNames();
  }
  Prediction Predict(const Batch& batch) override;

  // Makes Predict keep what inference came by; for models with a CRF-Grad
  // layer.
  void KeepStates() { keep_states_ = true; }
  // Of the last batch, with KeepStates: class probabilities of the FCN
  // [N,L,H,W], the lattices, and q after 0, 1, .. iterations. `feasible` is q
  // where the projection has no leak: labellings that have an energy.
  struct States {
    at::Tensor unary;
    LatticeVector lattices;
    std::vector<at::Tensor> q, feasible;

    States Row(int64_t n) const;  // of one image; views
  };
  const States& states() const { return states_; }
  // The energy of a labelling q [1,L,H,W] of the one image in `states`.
  EnergyParts Energy(const States& states, const at::Tensor& q);
  // The same labelling rounded (rounding.h), [1,L,H,W].
  //   images: [1,3,H,W], that the lattice was built from.
  at::Tensor Rounded(const States& states, const at::Tensor& q,
                     const at::Tensor& images);

 private:
  Model model_;
  bool keep_states_ = false;
  States states_;
};

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_SYSTEM_H_
