#include "common/layers/permutohedral/permutohedral_library.h"

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/dispatch/traced.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/permutohedral.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct NamedNormalization {
  const char* name;
  LatticeNormalization value;
  const char* transposed;  // of the transposed operator
};
constexpr NamedNormalization kNormalizations[] = {
    {"none", LatticeNormalization::kNone, "none"},
    {"symmetric", LatticeNormalization::kSymmetric, "symmetric"},
    {"before", LatticeNormalization::kBefore, "after"},
    {"after", LatticeNormalization::kAfter, "before"},
};

const NamedNormalization& Find(c10::string_view name) {
  for (const NamedNormalization& known : kNormalizations) {
    if (name == known.name) return known;
  }
  TORCH_CHECK(false,
              "the normalization of a lattice must be none, symmetric, before "
              "or after, got ",
              name);
}

LatticeBatchPtr BuildBilateral(const at::Tensor& images, double theta_position,
                               double theta_colour) {
  return c10::make_intrusive<LatticeBatch>(
      BuildBilateralLattices(images, theta_position, theta_colour),
      LatticeRecipe{LatticeRecipe::kBilateral,
                    images.detach().clone(),
                    {theta_position, theta_colour}});
}

LatticeBatchPtr BuildSpatial(int64_t images, int64_t height, int64_t width,
                             double theta,
                             const std::optional<c10::Device>& any_device) {
  const c10::Device device = any_device.value_or(c10::kCPU);
  return c10::make_intrusive<LatticeBatch>(
      BuildSpatialLattices(images, height, width, theta, device),
      LatticeRecipe{LatticeRecipe::kSpatial,
                    at::empty({0}, at::TensorOptions(device)),
                    {static_cast<double>(images), static_cast<double>(height),
                     static_cast<double>(width), theta}});
}

LatticeBatchPtr BuildFromFeatures(const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 3,
              "BuildLattice: features must be [N,P,d], got ", features.sizes());
  return c10::make_intrusive<LatticeBatch>(
      PermutohedralLattice::BuildBatch(features),
      LatticeRecipe{LatticeRecipe::kFeatures, features.detach().clone(), {}});
}

using State = std::tuple<int64_t, at::Tensor, std::vector<double>>;

LatticeBatchPtr FromState(const State& state) {
  const auto& [kind, tensor, n] = state;
  const auto check = [&](size_t expected) {
    TORCH_CHECK(n.size() == expected,
                "PermutohedralLattice: a pickled lattice of kind ", kind,
                " has ", expected, " numbers, got ", n.size());
  };
  switch (kind) {
    case LatticeRecipe::kBilateral:
      check(2);
      return BuildBilateral(tensor, n[0], n[1]);
    case LatticeRecipe::kSpatial:
      check(4);
      return BuildSpatial(static_cast<int64_t>(n[0]),
                          static_cast<int64_t>(n[1]),
                          static_cast<int64_t>(n[2]), n[3], tensor.device());
    case LatticeRecipe::kFeatures:
      check(0);
      return BuildFromFeatures(tensor);
    default:
      TORCH_CHECK(false, "PermutohedralLattice: no pickled lattice is of kind ",
                  kind);
  }
}

at::Tensor Gaussian(const at::Tensor& values, const LatticeBatchPtr& lattice,
                    c10::string_view normalization, bool reverse) {
  return PermutohedralGaussian(values, lattice->lattices,
                               Find(normalization).value, reverse);
}

at::Tensor GaussianMeta(const at::Tensor& values, const LatticeBatchPtr&,
                        c10::string_view normalization, bool) {
  Find(normalization);
  return at::empty_symint(values.sym_sizes(), values.options());
}

at::Tensor CallGaussian(const at::Tensor& values,
                        const LatticeBatchPtr& lattice,
                        c10::string_view normalization, bool reverse) {
  static const auto op =
      FindOperator<decltype(Gaussian)>("permutohedral_gaussian");
  return op.call(values, lattice, normalization, reverse);
}

// Linear in the values: the gradient is the transposed operator.
class TracedGaussian : public torch::autograd::Function<TracedGaussian> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& values,
                            const LatticeBatchPtr& lattice,
                            const std::string& normalization, bool reverse) {
    context->saved_data["lattice"] = lattice;
    context->saved_data["normalization"] = normalization;
    context->saved_data["reverse"] = reverse;
    const at::AutoDispatchBelowADInplaceOrView guard;
    return CallGaussian(values, lattice, normalization, reverse);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const NamedNormalization& normalization =
        Find(context->saved_data["normalization"].toStringRef());
    return {
        CallGaussian(
            gradients[0],
            context->saved_data["lattice"].toCustomClass<LatticeBatch>(),
            normalization.transposed, !context->saved_data["reverse"].toBool()),
        at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor GaussianAutograd(const at::Tensor& values,
                            const LatticeBatchPtr& lattice,
                            c10::string_view normalization, bool reverse) {
  if (IsTraced({values})) {
    return TracedGaussian::apply(values, lattice, std::string(normalization),
                                 reverse);
  }
  return Gaussian(values, lattice, normalization, reverse);
}

at::Tensor Filter(const at::Tensor& values, const at::Tensor& filter,
                  const LatticeBatchPtr& lattice,
                  c10::string_view normalization) {
  return PermutohedralFilter(values, filter, lattice->lattices,
                             Find(normalization).value);
}

at::Tensor FilterMeta(const at::Tensor& values, const at::Tensor& filter,
                      const LatticeBatchPtr&, c10::string_view normalization) {
  Find(normalization);
  std::vector<c10::SymInt> sizes = values.sym_sizes().vec();
  sizes.at(1) = filter.sym_size(0);
  return at::empty_symint(sizes, values.options());
}

at::Tensor CallFilter(const at::Tensor& values, const at::Tensor& filter,
                      const LatticeBatchPtr& lattice,
                      c10::string_view normalization) {
  static const auto op = FindOperator<decltype(Filter)>("permutohedral_filter");
  return op.call(values, filter, lattice, normalization);
}

// Gradients of values and filter, by a second run.
std::tuple<at::Tensor, at::Tensor> FilterGradient(
    const at::Tensor& g, const at::Tensor& values, const at::Tensor& filter,
    const LatticeBatchPtr& lattice, c10::string_view normalization,
    bool want_values, bool want_filter) {
  const std::vector<at::Tensor> result = GradientByRecomputation(
      [&](const std::vector<at::Tensor>& in) {
        return Filter(in[0], in[1], lattice, normalization);
      },
      {values, filter}, {want_values, want_filter}, g);
  return {want_values ? result[0].contiguous() : at::Tensor(),
          want_filter ? result[1].contiguous() : at::Tensor()};
}

std::tuple<at::Tensor, at::Tensor> FilterGradientMeta(
    const at::Tensor&, const at::Tensor& values, const at::Tensor& filter,
    const LatticeBatchPtr&, c10::string_view, bool want_values,
    bool want_filter) {
  const auto like = [](const at::Tensor& x, bool wanted) {
    return wanted ? at::empty_symint(x.sym_sizes(), x.options()) : at::Tensor();
  };
  return {like(values, want_values), like(filter, want_filter)};
}

class TracedFilter : public torch::autograd::Function<TracedFilter> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& values,
                            const at::Tensor& filter,
                            const LatticeBatchPtr& lattice,
                            const std::string& normalization) {
    context->save_for_backward({values, filter});
    context->saved_data["lattice"] = lattice;
    context->saved_data["normalization"] = normalization;
    const at::AutoDispatchBelowADInplaceOrView guard;
    return CallFilter(values, filter, lattice, normalization);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    static const auto op =
        FindOperator<decltype(FilterGradient)>("permutohedral_filter_gradient");
    const variable_list saved = context->get_saved_variables();
    variable_list result(4);
    {
      const at::NoGradGuard no_grad;
      const at::AutoDispatchBelowADInplaceOrView guard;
      std::tie(result[0], result[1]) =
          op.call(gradients[0], saved[0], saved[1],
                  context->saved_data["lattice"].toCustomClass<LatticeBatch>(),
                  context->saved_data["normalization"].toStringRef(),
                  context->needs_input_grad(0), context->needs_input_grad(1));
    }
    RefuseSecondDerivatives("PermutohedralFilter",
                            {gradients[0], saved[0], saved[1]}, &result);
    return result;
  }
};

at::Tensor FilterAutograd(const at::Tensor& values, const at::Tensor& filter,
                          const LatticeBatchPtr& lattice,
                          c10::string_view normalization) {
  if (IsTraced({values, filter})) {
    return TracedFilter::apply(values, filter, lattice,
                               std::string(normalization));
  }
  return Filter(values, filter, lattice, normalization);
}

// The kernels that run on real memory; the functions say what they refuse.
void ImplOnDevice(torch::Library* m) {
  m->impl("permutohedral_gaussian", TORCH_FN(Gaussian));
  m->impl("permutohedral_filter", TORCH_FN(Filter));
  m->impl("permutohedral_filter_gradient", TORCH_FN(FilterGradient));
}

}  // namespace

LatticeNormalization LatticeNormalizationFromName(c10::string_view name) {
  return Find(name).value;
}

void RegisterLatticeBatch() {
  static const auto type =
      torch::class_<LatticeBatch>("segpapers", "PermutohedralLattice")
          .def("__len__",
               [](const LatticeBatchPtr& self) {
                 return static_cast<int64_t>(self->lattices.size());
               })
          .def("points",
               [](const LatticeBatchPtr& self) {
                 return self->lattices.empty()
                            ? 0
                            : self->lattices[0]->num_points();
               })
          .def("dim",
               [](const LatticeBatchPtr& self) {
                 return self->lattices.empty() ? 0 : self->lattices[0]->dim();
               })
          .def("vertices",
               [](const LatticeBatchPtr& self) {
                 std::vector<int64_t> vertices;
                 for (const LatticePtr& lattice : self->lattices) {
                   vertices.push_back(lattice->num_vertices());
                 }
                 return vertices;
               })
          .def_pickle(
              [](const LatticeBatchPtr& self) {
                return State(self->recipe.kind, self->recipe.tensor,
                             self->recipe.numbers);
              },
              [](State state) { return FromState(state); });
  static_cast<void>(type);
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  RegisterLatticeBatch();
  m.def(
      "build_bilateral_lattice(Tensor images, float theta_position, float "
      "theta_colour) -> " SEG_LATTICE_TYPE,
      TORCH_FN(BuildBilateral));
  m.def(
      "build_spatial_lattice(int images, int height, int width, float theta, "
      "Device? device=None) -> " SEG_LATTICE_TYPE,
      TORCH_FN(BuildSpatial));
  m.def("build_lattice(Tensor features) -> " SEG_LATTICE_TYPE,
        TORCH_FN(BuildFromFeatures));
  m.def("permutohedral_gaussian(Tensor values, " SEG_LATTICE_TYPE
        " lattice, str normalization='symmetric', bool reverse=False) -> "
        "Tensor");
  m.def("permutohedral_filter(Tensor values, Tensor filter, " SEG_LATTICE_TYPE
        " lattice, str normalization='symmetric') -> Tensor");
  m.def(
      "permutohedral_filter_gradient(Tensor g, Tensor values, Tensor "
      "filter, " SEG_LATTICE_TYPE
      " lattice, str normalization, bool want_values, bool want_filter) -> "
      "(Tensor, Tensor)");
  AutocastToFloat<&CallGaussian>(&m, "permutohedral_gaussian");
  AutocastToFloat<&CallFilter>(&m, "permutohedral_filter");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("permutohedral_gaussian", TORCH_FN(GaussianAutograd));
  m.impl("permutohedral_filter", TORCH_FN(FilterAutograd));
}
TORCH_LIBRARY_IMPL(segpapers, CPU, m) { ImplOnDevice(&m); }
TORCH_LIBRARY_IMPL(segpapers, CUDA, m) { ImplOnDevice(&m); }
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("permutohedral_gaussian", TORCH_FN(GaussianMeta));
  m.impl("permutohedral_filter", TORCH_FN(FilterMeta));
  m.impl("permutohedral_filter_gradient", TORCH_FN(FilterGradientMeta));
}

}  // namespace seg
