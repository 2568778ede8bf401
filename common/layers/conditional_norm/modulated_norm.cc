#include "common/layers/conditional_norm/modulated_norm.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "common/layers/conditional_norm/modulated_norm_cpu.h"
#include "common/layers/conditional_norm/modulated_norm_ops.h"
#include "common/layers/dispatch/dispatch.h"
#include "common/layers/once_differentiable/once_differentiable.h"

namespace seg {
namespace {

using modulated_norm::Backward;
using modulated_norm::Dense;
using modulated_norm::Forward;
using modulated_norm::Statistics;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr char kOp[] = "ModulatedNorm";

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

// running = (1 - momentum) running + momentum value.
void MoveRunning(at::Tensor running, const std::vector<double>& values) {
  AT_DISPATCH_FLOATING_TYPES(running.scalar_type(), kOp, [&] {
    scalar_t* const to = running.mutable_data_ptr<scalar_t>();
    for (size_t c = 0; c < values.size(); ++c) {
      to[c] += static_cast<scalar_t>(ModulatedNormImpl::kMomentum *
                                     (values[c] - to[c]));
    }
  });
}

// Statistics of a batch; moves the running ones. -> mean and 1 / sqrt(variance
// + epsilon), [C].
std::pair<at::Tensor, at::Tensor> BatchStatistics(const at::Tensor& x,
                                                  at::Tensor running_mean,
                                                  at::Tensor running_var) {
  const int64_t c = x.size(1);
  const double count = static_cast<double>(x.numel() / c);
  const at::Tensor mean = at::empty({c}, x.options());
  const at::Tensor inverse = at::empty({c}, x.options());
  const auto [mean_tensor, squares_tensor] = Statistics(x);
  const double* squares = squares_tensor.const_data_ptr<double>();
  const std::vector<double> means(mean_tensor.const_data_ptr<double>(),
                                  mean_tensor.const_data_ptr<double>() + c);
  std::vector<double> variances(c);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    scalar_t* const m = mean.mutable_data_ptr<scalar_t>();
    scalar_t* const r = inverse.mutable_data_ptr<scalar_t>();
    for (int64_t i = 0; i < c; ++i) {
      m[i] = static_cast<scalar_t>(means[i]);
      r[i] = static_cast<scalar_t>(
          1 / std::sqrt(squares[i] / count + ModulatedNormImpl::kEpsilon));
      variances[i] = squares[i] / (count - 1);
    }
  });
  MoveRunning(running_mean, means);
  MoveRunning(running_var, variances);
  return {mean, inverse};
}

class ModulatedNormFunction
    : public torch::autograd::Function<ModulatedNormFunction> {
 public:
  // `fixed`: mean and inverse are constants.
  static variable_list forward(AutogradContext* context, const at::Tensor& x,
                               const at::Tensor& first,
                               const std::optional<at::Tensor>& second,
                               const at::Tensor& mean,
                               const at::Tensor& inverse,
                               const std::vector<double>& slopes, bool fixed) {
    std::vector<at::Tensor> modulations = {first};
    if (second.has_value()) modulations.push_back(*second);
    context->save_for_backward(
        {x, mean, inverse, first, second.value_or(at::Tensor())});
    context->saved_data["slopes"] = slopes;
    context->saved_data["fixed"] = fixed;
    return Forward(x, modulations, slopes, mean, inverse);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    std::vector<at::Tensor> modulations = {saved[3]};
    if (saved[4].defined()) modulations.push_back(saved[4]);
    variable_list result;
    {
      const at::NoGradGuard no_grad;
      result =
          Backward(gradients, saved[0], modulations,
                   context->saved_data["slopes"].toDoubleVector(), saved[1],
                   saved[2], context->saved_data["fixed"].toBool());
    }
    variable_list sources = gradients;
    sources.insert(sources.end(), {saved[0], saved[3]});
    if (saved[4].defined()) sources.push_back(saved[4]);
    RefuseSecondDerivatives(kOp, sources, &result);
    result.resize(7);
    return result;
  }
};

void Check(const at::Tensor& x, at::TensorList modulations,
           at::ArrayRef<double> slopes) {
  TORCH_CHECK(x.dim() == 4, "ModulatedNorm: x must be [N,C,H,W], got ",
              x.sym_sizes());
  TORCH_CHECK(!modulations.empty() && modulations.size() <= kMaxModulations,
              "ModulatedNorm: expected 1 to ", kMaxModulations,
              " modulations, got ", modulations.size());
  TORCH_CHECK(slopes.size() == modulations.size(), "ModulatedNorm: expected ",
              modulations.size(), " slopes, got ", slopes.size());
  for (size_t j = 0; j < modulations.size(); ++j) {
    const at::Tensor& t = modulations[j];
    TORCH_CHECK(t.dim() == modulations[0].dim(),
                "ModulatedNorm: modulations must all be [N,2C,H,W] or all be "
                "[N,2C], got ",
                modulations[0].sym_sizes(), " and ", t.sym_sizes());
    const bool by_pixel = t.dim() == 4 && t.sym_size(2) == x.sym_size(2) &&
                          t.sym_size(3) == x.sym_size(3);
    TORCH_CHECK((by_pixel || t.dim() == 2) && t.sym_size(0) == x.sym_size(0) &&
                    t.sym_size(1) == 2 * x.sym_size(1),
                "ModulatedNorm: a modulation must be [", x.sym_size(0), ",",
                2 * x.sym_size(1), ",", x.sym_size(2), ",", x.sym_size(3),
                "] or [", x.sym_size(0), ",", 2 * x.sym_size(1), "], got ",
                t.sym_sizes());
    TORCH_CHECK(slopes[j] >= 0 && slopes[j] <= 1,
                "ModulatedNorm: slope must be in [0,1], got ", slopes[j]);
  }
}

// What the kernels take, beyond Check.
void CheckKernelInput(const at::Tensor& x, at::TensorList modulations) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              "ModulatedNorm: x must be float32 or float64, got ",
              x.scalar_type());
  for (const at::Tensor& m : modulations) {
    TORCH_CHECK(m.scalar_type() == x.scalar_type() && m.device() == x.device(),
                "ModulatedNorm: a modulation must be ", x.scalar_type(), " on ",
                x.device(), ", as x, got ", m.scalar_type(), " on ",
                m.device());
  }
}

void CheckOperator(const at::Tensor& x, at::TensorList modulations,
                   at::ArrayRef<double> slopes, const at::Tensor& mean,
                   const at::Tensor& inverse) {
  Check(x, modulations, slopes);
  CheckKernelInput(x, modulations);
  for (const at::Tensor& t : {mean, inverse}) {
    TORCH_CHECK(t.dim() == 1 && t.sym_size(0) == x.sym_size(1) &&
                    t.scalar_type() == x.scalar_type() &&
                    t.device() == x.device() && t.is_contiguous(),
                "ModulatedNorm: mean and inverse must be [", x.sym_size(1),
                "], contiguous, of the type of x, got ", t.sym_sizes(), " of ",
                t.scalar_type());
  }
}

variable_list NormAutograd(const at::Tensor& x, at::TensorList modulations,
                           at::ArrayRef<double> slopes, const at::Tensor& mean,
                           const at::Tensor& inverse, bool fixed) {
  CheckOperator(x, modulations, slopes, mean, inverse);
  // Copies are made out here, where autograd sees them.
  return ModulatedNormFunction::apply(
      ChannelsLast(x), Dense(modulations[0]),
      modulations.size() > 1 ? std::optional<at::Tensor>(Dense(modulations[1]))
                             : std::nullopt,
      mean, inverse, slopes.vec(), fixed);
}

variable_list Norm(const at::Tensor& x, at::TensorList modulations,
                   at::ArrayRef<double> slopes, const at::Tensor& mean,
                   const at::Tensor& inverse, bool) {
  CheckOperator(x, modulations, slopes, mean, inverse);
  return Forward(x, modulations, slopes, mean, inverse);
}

variable_list CallNorm(const at::Tensor& x, at::TensorList modulations,
                       at::ArrayRef<double> slopes, const at::Tensor& mean,
                       const at::Tensor& inverse, bool fixed) {
  static const auto op = FindOperator<decltype(Norm)>("modulated_norm");
  return op.call(x, modulations, slopes, mean, inverse, fixed);
}

void CheckModule(const at::Tensor& x, int64_t channels, bool training) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == channels,
              "ModulatedNorm: x must be [N,", channels, ",H,W], got ",
              x.sizes());
  TORCH_CHECK(!training || x.numel() >= 2 * channels,
              "ModulatedNorm: training needs at least two values a channel, "
              "got ",
              x.sizes());
}

// `modulations` apart, in float32 under autocast.
struct Apart {
  explicit Apart(const std::vector<Modulation>& modulations) {
    for (const Modulation& m : modulations) {
      gamma_beta.push_back(FloatUnderAutocast(m.gamma_beta));
      slopes.push_back(m.slope);
    }
  }
  std::vector<at::Tensor> gamma_beta;
  std::vector<double> slopes;
};

}  // namespace

ModulatedNormImpl::ModulatedNormImpl(int64_t channels)
    : torch::nn::Module("ModulatedNorm") {
  TORCH_CHECK(channels >= 1, "ModulatedNorm: channels must be at least 1, got ",
              channels);
  running_mean_ = register_buffer("running_mean", at::zeros({channels}));
  running_var_ = register_buffer("running_var", at::ones({channels}));
}

std::vector<at::Tensor> ModulatedNormImpl::forward(
    const at::Tensor& any_x, const std::vector<Modulation>& modulations) {
  const at::Tensor x = FloatUnderAutocast(any_x);
  CheckModule(x, running_mean_.size(0), is_training());
  if (!x.is_cpu() || x.numel() == 0) return Composite(x, modulations);
  const Apart apart(modulations);
  Check(x, apart.gamma_beta, apart.slopes);
  CheckKernelInput(x, apart.gamma_beta);
  const at::Tensor map = ChannelsLast(x);
  at::Tensor mean, inverse;
  {
    const at::NoGradGuard no_grad;
    if (is_training()) {
      std::tie(mean, inverse) =
          BatchStatistics(map.detach(), running_mean_, running_var_);
    } else {
      mean = running_mean_.to(x.scalar_type());
      inverse = (running_var_ + kEpsilon).rsqrt_().to(x.scalar_type());
    }
  }
  return CallNorm(map, apart.gamma_beta, apart.slopes, mean, inverse,
                  !is_training());
}

std::vector<at::Tensor> ModulatedNormImpl::Composite(
    const at::Tensor& x, const std::vector<Modulation>& modulations) {
  CheckModule(x, running_mean_.size(0), is_training());
  const Apart apart(modulations);
  Check(x, apart.gamma_beta, apart.slopes);
  const at::Tensor normal =
      at::batch_norm(ChannelsLast(x), /*weight=*/{}, /*bias=*/{}, running_mean_,
                     running_var_, is_training(), kMomentum, kEpsilon,
                     at::globalContext().userEnabledCuDNN());
  std::vector<at::Tensor> outputs;
  for (size_t j = 0; j < modulations.size(); ++j) {
    at::Tensor t = apart.gamma_beta[j];
    if (t.dim() == 2) t = t.unsqueeze(2).unsqueeze(3);
    const std::vector<at::Tensor> both = t.chunk(2, 1);
    at::Tensor y = at::addcmul(normal + both[1], both[0], normal);
    const double slope = apart.slopes[j];
    outputs.push_back(slope == 1 ? y : at::leaky_relu_(y, slope));
  }
  return outputs;
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def(
      "modulated_norm(Tensor x, Tensor[] gamma_beta, float[] slopes, Tensor "
      "mean, Tensor inverse, bool fixed=False) -> Tensor[]");
  AutocastToFloat<&CallNorm>(&m, "modulated_norm");
}

TORCH_LIBRARY_IMPL(segpapers, Autograd, m) {
  m.impl("modulated_norm", TORCH_FN(NormAutograd));
}
TORCH_LIBRARY_IMPL(segpapers, CompositeExplicitAutograd, m) {
  m.impl("modulated_norm", TORCH_FN(Norm));
}

}  // namespace seg
