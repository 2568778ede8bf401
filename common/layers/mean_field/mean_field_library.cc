// Mean-field inference as operators of LibTorch's dispatcher
// (torch.ops.segpapers.mean_field in Python).
#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <string>
#include <vector>

#include "common/layers/dispatch/dispatch.h"
#include "common/layers/dispatch/traced.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/layers/once_differentiable/once_differentiable.h"
#include "common/layers/permutohedral/permutohedral_library.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Run(const at::Tensor& unary, const at::Tensor& images,
               int64_t iterations, double spatial_theta, double spatial_weight,
               double theta_position, double theta_colour,
               double bilateral_weight, c10::string_view normalization) {
  MeanFieldOptions options;
  options.iterations = iterations;
  options.spatial_theta = spatial_theta;
  options.spatial_weight = spatial_weight;
  options.bilateral_theta_position = theta_position;
  options.bilateral_theta_colour = theta_colour;
  options.bilateral_weight = bilateral_weight;
  options.normalization = LatticeNormalizationFromName(normalization);
  return MeanField(unary, images, options);
}

at::Tensor RunMeta(const at::Tensor& unary, const at::Tensor&, int64_t, double,
                   double, double, double, double, c10::string_view) {
  return at::empty_symint(unary.sym_sizes(), unary.options());
}

// Gradient of unary, by a second run.
at::Tensor Gradient(const at::Tensor& g, const at::Tensor& unary,
                    const at::Tensor& images, int64_t iterations,
                    double spatial_theta, double spatial_weight,
                    double theta_position, double theta_colour,
                    double bilateral_weight, c10::string_view normalization) {
  return GradientByRecomputation(
             [&](const std::vector<at::Tensor>& in) {
               return Run(in[0], images, iterations, spatial_theta,
                          spatial_weight, theta_position, theta_colour,
                          bilateral_weight, normalization);
             },
             {unary}, {true}, g)[0]
      .contiguous();
}

at::Tensor GradientMeta(const at::Tensor&, const at::Tensor& unary,
                        const at::Tensor&, int64_t, double, double, double,
                        double, double, c10::string_view) {
  return at::empty_symint(unary.sym_sizes(), unary.options());
}

at::Tensor Call(const at::Tensor& unary, const at::Tensor& images,
                int64_t iterations, double spatial_theta, double spatial_weight,
                double theta_position, double theta_colour,
                double bilateral_weight, c10::string_view normalization) {
  static const auto op = FindOperator<decltype(Run)>("mean_field");
  return op.call(unary, images, iterations, spatial_theta, spatial_weight,
                 theta_position, theta_colour, bilateral_weight, normalization);
}

class TracedFunction : public torch::autograd::Function<TracedFunction> {
 public:
  // weights: spatial theta and weight, the two bilateral thetas, its weight.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& unary,
                            const at::Tensor& images, int64_t iterations,
                            const std::vector<double>& weights,
                            const std::string& normalization) {
    context->save_for_backward({unary, images});
    context->saved_data["iterations"] = iterations;
    context->saved_data["weights"] = weights;
    context->saved_data["normalization"] = normalization;
    const at::AutoDispatchBelowADInplaceOrView guard;
    return Call(unary, images, iterations, weights[0], weights[1], weights[2],
                weights[3], weights[4], normalization);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    static const auto op =
        FindOperator<decltype(Gradient)>("mean_field_gradient");
    const variable_list saved = context->get_saved_variables();
    const std::vector<double> w =
        context->saved_data["weights"].toDoubleVector();
    variable_list result(5);
    {
      const at::NoGradGuard no_grad;
      const at::AutoDispatchBelowADInplaceOrView guard;
      result[0] = op.call(gradients[0], saved[0], saved[1],
                          context->saved_data["iterations"].toInt(), w[0], w[1],
                          w[2], w[3], w[4],
                          context->saved_data["normalization"].toStringRef());
    }
    RefuseSecondDerivatives("MeanField in a trace", {gradients[0], saved[0]},
                            &result);
    return result;
  }
};

at::Tensor RunAutograd(const at::Tensor& unary, const at::Tensor& images,
                       int64_t iterations, double spatial_theta,
                       double spatial_weight, double theta_position,
                       double theta_colour, double bilateral_weight,
                       c10::string_view normalization) {
  if (IsTraced({unary, images})) {
    return TracedFunction::apply(
        unary, images, iterations,
        std::vector<double>{spatial_theta, spatial_weight, theta_position,
                            theta_colour, bilateral_weight},
        std::string(normalization));
  }
  return Run(unary, images, iterations, spatial_theta, spatial_weight,
             theta_position, theta_colour, bilateral_weight, normalization);
}

// With lattices that are built once: a composition for the dispatcher, not for
// a trace.
at::Tensor OnLattices(const at::Tensor& unary,
                      const std::optional<LatticeBatchPtr>& spatial,
                      const std::optional<LatticeBatchPtr>& bilateral,
                      int64_t iterations, double spatial_weight,
                      double bilateral_weight, c10::string_view normalization) {
  MeanFieldOptions options;
  options.iterations = iterations;
  options.spatial_weight = spatial_weight;
  options.bilateral_weight = bilateral_weight;
  options.normalization = LatticeNormalizationFromName(normalization);
  const auto lattices = [](const std::optional<LatticeBatchPtr>& batch) {
    return batch.has_value() ? (*batch)->lattices : LatticeVector();
  };
  return MeanField(FloatUnderAutocast(unary), lattices(spatial),
                   lattices(bilateral), options);
}

void ImplOnDevice(torch::Library* m) {
  m->impl("mean_field", TORCH_FN(Run));
  m->impl("mean_field_gradient", TORCH_FN(Gradient));
}

}  // namespace

#define SEG_MEAN_FIELD_PARAMETERS                                              \
  "int iterations=10, float spatial_theta=3., float spatial_weight=3., float " \
  "theta_position=80., float theta_colour=13., float bilateral_weight=10., "   \
  "str normalization='symmetric'"

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  RegisterLatticeBatch();
  m.def("mean_field(Tensor unary, Tensor images, " SEG_MEAN_FIELD_PARAMETERS
        ") -> Tensor");
  m.def(
      "mean_field_gradient(Tensor g, Tensor unary, Tensor "
      "images, " SEG_MEAN_FIELD_PARAMETERS ") -> Tensor");
  m.def("mean_field_on_lattices(Tensor unary, " SEG_LATTICE_TYPE
        "? spatial, " SEG_LATTICE_TYPE
        "? bilateral, int iterations=10, float spatial_weight=3., float "
        "bilateral_weight=10., str normalization='symmetric') -> Tensor",
        TORCH_FN(OnLattices));
  AutocastToFloat<&Call>(&m, "mean_field");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("mean_field", TORCH_FN(RunAutograd));
}
TORCH_LIBRARY_IMPL(segpapers, CPU, m) { ImplOnDevice(&m); }
TORCH_LIBRARY_IMPL(segpapers, CUDA, m) { ImplOnDevice(&m); }
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("mean_field", TORCH_FN(RunMeta));
  m.impl("mean_field_gradient", TORCH_FN(GradientMeta));
}

}  // namespace seg
