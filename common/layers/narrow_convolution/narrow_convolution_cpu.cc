#include "common/layers/narrow_convolution/narrow_convolution_cpu.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/narrow_convolution/narrow_convolution_cpu.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

// Shared by all targets.
#ifndef SEG_NARROW_CONVOLUTION_ONCE
#define SEG_NARROW_CONVOLUTION_ONCE
namespace seg {
namespace narrow_convolution {

// Rows with a border of a pixel of zeros, `channels` values a pixel. A tile of
// rows y, y + 1, y + 2 makes row y of the output.
template <typename T>
struct Rows {
  T* data;
  int64_t channels;
  int64_t stride;  // of a row
};

}  // namespace narrow_convolution
}  // namespace seg
#endif  // SEG_NARROW_CONVOLUTION_ONCE

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using narrow_convolution::Rows;

// Accumulators of a tile: 12 of the 16 registers that AVX2 has. They are pixels
// times vectors of output channels, or taps times those.
constexpr int kAccumulators = 12;

// Keeps a loaded vector in a register. Without it GCC 12 folds the load into
// each multiply-add that uses it.
template <class V>
HWY_INLINE V InRegister(V x) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC_ACTUAL
  asm("" : "+v"(x.raw));
#endif
  return x;
}

// kPixels pixels of a row, kVectors vectors of their channels, of which `valid`
// exist.
template <int kPixels, int kVectors, class D, typename T = hn::TFromD<D>>
HWY_NOINLINE void ConvolveTile(D d, const T* HWY_RESTRICT x,
                               const Rows<const T>& rows,
                               const T* HWY_RESTRICT weight,
                               const T* HWY_RESTRICT bias, T slope,
                               T* HWY_RESTRICT y, int64_t out, int64_t valid) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t in = rows.channels, run = 3 * in;
  V sum[kPixels * kVectors];
  HWY_UNROLL(12)
  for (int p = 0; p < kPixels; ++p) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      sum[p * kVectors + v] = hn::LoadU(d, bias + v * lanes);
    }
  }
  // A pointer for every three pixels: the other two are reached by an index.
  constexpr int kPointers = (kPixels + 2) / 3;
  const T* from[kPointers];
  for (int ky = 0; ky < 3; ++ky) {
    HWY_UNROLL(4)
    for (int q = 0; q < kPointers; ++q) from[q] = x + 3 * q * in;
    // Three taps of a row lie one after the other.
    for (int64_t j = 0; j < run; ++j) {
      V w[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        w[v] = InRegister(hn::LoadU(d, weight + v * lanes));
      }
      HWY_UNROLL(12)
      for (int p = 0; p < kPixels; ++p) {
        const V value = hn::Set(d, from[p / 3][p % 3 * in]);
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          sum[p * kVectors + v] =
              hn::MulAdd(value, w[v], sum[p * kVectors + v]);
        }
      }
      weight += kVectors * lanes;
      HWY_UNROLL(4)
      for (int q = 0; q < kPointers; ++q) ++from[q];
    }
    x += rows.stride;
  }
  const V factor = hn::Set(d, slope);
  if (valid >= kVectors * lanes) {
    HWY_UNROLL(12)
    for (int p = 0; p < kPixels; ++p) {
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        const V z = sum[p * kVectors + v];
        hn::StoreU(hn::Max(z, hn::Mul(z, factor)), d, y + p * out + v * lanes);
      }
    }
    return;
  }
  HWY_ALIGN T rest[kVectors * HWY_MAX_BYTES / sizeof(T)];
  HWY_UNROLL(12)
  for (int p = 0; p < kPixels; ++p) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      const V z = sum[p * kVectors + v];
      hn::Store(hn::Max(z, hn::Mul(z, factor)), d, rest + v * lanes);
    }
    std::memcpy(y + p * out, rest, static_cast<size_t>(valid) * sizeof(T));
  }
}

// The tile with `pixels` pixels, 1 .. kPixels.
template <int kPixels, int kVectors, typename T>
HWY_INLINE void ConvolvePixels(int64_t pixels, const T* x,
                               const Rows<const T>& rows, const T* weight,
                               const T* bias, T slope, T* y, int64_t out,
                               int64_t valid) {
  if constexpr (kPixels > 0) {
    if (pixels == kPixels) {
      ConvolveTile<kPixels, kVectors>(hn::ScalableTag<T>(), x, rows, weight,
                                      bias, slope, y, out, valid);
    } else {
      ConvolvePixels<kPixels - 1, kVectors>(pixels, x, rows, weight, bias,
                                            slope, y, out, valid);
    }
  }
}

// `height` rows of the output, kVectors vectors of channels.
template <int kVectors, typename T>
HWY_NOINLINE void ConvolveRows(const Rows<const T>& rows, int64_t height,
                               int64_t width, const T* weight, const T* bias,
                               T slope, T* y, int64_t out, int64_t valid) {
  constexpr int kPixels = kAccumulators / kVectors;
  // Tiles of equal size, up to one pixel.
  const int64_t tiles = (width + kPixels - 1) / kPixels;
  for (int64_t r = 0; r < height; ++r) {
    int64_t first = 0;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t pixels = width / tiles + (t < width % tiles ? 1 : 0);
      ConvolvePixels<kPixels, kVectors>(
          pixels, rows.data + r * rows.stride + first * rows.channels, rows,
          weight, bias, slope, y + (r * width + first) * out, out, valid);
      first += pixels;
    }
  }
}

// bias: all of its vectors, 0 where the convolution has none.
template <typename T>
void Convolve(const Rows<const T>& rows, int64_t height, int64_t width,
              const T* packed, const T* bias, T slope, T* y, int64_t out) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  const int64_t of_vector = 9 * rows.channels * lanes;
  int64_t c = 0;
  // Two vectors where the second has any channel.
  for (; c + lanes < out; c += 2 * lanes) {
    ConvolveRows<2>(rows, height, width, packed + c / lanes * of_vector,
                    bias + c, slope, y + c, out, out - c);
  }
  if (c < out) {
    ConvolveRows<1>(rows, height, width, packed + c / lanes * of_vector,
                    bias + c, slope, y + c, out, out - c);
  }
}

// Gradients of kTaps values of a row of taps (tap and input channel), kVectors
// vectors of output channels; added to `to`.
template <int kTaps, int kVectors, typename T>
HWY_NOINLINE void WeightTile(const T* HWY_RESTRICT x,
                             const Rows<const T>& x_rows,
                             const T* HWY_RESTRICT g,
                             const Rows<const T>& g_rows, int64_t height,
                             int64_t width, T* HWY_RESTRICT to,
                             int64_t to_stride) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[kTaps * kVectors];
  HWY_UNROLL(12)
  for (int i = 0; i < kTaps * kVectors; ++i) sum[i] = hn::Zero(d);
  for (int64_t r = 0; r < height; ++r) {
    const T* from = x + r * x_rows.stride;
    const T* gradient = g + r * g_rows.stride;
    for (int64_t p = 0; p < width; ++p) {
      V own[kVectors];
      HWY_UNROLL(2)
      for (int v = 0; v < kVectors; ++v) {
        own[v] = InRegister(hn::LoadU(d, gradient + v * lanes));
      }
      HWY_UNROLL(12)
      for (int t = 0; t < kTaps; ++t) {
        const V value = hn::Set(d, from[t]);
        HWY_UNROLL(2)
        for (int v = 0; v < kVectors; ++v) {
          sum[t * kVectors + v] =
              hn::MulAdd(value, own[v], sum[t * kVectors + v]);
        }
      }
      from += x_rows.channels;
      gradient += g_rows.channels;
    }
  }
  HWY_UNROLL(12)
  for (int t = 0; t < kTaps; ++t) {
    HWY_UNROLL(2)
    for (int v = 0; v < kVectors; ++v) {
      T* HWY_RESTRICT place = to + t * to_stride + v * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, place), sum[t * kVectors + v]), d, place);
    }
  }
}

template <int kTaps, int kVectors, typename T>
HWY_INLINE void WeightTaps(int64_t taps, const T* x,
                           const Rows<const T>& x_rows, const T* g,
                           const Rows<const T>& g_rows, int64_t height,
                           int64_t width, T* to, int64_t to_stride) {
  if constexpr (kTaps > 0) {
    if (taps == kTaps) {
      WeightTile<kTaps, kVectors>(x, x_rows, g, g_rows, height, width, to,
                                  to_stride);
    } else {
      WeightTaps<kTaps - 1, kVectors>(taps, x, x_rows, g, g_rows, height, width,
                                      to, to_stride);
    }
  }
}

template <int kVectors, typename T>
HWY_NOINLINE void WeightVectors(const Rows<const T>& x_rows, const T* g,
                                const Rows<const T>& g_rows, int64_t height,
                                int64_t width, T* to, int64_t to_stride) {
  constexpr int kTaps = kAccumulators / kVectors;
  const int64_t run = 3 * x_rows.channels;
  const int64_t tiles = (run + kTaps - 1) / kTaps;
  for (int ky = 0; ky < 3; ++ky) {
    int64_t first = 0;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t taps = run / tiles + (t < run % tiles ? 1 : 0);
      WeightTaps<kTaps, kVectors>(
          taps, x_rows.data + ky * x_rows.stride + first, x_rows, g, g_rows,
          height, width, to + (ky * run + first) * to_stride, to_stride);
      first += taps;
    }
  }
}

// Adds the gradients of `height` rows: x_rows and g_rows with their borders;
// g_rows of whole vectors of channels.
template <typename T>
void Weights(const Rows<const T>& x_rows, const Rows<const T>& g_rows,
             int64_t height, int64_t width, T* weight_gradient,
             T* bias_gradient) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t out = g_rows.channels;
  const T* const g = g_rows.data + g_rows.stride + out;
  int64_t c = 0;
  for (; c + 2 * lanes <= out; c += 2 * lanes) {
    WeightVectors<2>(x_rows, g + c, g_rows, height, width, weight_gradient + c,
                     out);
  }
  if (c < out) {
    WeightVectors<1>(x_rows, g + c, g_rows, height, width, weight_gradient + c,
                     out);
  }
  for (c = 0; c < out; c += lanes) {
    auto sum0 = hn::LoadU(d, bias_gradient + c), sum1 = hn::Zero(d);
    for (int64_t r = 0; r < height; ++r) {
      const T* from = g + r * g_rows.stride + c;
      int64_t p = 0;
      for (; p + 2 <= width; p += 2, from += 2 * out) {
        sum0 = hn::Add(sum0, hn::LoadU(d, from));
        sum1 = hn::Add(sum1, hn::LoadU(d, from + out));
      }
      if (p < width) sum0 = hn::Add(sum0, hn::LoadU(d, from));
    }
    hn::StoreU(hn::Add(sum0, sum1), d, bias_gradient + c);
  }
}

// Not templates: what HWY_EXPORT takes.
#define SEG_NARROW_CONVOLUTION_TYPES(T, NAME)                                  \
  int64_t Lanes##NAME() {                                                      \
    return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));              \
  }                                                                            \
  void Convolve##NAME(const Rows<const T>& rows, int64_t height,               \
                      int64_t width, const T* packed, const T* bias, T slope,  \
                      T* y, int64_t out) {                                     \
    Convolve<T>(rows, height, width, packed, bias, slope, y, out);             \
  }                                                                            \
  void Weights##NAME(const Rows<const T>& x_rows, const Rows<const T>& g_rows, \
                     int64_t height, int64_t width, T* weight_gradient,        \
                     T* bias_gradient) {                                       \
    Weights<T>(x_rows, g_rows, height, width, weight_gradient, bias_gradient); \
  }
SEG_NARROW_CONVOLUTION_TYPES(float, Float)
SEG_NARROW_CONVOLUTION_TYPES(double, Double)
#undef SEG_NARROW_CONVOLUTION_TYPES

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace {

using narrow_convolution::Rows;

HWY_EXPORT(LanesFloat);
HWY_EXPORT(LanesDouble);
HWY_EXPORT(ConvolveFloat);
HWY_EXPORT(ConvolveDouble);
HWY_EXPORT(WeightsFloat);
HWY_EXPORT(WeightsDouble);

// The function of type T for this machine.
#define SEG_DISPATCH(T, NAME)                    \
  [] {                                           \
    if constexpr (sizeof(T) == 4) {              \
      return HWY_DYNAMIC_DISPATCH(NAME##Float);  \
    } else {                                     \
      return HWY_DYNAMIC_DISPATCH(NAME##Double); \
    }                                            \
  }()

// Rows of a chunk of both maps, borders included, stay in a level-1 cache of 32
// KiB beside a row of the output and the weights of two vectors.
constexpr int64_t kChunkBytes = 20 * 1024;

template <typename T>
int64_t ChunkRows(const NarrowConvolutionSizes& sizes) {
  const int64_t row = (sizes.width + 2) *
                      std::max(sizes.in, NarrowConvolutionPadded<T>(sizes.out));
  const int64_t fit = kChunkBytes / (row * static_cast<int64_t>(sizeof(T))) - 2;
  return std::clamp<int64_t>(fit, 2, std::max<int64_t>(2, sizes.height));
}

// Rows first - 1 .. first + rows of a map of `from_channels`, as `to`: zeros
// around it, and in channels that the map does not have. copy(target, source)
// writes from_channels values of each pixel of a row.
template <typename T, typename Copy>
void PadRows(const NarrowConvolutionSizes& sizes, int64_t first, int64_t rows,
             int64_t from_channels, const Rows<T>& to, const Copy& copy) {
  for (int64_t r = -1; r <= rows; ++r) {
    T* const row = to.data + (r + 1) * to.stride;
    const int64_t source = first + r;
    if (source < 0 || source >= sizes.height) {
      std::fill(row, row + to.stride, T(0));
      continue;
    }
    std::fill(row, row + to.channels, T(0));
    copy(row + to.channels, source * sizes.width * from_channels);
    std::fill(row + to.stride - to.channels, row + to.stride, T(0));
  }
}

template <typename T>
void PadInput(const NarrowConvolutionSizes& sizes, int64_t first, int64_t rows,
              const T* x, const Rows<T>& to) {
  const size_t bytes = static_cast<size_t>(sizes.width * sizes.in) * sizeof(T);
  PadRows(sizes, first, rows, sizes.in, to,
          [&](T* row, int64_t offset) { std::memcpy(row, x + offset, bytes); });
}

// The gradient before the leaky ReLU.
template <typename T>
void PadGradient(const NarrowConvolutionSizes& sizes, int64_t first,
                 int64_t rows, const T* y, const T* y_gradient, T slope,
                 const Rows<T>& to) {
  const int64_t out = sizes.out;
  const auto masked = [&](T* HWY_RESTRICT row, int64_t offset, int64_t count) {
    const T* HWY_RESTRICT g = y_gradient + offset;
    if (slope == 1) {
      std::memcpy(row, g, static_cast<size_t>(count) * sizeof(T));
      return;
    }
    const T* HWY_RESTRICT value = y + offset;
    for (int64_t i = 0; i < count; ++i) {
      row[i] = value[i] > 0 ? g[i] : slope * g[i];
    }
  };
  PadRows(sizes, first, rows, out, to, [&](T* row, int64_t offset) {
    if (to.channels == out) {
      masked(row, offset, sizes.width * out);
      return;
    }
    for (int64_t p = 0; p < sizes.width; ++p) {
      T* const pixel = row + p * to.channels;
      masked(pixel, offset + p * out, out);
      std::fill(pixel + out, pixel + to.channels, T(0));
    }
  });
}

template <typename T>
Rows<T> MakeRows(const NarrowConvolutionSizes& sizes, int64_t channels,
                 T* data) {
  return {data, channels, (sizes.width + 2) * channels};
}

template <typename T>
Rows<const T> Constant(const Rows<T>& rows) {
  return {rows.data, rows.channels, rows.stride};
}

// packed[vector][tap][i][lane] = weight(o, i, tap), o = vector * lanes + lane:
// two vectors that the kernels do together lie side by side.
template <typename T, typename Weight>
void Pack(int64_t in, int64_t out, T* packed, const Weight& weight) {
  const int64_t lanes = SEG_DISPATCH(T, Lanes)();
  for (int64_t c = 0; c < out;) {
    const int64_t vectors = c + lanes < out ? 2 : 1;
    for (int64_t tap = 0; tap < 9; ++tap) {
      for (int64_t i = 0; i < in; ++i) {
        for (int64_t o = c; o < c + vectors * lanes; ++o) {
          *packed++ = o < out ? weight(o, i, tap) : T(0);
        }
      }
    }
    c += vectors * lanes;
  }
}

}  // namespace

template <typename T>
int64_t NarrowConvolutionPadded(int64_t channels) {
  const int64_t lanes = SEG_DISPATCH(T, Lanes)();
  return (channels + lanes - 1) / lanes * lanes;
}

template <typename T>
void NarrowConvolutionPack(const NarrowConvolutionSizes& sizes, const T* weight,
                           T* packed) {
  Pack(sizes.in, sizes.out, packed, [&](int64_t o, int64_t i, int64_t tap) {
    return weight[(o * sizes.in + i) * 9 + tap];
  });
}

template <typename T>
void NarrowConvolutionPackTransposed(const NarrowConvolutionSizes& sizes,
                                     const T* weight, T* packed) {
  Pack(NarrowConvolutionPadded<T>(sizes.out), sizes.in, packed,
       [&](int64_t o, int64_t i, int64_t tap) {
         return i < sizes.out ? weight[(i * sizes.in + o) * 9 + 8 - tap] : T(0);
       });
}

template <typename T>
int64_t NarrowConvolutionChunks(const NarrowConvolutionSizes& sizes) {
  const int64_t rows = ChunkRows<T>(sizes);
  return (sizes.height + rows - 1) / rows;
}

template <typename T>
int64_t NarrowConvolutionScratch(const NarrowConvolutionSizes& sizes) {
  const int64_t in = sizes.in, out = NarrowConvolutionPadded<T>(sizes.out);
  // Both maps, and a bias of zeros.
  return (ChunkRows<T>(sizes) + 2) * (sizes.width + 2) * (in + out) +
         NarrowConvolutionPadded<T>(in);
}

template <typename T>
void NarrowConvolutionForward(const NarrowConvolutionSizes& sizes,
                              int64_t chunk, const T* x, const T* packed,
                              const T* bias, T slope, T* y, T* scratch) {
  const int64_t of_chunk = ChunkRows<T>(sizes);
  const int64_t first = chunk * of_chunk;
  const int64_t rows = std::min(of_chunk, sizes.height - first);
  const Rows<T> padded = MakeRows(sizes, sizes.in, scratch);
  PadInput(sizes, first, rows, x, padded);
  SEG_DISPATCH(T, Convolve)
  (Constant(padded), rows, sizes.width, packed, bias, slope,
   y + first * sizes.width * sizes.out, sizes.out);
}

template <typename T>
void NarrowConvolutionBackward(const NarrowConvolutionSizes& sizes, const T* x,
                               const T* y, const T* y_gradient,
                               const T* packed_transposed, T slope,
                               T* x_gradient, T* weight_gradient,
                               T* bias_gradient, T* scratch) {
  const auto convolve = SEG_DISPATCH(T, Convolve);
  const auto weights = SEG_DISPATCH(T, Weights);
  const int64_t of_chunk = ChunkRows<T>(sizes);
  const int64_t out = NarrowConvolutionPadded<T>(sizes.out);
  const Rows<T> g = MakeRows(sizes, out, scratch);
  const Rows<T> padded =
      MakeRows(sizes, sizes.in, scratch + (of_chunk + 2) * g.stride);
  T* const zeros = padded.data + (of_chunk + 2) * padded.stride;
  std::fill(zeros, zeros + NarrowConvolutionPadded<T>(sizes.in), T(0));
  if (weight_gradient != nullptr) {
    std::fill(weight_gradient, weight_gradient + 9 * sizes.in * out, T(0));
    std::fill(bias_gradient, bias_gradient + out, T(0));
  }
  for (int64_t first = 0; first < sizes.height; first += of_chunk) {
    const int64_t rows = std::min(of_chunk, sizes.height - first);
    PadGradient(sizes, first, rows, y, y_gradient, slope, g);
    if (x_gradient != nullptr) {
      convolve(Constant(g), rows, sizes.width, packed_transposed, zeros,
               /*slope=*/1, x_gradient + first * sizes.width * sizes.in,
               sizes.in);
    }
    if (weight_gradient != nullptr) {
      PadInput(sizes, first, rows, x, padded);
      weights(Constant(padded), Constant(g), rows, sizes.width, weight_gradient,
              bias_gradient);
    }
  }
}

#define SEG_INSTANTIATE(T)                                                     \
  template int64_t NarrowConvolutionPadded<T>(int64_t);                        \
  template void NarrowConvolutionPack(const NarrowConvolutionSizes&, const T*, \
                                      T*);                                     \
  template void NarrowConvolutionPackTransposed(const NarrowConvolutionSizes&, \
                                                const T*, T*);                 \
  template int64_t NarrowConvolutionChunks<T>(const NarrowConvolutionSizes&);  \
  template int64_t NarrowConvolutionScratch<T>(const NarrowConvolutionSizes&); \
  template void NarrowConvolutionForward(const NarrowConvolutionSizes&,        \
                                         int64_t, const T*, const T*,          \
                                         const T*, T, T*, T*);                 \
  template void NarrowConvolutionBackward(const NarrowConvolutionSizes&,       \
                                          const T*, const T*, const T*,        \
                                          const T*, T, T*, T*, T*, T*);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace seg
#endif  // HWY_ONCE
