#include "common/layers/label_convolution/label_convolution_cpu.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/label_convolution/label_convolution_cpu.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

// Shared by all targets.
#ifndef SEG_LABEL_CONVOLUTION_ONCE
#define SEG_LABEL_CONVOLUTION_ONCE
namespace seg {
namespace label_convolution {

// Pixels that one call of a kernel may touch beyond the width: 4 vectors of at
// most 16 elements.
constexpr int64_t kTilePixels = 64;

// Rows whose products are summed in T before they join the double sum.
constexpr int64_t kGradientRows = 8;

}  // namespace label_convolution
}  // namespace seg
#endif  // SEG_LABEL_CONVOLUTION_ONCE

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 32 vector registers with AVX-512, 16 before: accumulators of kMaxTile labels
// times 4 vectors, the 4 vectors, and a broadcast weight have to fit.
#if HWY_TARGET <= HWY_AVX3
constexpr int64_t kMaxTile = 6;
#else
constexpr int64_t kMaxTile = 2;
#endif

// Keeps a loaded vector in a register. Without it GCC 12 folds the load into
// each multiply-add that uses it, and unaligned loads become the bottleneck.
template <class V>
HWY_INLINE V InRegister(V x) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC_ACTUAL
  asm("" : "+v"(x.raw));
#endif
  return x;
}

// kLabels x kVectors outputs starting at `out`, of which `valid` pixels exist.
template <int kLabels, int kVectors, class D, typename T = hn::TFromD<D>>
HWY_INLINE void CorrelateTile(D d, const LabelConvolutionSizes& sizes,
                              int64_t row, int64_t plane,
                              const T* HWY_RESTRICT padded,
                              const T* HWY_RESTRICT weight, T* HWY_RESTRICT out,
                              int64_t out_plane, int64_t valid) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sum[kLabels * kVectors];
  HWY_UNROLL(24)
  for (int i = 0; i < kLabels * kVectors; ++i) sum[i] = hn::Zero(d);
  for (int64_t m = 0; m < sizes.in_labels; ++m) {
    for (int64_t ky = 0; ky < sizes.kernel_height; ++ky) {
      const T* HWY_RESTRICT from = padded + m * plane + ky * row;
      for (int64_t kx = 0; kx < sizes.kernel_width; ++kx, ++from) {
        V x[kVectors];
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
          x[v] = InRegister(hn::LoadU(d, from + v * lanes));
        }
        HWY_UNROLL(6)
        for (int l = 0; l < kLabels; ++l) {
          const V w = hn::Set(d, weight[l]);
          HWY_UNROLL(4)
          for (int v = 0; v < kVectors; ++v) {
            sum[l * kVectors + v] = hn::MulAdd(w, x[v], sum[l * kVectors + v]);
          }
        }
        weight += sizes.out_labels;
      }
    }
  }
  if (valid >= kVectors * lanes) {
    HWY_UNROLL(6)
    for (int l = 0; l < kLabels; ++l) {
      HWY_UNROLL(4)
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(sum[l * kVectors + v], d, out + l * out_plane + v * lanes);
      }
    }
    return;
  }
  HWY_ALIGN T rest[kVectors * HWY_MAX_BYTES / sizeof(T)];
  HWY_UNROLL(6)
  for (int l = 0; l < kLabels; ++l) {
    HWY_UNROLL(4)
    for (int v = 0; v < kVectors; ++v) {
      hn::Store(sum[l * kVectors + v], d, rest + v * lanes);
    }
    std::memcpy(out + l * out_plane, rest, valid * sizeof(T));
  }
}

// kLabels labels of one row.
template <int kLabels, typename T>
HWY_NOINLINE void CorrelateRow(const LabelConvolutionSizes& sizes, int64_t row,
                               int64_t plane, const T* padded, const T* weight,
                               T* out) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t out_plane = sizes.height * sizes.width;
  int64_t x = 0;
  for (; x + 4 * lanes <= sizes.width; x += 4 * lanes) {
    CorrelateTile<kLabels, 4>(d, sizes, row, plane, padded + x, weight, out + x,
                              out_plane, 4 * lanes);
  }
  if (x < sizes.width && sizes.width - x > 2 * lanes) {
    CorrelateTile<kLabels, 4>(d, sizes, row, plane, padded + x, weight, out + x,
                              out_plane, sizes.width - x);
  } else if (x < sizes.width) {
    CorrelateTile<kLabels, 2>(d, sizes, row, plane, padded + x, weight, out + x,
                              out_plane, std::min(sizes.width - x, 2 * lanes));
  }
}

template <typename T>
void Correlate(const LabelConvolutionSizes& sizes, const T* padded,
               const T* weight, T* out, int64_t begin, int64_t end) {
  const int64_t row = sizes.padded_row(), plane = sizes.padded_plane();
  const int64_t pixels = sizes.height * sizes.width;
  // Tiles of equal size, up to one label.
  const int64_t tiles = (sizes.out_labels + kMaxTile - 1) / kMaxTile;
  int64_t first = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t labels =
        sizes.out_labels / tiles + (tile < sizes.out_labels % tiles ? 1 : 0);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / sizes.height, y = i % sizes.height;
      const T* from = padded + n * sizes.in_labels * plane + y * row;
      T* to = out + (n * sizes.out_labels + first) * pixels + y * sizes.width;
      const T* w = weight + first;
      switch (labels) {
        case 1:
          CorrelateRow<1>(sizes, row, plane, from, w, to);
          break;
        case 2:
          CorrelateRow<2>(sizes, row, plane, from, w, to);
          break;
#if HWY_TARGET <= HWY_AVX3
        case 3:
          CorrelateRow<3>(sizes, row, plane, from, w, to);
          break;
        case 4:
          CorrelateRow<4>(sizes, row, plane, from, w, to);
          break;
        case 5:
          CorrelateRow<5>(sizes, row, plane, from, w, to);
          break;
        case 6:
          CorrelateRow<6>(sizes, row, plane, from, w, to);
          break;
#endif
        default:
          HWY_ABORT("label tile");
      }
    }
    first += labels;
  }
}

// Sums for kLabels labels (planes of `a`) and kTaps adjacent taps of one row of
// the kernel, over `rows` rows of pixels; added to out[l * out_label + k].
template <int kLabels, int kTaps, typename T>
HWY_NOINLINE void GradientTile(const LabelConvolutionSizes& sizes,
                               const T* HWY_RESTRICT a, const T* HWY_RESTRICT b,
                               int64_t rows, double* HWY_RESTRICT out,
                               int64_t out_label) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t row = sizes.padded_row(), plane = sizes.padded_plane();
  V sum[kLabels * kTaps];
  HWY_UNROLL(27)
  for (int i = 0; i < kLabels * kTaps; ++i) sum[i] = hn::Zero(d);
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < sizes.width; x += lanes) {
      V va[kLabels];
      HWY_UNROLL(3)
      for (int l = 0; l < kLabels; ++l) {
        va[l] = hn::LoadU(d, a + l * plane + y * row + x);
      }
      HWY_UNROLL(9)
      for (int k = 0; k < kTaps; ++k) {
        const V vb = InRegister(hn::LoadU(d, b + y * row + x + k));
        HWY_UNROLL(3)
        for (int l = 0; l < kLabels; ++l) {
          sum[l * kTaps + k] = hn::MulAdd(va[l], vb, sum[l * kTaps + k]);
        }
      }
    }
  }
  HWY_UNROLL(3)
  for (int l = 0; l < kLabels; ++l) {
    HWY_UNROLL(9)
    for (int k = 0; k < kTaps; ++k) {
      out[l * out_label + k] += static_cast<double>(
          hn::GetLane(hn::SumOfLanes(d, sum[l * kTaps + k])));
    }
  }
}

template <int kLabels, typename T>
void GradientLabels(const LabelConvolutionSizes& sizes, const T* a,
                    const T* padded, int64_t rows, double* out) {
  const int64_t row = sizes.padded_row(), plane = sizes.padded_plane();
  const int64_t taps = sizes.kernel_height * sizes.kernel_width;
  const int64_t out_label = sizes.in_labels * taps;
  for (int64_t m = 0; m < sizes.in_labels; ++m) {
    for (int64_t ky = 0; ky < sizes.kernel_height; ++ky) {
      const T* b = padded + m * plane + ky * row;
      double* to = out + m * taps + ky * sizes.kernel_width;
      int64_t kx = 0;
#if HWY_TARGET <= HWY_AVX3
      for (; kx + 9 <= sizes.kernel_width; kx += 9) {
        GradientTile<kLabels, 9>(sizes, a, b + kx, rows, to + kx, out_label);
      }
#endif
      for (; kx + 3 <= sizes.kernel_width; kx += 3) {
        GradientTile<kLabels, 3>(sizes, a, b + kx, rows, to + kx, out_label);
      }
      for (; kx < sizes.kernel_width; ++kx) {
        GradientTile<kLabels, 1>(sizes, a, b + kx, rows, to + kx, out_label);
      }
    }
  }
}

template <typename T>
void Gradient(const LabelConvolutionSizes& sizes, const T* padded,
              const T* padded_out, double* gradient, int64_t begin,
              int64_t end) {
  const int64_t row = sizes.padded_row(), plane = sizes.padded_plane();
  const int64_t taps = sizes.kernel_height * sizes.kernel_width;
  const int64_t origin = sizes.kernel_height / 2 * row + sizes.kernel_width / 2;
  while (begin < end) {
    const int64_t n = begin / sizes.height, y = begin % sizes.height;
    const int64_t rows = std::min(
        {label_convolution::kGradientRows, end - begin, sizes.height - y});
    const T* b = padded + n * sizes.in_labels * plane + y * row;
    const T* a = padded_out + n * sizes.out_labels * plane + y * row + origin;
    int64_t l = 0;
#if HWY_TARGET <= HWY_AVX3
    for (; l + 3 <= sizes.out_labels && l + 4 != sizes.out_labels; l += 3) {
      GradientLabels<3>(sizes, a + l * plane, b, rows,
                        gradient + l * sizes.in_labels * taps);
    }
#endif
    for (; l + 2 <= sizes.out_labels; l += 2) {
      GradientLabels<2>(sizes, a + l * plane, b, rows,
                        gradient + l * sizes.in_labels * taps);
    }
    if (l < sizes.out_labels) {
      GradientLabels<1>(sizes, a + l * plane, b, rows,
                        gradient + l * sizes.in_labels * taps);
    }
    begin += rows;
  }
}

// Not templates: what HWY_EXPORT takes.
void CorrelateFloat(const LabelConvolutionSizes& sizes, const float* padded,
                    const float* weight, float* out, int64_t begin,
                    int64_t end) {
  Correlate(sizes, padded, weight, out, begin, end);
}
void CorrelateDouble(const LabelConvolutionSizes& sizes, const double* padded,
                     const double* weight, double* out, int64_t begin,
                     int64_t end) {
  Correlate(sizes, padded, weight, out, begin, end);
}
void GradientFloat(const LabelConvolutionSizes& sizes, const float* padded,
                   const float* padded_out, double* gradient, int64_t begin,
                   int64_t end) {
  Gradient(sizes, padded, padded_out, gradient, begin, end);
}
void GradientDouble(const LabelConvolutionSizes& sizes, const double* padded,
                    const double* padded_out, double* gradient, int64_t begin,
                    int64_t end) {
  Gradient(sizes, padded, padded_out, gradient, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(CorrelateFloat);
HWY_EXPORT(CorrelateDouble);
HWY_EXPORT(GradientFloat);
HWY_EXPORT(GradientDouble);

int64_t LabelConvolutionSizes::padded_row() const {
  // Whole tiles of pixels, the border, and a break of power-of-two strides,
  // which would put all rows in the same cache sets.
  const int64_t tile = label_convolution::kTilePixels;
  const int64_t row = (width + tile - 1) / tile * tile + kernel_width - 1;
  return (row + 15) / 16 * 16 + (row % 256 < 16 ? 16 : 0);
}

int64_t LabelConvolutionSizes::padded_plane() const {
  return padded_row() * (height + kernel_height - 1);
}

template <typename T>
void PadPlane(const LabelConvolutionSizes& sizes, const T* plane,
              int64_t row_stride, int64_t column_stride, T* padded) {
  const int64_t row = sizes.padded_row();
  const int64_t top = sizes.kernel_height / 2, left = sizes.kernel_width / 2;
  std::fill(padded, padded + top * row, T(0));
  for (int64_t y = 0; y < sizes.height; ++y) {
    T* to = padded + (top + y) * row;
    const T* from = plane + y * row_stride;
    std::fill(to, to + left, T(0));
    if (column_stride == 1) {
      std::copy(from, from + sizes.width, to + left);
    } else {
      for (int64_t x = 0; x < sizes.width; ++x) {
        to[left + x] = from[x * column_stride];
      }
    }
    std::fill(to + left + sizes.width, to + row, T(0));
  }
  std::fill(padded + (top + sizes.height) * row, padded + sizes.padded_plane(),
            T(0));
}

template <>
void CorrelateRows(const LabelConvolutionSizes& sizes, const float* padded,
                   const float* weight, float* out, int64_t begin,
                   int64_t end) {
  HWY_DYNAMIC_DISPATCH(CorrelateFloat)
  (sizes, padded, weight, out, begin, end);
}

template <>
void CorrelateRows(const LabelConvolutionSizes& sizes, const double* padded,
                   const double* weight, double* out, int64_t begin,
                   int64_t end) {
  HWY_DYNAMIC_DISPATCH(CorrelateDouble)
  (sizes, padded, weight, out, begin, end);
}

template <>
void AccumulateWeightGradient(const LabelConvolutionSizes& sizes,
                              const float* padded, const float* padded_out,
                              double* gradient, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(GradientFloat)
  (sizes, padded, padded_out, gradient, begin, end);
}

template <>
void AccumulateWeightGradient(const LabelConvolutionSizes& sizes,
                              const double* padded, const double* padded_out,
                              double* gradient, int64_t begin, int64_t end) {
  HWY_DYNAMIC_DISPATCH(GradientDouble)
  (sizes, padded, padded_out, gradient, begin, end);
}

template void PadPlane(const LabelConvolutionSizes&, const float*, int64_t,
                       int64_t, float*);
template void PadPlane(const LabelConvolutionSizes&, const double*, int64_t,
                       int64_t, double*);

}  // namespace seg
#endif  // HWY_ONCE
