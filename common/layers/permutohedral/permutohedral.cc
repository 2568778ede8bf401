#include "common/layers/permutohedral/permutohedral.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/layers/dispatch/dispatch.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/layers/permutohedral/device_filter.h"
#include "common/layers/permutohedral/filter_core.h"
#include "common/layers/permutohedral/lattice_data.h"
#include "torch/csrc/autograd/custom_function.h"

namespace seg {
namespace {

using permutohedral::Planes;
using permutohedral::RowLength;
using permutohedral::Scaling;
using permutohedral::VertexRows;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the autograd functions carry besides tensors.
struct Context : torch::CustomClassHolder {
  LatticeVector lattices;
  LatticeNormalization normalization = LatticeNormalization::kNone;
  bool reverse = false;
  int64_t support = 0;
};
using ContextPtr = c10::intrusive_ptr<Context>;

void CheckDevice(const char* op, const at::Tensor& values,
                 const PermutohedralLattice& lattice) {
  if (lattice.data() == nullptr) {
    TORCH_CHECK(values.is_cpu(), op,
                ": values must be on the CPU, as the lattices, got ",
                values.device());
    return;
  }
  TORCH_CHECK(values.device() == lattice.data()->device(), op,
              ": values must be on ", lattice.data()->device(),
              ", as the lattices, got ", values.device());
}

// Whether the lattices are a device's. (There are none in an empty batch.)
bool OnDevice(const LatticeVector& lattices) {
  return !lattices.empty() && lattices[0]->data() != nullptr;
}

void CheckValues(const char* op, const at::Tensor& values,
                 const LatticeVector& lattices) {
  TORCH_CHECK(values.dim() == 3 || values.dim() == 4, op,
              ": values must be [N,L,H,W] or [N,L,P], got ", values.sizes());
  TORCH_CHECK(
      values.scalar_type() == at::kFloat || values.scalar_type() == at::kDouble,
      op, ": values must be float32 or float64, got ", values.scalar_type());
  TORCH_CHECK(values.size(1) >= 1, op,
              ": values must have at least one label, got ", values.sizes());
  TORCH_CHECK(values.size(0) == static_cast<int64_t>(lattices.size()), op,
              ": values of batch ", values.size(0),
              " need as many lattices, got ", lattices.size());
  const int64_t points =
      values.dim() == 3 ? values.size(2) : values.size(2) * values.size(3);
  for (size_t n = 0; n < lattices.size(); ++n) {
    TORCH_CHECK(lattices[n] != nullptr, op, ": lattice ", n, " is null");
    TORCH_CHECK(lattices[n]->num_points() == points, op, ": lattice ", n,
                " must have as many points as values have pixels (", points,
                "), got ", lattices[n]->num_points());
    CheckDevice(op, values, *lattices[n]);
  }
}

// [N,L,P], copied only if rows and columns cannot be walked by one stride.
at::Tensor Flatten(const at::Tensor& values) {
  return values.dim() == 3 ? values : values.flatten(2);
}

template <typename T>
Planes<const T> Image(const at::Tensor& values, int64_t n) {
  return {values.const_data_ptr<T>() + n * values.stride(0), values.stride(1),
          values.stride(2)};
}
template <typename T>
Planes<T> MutableImage(const at::Tensor& values, int64_t n) {
  return {values.mutable_data_ptr<T>() + n * values.stride(0), values.stride(1),
          values.stride(2)};
}

// Factors of K, or of its transpose.
template <typename T>
Scaling<T> Factors(const PermutohedralLattice& lattice, const Context& context,
                   bool transpose) {
  using Kind = LatticeNormalization;
  const Kind kind = context.normalization;
  const T* n = lattice.Normalizer<T>(kind, context.support);
  Scaling<T> scaling;
  if (kind == Kind::kSymmetric || kind == Kind::kBefore) scaling.before = n;
  if (kind == Kind::kSymmetric || kind == Kind::kAfter) scaling.after = n;
  if (transpose) std::swap(scaling.before, scaling.after);
  return scaling;
}

// Runs one image a thread for as many whole rounds as there are, then all
// threads on each image that is left in turn. The result is the same bit for
// bit.
void ForEachImage(int64_t batch, const std::function<void(int64_t)>& run) {
  const int64_t whole = batch - batch % at::get_num_threads();
  at::parallel_for(0, whole, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) run(n);
  });
  for (int64_t n = whole; n < batch; ++n) run(n);
}

permutohedral::DeviceFilter DeviceFilterOf(const Context& context) {
  return {context.lattices, context.normalization, context.support};
}

at::Tensor Gaussian(const at::Tensor& values, const Context& context,
                    bool transpose) {
  const at::Tensor in = Flatten(values);
  if (OnDevice(context.lattices)) {
    return permutohedral::DeviceGaussian(DeviceFilterOf(context), in,
                                         context.reverse, transpose)
        .view(values.sizes());
  }
  const at::Tensor out = at::empty(values.sizes(), values.options());
  const at::Tensor flat = out.view(in.sizes());
  AT_DISPATCH_FLOATING_TYPES(
      values.scalar_type(), "PermutohedralGaussian", [&] {
        ForEachImage(in.size(0), [&](int64_t n) {
          const PermutohedralLattice& lattice = *context.lattices[n];
          permutohedral::GaussianFilter(
              lattice, Image<scalar_t>(in, n), in.size(1),
              Factors<scalar_t>(lattice, context, transpose),
              context.reverse != transpose, MutableImage<scalar_t>(flat, n));
        });
      });
  return out;
}

// Linear in the values, so its backward is itself with K transposed and may be
// differentiated again.
class GaussianFunction : public torch::autograd::Function<GaussianFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& values,
                            const ContextPtr& context, bool transpose) {
    ctx->saved_data["context"] = at::IValue::make_capsule(context);
    ctx->saved_data["transpose"] = transpose;
    return Gaussian(values, *context, transpose);
  }
  static variable_list backward(AutogradContext* ctx,
                                const variable_list& grads) {
    const auto context = c10::static_intrusive_pointer_cast<Context>(
        ctx->saved_data["context"].toCapsule());
    const bool transpose = ctx->saved_data["transpose"].toBool();
    if (!grads[0].defined()) return {at::Tensor(), at::Tensor(), at::Tensor()};
    return {apply(grads[0], context, !transpose), at::Tensor(), at::Tensor()};
  }
};

// The filter as the kernels take it: [taps][labels_in][row of labels_out].
template <typename T>
std::vector<T> PackFilter(const at::Tensor& filter) {
  const at::Tensor f = filter.contiguous();
  const int64_t labels_out = f.size(0);
  const int64_t labels_in = f.size(1);
  const int64_t taps = f.size(2);
  const int64_t row = RowLength(labels_out);
  std::vector<T> packed(taps * labels_in * row, T(0));
  const T* from = f.const_data_ptr<T>();
  for (int64_t l = 0; l < labels_out; ++l) {
    for (int64_t m = 0; m < labels_in; ++m) {
      for (int64_t o = 0; o < taps; ++o)
        *(&packed[(o * labels_in + m) * row + l]) = *from++;
    }
  }
  return packed;
}

// The filter of the transposed operator: F'[m][l][o] = F[l][m][-o].
at::Tensor Transposed(const at::Tensor& filter, int64_t dim, int64_t support) {
  const at::Tensor reflection =
      at::tensor(at::IntArrayRef(PermutohedralReflection(dim, support)),
                 filter.options().dtype(at::kLong));
  return filter.transpose(0, 1).index_select(2, reflection);
}

at::Tensor Filter(const at::Tensor& values, const at::Tensor& filter,
                  const Context& context) {
  const at::Tensor in = Flatten(values);
  std::vector<int64_t> sizes = values.sizes().vec();
  sizes[1] = filter.size(0);
  // Without a lattice nothing says which device it is.
  if (in.size(0) == 0) return at::empty(sizes, values.options());
  if (OnDevice(context.lattices)) {
    return permutohedral::DeviceTaps(DeviceFilterOf(context), in, filter)
        .view(sizes);
  }
  const at::Tensor out = at::empty(sizes, values.options());
  const at::Tensor flat = Flatten(out);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "PermutohedralFilter", [&] {
    const std::vector<scalar_t> packed = PackFilter<scalar_t>(filter);
    ForEachImage(in.size(0), [&](int64_t n) {
      const PermutohedralLattice& lattice = *context.lattices[n];
      const auto scaling = Factors<scalar_t>(lattice, context, false);
      const int64_t vertices = lattice.num_vertices();
      VertexRows<scalar_t> u(vertices, RowLength(in.size(1)));
      VertexRows<scalar_t> y(vertices, RowLength(filter.size(0)));
      permutohedral::Splat(lattice, Image<scalar_t>(in, n), in.size(1),
                           scaling.before, &u);
      permutohedral::ApplyTaps(lattice, context.support, packed.data(),
                               in.size(1), u, &y);
      permutohedral::Slice(lattice, y, filter.size(0), scalar_t(1),
                           scaling.after, MutableImage<scalar_t>(flat, n));
    });
  });
  return out;
}

// Gradients of Filter; undefined where not wanted.
std::pair<at::Tensor, at::Tensor> FilterBackward(
    const at::Tensor& grad, const at::Tensor& values, const at::Tensor& filter,
    const Context& context, bool want_values, bool want_filter) {
  const at::Tensor g = Flatten(grad);
  const at::Tensor in = Flatten(values);
  if (OnDevice(context.lattices)) {
    auto [of_values, of_filter] = permutohedral::DeviceTapsBackward(
        DeviceFilterOf(context), g, in, filter, want_values, want_filter);
    if (want_values) of_values = of_values.view(values.sizes());
    return {of_values, of_filter};
  }
  const int64_t labels_in = in.size(1);
  const int64_t labels_out = filter.size(0);
  const int64_t taps = filter.size(2);
  const int64_t row_in = RowLength(labels_in);
  at::Tensor d_values;
  if (want_values) d_values = at::empty(values.sizes(), values.options());
  const at::Tensor flat = want_values ? Flatten(d_values) : at::Tensor();
  // Per image, so that the sum over images has a fixed order too.
  const at::Tensor sums =
      at::zeros({want_filter ? in.size(0) : 0, taps, labels_out, row_in},
                values.options().dtype(at::kDouble));
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "PermutohedralFilter", [&] {
    std::vector<scalar_t> packed;
    if (want_values && in.size(0) > 0) {
      packed = PackFilter<scalar_t>(
          Transposed(filter, context.lattices[0]->dim(), context.support));
    }
    ForEachImage(in.size(0), [&](int64_t n) {
      const PermutohedralLattice& lattice = *context.lattices[n];
      const auto scaling = Factors<scalar_t>(lattice, context, false);
      const int64_t vertices = lattice.num_vertices();
      VertexRows<scalar_t> dy(vertices, RowLength(labels_out));
      VertexRows<scalar_t> u(vertices, row_in);
      permutohedral::Splat(lattice, Image<scalar_t>(g, n), labels_out,
                           scaling.after, &dy);
      if (want_filter) {
        permutohedral::Splat(lattice, Image<scalar_t>(in, n), labels_in,
                             scaling.before, &u);
        permutohedral::AddTapGradient(lattice, context.support, dy, labels_out,
                                      u, sums[n].data_ptr<double>());
      }
      if (want_values) {
        permutohedral::ApplyTaps(lattice, context.support, packed.data(),
                                 labels_out, dy, &u);
        permutohedral::Slice(lattice, u, labels_in, scalar_t(1), scaling.before,
                             MutableImage<scalar_t>(flat, n));
      }
    });
  });
  at::Tensor d_filter;
  if (want_filter) {
    d_filter = sums.sum(0)
                   .narrow(2, 0, labels_in)
                   .permute({1, 2, 0})
                   .to(filter.scalar_type())
                   .contiguous();
  }
  return {d_values, d_filter};
}

class FilterFunction : public torch::autograd::Function<FilterFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& values,
                            const at::Tensor& filter,
                            const ContextPtr& context) {
    ctx->save_for_backward({values, filter});
    ctx->saved_data["context"] = at::IValue::make_capsule(context);
    return Filter(values, filter, *context);
  }
  static variable_list backward(AutogradContext* ctx,
                                const variable_list& grads) {
    if (!grads[0].defined()) return {at::Tensor(), at::Tensor(), at::Tensor()};
    const variable_list saved = ctx->get_saved_variables();
    const auto context = c10::static_intrusive_pointer_cast<Context>(
        ctx->saved_data["context"].toCapsule());
    variable_list result(3);
    {
      at::NoGradGuard no_grad;
      std::tie(result[0], result[1]) =
          FilterBackward(grads[0], saved[0], saved[1], *context,
                         ctx->needs_input_grad(0), ctx->needs_input_grad(1));
    }
    RefuseSecondDerivatives("PermutohedralFilter",
                            {grads[0], saved[0], saved[1]}, &result);
    return result;
  }
};

}  // namespace

at::Tensor PermutohedralGaussian(const at::Tensor& any_values,
                                 const LatticeVector& lattices,
                                 LatticeNormalization normalization,
                                 bool reverse) {
  const at::Tensor values = FloatUnderAutocast(any_values);
  CheckValues("PermutohedralGaussian", values, lattices);
  auto context = c10::make_intrusive<Context>();
  context->lattices = lattices;
  context->normalization = normalization;
  context->reverse = reverse;
  return GaussianFunction::apply(values, context, false);
}

at::Tensor PermutohedralFilter(const at::Tensor& any_values,
                               const at::Tensor& any_filter,
                               const LatticeVector& lattices,
                               LatticeNormalization normalization) {
  const at::Tensor values = FloatUnderAutocast(any_values);
  const at::Tensor filter = FloatUnderAutocast(any_filter);
  CheckValues("PermutohedralFilter", values, lattices);
  TORCH_CHECK(filter.dim() == 3 && filter.size(1) == values.size(1) &&
                  filter.size(0) >= 1,
              "PermutohedralFilter: filter must be [L_out,L,taps] with L=",
              values.size(1), ", got ", filter.sizes());
  TORCH_CHECK(filter.scalar_type() == values.scalar_type() &&
                  filter.device() == values.device(),
              "PermutohedralFilter: filter must match values' dtype ",
              values.scalar_type(), " and device ", values.device(), ", got ",
              filter.scalar_type(), " on ", filter.device());
  auto context = c10::make_intrusive<Context>();
  context->lattices = lattices;
  context->normalization = normalization;
  for (const LatticePtr& lattice : lattices) {
    TORCH_CHECK(lattice->dim() == lattices[0]->dim(),
                "PermutohedralFilter: lattices must have one dimension, got ",
                lattices[0]->dim(), " and ", lattice->dim());
  }
  if (!lattices.empty()) {
    context->support = PermutohedralSupport(lattices[0]->dim(), filter.size(2));
  }
  return FilterFunction::apply(values, filter, context);
}

}  // namespace seg
