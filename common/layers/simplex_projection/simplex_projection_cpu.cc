#include "common/layers/simplex_projection/simplex_projection_cpu.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "hwy/aligned_allocator.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/simplex_projection/simplex_projection_cpu.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

// Shared by all targets: sizes of the blocks and the transposing copies.
#ifndef SEG_SIMPLEX_PROJECTION_ONCE
#define SEG_SIMPLEX_PROJECTION_ONCE
namespace seg {
namespace simplex {

// A block of float pixels with all its labels fits in a 32 KiB L1 cache; 16 to
// 512 pixels.
constexpr int64_t kBlockBytes = 32 * 1024;
constexpr int64_t kPixelMultiple = 16;
constexpr int64_t kMaxPixels = 512;

inline int64_t BlockPixels(int64_t labels) {
  const int64_t fit = kBlockBytes / (4 * labels);
  return std::clamp(fit / kPixelMultiple * kPixelMultiple, kPixelMultiple,
                    kMaxPixels);
}

// Vectors of pixels solved together.
constexpr int kUnroll = 4;

// Where a group of pixels with adjacent memory is read and written: label l is
// `row` elements after label 0. `gradient` may be null.
template <typename T>
struct Rows {
  const T* x;
  int64_t x_row;
  const T* gradient;
  int64_t gradient_row;
  T* y;
  int64_t y_row;
};

// Position of a block: image, first pixel, number of pixels.
struct Block {
  int64_t image, first, pixels;
};

inline Block FindBlock(const SimplexSizes& sizes, int64_t index) {
  const int64_t length = BlockPixels(sizes.labels);
  const int64_t per_image = (sizes.pixels + length - 1) / length;
  const int64_t image = index / per_image;
  const int64_t first = index % per_image * length;
  return {image, first, std::min(length, sizes.pixels - first)};
}

template <typename T>
T* At(const SimplexView<T>& view, const Block& block) {
  return view.data + block.image * view.image_stride +
         block.first * view.pixel_stride;
}

// kLabels labels of a block, from any strides to planar[l * row + p] or back.
template <int kLabels, typename T>
void GatherLabels(const T* from, int64_t label_stride, int64_t pixel_stride,
                  int64_t pixels, T* planar, int64_t row) {
  for (int64_t p = 0; p < pixels; ++p) {
    const T* source = from + p * pixel_stride;
    HWY_UNROLL(8)
    for (int l = 0; l < kLabels; ++l) {
      planar[l * row + p] = source[l * label_stride];
    }
  }
}

template <int kLabels, typename T>
void ScatterLabels(const T* planar, int64_t row, int64_t pixels, T* to,
                   int64_t label_stride, int64_t pixel_stride) {
  for (int64_t p = 0; p < pixels; ++p) {
    T* target = to + p * pixel_stride;
    HWY_UNROLL(8)
    for (int l = 0; l < kLabels; ++l) {
      target[l * label_stride] = planar[l * row + p];
    }
  }
}

template <typename T>
void Gather(const T* from, int64_t label_stride, int64_t pixel_stride,
            int64_t labels, int64_t pixels, T* planar, int64_t row) {
  int64_t l = 0;
  const auto copy = [&](auto count) {
    for (; l + count() <= labels; l += count()) {
      GatherLabels<count()>(from + l * label_stride, label_stride, pixel_stride,
                            pixels, planar + l * row, row);
    }
  };
  copy(std::integral_constant<int, 8>());
  copy(std::integral_constant<int, 4>());
  copy(std::integral_constant<int, 2>());
  copy(std::integral_constant<int, 1>());
}

template <typename T>
void Scatter(const T* planar, int64_t row, int64_t labels, int64_t pixels,
             T* to, int64_t label_stride, int64_t pixel_stride) {
  int64_t l = 0;
  const auto copy = [&](auto count) {
    for (; l + count() <= labels; l += count()) {
      ScatterLabels<count()>(planar + l * row, row, pixels,
                             to + l * label_stride, label_stride, pixel_stride);
    }
  };
  copy(std::integral_constant<int, 8>());
  copy(std::integral_constant<int, 4>());
  copy(std::integral_constant<int, 2>());
  copy(std::integral_constant<int, 1>());
}

}  // namespace simplex
}  // namespace seg
#endif  // SEG_SIMPLEX_PROJECTION_ONCE

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using simplex::kUnroll;
using simplex::Rows;

// sum + x where active, else sum: one instruction with AVX-512.
template <class M, class V>
HWY_INLINE V AddWhere(M active, V sum, V x) {
#if HWY_TARGET <= HWY_AVX3
  return hn::IfThenElse(active, hn::Add(sum, x), sum);
#else
  return hn::Add(sum, hn::IfThenElseZero(active, x));
#endif
}

// Upper limit of the labels, made NaN where a label is NaN (Max may drop NaN)
// or where the limit is infinite.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LargestOrNan(D d, V largest, V poison) {
  return hn::Add(hn::Add(largest, poison), hn::Sub(largest, largest));
}

// y of one entry; x is relative to the same origin as tau. x <= tau is false
// for NaN, so NaN takes the first branch.
template <bool kLeaky, class D, class V = hn::Vec<D>>
HWY_INLINE V Output(D d, V x, V tau, V leak) {
  const auto inactive = hn::Le(x, tau);
  const V y = hn::Sub(x, tau);
  return kLeaky ? hn::IfThenElse(inactive, hn::Mul(leak, y), y)
                : hn::IfThenZeroElse(inactive, y);
}

// Two labels: with m the larger one and e = other - m <= 0, tau - m is -1 or
// (e - 1) / 2, whichever is larger.
template <bool kStep, bool kLeaky, class D, typename T = hn::TFromD<D>>
HWY_INLINE void ProjectPair(D d, const Rows<T>& rows, int64_t p, T step,
                            T leak) {
  using V = hn::Vec<D>;
  V a = hn::LoadU(d, rows.x + p);
  V b = hn::LoadU(d, rows.x + p + rows.x_row);
  if (kStep) {
    const V by = hn::Set(d, step);
    a = hn::NegMulAdd(by, hn::LoadU(d, rows.gradient + p), a);
    b = hn::NegMulAdd(by, hn::LoadU(d, rows.gradient + p + rows.gradient_row),
                      b);
  }
  V poison = hn::IfThenZeroElse(hn::Eq(a, a), a);
  poison = hn::IfThenElse(hn::Eq(b, b), poison, b);
  const V largest = LargestOrNan(d, hn::Max(a, b), poison);
  a = hn::Sub(a, largest);
  b = hn::Sub(b, largest);
  const V minus_one = hn::Set(d, T(-1));
  const V tau =
      hn::Max(hn::Mul(hn::Set(d, T(0.5)), hn::Add(hn::Add(a, b), minus_one)),
              minus_one);
  const V alpha = hn::Set(d, leak);
  hn::StoreU(Output<kLeaky>(d, a, tau, alpha), d, rows.y + p);
  hn::StoreU(Output<kLeaky>(d, b, tau, alpha), d, rows.y + p + rows.y_row);
}

// Any number of labels, kVectors vectors of pixels: independent chains hide the
// latency of additions and divisions. scratch: labels * kVectors vectors.
template <int kVectors, bool kStep, bool kLeaky, class D,
          typename T = hn::TFromD<D>>
HWY_INLINE void ProjectColumns(D d, const Rows<T>& rows, int64_t p,
                               int64_t labels, T step, T leak,
                               T* HWY_RESTRICT scratch) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t row = kVectors * lanes;
  const V one = hn::Set(d, T(1));
  const V by = hn::Set(d, step);

  V largest[kVectors], second[kVectors], poison[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    largest[u] = hn::Set(d, -std::numeric_limits<T>::infinity());
    second[u] = largest[u];
    poison[u] = hn::Zero(d);
  }
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      V x = hn::LoadU(d, rows.x + l * rows.x_row + p + u * lanes);
      if (kStep) {
        x = hn::NegMulAdd(
            by,
            hn::LoadU(d, rows.gradient + l * rows.gradient_row + p + u * lanes),
            x);
      }
      hn::Store(x, d, scratch + l * row + u * lanes);
      second[u] = hn::Max(second[u], hn::Min(largest[u], x));
      largest[u] = hn::Max(largest[u], x);
      poison[u] = hn::IfThenElse(hn::Eq(x, x), poison[u], x);
    }
  }
  // From here on x is the difference to the largest label, so that sums stay
  // small. The threshold of any subset of labels is a lower bound of tau: start
  // from the better one of the largest label alone and of the largest two.
  V tau[kVectors], sum[kVectors], count[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    largest[u] = LargestOrNan(d, largest[u], poison[u]);
    tau[u] = hn::Max(hn::Neg(one),
                     hn::Mul(hn::Set(d, T(0.5)),
                             hn::Sub(hn::Sub(second[u], largest[u]), one)));
    sum[u] = count[u] = hn::Zero(d);
  }
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      T* HWY_RESTRICT at = scratch + l * row + u * lanes;
      const V x = hn::Sub(hn::Load(d, at), largest[u]);
      hn::Store(x, d, at);
      const auto active = hn::Gt(x, tau[u]);
      sum[u] = AddWhere(active, sum[u], x);
      count[u] = AddWhere(active, count[u], one);
    }
  }
  // Newton steps on sum_l max(x_l - tau, 0) = 1 from the left: the active set
  // shrinks, so equal counts mean equal sets and there are at most `labels`
  // different ones. A NaN pixel has count 0 and any tau.
  for (int64_t round = 1; round < labels; ++round) {
    V old[kVectors];
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      tau[u] = hn::Div(hn::Sub(sum[u], one), count[u]);
      old[u] = count[u];
      sum[u] = count[u] = hn::Zero(d);
    }
    for (int64_t l = 0; l < labels; ++l) {
      HWY_UNROLL(4)
      for (int u = 0; u < kVectors; ++u) {
        const V x = hn::Load(d, scratch + l * row + u * lanes);
        const auto active = hn::Gt(x, tau[u]);
        sum[u] = AddWhere(active, sum[u], x);
        count[u] = AddWhere(active, count[u], one);
      }
    }
    auto same = hn::Eq(old[0], count[0]);
    HWY_UNROLL(4)
    for (int u = 1; u < kVectors; ++u) {
      same = hn::And(same, hn::Eq(old[u], count[u]));
    }
    if (hn::AllTrue(d, same)) break;
  }
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    tau[u] = hn::Div(hn::Sub(sum[u], one), count[u]);
  }
  const V alpha = hn::Set(d, leak);
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      const V x = hn::Load(d, scratch + l * row + u * lanes);
      hn::StoreU(Output<kLeaky>(d, x, tau[u], alpha), d,
                 rows.y + l * rows.y_row + p + u * lanes);
    }
  }
}

// kVectors vectors of pixels of r = J^T g: r_l = s_l g_l - [l active] mean,
// where mean = sum_l s_l g_l / K. rows.x is y, rows.gradient is g, rows.y is r.
template <int kVectors, bool kLeaky, class D, typename T = hn::TFromD<D>>
HWY_INLINE void BackwardColumns(D d, const Rows<T>& rows, int64_t p,
                                int64_t labels, T leak) {
  using V = hn::Vec<D>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const V zero = hn::Zero(d), one = hn::Set(d, T(1));
  const V alpha = hn::Set(d, leak);
  V sum[kVectors], count[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) sum[u] = count[u] = zero;
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      const int64_t at = p + u * lanes;
      const auto active =
          hn::Gt(hn::LoadU(d, rows.x + l * rows.x_row + at), zero);
      const V g = hn::LoadU(d, rows.gradient + l * rows.gradient_row + at);
      count[u] = hn::Add(count[u], hn::IfThenElseZero(active, one));
      sum[u] =
          kLeaky ? hn::Add(sum[u], hn::IfThenElse(active, g, hn::Mul(alpha, g)))
                 : hn::Add(sum[u], hn::IfThenElseZero(active, g));
    }
  }
  // No active entry: the pixel was NaN, and so is its gradient.
  V mean[kVectors], poison[kVectors];
  HWY_UNROLL(4)
  for (int u = 0; u < kVectors; ++u) {
    mean[u] = hn::Div(sum[u], count[u]);
    poison[u] =
        hn::IfThenElseZero(hn::Eq(count[u], zero),
                           hn::Set(d, std::numeric_limits<T>::quiet_NaN()));
  }
  for (int64_t l = 0; l < labels; ++l) {
    HWY_UNROLL(4)
    for (int u = 0; u < kVectors; ++u) {
      const int64_t at = p + u * lanes;
      const auto active =
          hn::Gt(hn::LoadU(d, rows.x + l * rows.x_row + at), zero);
      const V g = hn::LoadU(d, rows.gradient + l * rows.gradient_row + at);
      const V rest = kLeaky ? hn::MulAdd(alpha, g, poison[u]) : poison[u];
      hn::StoreU(hn::IfThenElse(active, hn::Sub(g, mean[u]), rest), d,
                 rows.y + l * rows.y_row + at);
    }
  }
}

template <bool kStep, bool kLeaky, typename T>
void ForwardRows(const Rows<T>& rows, int64_t labels, int64_t pixels, T step,
                 T leak, T* scratch) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t p = 0;
  if (labels == 2) {
    for (; p < pixels; p += lanes) {
      ProjectPair<kStep, kLeaky>(d, rows, p, step, leak);
    }
    return;
  }
  for (; p + kUnroll * lanes <= pixels; p += kUnroll * lanes) {
    ProjectColumns<kUnroll, kStep, kLeaky>(d, rows, p, labels, step, leak,
                                           scratch);
  }
  for (; p < pixels; p += lanes) {
    ProjectColumns<1, kStep, kLeaky>(d, rows, p, labels, step, leak, scratch);
  }
}

template <typename T>
void Forward(const Rows<T>& rows, int64_t labels, int64_t pixels, T step,
             T leak, T* scratch) {
  if (rows.gradient != nullptr) {
    if (leak == T(0)) {
      ForwardRows<true, false>(rows, labels, pixels, step, leak, scratch);
    } else {
      ForwardRows<true, true>(rows, labels, pixels, step, leak, scratch);
    }
  } else if (leak == T(0)) {
    ForwardRows<false, false>(rows, labels, pixels, step, leak, scratch);
  } else {
    ForwardRows<false, true>(rows, labels, pixels, step, leak, scratch);
  }
}

template <bool kLeaky, typename T>
void BackwardRows(const Rows<T>& rows, int64_t labels, int64_t pixels, T leak) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t p = 0;
  for (; p + kUnroll * lanes <= pixels; p += kUnroll * lanes) {
    BackwardColumns<kUnroll, kLeaky>(d, rows, p, labels, leak);
  }
  for (; p < pixels; p += lanes) {
    BackwardColumns<1, kLeaky>(d, rows, p, labels, leak);
  }
}

template <typename T>
void Backward(const Rows<T>& rows, int64_t labels, int64_t pixels, T leak) {
  if (leak == T(0)) {
    BackwardRows<false>(rows, labels, pixels, leak);
  } else {
    BackwardRows<true>(rows, labels, pixels, leak);
  }
}

// Not templates: what HWY_EXPORT takes.
int64_t FloatLanes() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
}
int64_t DoubleLanes() {
  return static_cast<int64_t>(hn::Lanes(hn::ScalableTag<double>()));
}
void ForwardFloat(const Rows<float>& rows, int64_t labels, int64_t pixels,
                  float step, float leak, float* scratch) {
  Forward(rows, labels, pixels, step, leak, scratch);
}
void ForwardDouble(const Rows<double>& rows, int64_t labels, int64_t pixels,
                   double step, double leak, double* scratch) {
  Forward(rows, labels, pixels, step, leak, scratch);
}
void BackwardFloat(const Rows<float>& rows, int64_t labels, int64_t pixels,
                   float leak) {
  Backward(rows, labels, pixels, leak);
}
void BackwardDouble(const Rows<double>& rows, int64_t labels, int64_t pixels,
                    double leak) {
  Backward(rows, labels, pixels, leak);
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace {

using simplex::At;
using simplex::Block;
using simplex::BlockPixels;
using simplex::FindBlock;
using simplex::Rows;

HWY_EXPORT(FloatLanes);
HWY_EXPORT(DoubleLanes);
HWY_EXPORT(ForwardFloat);
HWY_EXPORT(ForwardDouble);
HWY_EXPORT(BackwardFloat);
HWY_EXPORT(BackwardDouble);

template <typename T>
int64_t VectorLanes() {
  return sizeof(T) == sizeof(float) ? HWY_DYNAMIC_DISPATCH(FloatLanes)()
                                    : HWY_DYNAMIC_DISPATCH(DoubleLanes)();
}

void CallForward(const Rows<float>& rows, int64_t labels, int64_t pixels,
                 float step, float leak, float* scratch) {
  HWY_DYNAMIC_DISPATCH(ForwardFloat)
  (rows, labels, pixels, step, leak, scratch);
}
void CallForward(const Rows<double>& rows, int64_t labels, int64_t pixels,
                 double step, double leak, double* scratch) {
  HWY_DYNAMIC_DISPATCH(ForwardDouble)
  (rows, labels, pixels, step, leak, scratch);
}
void CallBackward(const Rows<float>& rows, int64_t labels, int64_t pixels,
                  float leak) {
  HWY_DYNAMIC_DISPATCH(BackwardFloat)(rows, labels, pixels, leak);
}
void CallBackward(const Rows<double>& rows, int64_t labels, int64_t pixels,
                  double leak) {
  HWY_DYNAMIC_DISPATCH(BackwardDouble)(rows, labels, pixels, leak);
}

// Runs `solve(rows, pixels)` on one block: in place for the whole vectors of
// planar memory, through `staging` (3 planar arrays of labels * row) for the
// rest and for other layouts.
template <typename T, typename Solve>
void RunBlock(const SimplexSizes& sizes, const Block& block,
              const SimplexView<const T>& x, const SimplexView<const T>& g,
              const SimplexView<T>& y, int64_t lanes, int64_t row, T* staging,
              const Solve& solve) {
  const T* from = At(x, block);
  const T* gradient = g.data == nullptr ? nullptr : At(g, block);
  T* to = At(y, block);
  const bool planar = x.pixel_stride == 1 && y.pixel_stride == 1 &&
                      (gradient == nullptr || g.pixel_stride == 1);
  int64_t done = 0;
  if (planar) {
    done = block.pixels / lanes * lanes;
    solve(Rows<T>{from, x.label_stride, gradient, g.label_stride, to,
                  y.label_stride},
          done);
  }
  const int64_t rest = block.pixels - done;
  if (rest == 0) return;
  // Unused lanes hold zeros, a valid pixel.
  const int64_t padded = (rest + lanes - 1) / lanes * lanes;
  const auto stage = [&](const T* data, const SimplexView<const T>& view,
                         T* planar_copy) {
    simplex::Gather(data + done * view.pixel_stride, view.label_stride,
                    view.pixel_stride, sizes.labels, rest, planar_copy, row);
    for (int64_t l = 0; l < sizes.labels; ++l) {
      std::fill(planar_copy + l * row + rest, planar_copy + l * row + padded,
                T(0));
    }
  };
  const int64_t plane = sizes.labels * row;
  stage(from, x, staging);
  if (gradient != nullptr) stage(gradient, g, staging + plane);
  T* result = staging + 2 * plane;
  solve(Rows<T>{staging, row, gradient == nullptr ? nullptr : staging + plane,
                row, result, row},
        padded);
  simplex::Scatter(result, row, sizes.labels, rest, to + done * y.pixel_stride,
                   y.label_stride, y.pixel_stride);
}

}  // namespace

int64_t SimplexBlocks(const SimplexSizes& sizes) {
  const int64_t length = BlockPixels(sizes.labels);
  return sizes.images * ((sizes.pixels + length - 1) / length);
}

template <typename T>
void SimplexForward(const SimplexSizes& sizes, const SimplexView<const T>& x,
                    const SimplexView<const T>& gradient, T step, T leak,
                    const SimplexView<T>& y, int64_t begin, int64_t end) {
  const int64_t lanes = VectorLanes<T>();
  const int64_t row = BlockPixels(sizes.labels);
  const auto staging = hwy::AllocateAligned<T>(3 * sizes.labels * row);
  const auto scratch =
      hwy::AllocateAligned<T>(sizes.labels * simplex::kUnroll * lanes);
  for (int64_t i = begin; i < end; ++i) {
    RunBlock(sizes, FindBlock(sizes, i), x, gradient, y, lanes, row,
             staging.get(), [&](const Rows<T>& rows, int64_t pixels) {
               CallForward(rows, sizes.labels, pixels, step, leak,
                           scratch.get());
             });
  }
}

template <typename T>
void SimplexBackward(const SimplexSizes& sizes, const SimplexView<const T>& y,
                     const SimplexView<const T>& g, T leak,
                     const SimplexView<T>& r, int64_t begin, int64_t end) {
  const int64_t lanes = VectorLanes<T>();
  const int64_t row = BlockPixels(sizes.labels);
  const auto staging = hwy::AllocateAligned<T>(3 * sizes.labels * row);
  for (int64_t i = begin; i < end; ++i) {
    RunBlock(sizes, FindBlock(sizes, i), y, g, r, lanes, row, staging.get(),
             [&](const Rows<T>& rows, int64_t pixels) {
               CallBackward(rows, sizes.labels, pixels, leak);
             });
  }
}

template void SimplexForward(const SimplexSizes&,
                             const SimplexView<const float>&,
                             const SimplexView<const float>&, float, float,
                             const SimplexView<float>&, int64_t, int64_t);
template void SimplexForward(const SimplexSizes&,
                             const SimplexView<const double>&,
                             const SimplexView<const double>&, double, double,
                             const SimplexView<double>&, int64_t, int64_t);
template void SimplexBackward(const SimplexSizes&,
                              const SimplexView<const float>&,
                              const SimplexView<const float>&, float,
                              const SimplexView<float>&, int64_t, int64_t);
template void SimplexBackward(const SimplexSizes&,
                              const SimplexView<const double>&,
                              const SimplexView<const double>&, double,
                              const SimplexView<double>&, int64_t, int64_t);

}  // namespace seg
#endif  // HWY_ONCE
