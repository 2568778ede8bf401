#include "crfgrad/system.h"

#include <ATen/ATen.h>

#include "crfgrad/rounding.h"

namespace seg {
namespace crfgrad {

Prediction System::Predict(const Batch& batch) {
  if (!keep_states_) return {model_->Predict(batch), {}};
  CrfLayer& crf = model_->crf();
  states_ = {};
  states_.unary = at::softmax(model_->Unary(batch), 1);
  states_.lattices = crf->BuildLattices(batch.images);
  const at::Tensor q =
      crf->forward(states_.unary, states_.lattices, &states_.q);
  states_.feasible = states_.q;
  if (crf->config().leak != 0) {
    CrfConfig exact = crf->config();
    exact.leak = 0;
    ProjectedGradientDescent(states_.unary, crf->filters(), states_.lattices,
                             exact, &states_.feasible);
  }
  return {{q, states_.unary}, {}};
}

System::States System::States::Row(int64_t n) const {
  States row;
  row.unary = unary.narrow(0, n, 1);
  // None without the bilateral term.
  if (!lattices.empty()) row.lattices.push_back(lattices[n]);
  for (const at::Tensor& state : q) row.q.push_back(state.narrow(0, n, 1));
  for (const at::Tensor& state : feasible) {
    row.feasible.push_back(state.narrow(0, n, 1));
  }
  return row;
}

EnergyParts System::Energy(const States& states, const at::Tensor& q) {
  CrfLayer& crf = model_->crf();
  const CrfFilters filters = crf->filters();
  return CrfEnergy(CrfUnary(states.unary, filters, crf->config().epsilon), q,
                   filters, states.lattices);
}

at::Tensor System::Rounded(const States& states, const at::Tensor& q,
                           const at::Tensor& images) {
  CrfLayer& crf = model_->crf();
  const CrfFilters filters = crf->filters();
  const at::Tensor unary =
      CrfUnary(states.unary, filters, crf->config().epsilon);
  // Rounding looks into the lattice, on the CPU.
  const at::Tensor labels = RoundSequentially(
      unary, q, filters,
      q.is_cpu() ? states.lattices : crf->BuildLattices(images.cpu()));
  return HardLabelling(labels, q);
}

}  // namespace crfgrad
}  // namespace seg
