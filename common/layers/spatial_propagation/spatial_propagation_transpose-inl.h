// Vector transposition of planes. Included once a target
// (hwy/foreach_target.h).

// clang-format off
#if defined(COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_TRANSPOSE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_TRANSPOSE_INL_H_
#undef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_TRANSPOSE_INL_H_
#else
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_TRANSPOSE_INL_H_
#endif
// clang-format on

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
// One 128-bit block from each of several rows.
template <class D, typename T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const T* from, int64_t block_stride) {
  if constexpr (hn::MaxLanes(D()) * sizeof(T) <= 16) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    const int64_t blocks =
        static_cast<int64_t>(hn::Lanes(half) * sizeof(T)) / 16;
    return hn::Combine(
        d, LoadBlocks(half, from + blocks * block_stride, block_stride),
        LoadBlocks(half, from, block_stride));
  }
}
#endif

// Blocked copy to[c][r] = from[r][c], with `stream` past the caches where whole
// vectors are aligned.
template <typename T>
HWY_NOINLINE void Transpose(const T* HWY_RESTRICT from, int64_t from_stride,
                            int64_t rows, int64_t columns, T* HWY_RESTRICT to,
                            int64_t to_stride, bool stream) {
  int64_t row_end = 0, column_end = 0;
#if HWY_TARGET != HWY_SCALAR
  // log2(kBlock) perfect shuffles of kBlock vectors transpose each of their
  // 128-bit blocks; block b of vector i is row i + b kBlock.
  constexpr int kBlock = 16 / sizeof(T);
#if HWY_HAVE_SCALABLE
  const hn::FixedTag<T, kBlock> d;
#else
  const std::conditional_t<sizeof(T) == 1, hn::CappedTag<T, 16>,
                           hn::ScalableTag<T>>
      d;
#endif
  using V = hn::Vec<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  row_end = rows / lanes * lanes;
  column_end = columns / kBlock * kBlock;
  // A cache line of each row at a time, all of it while it is near. Streamed
  // lines must fill before too many others begin.
  const int64_t width = stream ? kBlock : 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t tile = 0; tile < column_end; tile += width) {
    const int64_t tile_end = std::min(tile + width, column_end);
    for (int64_t r = 0; r < row_end; r += lanes) {
      for (int64_t c = tile; c < tile_end; c += kBlock) {
        V v[kBlock], w[kBlock];
        HWY_UNROLL(16)
        for (int i = 0; i < kBlock; ++i) {
          v[i] = LoadBlocks(d, from + (r + i) * from_stride + c,
                            kBlock * from_stride);
        }
        HWY_UNROLL(4)
        for (int round = 1; round < kBlock; round *= 2) {
          HWY_UNROLL(8)
          for (int i = 0; i < kBlock / 2; ++i) {
            w[2 * i] = hn::InterleaveLower(d, v[i], v[i + kBlock / 2]);
            w[2 * i + 1] = hn::InterleaveUpper(d, v[i], v[i + kBlock / 2]);
          }
          HWY_UNROLL(16)
          for (int i = 0; i < kBlock; ++i) v[i] = w[i];
        }
        HWY_UNROLL(16)
        for (int i = 0; i < kBlock; ++i) {
          T* line = to + (c + i) * to_stride + r;
          if (stream) {
            hn::Stream(v[i], d, line);
          } else {
            hn::StoreU(v[i], d, line);
          }
        }
      }
    }
  }
#endif
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = c < column_end ? row_end : 0; r < rows; ++r) {
      to[c * to_stride + r] = from[r * from_stride + c];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#endif  // per target
