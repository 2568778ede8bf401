#include "common/layers/conditional_norm/modulated_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "common/layers/conditional_norm/modulated_norm_cpu.h"
#include "common/layers/once_differentiable/once_differentiable.h"

namespace seg {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr char kOp[] = "ModulatedNorm";
// Values of x that make a task worth a thread.
constexpr int64_t kGrainValues = 16384;

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor EmptyMap(at::IntArrayRef sizes, const at::Tensor& like) {
  return at::empty(sizes, like.options(), at::MemoryFormat::ChannelsLast);
}

// A modulation in the layout of the kernels.
at::Tensor Dense(const at::Tensor& gamma_beta) {
  return gamma_beta.dim() == 4 ? ChannelsLast(gamma_beta)
                               : gamma_beta.contiguous();
}

ModulatedNormSizes Sizes(const at::Tensor& x) {
  return {x.size(0), x.size(2) * x.size(3), x.size(1)};
}

template <typename T>
std::vector<ModulationView<T>> Views(const std::vector<at::Tensor>& modulations,
                                     const std::vector<double>& slopes,
                                     const ModulatedNormSizes& sizes) {
  std::vector<ModulationView<T>> views;
  for (size_t j = 0; j < modulations.size(); ++j) {
    const bool by_pixel = modulations[j].dim() == 4;
    const int64_t row = 2 * sizes.channels;
    views.push_back({modulations[j].const_data_ptr<T>(),
                     by_pixel ? row * sizes.pixels : row, by_pixel ? row : 0,
                     static_cast<T>(slopes[j])});
  }
  return views;
}

// Calls run(begin, end) for the blocks of x on all threads.
template <typename Run>
void ForBlocks(const ModulatedNormSizes& sizes, const Run& run) {
  const int64_t blocks = ModulatedNormBlocks(sizes);
  const int64_t values = sizes.images * sizes.pixels * sizes.channels;
  const int64_t grain = std::max<int64_t>(
      1, kGrainValues * blocks / std::max<int64_t>(1, values));
  at::parallel_for(0, blocks, grain, run);
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
  const ModulatedNormSizes sizes = Sizes(x);
  const int64_t c = sizes.channels, blocks = ModulatedNormBlocks(sizes);
  const double count = static_cast<double>(sizes.images * sizes.pixels);
  const at::Tensor parts = at::empty({2, blocks, c}, x.options());
  const at::Tensor mean = at::empty({c}, x.options());
  const at::Tensor inverse = at::empty({c}, x.options());
  std::vector<double> means(c), squares(c), variances(c);
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    const scalar_t* from = x.const_data_ptr<scalar_t>();
    scalar_t* const block_means = parts.mutable_data_ptr<scalar_t>();
    scalar_t* const block_squares = block_means + blocks * c;
    ForBlocks(sizes, [&](int64_t begin, int64_t end) {
      ModulatedNormStatistics(sizes, from, block_means, block_squares, begin,
                              end);
    });
    ModulatedNormCombine(sizes, block_means, block_squares, means.data(),
                         squares.data());
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
  // x and modulations in the kernels' layout; `fixed`: mean and inverse are
  // constants.
  static variable_list forward(AutogradContext* context, const at::Tensor& x,
                               const at::Tensor& first,
                               const std::optional<at::Tensor>& second,
                               const at::Tensor& mean,
                               const at::Tensor& inverse,
                               const std::vector<double>& slopes, bool fixed) {
    std::vector<at::Tensor> modulations = {first};
    if (second.has_value()) modulations.push_back(*second);
    variable_list y;
    for (size_t j = 0; j < modulations.size(); ++j) {
      y.push_back(EmptyMap(x.sizes(), x));
    }
    const ModulatedNormSizes sizes = Sizes(x);
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
      const auto views = Views<scalar_t>(modulations, slopes, sizes);
      std::vector<scalar_t*> to;
      for (at::Tensor& t : y) to.push_back(t.mutable_data_ptr<scalar_t>());
      const scalar_t* from = x.const_data_ptr<scalar_t>();
      const scalar_t* m = mean.const_data_ptr<scalar_t>();
      const scalar_t* r = inverse.const_data_ptr<scalar_t>();
      ForBlocks(sizes, [&](int64_t begin, int64_t end) {
        ModulatedNormForward(sizes, from, m, r, static_cast<int>(views.size()),
                             views.data(), to.data(), begin, end);
      });
    });
    context->save_for_backward(
        {x, mean, inverse, first, second.value_or(at::Tensor())});
    context->saved_data["slopes"] = slopes;
    context->saved_data["fixed"] = fixed;
    return y;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    std::vector<at::Tensor> modulations = {saved[3]};
    if (saved[4].defined()) modulations.push_back(saved[4]);
    variable_list result(7);
    {
      const at::NoGradGuard no_grad;
      RunBackward(saved[0], saved[1], saved[2], modulations,
                  context->saved_data["slopes"].toDoubleVector(),
                  context->saved_data["fixed"].toBool(), gradients, &result);
    }
    variable_list sources = gradients;
    sources.insert(sources.end(), {saved[0], saved[3]});
    if (saved[4].defined()) sources.push_back(saved[4]);
    RefuseSecondDerivatives(kOp, sources, &result);
    return result;
  }

 private:
  // result: x, then the modulations.
  static void RunBackward(const at::Tensor& x, const at::Tensor& mean,
                          const at::Tensor& inverse,
                          const std::vector<at::Tensor>& modulations,
                          const std::vector<double>& slopes, bool fixed,
                          const variable_list& gradients,
                          variable_list* result) {
    const ModulatedNormSizes sizes = Sizes(x);
    const int count = static_cast<int>(modulations.size());
    const bool by_pixel = modulations[0].dim() == 4;
    const int64_t c = sizes.channels, blocks = ModulatedNormBlocks(sizes);
    std::vector<at::Tensor> y_gradients;
    for (const at::Tensor& g : gradients)
      y_gradients.push_back(ChannelsLast(g));
    at::Tensor x_gradient = EmptyMap(x.sizes(), x);
    std::vector<at::Tensor> outer;  // of the modulations, if by pixel
    if (by_pixel) {
      for (const at::Tensor& m : modulations) {
        outer.push_back(EmptyMap(m.sizes(), m));
      }
    }
    const at::Tensor sums = at::empty(
        {blocks, ModulatedNormSums(sizes, count, by_pixel)}, x.options());
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
      const auto views = Views<scalar_t>(modulations, slopes, sizes);
      std::vector<const scalar_t*> from;
      for (const at::Tensor& g : y_gradients) {
        from.push_back(g.const_data_ptr<scalar_t>());
      }
      std::vector<scalar_t*> to;
      for (at::Tensor& t : outer) to.push_back(t.mutable_data_ptr<scalar_t>());
      const scalar_t* in = x.const_data_ptr<scalar_t>();
      const scalar_t* m = mean.const_data_ptr<scalar_t>();
      const scalar_t* r = inverse.const_data_ptr<scalar_t>();
      scalar_t* out = x_gradient.mutable_data_ptr<scalar_t>();
      scalar_t* partial = sums.mutable_data_ptr<scalar_t>();
      ForBlocks(sizes, [&](int64_t begin, int64_t end) {
        ModulatedNormBackward(sizes, in, m, r, count, views.data(), from.data(),
                              out, to.data(), partial, begin, end);
      });
    });
    at::Tensor shift, scale;  // sums of the gradient of h, and of it times h
    if (by_pixel) {
      const at::Tensor total =
          sums.sum(at::IntArrayRef{0}, /*keepdim=*/false, at::kDouble);
      shift = total.narrow(0, 0, c);
      scale = total.narrow(0, c, c);
    } else {
      const at::Tensor by_image =
          sums.view({sizes.images, -1, sums.size(1)})
              .sum(at::IntArrayRef{1}, /*keepdim=*/false,
                   at::kDouble);  // [N,count*2C]
      for (int j = 0; j < count; ++j) {
        const at::Tensor own = by_image.narrow(1, 2 * j * c, 2 * c);
        outer.push_back(own.to(x.scalar_type()));
        const at::Tensor factor = modulations[j].narrow(1, 0, c) + 1.0;
        const at::Tensor a = (own.narrow(1, c, c) * factor).sum(0);
        const at::Tensor b = (own.narrow(1, 0, c) * factor).sum(0);
        shift = j == 0 ? a : shift + a;
        scale = j == 0 ? b : scale + b;
      }
    }
    const double pixels =
        fixed ? HUGE_VAL : static_cast<double>(sizes.images * sizes.pixels);
    shift = (shift / pixels).to(x.scalar_type());
    scale = (scale / pixels).to(x.scalar_type());
    AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
      const scalar_t* in = x.const_data_ptr<scalar_t>();
      const scalar_t* m = mean.const_data_ptr<scalar_t>();
      const scalar_t* r = inverse.const_data_ptr<scalar_t>();
      const scalar_t* a = shift.const_data_ptr<scalar_t>();
      const scalar_t* b = scale.const_data_ptr<scalar_t>();
      scalar_t* out = x_gradient.mutable_data_ptr<scalar_t>();
      ForBlocks(sizes, [&](int64_t begin, int64_t end) {
        ModulatedNormBackwardInput(sizes, in, m, r, a, b, out, begin, end);
      });
    });
    (*result)[0] = x_gradient;
    for (int j = 0; j < count; ++j) (*result)[1 + j] = outer[j];
  }
};

void Check(const at::Tensor& x, const std::vector<Modulation>& modulations,
           int64_t channels, bool training) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == channels,
              "ModulatedNorm: x must be [N,", channels, ",H,W], got ",
              x.sizes());
  TORCH_CHECK(!modulations.empty() && modulations.size() <= kMaxModulations,
              "ModulatedNorm: expected 1 to ", kMaxModulations,
              " modulations, got ", modulations.size());
  for (const Modulation& m : modulations) {
    const at::Tensor& t = m.gamma_beta;
    TORCH_CHECK(t.dim() == modulations[0].gamma_beta.dim(),
                "ModulatedNorm: modulations must all be [N,2C,H,W] or all be "
                "[N,2C], got ",
                modulations[0].gamma_beta.sizes(), " and ", t.sizes());
    const bool by_pixel =
        t.dim() == 4 && t.size(2) == x.size(2) && t.size(3) == x.size(3);
    TORCH_CHECK((by_pixel || t.dim() == 2) && t.size(0) == x.size(0) &&
                    t.size(1) == 2 * channels,
                "ModulatedNorm: a modulation must be [", x.size(0), ",",
                2 * channels, ",", x.size(2), ",", x.size(3), "] or [",
                x.size(0), ",", 2 * channels, "], got ", t.sizes());
    TORCH_CHECK(m.slope >= 0 && m.slope <= 1,
                "ModulatedNorm: slope must be in [0,1], got ", m.slope);
  }
  TORCH_CHECK(!training || x.numel() >= 2 * channels,
              "ModulatedNorm: training needs at least two values a channel, "
              "got ",
              x.sizes());
}

}  // namespace

ModulatedNormImpl::ModulatedNormImpl(int64_t channels)
    : torch::nn::Module("ModulatedNorm") {
  TORCH_CHECK(channels >= 1, "ModulatedNorm: channels must be at least 1, got ",
              channels);
  running_mean_ = register_buffer("running_mean", at::zeros({channels}));
  running_var_ = register_buffer("running_var", at::ones({channels}));
}

std::vector<at::Tensor> ModulatedNormImpl::forward(
    const at::Tensor& x, const std::vector<Modulation>& modulations) {
  Check(x, modulations, running_mean_.size(0), is_training());
  if (!x.is_cpu() || x.numel() == 0) return Composite(x, modulations);
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              "ModulatedNorm: x must be float32 or float64, got ",
              x.scalar_type());
  for (const Modulation& m : modulations) {
    TORCH_CHECK(
        m.gamma_beta.scalar_type() == x.scalar_type() && m.gamma_beta.is_cpu(),
        "ModulatedNorm: a modulation must be ", x.scalar_type(),
        " on the CPU, as x, got ", m.gamma_beta.scalar_type(), " on ",
        m.gamma_beta.device());
  }
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
  std::vector<double> slopes;
  for (const Modulation& m : modulations) slopes.push_back(m.slope);
  return ModulatedNormFunction::apply(
      map, Dense(modulations[0].gamma_beta),
      modulations.size() > 1
          ? std::optional<at::Tensor>(Dense(modulations[1].gamma_beta))
          : std::nullopt,
      mean, inverse, slopes, !is_training());
}

std::vector<at::Tensor> ModulatedNormImpl::Composite(
    const at::Tensor& x, const std::vector<Modulation>& modulations) {
  Check(x, modulations, running_mean_.size(0), is_training());
  const at::Tensor normal =
      at::batch_norm(ChannelsLast(x), /*weight=*/{}, /*bias=*/{}, running_mean_,
                     running_var_, is_training(), kMomentum, kEpsilon,
                     at::globalContext().userEnabledCuDNN());
  std::vector<at::Tensor> outputs;
  for (const Modulation& m : modulations) {
    at::Tensor t = m.gamma_beta;
    if (t.dim() == 2) t = t.unsqueeze(2).unsqueeze(3);
    const std::vector<at::Tensor> both = t.chunk(2, 1);
    at::Tensor y = at::addcmul(normal + both[1], both[0], normal);
    outputs.push_back(m.slope == 1 ? y : at::leaky_relu_(y, m.slope));
  }
  return outputs;
}

}  // namespace seg
