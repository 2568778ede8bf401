#include "common/layers/permutohedral/row_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/layers/permutohedral/row_kernels.cc"
#include "hwy/foreach_target.h"
// After it: compiled for each target.
#include "common/layers/permutohedral/row_tags-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace permutohedral {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D, typename T>
HWY_INLINE void Accumulate(D d, hn::Vec<D> weight, hn::Vec<D> x,
                           T* HWY_RESTRICT out) {
  hn::StoreU(hn::MulAdd(weight, x, hn::LoadU(d, out)), d, out);
}

// Rows of kFull (0..2) full vectors and perhaps a tail vector, with the point's
// values held in registers.
template <size_t kCap, int kFull, bool kTail, typename T>
HWY_ATTR void SplatShort(const int32_t* HWY_RESTRICT vertices,
                         const T* HWY_RESTRICT weights, int64_t corners,
                         const T* HWY_RESTRICT x, int64_t begin, int64_t end,
                         int64_t row, T* HWY_RESTRICT out) {
  const typename RowTags<T, kCap>::Full full;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  for (int64_t p = begin; p < end; ++p, x += row) {
    const auto x0 = kFull > 0 ? hn::LoadU(full, x) : hn::Zero(full);
    const auto x1 = kFull > 1 ? hn::LoadU(full, x + step) : hn::Zero(full);
    const auto x2 = kFull > 2 ? hn::LoadU(full, x + 2 * step) : hn::Zero(full);
    const auto xt = kTail ? hn::LoadU(tail, x + kFull * step) : hn::Zero(tail);
    for (int64_t r = p * corners; r < (p + 1) * corners; ++r) {
      T* target = out + int64_t{vertices[r]} * row;
      const auto w = hn::Set(full, weights[r]);
      if (kFull > 0) Accumulate(full, w, x0, target);
      if (kFull > 1) Accumulate(full, w, x1, target + step);
      if (kFull > 2) Accumulate(full, w, x2, target + 2 * step);
      if (kTail) {
        Accumulate(tail, hn::Set(tail, weights[r]), xt, target + kFull * step);
      }
    }
  }
}

template <size_t kCap, typename T>
HWY_ATTR void SplatScatterT(const int32_t* HWY_RESTRICT vertices,
                            const T* HWY_RESTRICT weights, int64_t corners,
                            const T* x, int64_t begin, int64_t end, int64_t row,
                            T* out) {
  const typename RowTags<T, kCap>::Full full;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  const int64_t tail_step = RowTags<T, kCap>::TailStep();
  const int64_t whole = row / step;
  const int64_t rest = row % step;
#define SEG_SHORT(FULL, TAIL)                                                 \
  if (whole == FULL && rest == (TAIL ? tail_step : 0)) {                      \
    return SplatShort<kCap, FULL, TAIL>(vertices, weights, corners, x, begin, \
                                        end, row, out);                       \
  }
  SEG_SHORT(1, false)
  SEG_SHORT(2, false)
  SEG_SHORT(3, false)
  SEG_SHORT(0, true)
  SEG_SHORT(1, true)
#undef SEG_SHORT
  for (int64_t p = begin; p < end; ++p, x += row) {
    for (int64_t r = p * corners; r < (p + 1) * corners; ++r) {
      T* target = out + int64_t{vertices[r]} * row;
      int64_t c = 0;
      for (; c + step <= row; c += step) {
        Accumulate(full, hn::Set(full, weights[r]), hn::LoadU(full, x + c),
                   target + c);
      }
      for (; c < row; c += tail_step) {
        Accumulate(tail, hn::Set(tail, weights[r]), hn::LoadU(tail, x + c),
                   target + c);
      }
    }
  }
}

template <class D, typename T>
HWY_INLINE void GatherChunk(D d, const int32_t* HWY_RESTRICT point,
                            const int32_t* HWY_RESTRICT slot, int64_t begin,
                            int64_t end, const T* HWY_RESTRICT weights,
                            const T* HWY_RESTRICT x, int64_t row,
                            T* HWY_RESTRICT out) {
  auto sum = hn::Zero(d);
  for (int64_t i = begin; i < end; ++i) {
    sum = hn::MulAdd(hn::Set(d, weights[slot[i]]),
                     hn::LoadU(d, x + int64_t{point[i]} * row), sum);
  }
  hn::StoreU(sum, d, out);
}

template <size_t kCap, typename T>
HWY_ATTR void SplatGatherT(const int32_t* list_begin, const int32_t* point,
                           const int32_t* slot, const T* weights, const T* x,
                           int64_t begin, int64_t end, int64_t row, T* out) {
  const typename RowTags<T, kCap>::Full full;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  const int64_t tail_step = RowTags<T, kCap>::TailStep();
  for (int64_t v = begin; v < end; ++v) {
    int64_t c = 0;
    for (; c + step <= row; c += step) {
      GatherChunk(full, point, slot, list_begin[v], list_begin[v + 1], weights,
                  x + c, row, out + v * row + c);
    }
    for (; c < row; c += tail_step) {
      GatherChunk(tail, point, slot, list_begin[v], list_begin[v + 1], weights,
                  x + c, row, out + v * row + c);
    }
  }
}

template <class D, typename T>
HWY_INLINE void BlurChunk(D d, const T* HWY_RESTRICT in,
                          const T* HWY_RESTRICT left,
                          const T* HWY_RESTRICT right, T* HWY_RESTRICT out) {
  const auto sides = hn::Add(hn::LoadU(d, left), hn::LoadU(d, right));
  hn::StoreU(hn::MulAdd(hn::Set(d, T(0.5)), sides, hn::LoadU(d, in)), d, out);
}

template <size_t kCap, typename T>
HWY_ATTR void BlurAxisT(const int32_t* HWY_RESTRICT pairs,
                        const T* HWY_RESTRICT in, int64_t begin, int64_t end,
                        int64_t row, T* HWY_RESTRICT out) {
  const typename RowTags<T, kCap>::Full full;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  const int64_t tail_step = RowTags<T, kCap>::TailStep();
  for (int64_t v = begin; v < end; ++v) {
    const T* left = in + int64_t{pairs[2 * v]} * row;
    const T* right = in + int64_t{pairs[2 * v + 1]} * row;
    int64_t c = 0;
    for (; c + step <= row; c += step) {
      BlurChunk(full, in + v * row + c, left + c, right + c, out + v * row + c);
    }
    for (; c < row; c += tail_step) {
      BlurChunk(tail, in + v * row + c, left + c, right + c, out + v * row + c);
    }
  }
}

template <class D, typename T>
HWY_INLINE hn::Vec<D> SliceChunk(D d, const int32_t* HWY_RESTRICT vertex,
                                 const T* HWY_RESTRICT weight, int64_t corners,
                                 const T* HWY_RESTRICT rows, int64_t row) {
  auto sum = hn::Mul(hn::Set(d, weight[0]),
                     hn::LoadU(d, rows + int64_t{vertex[0]} * row));
  for (int64_t r = 1; r < corners; ++r) {
    sum = hn::MulAdd(hn::Set(d, weight[r]),
                     hn::LoadU(d, rows + int64_t{vertex[r]} * row), sum);
  }
  return sum;
}

// kAdd: out += factor * slice, else out = slice.
template <bool kAdd, class D, typename T>
HWY_INLINE void PutSlice(D d, hn::Vec<D> sum, T factor, T* HWY_RESTRICT out) {
  if (kAdd) sum = hn::MulAdd(hn::Set(d, factor), sum, hn::LoadU(d, out));
  hn::StoreU(sum, d, out);
}

// As SplatShort: all of a row at once.
template <size_t kCap, bool kAdd, int kFull, bool kTail, typename T>
HWY_ATTR void SliceShort(const int32_t* HWY_RESTRICT vertices,
                         const T* HWY_RESTRICT weights, int64_t corners,
                         const T* HWY_RESTRICT rows, T factor, int64_t begin,
                         int64_t end, int64_t row, T* HWY_RESTRICT out) {
  const typename RowTags<T, kCap>::Full full;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  for (int64_t p = begin; p < end; ++p, out += row) {
    auto s0 = hn::Zero(full);
    auto s1 = hn::Zero(full);
    auto s2 = hn::Zero(full);
    auto st = hn::Zero(tail);
    for (int64_t r = p * corners; r < (p + 1) * corners; ++r) {
      const T* x = rows + int64_t{vertices[r]} * row;
      const auto w = hn::Set(full, weights[r]);
      if (kFull > 0) s0 = hn::MulAdd(w, hn::LoadU(full, x), s0);
      if (kFull > 1) s1 = hn::MulAdd(w, hn::LoadU(full, x + step), s1);
      if (kFull > 2) s2 = hn::MulAdd(w, hn::LoadU(full, x + 2 * step), s2);
      if (kTail) {
        st = hn::MulAdd(hn::Set(tail, weights[r]),
                        hn::LoadU(tail, x + kFull * step), st);
      }
    }
    if (kFull > 0) PutSlice<kAdd>(full, s0, factor, out);
    if (kFull > 1) PutSlice<kAdd>(full, s1, factor, out + step);
    if (kFull > 2) PutSlice<kAdd>(full, s2, factor, out + 2 * step);
    if (kTail) PutSlice<kAdd>(tail, st, factor, out + kFull * step);
  }
}

template <size_t kCap, bool kAdd, typename T>
HWY_ATTR void SliceT(const int32_t* vertices, const T* weights, int64_t corners,
                     const T* rows, T factor, int64_t begin, int64_t end,
                     int64_t row, T* out) {
  const typename RowTags<T, kCap>::Full full;
  const typename RowTags<T, kCap>::Tail tail;
  const int64_t step = RowTags<T, kCap>::FullStep();
  const int64_t tail_step = RowTags<T, kCap>::TailStep();
  const int64_t whole = row / step;
  const int64_t rest = row % step;
#define SEG_SHORT(FULL, TAIL)                                            \
  if (whole == FULL && rest == (TAIL ? tail_step : 0)) {                 \
    return SliceShort<kCap, kAdd, FULL, TAIL>(                           \
        vertices, weights, corners, rows, factor, begin, end, row, out); \
  }
  SEG_SHORT(1, false)
  SEG_SHORT(2, false)
  SEG_SHORT(3, false)
  SEG_SHORT(0, true)
  SEG_SHORT(1, true)
#undef SEG_SHORT
  for (int64_t p = begin; p < end; ++p, out += row) {
    const int32_t* vertex = vertices + p * corners;
    const T* weight = weights + p * corners;
    int64_t c = 0;
    for (; c + step <= row; c += step) {
      PutSlice<kAdd>(full,
                     SliceChunk(full, vertex, weight, corners, rows + c, row),
                     factor, out + c);
    }
    for (; c < row; c += tail_step) {
      PutSlice<kAdd>(tail,
                     SliceChunk(tail, vertex, weight, corners, rows + c, row),
                     factor, out + c);
    }
  }
}
template <size_t kCap, typename T>
HWY_ATTR void SliceRowsT(const int32_t* vertices, const T* weights,
                         int64_t corners, const T* rows, int64_t begin,
                         int64_t end, int64_t row, T* out) {
  SliceT<kCap, false>(vertices, weights, corners, rows, T(1), begin, end, row,
                      out);
}
template <size_t kCap, typename T>
HWY_ATTR void SliceRowsAddT(const int32_t* vertices, const T* weights,
                            int64_t corners, const T* rows, T factor,
                            int64_t begin, int64_t end, int64_t row, T* out) {
  SliceT<kCap, true>(vertices, weights, corners, rows, factor, begin, end, row,
                     out);
}

// One entry a row length class, element type and kernel; HWY_EXPORT takes plain
// functions only. Rows of 8, 24, 40.. floats start in the middle of a cache
// line every other time: vectors of 16 would straddle two lines.
#define SEG_BY_ROW(KERNEL, ...)        \
  switch (row) {                       \
    case 1:                            \
      return KERNEL<1>(__VA_ARGS__);   \
    case 2:                            \
      return KERNEL<2>(__VA_ARGS__);   \
    case 4:                            \
      return KERNEL<4>(__VA_ARGS__);   \
    default:                           \
      if (row % 16 != 0) {             \
        return KERNEL<8>(__VA_ARGS__); \
      }                                \
      return KERNEL<16>(__VA_ARGS__);  \
  }
#define SEG_KERNELS(T, SUFFIX)                                                 \
  void SplatScatter##SUFFIX(const int32_t* vertices, const T* weights,         \
                            int64_t corners, const T* x, int64_t begin,        \
                            int64_t end, int64_t row, T* out) {                \
    SEG_BY_ROW(SplatScatterT, vertices, weights, corners, x, begin, end, row,  \
               out)                                                            \
  }                                                                            \
  void SplatGather##SUFFIX(const int32_t* list_begin, const int32_t* point,    \
                           const int32_t* slot, const T* weights, const T* x,  \
                           int64_t begin, int64_t end, int64_t row, T* out) {  \
    SEG_BY_ROW(SplatGatherT, list_begin, point, slot, weights, x, begin, end,  \
               row, out)                                                       \
  }                                                                            \
  void BlurAxis##SUFFIX(const int32_t* pairs, const T* in, int64_t begin,      \
                        int64_t end, int64_t row, T* out) {                    \
    SEG_BY_ROW(BlurAxisT, pairs, in, begin, end, row, out)                     \
  }                                                                            \
  void SliceRows##SUFFIX(const int32_t* vertices, const T* weights,            \
                         int64_t corners, const T* rows, int64_t begin,        \
                         int64_t end, int64_t row, T* out) {                   \
    SEG_BY_ROW(SliceRowsT, vertices, weights, corners, rows, begin, end, row,  \
               out)                                                            \
  }                                                                            \
  void SliceRowsAdd##SUFFIX(const int32_t* vertices, const T* weights,         \
                            int64_t corners, const T* rows, T factor,          \
                            int64_t begin, int64_t end, int64_t row, T* out) { \
    SEG_BY_ROW(SliceRowsAddT, vertices, weights, corners, rows, factor, begin, \
               end, row, out)                                                  \
  }
SEG_KERNELS(float, F)
SEG_KERNELS(double, D)
#undef SEG_KERNELS
#undef SEG_BY_ROW

}  // namespace HWY_NAMESPACE
}  // namespace permutohedral
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {
namespace permutohedral {

#define SEG_DISPATCH(T, SUFFIX)                                                \
  HWY_EXPORT(SplatScatter##SUFFIX);                                            \
  HWY_EXPORT(SplatGather##SUFFIX);                                             \
  HWY_EXPORT(BlurAxis##SUFFIX);                                                \
  HWY_EXPORT(SliceRows##SUFFIX);                                               \
  HWY_EXPORT(SliceRowsAdd##SUFFIX);                                            \
  template <>                                                                  \
  void SplatScatter(const int32_t* vertices, const T* weights,                 \
                    int64_t corners, const T* x, int64_t begin, int64_t end,   \
                    int64_t row, T* out) {                                     \
    HWY_DYNAMIC_DISPATCH(SplatScatter##SUFFIX)                                 \
    (vertices, weights, corners, x, begin, end, row, out);                     \
  }                                                                            \
  template <>                                                                  \
  void SplatGather(const int32_t* list_begin, const int32_t* point,            \
                   const int32_t* slot, const T* weights, const T* x,          \
                   int64_t begin, int64_t end, int64_t row, T* out) {          \
    HWY_DYNAMIC_DISPATCH(SplatGather##SUFFIX)                                  \
    (list_begin, point, slot, weights, x, begin, end, row, out);               \
  }                                                                            \
  template <>                                                                  \
  void BlurAxis(const int32_t* pairs, const T* in, int64_t begin, int64_t end, \
                int64_t row, T* out) {                                         \
    HWY_DYNAMIC_DISPATCH(BlurAxis##SUFFIX)(pairs, in, begin, end, row, out);   \
  }                                                                            \
  template <>                                                                  \
  void SliceRows(const int32_t* vertices, const T* weights, int64_t corners,   \
                 const T* rows, int64_t begin, int64_t end, int64_t row,       \
                 T* out) {                                                     \
    HWY_DYNAMIC_DISPATCH(SliceRows##SUFFIX)                                    \
    (vertices, weights, corners, rows, begin, end, row, out);                  \
  }                                                                            \
  template <>                                                                  \
  void SliceRowsAdd(const int32_t* vertices, const T* weights,                 \
                    int64_t corners, const T* rows, T factor, int64_t begin,   \
                    int64_t end, int64_t row, T* out) {                        \
    HWY_DYNAMIC_DISPATCH(SliceRowsAdd##SUFFIX)                                 \
    (vertices, weights, corners, rows, factor, begin, end, row, out);          \
  }
SEG_DISPATCH(float, F)
SEG_DISPATCH(double, D)
#undef SEG_DISPATCH

}  // namespace permutohedral
}  // namespace seg
#endif  // HWY_ONCE
