#include "common/layers/conditional_norm/modulated_norm_cpu.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/conditional_norm/modulated_norm_cpu.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

// Shared by all targets.
#ifndef SEG_MODULATED_NORM_ONCE
#define SEG_MODULATED_NORM_ONCE
namespace seg {
namespace modulated_norm {

// Pixels whose sums are kept in T; a fixed partition.
constexpr int64_t kBlockPixels = 256;

inline int64_t BlocksOfImage(const ModulatedNormSizes& sizes) {
  return (sizes.pixels + kBlockPixels - 1) / kBlockPixels;
}

struct Block {
  int64_t image, first, pixels;
};

inline Block FindBlock(const ModulatedNormSizes& sizes, int64_t index) {
  const int64_t of_image = BlocksOfImage(sizes);
  const int64_t first = index % of_image * kBlockPixels;
  return {index / of_image, first,
          std::min(kBlockPixels, sizes.pixels - first)};
}

}  // namespace modulated_norm
}  // namespace seg
#endif  // SEG_MODULATED_NORM_ONCE

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using modulated_norm::Block;

// Channels c .. c + lanes - 1, of which those below `channels` exist; kFull:
// all.
template <bool kFull, class D>
struct Lanes {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  D d;
  hn::Mask<D> valid;

  HWY_INLINE V Load(const T* from) const {
    if constexpr (kFull) {
      return hn::LoadU(d, from);
    } else {
      return hn::MaskedLoad(valid, d, from);
    }
  }
  HWY_INLINE void Store(V value, T* to) const {
    if constexpr (kFull) {
      hn::StoreU(value, d, to);
    } else {
      hn::BlendedStore(value, valid, d, to);
    }
  }
};

// Calls body(lanes, c) for vectors of channels from c on.
template <typename T, class Body>
HWY_INLINE void ForChannels(int64_t channels, const Body& body) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    body(Lanes<true, decltype(d)>{d, hn::FirstN(d, lanes)}, c);
  }
  if (c < channels) {
    body(Lanes<false, decltype(d)>{d, hn::FirstN(d, channels - c)}, c);
  }
}

template <typename T>
void Statistics(const Block& block, int64_t channels, const T* x, T* mean,
                T* squares) {
  const T count = static_cast<T>(block.pixels);
  ForChannels<T>(channels, [&](auto lanes, int64_t c) HWY_ATTR {
    const auto d = lanes.d;
    // About the first pixel: sums of squares lose little.
    const auto origin = lanes.Load(x + c);
    auto sum0 = hn::Zero(d), sum1 = sum0, square0 = sum0, square1 = sum0;
    const T* from = x + c;
    int64_t p = 0;
    for (; p + 2 <= block.pixels; p += 2, from += 2 * channels) {
      const auto v0 = hn::Sub(lanes.Load(from), origin);
      const auto v1 = hn::Sub(lanes.Load(from + channels), origin);
      sum0 = hn::Add(sum0, v0);
      sum1 = hn::Add(sum1, v1);
      square0 = hn::MulAdd(v0, v0, square0);
      square1 = hn::MulAdd(v1, v1, square1);
    }
    if (p < block.pixels) {
      const auto v = hn::Sub(lanes.Load(from), origin);
      sum0 = hn::Add(sum0, v);
      square0 = hn::MulAdd(v, v, square0);
    }
    const auto shift = hn::Div(hn::Add(sum0, sum1), hn::Set(d, count));
    lanes.Store(hn::Add(origin, shift), mean + c);
    lanes.Store(hn::NegMulAdd(hn::Mul(shift, shift), hn::Set(d, count),
                              hn::Add(square0, square1)),
                squares + c);
  });
}

template <typename T>
void Forward(const Block& block, int64_t channels, const T* x, const T* mean,
             const T* inverse, const ModulationView<T>& modulation,
             const T* gamma_beta, T* y) {
  ForChannels<T>(channels, [&](auto lanes, int64_t c) HWY_ATTR {
    const auto d = lanes.d;
    const auto m = lanes.Load(mean + c), r = lanes.Load(inverse + c);
    const auto slope = hn::Set(d, modulation.slope);
    const int64_t stride = modulation.pixel_stride;
    for (int64_t p = 0; p < block.pixels; ++p) {
      const T* HWY_RESTRICT gamma = gamma_beta + p * stride + c;
      const auto h = hn::Mul(hn::Sub(lanes.Load(x + p * channels + c), m), r);
      const auto z = hn::MulAdd(lanes.Load(gamma), h,
                                hn::Add(h, lanes.Load(gamma + channels)));
      lanes.Store(hn::Max(z, hn::Mul(z, slope)), y + p * channels + c);
    }
  });
}

// Gradients of one modulation; that of h is written (kFirst) or added to.
template <bool kFirst, typename T>
void BackwardByPixel(const Block& block, int64_t channels, const T* x,
                     const T* mean, const T* inverse,
                     const ModulationView<T>& modulation, const T* gamma_beta,
                     const T* y_gradient, T* x_gradient, T* gamma_beta_gradient,
                     T* sums) {
  ForChannels<T>(channels, [&](auto lanes, int64_t c) HWY_ATTR {
    const auto d = lanes.d;
    const auto m = lanes.Load(mean + c), r = lanes.Load(inverse + c);
    const auto slope = hn::Set(d, modulation.slope);
    auto sum = hn::Zero(d), product = sum;
    for (int64_t p = 0; p < block.pixels; ++p) {
      const T* HWY_RESTRICT from = gamma_beta + p * 2 * channels + c;
      T* HWY_RESTRICT to = gamma_beta_gradient + p * 2 * channels + c;
      const auto h = hn::Mul(hn::Sub(lanes.Load(x + p * channels + c), m), r);
      const auto gamma = lanes.Load(from);
      const auto z =
          hn::MulAdd(gamma, h, hn::Add(h, lanes.Load(from + channels)));
      const auto g = lanes.Load(y_gradient + p * channels + c);
      const auto e =
          hn::IfThenElse(hn::Gt(z, hn::Zero(d)), g, hn::Mul(g, slope));
      lanes.Store(hn::Mul(e, h), to);
      lanes.Store(e, to + channels);
      const auto own = hn::MulAdd(e, gamma, e);
      sum = hn::Add(sum, own);
      product = hn::MulAdd(own, h, product);
      T* HWY_RESTRICT of_h = x_gradient + p * channels + c;
      if constexpr (kFirst) {
        lanes.Store(own, of_h);
      } else {
        lanes.Store(hn::Add(own, lanes.Load(of_h)), of_h);
      }
    }
    if constexpr (!kFirst) {
      sum = hn::Add(sum, lanes.Load(sums + c));
      product = hn::Add(product, lanes.Load(sums + channels + c));
    }
    lanes.Store(sum, sums + c);
    lanes.Store(product, sums + channels + c);
  });
}

// The same where all pixels of the image have one gamma.
template <bool kFirst, typename T>
void BackwardByImage(const Block& block, int64_t channels, const T* x,
                     const T* mean, const T* inverse,
                     const ModulationView<T>& modulation, const T* gamma_beta,
                     const T* y_gradient, T* x_gradient, T* sums) {
  ForChannels<T>(channels, [&](auto lanes, int64_t c) HWY_ATTR {
    const auto d = lanes.d;
    const auto m = lanes.Load(mean + c), r = lanes.Load(inverse + c);
    const auto slope = hn::Set(d, modulation.slope);
    const auto gamma = lanes.Load(gamma_beta + c);
    const auto beta = lanes.Load(gamma_beta + channels + c);
    auto sum = hn::Zero(d), product = sum;
    for (int64_t p = 0; p < block.pixels; ++p) {
      const auto h = hn::Mul(hn::Sub(lanes.Load(x + p * channels + c), m), r);
      const auto z = hn::MulAdd(gamma, h, hn::Add(h, beta));
      const auto g = lanes.Load(y_gradient + p * channels + c);
      const auto e =
          hn::IfThenElse(hn::Gt(z, hn::Zero(d)), g, hn::Mul(g, slope));
      sum = hn::Add(sum, e);
      product = hn::MulAdd(e, h, product);
      const auto own = hn::MulAdd(e, gamma, e);
      T* HWY_RESTRICT of_h = x_gradient + p * channels + c;
      if constexpr (kFirst) {
        lanes.Store(own, of_h);
      } else {
        lanes.Store(hn::Add(own, lanes.Load(of_h)), of_h);
      }
    }
    lanes.Store(product, sums + c);
    lanes.Store(sum, sums + channels + c);
  });
}

template <typename T>
void BackwardInput(const Block& block, int64_t channels, const T* x,
                   const T* mean, const T* inverse, const T* shift,
                   const T* scale, T* x_gradient) {
  ForChannels<T>(channels, [&](auto lanes, int64_t c) HWY_ATTR {
    const auto m = lanes.Load(mean + c), r = lanes.Load(inverse + c);
    const auto a = lanes.Load(shift + c), b = lanes.Load(scale + c);
    for (int64_t p = 0; p < block.pixels; ++p) {
      T* HWY_RESTRICT g = x_gradient + p * channels + c;
      const auto h = hn::Mul(hn::Sub(lanes.Load(x + p * channels + c), m), r);
      const auto rest = hn::Sub(lanes.Load(g), a);
      lanes.Store(hn::Mul(r, hn::NegMulAdd(h, b, rest)), g);
    }
  });
}

// One type of each for the dispatch tables.
#define SEG_MODULATED_NORM_TYPES(T, NAME)                                      \
  void Statistics##NAME(const Block& block, int64_t channels, const T* x,      \
                        T* mean, T* squares) {                                 \
    Statistics<T>(block, channels, x, mean, squares);                          \
  }                                                                            \
  void Forward##NAME(const Block& block, int64_t channels, const T* x,         \
                     const T* mean, const T* inverse,                          \
                     const ModulationView<T>& modulation, const T* gamma_beta, \
                     T* y) {                                                   \
    Forward<T>(block, channels, x, mean, inverse, modulation, gamma_beta, y);  \
  }                                                                            \
  void Backward##NAME(bool first, const Block& block, int64_t channels,        \
                      const T* x, const T* mean, const T* inverse,             \
                      const ModulationView<T>& modulation,                     \
                      const T* gamma_beta, const T* y_gradient, T* x_gradient, \
                      T* gamma_beta_gradient, T* sums) {                       \
    if (modulation.pixel_stride == 0) {                                        \
      const auto run =                                                         \
          first ? BackwardByImage<true, T> : BackwardByImage<false, T>;        \
      run(block, channels, x, mean, inverse, modulation, gamma_beta,           \
          y_gradient, x_gradient, sums);                                       \
    } else {                                                                   \
      const auto run =                                                         \
          first ? BackwardByPixel<true, T> : BackwardByPixel<false, T>;        \
      run(block, channels, x, mean, inverse, modulation, gamma_beta,           \
          y_gradient, x_gradient, gamma_beta_gradient, sums);                  \
    }                                                                          \
  }                                                                            \
  void BackwardInput##NAME(const Block& block, int64_t channels, const T* x,   \
                           const T* mean, const T* inverse, const T* shift,    \
                           const T* scale, T* x_gradient) {                    \
    BackwardInput<T>(block, channels, x, mean, inverse, shift, scale,          \
                     x_gradient);                                              \
  }
SEG_MODULATED_NORM_TYPES(float, Float)
SEG_MODULATED_NORM_TYPES(double, Double)
#undef SEG_MODULATED_NORM_TYPES

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace {

using modulated_norm::Block;
using modulated_norm::FindBlock;

HWY_EXPORT(StatisticsFloat);
HWY_EXPORT(StatisticsDouble);
HWY_EXPORT(ForwardFloat);
HWY_EXPORT(ForwardDouble);
HWY_EXPORT(BackwardFloat);
HWY_EXPORT(BackwardDouble);
HWY_EXPORT(BackwardInputFloat);
HWY_EXPORT(BackwardInputDouble);

// The function of type T for this machine.
#define SEG_DISPATCH(T, NAME)                    \
  [] {                                           \
    if constexpr (sizeof(T) == 4) {              \
      return HWY_DYNAMIC_DISPATCH(NAME##Float);  \
    } else {                                     \
      return HWY_DYNAMIC_DISPATCH(NAME##Double); \
    }                                            \
  }()

// First element of a block in a map of `width` values a pixel.
int64_t Offset(const ModulatedNormSizes& sizes, const Block& block,
               int64_t width) {
  return (block.image * sizes.pixels + block.first) * width;
}

template <typename T>
const T* GammaBeta(const ModulationView<T>& modulation, const Block& block) {
  return modulation.gamma_beta + block.image * modulation.image_stride +
         block.first * modulation.pixel_stride;
}

}  // namespace

int64_t ModulatedNormBlocksOfImage(const ModulatedNormSizes& sizes) {
  return modulated_norm::BlocksOfImage(sizes);
}

int64_t ModulatedNormBlocks(const ModulatedNormSizes& sizes) {
  return sizes.images * modulated_norm::BlocksOfImage(sizes);
}

int64_t ModulatedNormSums(const ModulatedNormSizes& sizes, int count,
                          bool by_pixel) {
  return 2 * sizes.channels * (by_pixel ? 1 : count);
}

template <typename T>
void ModulatedNormStatistics(const ModulatedNormSizes& sizes, const T* x,
                             T* mean, T* squares, int64_t begin, int64_t end) {
  const auto run = SEG_DISPATCH(T, Statistics);
  for (int64_t b = begin; b < end; ++b) {
    const Block block = FindBlock(sizes, b);
    run(block, sizes.channels, x + Offset(sizes, block, sizes.channels),
        mean + b * sizes.channels, squares + b * sizes.channels);
  }
}

template <typename T>
void ModulatedNormCombine(const ModulatedNormSizes& sizes, const T* block_means,
                          const T* block_squares, double* mean,
                          double* squares) {
  std::fill(mean, mean + sizes.channels, 0.0);
  std::fill(squares, squares + sizes.channels, 0.0);
  double count = 0;
  const int64_t blocks = ModulatedNormBlocks(sizes);
  for (int64_t b = 0; b < blocks; ++b) {
    const double own = static_cast<double>(FindBlock(sizes, b).pixels);
    const double total = count + own;
    for (int64_t c = 0; c < sizes.channels; ++c) {
      const double step = block_means[b * sizes.channels + c] - mean[c];
      mean[c] += step * own / total;
      squares[c] += block_squares[b * sizes.channels + c] +
                    step * step * count * own / total;
    }
    count = total;
  }
}

template <typename T>
void ModulatedNormForward(const ModulatedNormSizes& sizes, const T* x,
                          const T* mean, const T* inverse, int count,
                          const ModulationView<T>* modulations, T* const* y,
                          int64_t begin, int64_t end) {
  const auto run = SEG_DISPATCH(T, Forward);
  for (int64_t b = begin; b < end; ++b) {
    const Block block = FindBlock(sizes, b);
    const int64_t offset = Offset(sizes, block, sizes.channels);
    for (int j = 0; j < count; ++j) {
      run(block, sizes.channels, x + offset, mean, inverse, modulations[j],
          GammaBeta(modulations[j], block), y[j] + offset);
    }
  }
}

template <typename T>
void ModulatedNormBackward(const ModulatedNormSizes& sizes, const T* x,
                           const T* mean, const T* inverse, int count,
                           const ModulationView<T>* modulations,
                           const T* const* y_gradients, T* x_gradient,
                           T* const* gamma_beta_gradients, T* sums,
                           int64_t begin, int64_t end) {
  const auto run = SEG_DISPATCH(T, Backward);
  const bool by_pixel = modulations[0].pixel_stride != 0;
  const int64_t width = ModulatedNormSums(sizes, count, by_pixel);
  for (int64_t b = begin; b < end; ++b) {
    const Block block = FindBlock(sizes, b);
    const int64_t offset = Offset(sizes, block, sizes.channels);
    for (int j = 0; j < count; ++j) {
      T* const own = sums + b * width + (by_pixel ? 0 : 2 * j * sizes.channels);
      run(j == 0, block, sizes.channels, x + offset, mean, inverse,
          modulations[j], GammaBeta(modulations[j], block),
          y_gradients[j] + offset, x_gradient + offset,
          by_pixel ? gamma_beta_gradients[j] + 2 * offset : nullptr, own);
    }
  }
}

template <typename T>
void ModulatedNormBackwardInput(const ModulatedNormSizes& sizes, const T* x,
                                const T* mean, const T* inverse, const T* shift,
                                const T* scale, T* x_gradient, int64_t begin,
                                int64_t end) {
  const auto run = SEG_DISPATCH(T, BackwardInput);
  for (int64_t b = begin; b < end; ++b) {
    const Block block = FindBlock(sizes, b);
    const int64_t offset = Offset(sizes, block, sizes.channels);
    run(block, sizes.channels, x + offset, mean, inverse, shift, scale,
        x_gradient + offset);
  }
}

#define SEG_INSTANTIATE(T)                                                   \
  template void ModulatedNormStatistics(const ModulatedNormSizes&, const T*, \
                                        T*, T*, int64_t, int64_t);           \
  template void ModulatedNormCombine(const ModulatedNormSizes&, const T*,    \
                                     const T*, double*, double*);            \
  template void ModulatedNormForward(                                        \
      const ModulatedNormSizes&, const T*, const T*, const T*, int,          \
      const ModulationView<T>*, T* const*, int64_t, int64_t);                \
  template void ModulatedNormBackward(                                       \
      const ModulatedNormSizes&, const T*, const T*, const T*, int,          \
      const ModulationView<T>*, const T* const*, T*, T* const*, T*, int64_t, \
      int64_t);                                                              \
  template void ModulatedNormBackwardInput(                                  \
      const ModulatedNormSizes&, const T*, const T*, const T*, const T*,     \
      const T*, T*, int64_t, int64_t);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace seg
#endif  // HWY_ONCE
