#include "common/layers/permutohedral/lattice_ops.h"

#include "ATen/core/LegacyTypeDispatch.h"
#include "common/layers/dispatch/dispatch.h"
#include "torch/library.h"

namespace seg {
namespace lattice_ops {
std::vector<at::Tensor> Build(const at::Tensor& features) {
  static const auto op = FindOperator<decltype(Build)>("lattice_build");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(features);
}

at::Tensor TapTable(at::TensorList lattice, const at::Tensor& offsets) {
  static const auto op = FindOperator<decltype(TapTable)>("lattice_tap_table");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(lattice, offsets);
}

at::Tensor Filter(const at::Tensor& values, at::TensorList lattice,
                  const std::optional<at::Tensor>& before,
                  const std::optional<at::Tensor>& after, double scale,
                  bool reverse) {
  static const auto op = FindOperator<decltype(Filter)>("lattice_filter");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(values, lattice, before, after, scale, reverse);
}

at::Tensor Taps(const at::Tensor& values, const at::Tensor& filter,
                at::TensorList lattice, const at::Tensor& table,
                const std::optional<at::Tensor>& before,
                const std::optional<at::Tensor>& after) {
  static const auto op = FindOperator<decltype(Taps)>("lattice_taps");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(values, filter, lattice, table, before, after);
}

std::tuple<at::Tensor, at::Tensor> TapsBackward(
    const at::Tensor& gradient, const at::Tensor& values,
    const at::Tensor& filter, at::TensorList lattice, const at::Tensor& table,
    const at::Tensor& reflection, const std::optional<at::Tensor>& before,
    const std::optional<at::Tensor>& after, bool want_values,
    bool want_filter) {
  static const auto op =
      FindOperator<decltype(TapsBackward)>("lattice_taps_backward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(gradient, values, filter, lattice, table, reflection, before,
                 after, want_values, want_filter);
}

void CheckBuiltFor(const char* op, const at::Tensor& x) {
  static const auto build = FindOperator<decltype(Build)>("lattice_build");
  seg::CheckBuiltFor(op, build, x);
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def("lattice_build(Tensor features) -> Tensor[]");
  m.def("lattice_tap_table(Tensor[] lattice, Tensor offsets) -> Tensor");
  m.def(
      "lattice_filter(Tensor values, Tensor[] lattice, Tensor? before, Tensor? "
      "after, float scale, bool reverse) -> Tensor");
  m.def(
      "lattice_taps(Tensor values, Tensor filter, Tensor[] lattice, Tensor "
      "table, Tensor? before, Tensor? after) -> Tensor");
  m.def(
      "lattice_taps_backward(Tensor gradient, Tensor values, Tensor filter, "
      "Tensor[] lattice, Tensor table, Tensor reflection, Tensor? before, "
      "Tensor? after, bool want_values, bool want_filter) -> (Tensor, Tensor)");
}

}  // namespace lattice_ops
}  // namespace seg
