#include "common/layers/permutohedral/planes.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/layers/permutohedral/planes.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace permutohedral {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kLanes = 16;  // most lanes of a vector
constexpr int64_t kChunk = 64;  // points transposed at a time
constexpr int64_t kStrip = 32;  // labels transposed at a time

// Brings the line of a plane that the next chunk needs: hardware follows a few
// streams only, and there is one a label.
template <typename T>
HWY_INLINE void PrefetchNext(const T* plane) {
  __builtin_prefetch(plane + kChunk);
}

// `labels` (at most kStrip) planes of `count` points, a multiple of the lanes,
// to rows, four planes interleaved at a time. The result goes through groups of
// four labels a point: [kStrip / 4][kChunk][4].
template <class D, typename T>
HWY_INLINE void LoadStrip(D d, const T* in, int64_t label_stride,
                          int64_t labels, const T* factor, int64_t count,
                          int64_t width, int64_t row, T* HWY_RESTRICT out) {
  HWY_ALIGN T groups[kStrip * kChunk];
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  for (int64_t p = 0; p < count; p += lanes) {
    const auto f =
        factor == nullptr ? hn::Set(d, T(1)) : hn::LoadU(d, factor + p);
    for (int64_t l = 0; l < width; l += 4) {
      hn::Vec<D> x0 = zero, x1 = zero, x2 = zero, x3 = zero;
      const T* plane = in + l * label_stride + p;
      const int64_t left = labels - l;
      if (left > 0) {
        x0 = hn::Mul(hn::LoadU(d, plane), f);
        PrefetchNext(plane);
      }
      if (left > 1) {
        x1 = hn::Mul(hn::LoadU(d, plane + label_stride), f);
        PrefetchNext(plane + label_stride);
      }
      if (left > 2) {
        x2 = hn::Mul(hn::LoadU(d, plane + 2 * label_stride), f);
        PrefetchNext(plane + 2 * label_stride);
      }
      if (left > 3) {
        x3 = hn::Mul(hn::LoadU(d, plane + 3 * label_stride), f);
        PrefetchNext(plane + 3 * label_stride);
      }
      hn::StoreInterleaved4(x0, x1, x2, x3, d,
                            groups + (l / 4 * kChunk + p) * 4);
    }
  }
  const hn::CappedTag<T, 4> quad;
  for (int64_t p = 0; p < count; ++p) {
    for (int64_t l = 0; l < width; l += 4) {
      for (int64_t c = 0; c < 4; c += static_cast<int64_t>(hn::Lanes(quad))) {
        hn::StoreU(hn::LoadU(quad, groups + (l / 4 * kChunk + p) * 4 + c), quad,
                   out + p * row + l + c);
      }
    }
  }
}

template <typename T>
HWY_ATTR void LoadT(const T* in, int64_t label_stride, int64_t labels,
                    const T* factor, int64_t count, int64_t row, T* out) {
  const hn::CappedTag<T, kLanes> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = count / lanes * lanes;
  if (row <= 2) {
    for (int64_t p = 0; p < whole; p += lanes) {
      const auto f =
          factor == nullptr ? hn::Set(d, T(1)) : hn::LoadU(d, factor + p);
      const auto x0 = hn::Mul(hn::LoadU(d, in + p), f);
      if (row == 1) {
        hn::StoreU(x0, d, out + p);
      } else {
        const auto x1 = hn::Mul(hn::LoadU(d, in + label_stride + p), f);
        hn::StoreInterleaved2(x0, x1, d, out + 2 * p);
      }
    }
  } else {
    for (int64_t p = 0; p < whole; p += kChunk) {
      const int64_t points = whole - p < kChunk ? whole - p : kChunk;
      for (int64_t l = 0; l < row; l += kStrip) {
        LoadStrip(d, in + l * label_stride + p, label_stride, labels - l,
                  factor == nullptr ? factor : factor + p, points,
                  row - l < kStrip ? row - l : kStrip, row, out + p * row + l);
      }
    }
  }
  for (int64_t p = whole; p < count; ++p) {
    const T f = factor == nullptr ? T(1) : factor[p];
    for (int64_t l = 0; l < row; ++l) {
      out[p * row + l] = l < labels ? in[l * label_stride + p] * f : T(0);
    }
  }
}

// The reverse of LoadStrip.
template <class D, typename T>
HWY_INLINE void StoreStrip(D d, const T* HWY_RESTRICT rows, int64_t row,
                           T scale, const T* factor, int64_t count,
                           int64_t labels, T* out, int64_t label_stride) {
  HWY_ALIGN T groups[kStrip * kChunk];
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const hn::CappedTag<T, 4> quad;
  for (int64_t p = 0; p < count; ++p) {
    for (int64_t l = 0; l < labels; l += 4) {
      for (int64_t c = 0; c < 4; c += static_cast<int64_t>(hn::Lanes(quad))) {
        hn::StoreU(hn::LoadU(quad, rows + p * row + l + c), quad,
                   groups + (l / 4 * kChunk + p) * 4 + c);
      }
    }
  }
  const auto s = hn::Set(d, scale);
  for (int64_t p = 0; p < count; p += lanes) {
    const auto f = factor == nullptr ? s : hn::Mul(s, hn::LoadU(d, factor + p));
    for (int64_t l = 0; l < labels; l += 4) {
      hn::Vec<D> x0, x1, x2, x3;
      hn::LoadInterleaved4(d, groups + (l / 4 * kChunk + p) * 4, x0, x1, x2,
                           x3);
      T* plane = out + l * label_stride + p;
      const int64_t left = labels - l;
      hn::StoreU(hn::Mul(x0, f), d, plane);
      if (left > 1) hn::StoreU(hn::Mul(x1, f), d, plane + label_stride);
      if (left > 2) hn::StoreU(hn::Mul(x2, f), d, plane + 2 * label_stride);
      if (left > 3) hn::StoreU(hn::Mul(x3, f), d, plane + 3 * label_stride);
    }
  }
}

template <typename T>
HWY_ATTR void StoreT(const T* rows, int64_t row, T scale, const T* factor,
                     int64_t count, int64_t labels, T* out,
                     int64_t label_stride) {
  const hn::CappedTag<T, kLanes> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = count / lanes * lanes;
  if (row <= 2) {
    const auto s = hn::Set(d, scale);
    for (int64_t p = 0; p < whole; p += lanes) {
      const auto f =
          factor == nullptr ? s : hn::Mul(s, hn::LoadU(d, factor + p));
      if (row == 1) {
        hn::StoreU(hn::Mul(hn::LoadU(d, rows + p), f), d, out + p);
      } else {
        hn::Vec<decltype(d)> x0, x1;
        hn::LoadInterleaved2(d, rows + 2 * p, x0, x1);
        hn::StoreU(hn::Mul(x0, f), d, out + p);
        hn::StoreU(hn::Mul(x1, f), d, out + label_stride + p);
      }
    }
  } else {
    for (int64_t p = 0; p < whole; p += kChunk) {
      const int64_t points = whole - p < kChunk ? whole - p : kChunk;
      for (int64_t l = 0; l < labels; l += kStrip) {
        StoreStrip(d, rows + p * row + l, row, scale,
                   factor == nullptr ? factor : factor + p, points,
                   labels - l < kStrip ? labels - l : kStrip,
                   out + l * label_stride + p, label_stride);
      }
    }
  }
  for (int64_t p = whole; p < count; ++p) {
    const T f = factor == nullptr ? scale : scale * factor[p];
    for (int64_t l = 0; l < labels; ++l) {
      out[l * label_stride + p] = rows[p * row + l] * f;
    }
  }
}

// Points whose labels are adjacent, as in channels last.
template <typename T>
HWY_ATTR void LoadLabelsT(const T* HWY_RESTRICT in, int64_t point_stride,
                          int64_t labels, const T* factor, int64_t count,
                          int64_t row, T* HWY_RESTRICT out) {
  const hn::CappedTag<T, kLanes> d;
  const hn::CappedTag<T, 4> quad;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t step = static_cast<int64_t>(hn::Lanes(quad));
  for (int64_t p = 0; p < count; ++p, in += point_stride, out += row) {
    const T f = factor == nullptr ? T(1) : factor[p];
    int64_t l = 0;
    for (; l + lanes <= labels; l += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, in + l), hn::Set(d, f)), d, out + l);
    }
    for (; l + step <= labels; l += step) {
      hn::StoreU(hn::Mul(hn::LoadU(quad, in + l), hn::Set(quad, f)), quad,
                 out + l);
    }
    for (; l < labels; ++l) out[l] = in[l] * f;
    for (; l < row; ++l) out[l] = T(0);
  }
}

void LoadFloat(const float* in, int64_t label_stride, int64_t labels,
               const float* factor, int64_t count, int64_t row, float* out) {
  LoadT(in, label_stride, labels, factor, count, row, out);
}
void LoadDouble(const double* in, int64_t label_stride, int64_t labels,
                const double* factor, int64_t count, int64_t row, double* out) {
  LoadT(in, label_stride, labels, factor, count, row, out);
}
void StoreFloat(const float* rows, int64_t row, float scale,
                const float* factor, int64_t count, int64_t labels, float* out,
                int64_t label_stride) {
  StoreT(rows, row, scale, factor, count, labels, out, label_stride);
}
void StoreDouble(const double* rows, int64_t row, double scale,
                 const double* factor, int64_t count, int64_t labels,
                 double* out, int64_t label_stride) {
  StoreT(rows, row, scale, factor, count, labels, out, label_stride);
}

void LoadLabelsFloat(const float* in, int64_t point_stride, int64_t labels,
                     const float* factor, int64_t count, int64_t row,
                     float* out) {
  LoadLabelsT(in, point_stride, labels, factor, count, row, out);
}
void LoadLabelsDouble(const double* in, int64_t point_stride, int64_t labels,
                      const double* factor, int64_t count, int64_t row,
                      double* out) {
  LoadLabelsT(in, point_stride, labels, factor, count, row, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace permutohedral
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace permutohedral {
namespace {

HWY_EXPORT(LoadFloat);
HWY_EXPORT(LoadDouble);
HWY_EXPORT(StoreFloat);
HWY_EXPORT(StoreDouble);
HWY_EXPORT(LoadLabelsFloat);
HWY_EXPORT(LoadLabelsDouble);

void LoadPlanar(const float* in, int64_t label_stride, int64_t labels,
                const float* factor, int64_t count, int64_t row, float* out) {
  HWY_DYNAMIC_DISPATCH(LoadFloat)
  (in, label_stride, labels, factor, count, row, out);
}
void LoadPlanar(const double* in, int64_t label_stride, int64_t labels,
                const double* factor, int64_t count, int64_t row, double* out) {
  HWY_DYNAMIC_DISPATCH(LoadDouble)
  (in, label_stride, labels, factor, count, row, out);
}
void StorePlanar(const float* rows, int64_t row, float scale,
                 const float* factor, int64_t count, int64_t labels, float* out,
                 int64_t label_stride) {
  HWY_DYNAMIC_DISPATCH(StoreFloat)
  (rows, row, scale, factor, count, labels, out, label_stride);
}
void StorePlanar(const double* rows, int64_t row, double scale,
                 const double* factor, int64_t count, int64_t labels,
                 double* out, int64_t label_stride) {
  HWY_DYNAMIC_DISPATCH(StoreDouble)
  (rows, row, scale, factor, count, labels, out, label_stride);
}

void LoadLabels(const float* in, int64_t point_stride, int64_t labels,
                const float* factor, int64_t count, int64_t row, float* out) {
  HWY_DYNAMIC_DISPATCH(LoadLabelsFloat)
  (in, point_stride, labels, factor, count, row, out);
}
void LoadLabels(const double* in, int64_t point_stride, int64_t labels,
                const double* factor, int64_t count, int64_t row, double* out) {
  HWY_DYNAMIC_DISPATCH(LoadLabelsDouble)
  (in, point_stride, labels, factor, count, row, out);
}

}  // namespace

template <typename T>
void LoadPoints(const Planes<const T>& in, int64_t labels, const T* factor,
                int64_t begin, int64_t end, int64_t row, T* out) {
  const T* x = in.data + begin * in.point_stride;
  if (factor != nullptr) factor += begin;
  if (in.point_stride == 1) {
    LoadPlanar(x, in.label_stride, labels, factor, end - begin, row, out);
    return;
  }
  if (in.label_stride == 1) {
    LoadLabels(x, in.point_stride, labels, factor, end - begin, row, out);
    return;
  }
  for (int64_t p = 0; p < end - begin; ++p, x += in.point_stride, out += row) {
    const T f = factor == nullptr ? T(1) : factor[p];
    for (int64_t l = 0; l < labels; ++l) out[l] = x[l * in.label_stride] * f;
    std::fill(out + labels, out + row, T(0));
  }
}

template <typename T>
void StorePoints(const T* rows, int64_t row, T scale, const T* factor,
                 int64_t begin, int64_t end, int64_t labels,
                 const Planes<T>& out) {
  T* y = out.data + begin * out.point_stride;
  if (factor != nullptr) factor += begin;
  if (out.point_stride == 1) {
    StorePlanar(rows, row, scale, factor, end - begin, labels, y,
                out.label_stride);
    return;
  }
  for (int64_t p = 0; p < end - begin;
       ++p, y += out.point_stride, rows += row) {
    const T f = factor == nullptr ? scale : scale * factor[p];
    for (int64_t l = 0; l < labels; ++l) y[l * out.label_stride] = rows[l] * f;
  }
}

#define SEG_INSTANTIATE(T)                                                     \
  template void LoadPoints(const Planes<const T>&, int64_t, const T*, int64_t, \
                           int64_t, int64_t, T*);                              \
  template void StorePoints(const T*, int64_t, T, const T*, int64_t, int64_t,  \
                            int64_t, const Planes<T>&);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace permutohedral
}  // namespace seg
#endif  // HWY_ONCE
