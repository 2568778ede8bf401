// Device code of the spatial propagation: windows of a line, tiles in shared
// memory, the merged plane. Included by its .cu files.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_TILE_INL_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_TILE_INL_H_

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_plan.h"

namespace seg {
namespace spatial_propagation_cuda {

constexpr int kGroup = 4;  // steps whose operands are in registers at a time

template <typename E, int N>
struct alignas(sizeof(E) * N > 16 ? 16 : sizeof(E) * N) Pack {
  E v[N];
};
template <int N, typename E>
__device__ __forceinline__ Pack<E, N>& AsPack(E* data) {
  return *reinterpret_cast<Pack<E, N>*>(data);
}
template <int N, typename E>
__device__ __forceinline__ const Pack<E, N>& AsPack(const E* data) {
  return *reinterpret_cast<const Pack<E, N>*>(data);
}

__device__ __forceinline__ float Widen(float x) { return x; }
__device__ __forceinline__ double Widen(double x) { return x; }
__device__ __forceinline__ int Widen(uint8_t x) { return x; }
__device__ __forceinline__ float Widen(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
template <typename E, typename T>
__device__ __forceinline__ E Narrowed(T x) {
  if constexpr (std::is_same_v<E, __nv_bfloat16>) {
    return __float2bfloat16(x);
  } else {
    return static_cast<E>(x);
  }
}

template <typename T>
__device__ __forceinline__ T Infinity() {
  return static_cast<T>(HUGE_VAL);
}

// One direction of a plane as a team scans it.
struct Line {
  int lanes, steps, tiles;
  bool horizontal, reverse;

  // The tile that comes `index`-th in the forward scan.
  __device__ __forceinline__ int Tile(int index) const {
    return reverse ? tiles - 1 - index : index;
  }
};

template <class P>
__device__ __forceinline__ Line MakeLine(const P& p, int direction) {
  Line line;
  line.horizontal = direction < 2;
  line.reverse = (direction & 1) != 0;
  line.lanes = line.horizontal ? p.height : p.width;
  line.steps = line.horizontal ? p.width : p.height;
  line.tiles = (line.steps + kTile - 1) / kTile;
  return line;
}

// Lanes of one warp. A warp without lanes of its own keeps in step only.
struct Window {
  int base;  // its first lane
  int own_begin, own_end;
  int tile_begin;     // first lane of the block's tile
  bool below, above;  // whether others own the lanes at its rims

  __device__ __forceinline__ bool active() const { return own_begin < own_end; }
};

// `first`: number of the block's first window in the line.
template <class P>
__device__ __forceinline__ Window MakeWindow(const P& p, const Line& line,
                                             int first, int warp) {
  const int number = first + warp;
  Window w;
  w.base = number * p.stride;
  w.below = number > 0;
  w.above = w.base + kWindow < line.lanes;
  w.own_begin = w.below ? w.base + kHalo : 0;
  w.own_end = w.above ? w.base + p.stride + kHalo : line.lanes;
  // The window before reaches the end.
  if (w.below && w.base - p.stride + kWindow >= line.lanes) {
    w.own_begin = w.own_end = 0;
    w.below = w.above = false;
  }
  w.tile_begin = first * p.stride;
  return w;
}

// Element (lane, s) of an array of a tile, lane from the tile's first. A
// vertical tile has its steps as rows. A horizontal one has the kTile columns
// of a row together, as in memory, and 16-byte parts exchanged such that a
// warp whose threads read the same columns of kRun rows each meets all banks.
template <typename E>
__device__ __forceinline__ int HorizontalPart(int run, int element) {
  constexpr int kPart = 16 / sizeof(E);
  constexpr int kParts = kRun * kTile / kPart;
  constexpr int kEvery = kParts >= 8 ? 1 : 8 / kParts;
  constexpr int kMask = (kParts >= 8 ? 8 : kParts) - 1;
  const int part = (element / kPart) ^ (run / kEvery & kMask);
  return run * kRun * kTile + part * kPart + element % kPart;
}
template <bool kHorizontal, typename E>
__device__ __forceinline__ int TileOffset(int lane, int s, int tile_lanes) {
  if (!kHorizontal) return s * tile_lanes + lane;
  return HorizontalPart<E>(lane / kRun, lane % kRun * kTile + s);
}

// A tile that is loaded, and its lanes.
struct Load {
  int tile;
  int begin, lanes;
};

// Copies a tile of kArrays planes of E into shared memory, arrays tile_lanes *
// kTile elements apart. kBytes: asynchronously, so many at a time; 0: element
// by element. Without a division: it runs once a tile.
template <bool kHorizontal, int kBytes, int kArrays, class P, typename E>
__device__ __forceinline__ void CopyTile(const P& p,
                                         const E* const (&planes)[kArrays],
                                         E* to, const Load& load, int thread) {
  constexpr int kPart = kBytes == 0 ? 1 : kBytes / static_cast<int>(sizeof(E));
  // Parts of a row: all columns of a lane, or eight parts of a step at a time.
  constexpr int kRowParts = kTile / kPart;
  constexpr int kColumns = 8 * kPart;
  const int threads = p.warps * kWarp;
  const int first = load.tile * kTile;
  const int from =
      kHorizontal ? load.begin * p.width + first : first * p.width + load.begin;
  const int items = kHorizontal
                        ? p.tile_lanes * kRowParts
                        : (p.tile_lanes + kColumns - 1) / kColumns * 8 * kTile;
  const int steps =
      P::whole ? kTile : min(kTile, (kHorizontal ? p.width : p.height) - first);
#pragma unroll 4
  for (int i = 0; i < items; i += threads) {
    const int item = i + thread;
    const int row = kHorizontal ? item / kRowParts : item / 8 % kTile;
    const int column =
        kPart *
        (kHorizontal ? item % kRowParts : item % 8 + item / (8 * kTile) * 8);
    if ((kHorizontal ? row : column) >= load.lanes) continue;
    const int step = kHorizontal ? column : row;
    if (!P::whole && step >= steps) continue;
    const int source = from + row * p.width + column;
    E* target =
        to + (kHorizontal ? TileOffset<true, E>(row, column, p.tile_lanes)
                          : TileOffset<false, E>(column, row, p.tile_lanes));
#pragma unroll
    for (int a = 0; a < kArrays; ++a) {
      if constexpr (kBytes == 0) {
        target[a * p.tile_lanes * kTile] = planes[a][source];
      } else {
        cuda::CopyAsync<kBytes>(target + a * p.tile_lanes * kTile,
                                planes[a] + source);
      }
    }
  }
}

template <bool kHorizontal, int kBytes, int kArrays, class P, typename E>
__device__ __forceinline__ void LoadTile(const P& p,
                                         const E* const (&planes)[kArrays],
                                         E* to, const Load& load, int thread) {
  if (p.vectors) {
    CopyTile<kHorizontal, kBytes>(p, planes, to, load, thread);
  } else {
    CopyTile<kHorizontal, 0>(p, planes, to, load, thread);
  }
}

// to[u][i]: step u in the order of the scan of the group that begins at
// position s, lane i of this thread's run.
template <bool kHorizontal, bool kReverse, typename E, typename T>
__device__ __forceinline__ void LoadGroup(const E* tile, int lane, int s,
                                          int tile_lanes,
                                          T (&to)[kGroup][kRun]) {
  if (kHorizontal) {
    constexpr int kPart = 16 / sizeof(E);
    constexpr int kPiece = kPart < kGroup ? kPart : kGroup;
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
#pragma unroll
      for (int c = 0; c < kGroup; c += kPiece) {
        const Pack<E, kPiece> piece = AsPack<kPiece>(
            tile + HorizontalPart<E>(lane / kRun, i * kTile + s + c));
#pragma unroll
        for (int j = 0; j < kPiece; ++j) {
          to[kReverse ? kGroup - 1 - c - j : c + j][i] = Widen(piece.v[j]);
        }
      }
    }
  } else {
#pragma unroll
    for (int u = 0; u < kGroup; ++u) {
      const int row = s + (kReverse ? kGroup - 1 - u : u);
      const Pack<E, kRun> run = AsPack<kRun>(tile + row * tile_lanes + lane);
#pragma unroll
      for (int i = 0; i < kRun; ++i) to[u][i] = Widen(run.v[i]);
    }
  }
}

// Element (row, column) of the merged plane in shared memory: parts of four
// columns exchanged by the row.
__device__ __forceinline__ int PlaneOffset(int row, int column, int pitch) {
  return row * pitch + (((column >> 2) ^ (row / kRun & 7)) << 2) + (column & 3);
}

// Where a group of steps lies in a plane of memory or of shared memory, and
// which of it exists.
template <bool kHorizontal, bool kReverse, bool kWhole>
struct Place {
  int lane, position;  // first of the run, first of the group
  int lanes, steps, width, pitch;

  __device__ __forceinline__ bool Has(int u, int i) const {
    return lane + i < lanes &&
           position + (kReverse ? kGroup - 1 - u : u) < steps;
  }
  __device__ __forceinline__ int Row(int u, int i) const {
    return kHorizontal ? lane + i : position + (kReverse ? kGroup - 1 - u : u);
  }
  __device__ __forceinline__ int Column(int u, int i) const {
    return kHorizontal ? position + (kReverse ? kGroup - 1 - u : u) : lane + i;
  }

  // Whether all steps of the group exist; in rows of vectors all do or, in the
  // horizontal scans, none.
  __device__ __forceinline__ bool Whole() const {
    return position + kGroup <= steps;
  }
  __device__ __forceinline__ bool HasStep(int u) const {
    return position + (kReverse ? kGroup - 1 - u : u) < steps;
  }

  // Offsets of the runs of the group, or of its columns of each lane.
  template <bool kShared>
  struct Offsets {
    int at[kHorizontal ? kRun : kGroup];

    __device__ __forceinline__ explicit Offsets(const Place& place) {
      static_assert(kRun == 2 && kGroup == 4, "see PlaneOffset");
      const int first = kHorizontal ? place.lane : place.position;
      const int column = kHorizontal ? place.position : place.lane;
      const int pitch = kShared ? place.pitch : place.width;
      const int start =
          kShared ? PlaneOffset(first, column, pitch) : first * pitch + column;
#pragma unroll
      for (int j = 0; j < (kHorizontal ? kRun : kGroup); ++j) {
        const int row = !kHorizontal && kReverse ? kGroup - 1 - j : j;
        at[j] = start + row * pitch;
      }
      if (!kHorizontal && kShared) {
        // The next pair of rows has the neighbouring part.
        const int part = (start & 4) == 0 ? 4 : -4;
#pragma unroll
        for (int j = 0; j < kGroup; ++j) {
          if ((kReverse ? kGroup - 1 - j : j) >= 2)
            at[kHorizontal ? 0 : j] += part;
        }
      }
    }
  };

  // The run of step u, which exists, or kGroup columns of lane i, which exists.
  template <typename E, typename T>
  __device__ __forceinline__ void ReadRun(const E* from, int u,
                                          T (&to)[kGroup][kRun]) const {
    const Pack<E, kRun> p = AsPack<kRun>(from);
#pragma unroll
    for (int i = 0; i < kRun; ++i) to[u][i] = static_cast<T>(p.v[i]);
  }
  template <typename E, typename T>
  __device__ __forceinline__ void WriteRun(
      E* to, int u, const T (&from)[kGroup][kRun]) const {
    Pack<E, kRun> p;
#pragma unroll
    for (int i = 0; i < kRun; ++i) p.v[i] = Narrowed<E>(from[u][i]);
    AsPack<kRun>(to) = p;
  }
  template <typename E, typename T>
  __device__ __forceinline__ void ReadColumns(const E* from, int i,
                                              T (&to)[kGroup][kRun]) const {
    const Pack<E, kGroup> p = AsPack<kGroup>(from);
#pragma unroll
    for (int u = 0; u < kGroup; ++u) {
      to[u][i] = static_cast<T>(p.v[kReverse ? kGroup - 1 - u : u]);
    }
  }
  template <typename E, typename T>
  __device__ __forceinline__ void WriteColumns(
      E* to, int i, const T (&from)[kGroup][kRun]) const {
    Pack<E, kGroup> p;
#pragma unroll
    for (int u = 0; u < kGroup; ++u) {
      p.v[kReverse ? kGroup - 1 - u : u] = Narrowed<E>(from[u][i]);
    }
    AsPack<kGroup>(to) = p;
  }

  // Calls columns(i) for lanes (horizontal) or run(u) for steps that exist, of
  // memory that is read by vectors. lane < lanes.
  template <class Columns, class Run>
  __device__ __forceinline__ void Each(Columns columns, Run run) const {
    if constexpr (kHorizontal) {
      if (!kWhole && position >= steps) return;
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        if (kWhole || i == 0 || lane + i < lanes) columns(i);
      }
    } else if (kWhole || Whole()) {
#pragma unroll
      for (int u = 0; u < kGroup; ++u) run(u);
    } else {
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
        if (HasStep(u)) run(u);
      }
    }
  }
  // Calls one(element, value) for each element that exists. A loop over the
  // steps, all values moving up by one: written out, this would be most of the
  // code. It is in float64, which has no registers left for that.
  template <typename T, class One>
  __device__ __forceinline__ void EachElement(T (&values)[kGroup][kRun],
                                              One one) const {
#pragma unroll(sizeof(T) == 8 ? kGroup : 1)
    for (int u = 0; u < kGroup; ++u) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        T value = values[0][i];
        if (Has(u, i)) one(Row(u, i) * width + Column(u, i), value);
#pragma unroll
        for (int j = 0; j + 1 < kGroup; ++j) values[j][i] = values[j + 1][i];
        values[kGroup - 1][i] = value;
      }
    }
  }

  // What exists of the group.
  template <bool kShared, typename E, typename T>
  __device__ __forceinline__ void Read(const E* plane, bool vectors,
                                       const Offsets<kShared>& offsets,
                                       T (&to)[kGroup][kRun]) const {
    if (!kShared && !vectors) {
      EachElement(to, [&](int element, T& value) {
        value = static_cast<T>(plane[element]);
      });
      return;
    }
    Each([&](int i) { ReadColumns(plane + offsets.at[i], i, to); },
         [&](int u) { ReadRun(plane + offsets.at[u], u, to); });
  }
  template <bool kShared, typename E, typename T>
  __device__ __forceinline__ void Write(E* plane, bool vectors,
                                        const Offsets<kShared>& offsets,
                                        T (&from)[kGroup][kRun]) const {
    if (!kShared && !vectors) {
      EachElement(from, [&](int element, T& value) {
        plane[element] = Narrowed<E>(value);
      });
      return;
    }
    Each([&](int i) { WriteColumns(plane + offsets.at[i], i, from); },
         [&](int u) { WriteRun(plane + offsets.at[u], u, from); });
  }
};

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_TILE_INL_H_
