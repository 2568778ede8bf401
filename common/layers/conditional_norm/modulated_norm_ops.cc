#include "common/layers/conditional_norm/modulated_norm_ops.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <cmath>

#include "common/layers/conditional_norm/modulated_norm_cpu.h"
#include "common/layers/dispatch/dispatch.h"

namespace seg {
namespace modulated_norm {
namespace {

constexpr char kOp[] = "ModulatedNorm";
// Values of x that make a task worth a thread.
constexpr int64_t kGrainValues = 16384;

at::Tensor ChannelsLast(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor EmptyMap(at::SymIntArrayRef sizes, const at::Tensor& like) {
  return at::empty_symint(sizes, like.options(),
                          at::MemoryFormat::ChannelsLast);
}

std::vector<at::Tensor> AllDense(at::TensorList modulations) {
  std::vector<at::Tensor> dense;
  for (const at::Tensor& m : modulations) dense.push_back(Dense(m));
  return dense;
}

ModulatedNormSizes Sizes(const at::Tensor& x) {
  return {x.size(0), x.size(2) * x.size(3), x.size(1)};
}

template <typename T>
std::vector<ModulationView<T>> Views(const std::vector<at::Tensor>& modulations,
                                     at::ArrayRef<double> slopes,
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

void CheckInput(const at::Tensor& x, at::TensorList modulations,
                at::ArrayRef<double> slopes, const at::Tensor& mean,
                const at::Tensor& inverse) {
  TORCH_CHECK(x.dim() == 4 && !modulations.empty() &&
                  modulations.size() <= kMaxModulations &&
                  slopes.size() == modulations.size(),
              kOp, ": expected x [N,C,H,W] and 1 to ", kMaxModulations,
              " modulations with as many slopes, got ", x.sizes(), ", ",
              modulations.size(), " and ", slopes.size());
  const int64_t n = x.size(0), c = x.size(1);
  for (const at::Tensor& m : modulations) {
    if (modulations[0].dim() == 4) {
      CheckRaw(kOp, m, {n, 2 * c, x.size(2), x.size(3)}, x);
    } else {
      CheckRaw(kOp, m, {n, 2 * c}, x);
    }
  }
  for (const at::Tensor& t : {mean, inverse}) {
    CheckRaw(kOp, t, {c}, x);
    TORCH_CHECK(t.is_contiguous(), kOp,
                ": mean and inverse must be contiguous");
  }
}

// Mean and sum of squares about it of each channel, double [C].
std::tuple<at::Tensor, at::Tensor> StatisticsCpu(const at::Tensor& any_x) {
  TORCH_CHECK(any_x.dim() == 4 && any_x.numel() > 0, kOp,
              ": x must be [N,C,H,W] and not empty, got ", any_x.sizes());
  const at::Tensor x = ChannelsLast(any_x);
  const ModulatedNormSizes sizes = Sizes(x);
  const int64_t c = sizes.channels, blocks = ModulatedNormBlocks(sizes);
  const at::Tensor parts = at::empty({2, blocks, c}, x.options());
  const at::Tensor means = at::empty({c}, x.options().dtype(at::kDouble));
  const at::Tensor squares = at::empty({c}, x.options().dtype(at::kDouble));
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), kOp, [&] {
    const scalar_t* from = x.const_data_ptr<scalar_t>();
    scalar_t* const block_means = parts.mutable_data_ptr<scalar_t>();
    scalar_t* const block_squares = block_means + blocks * c;
    ForBlocks(sizes, [&](int64_t begin, int64_t end) {
      ModulatedNormStatistics(sizes, from, block_means, block_squares, begin,
                              end);
    });
    ModulatedNormCombine(sizes, block_means, block_squares,
                         means.mutable_data_ptr<double>(),
                         squares.mutable_data_ptr<double>());
  });
  return {means, squares};
}

std::tuple<at::Tensor, at::Tensor> StatisticsMeta(const at::Tensor& x) {
  const auto of_channels = [&] {
    return at::empty_symint({x.sym_size(1)}, x.options().dtype(at::kDouble));
  };
  return {of_channels(), of_channels()};
}

std::vector<at::Tensor> ForwardCpu(const at::Tensor& any_x,
                                   at::TensorList any_modulations,
                                   at::ArrayRef<double> slopes,
                                   const at::Tensor& mean,
                                   const at::Tensor& inverse) {
  CheckInput(any_x, any_modulations, slopes, mean, inverse);
  const at::Tensor x = ChannelsLast(any_x);
  const std::vector<at::Tensor> modulations = AllDense(any_modulations);
  std::vector<at::Tensor> y;
  for (size_t j = 0; j < modulations.size(); ++j) {
    y.push_back(EmptyMap(x.sym_sizes(), x));
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
  return y;
}

std::vector<at::Tensor> ForwardMeta(const at::Tensor& x,
                                    at::TensorList modulations,
                                    at::ArrayRef<double>, const at::Tensor&,
                                    const at::Tensor&) {
  std::vector<at::Tensor> y;
  for (size_t j = 0; j < modulations.size(); ++j) {
    y.push_back(EmptyMap(x.sym_sizes(), x));
  }
  return y;
}

// Gradients of x and of each modulation.
std::vector<at::Tensor> BackwardCpu(at::TensorList gradients,
                                    const at::Tensor& any_x,
                                    at::TensorList any_modulations,
                                    at::ArrayRef<double> slopes,
                                    const at::Tensor& mean,
                                    const at::Tensor& inverse, bool fixed) {
  CheckInput(any_x, any_modulations, slopes, mean, inverse);
  TORCH_CHECK(gradients.size() == any_modulations.size(), kOp, ": expected ",
              any_modulations.size(), " gradients, got ", gradients.size());
  for (const at::Tensor& g : gradients) CheckRaw(kOp, g, any_x.sizes(), any_x);
  const at::Tensor x = ChannelsLast(any_x);
  const std::vector<at::Tensor> modulations = AllDense(any_modulations);
  const ModulatedNormSizes sizes = Sizes(x);
  const int count = static_cast<int>(modulations.size());
  const bool by_pixel = modulations[0].dim() == 4;
  const int64_t c = sizes.channels, blocks = ModulatedNormBlocks(sizes);
  std::vector<at::Tensor> y_gradients;
  for (const at::Tensor& g : gradients) y_gradients.push_back(ChannelsLast(g));
  at::Tensor x_gradient = EmptyMap(x.sym_sizes(), x);
  std::vector<at::Tensor> outer;  // of the modulations, if by pixel
  if (by_pixel) {
    for (const at::Tensor& m : modulations) {
      outer.push_back(EmptyMap(m.sym_sizes(), m));
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
    const at::Tensor by_image = sums.view({sizes.images, -1, sums.size(1)})
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
  std::vector<at::Tensor> result = {x_gradient};
  result.insert(result.end(), outer.begin(), outer.end());
  return result;
}

std::vector<at::Tensor> BackwardMeta(at::TensorList, const at::Tensor& x,
                                     at::TensorList modulations,
                                     at::ArrayRef<double>, const at::Tensor&,
                                     const at::Tensor&, bool) {
  std::vector<at::Tensor> result = {EmptyMap(x.sym_sizes(), x)};
  for (const at::Tensor& m : modulations) {
    result.push_back(m.dim() == 4
                         ? EmptyMap(m.sym_sizes(), m)
                         : at::empty_symint(m.sym_sizes(), m.options()));
  }
  return result;
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> Statistics(const at::Tensor& x) {
  static const auto op =
      FindOperator<decltype(StatisticsCpu)>("modulated_norm_statistics");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(x);
}

std::vector<at::Tensor> Forward(const at::Tensor& x, at::TensorList modulations,
                                at::ArrayRef<double> slopes,
                                const at::Tensor& mean,
                                const at::Tensor& inverse) {
  static const auto op =
      FindOperator<decltype(ForwardCpu)>("modulated_norm_forward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(x, modulations, slopes, mean, inverse);
}

std::vector<at::Tensor> Backward(at::TensorList gradients, const at::Tensor& x,
                                 at::TensorList modulations,
                                 at::ArrayRef<double> slopes,
                                 const at::Tensor& mean,
                                 const at::Tensor& inverse, bool fixed) {
  static const auto op =
      FindOperator<decltype(BackwardCpu)>("modulated_norm_backward");
  const at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(gradients, x, modulations, slopes, mean, inverse, fixed);
}

at::Tensor Dense(const at::Tensor& gamma_beta) {
  return gamma_beta.dim() == 4 ? ChannelsLast(gamma_beta)
                               : gamma_beta.contiguous();
}

TORCH_LIBRARY_FRAGMENT(segpapers, m) {
  m.def("modulated_norm_statistics(Tensor x) -> (Tensor, Tensor)");
  m.def(
      "modulated_norm_forward(Tensor x, Tensor[] gamma_beta, float[] slopes, "
      "Tensor mean, Tensor inverse) -> Tensor[]");
  m.def(
      "modulated_norm_backward(Tensor[] g, Tensor x, Tensor[] gamma_beta, "
      "float[] slopes, Tensor mean, Tensor inverse, bool fixed) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(segpapers, CPU, m) {
  m.impl("modulated_norm_statistics", TORCH_FN(StatisticsCpu));
  m.impl("modulated_norm_forward", TORCH_FN(ForwardCpu));
  m.impl("modulated_norm_backward", TORCH_FN(BackwardCpu));
}
TORCH_LIBRARY_IMPL(segpapers, Meta, m) {
  m.impl("modulated_norm_statistics", TORCH_FN(StatisticsMeta));
  m.impl("modulated_norm_forward", TORCH_FN(ForwardMeta));
  m.impl("modulated_norm_backward", TORCH_FN(BackwardMeta));
}

}  // namespace modulated_norm
}  // namespace seg
