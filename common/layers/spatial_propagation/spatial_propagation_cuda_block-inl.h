// Device code of the spatial propagation: what a block of warps knows about its
// plane and its share of it. Included by its .cu files.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_BLOCK_INL_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_BLOCK_INL_H_

#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_plan.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_step-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_tile-inl.h"

namespace seg {
namespace spatial_propagation_cuda {

// Teams take the two directions of a pair at a time, from opposite ends. Tile
// `index` of one is tile tiles - 1 - index of the other: they never touch the
// same pixels between two barriers but in the middle of an odd number, where
// they take turns.
template <class P, typename T, int K, Form kForm>
struct Block {
  const P& p;
  int64_t plane, offset;  // its number, its first pixel
  int rank, team, thread, warp;
  int pairs;
  int64_t first_gate, gate_stride;  // of direction 0; from gate to gate
  unsigned char* ring;
  Rims<T> rims;
  T* merged;        // the plane in shared memory
  uint8_t* winner;  // the same of its directions
  unsigned char* after_merged;

  __device__ __forceinline__ explicit Block(const P& problem) : p(problem) {
    rank = form() != kFormShared && p.cluster > 1 ? cuda::ClusterRank() : 0;
    plane = static_cast<int64_t>(blockIdx.x) / p.cluster;
    offset = plane * pixels();
    // Of lane 0, so that the compiler knows them for the same in all lanes.
    const int number =
        __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / kWarp, 0);
    team = number / p.warps;
    warp = number % p.warps;
    thread = warp * kWarp + threadIdx.x % kWarp;
    pairs = form() == kFormDirections || p.directions == 1 ? 1 : 2;
    const int64_t n = plane / p.channels, c = plane % p.channels;
    gate_stride = p.channels * pixels();
    first_gate = n * p.directions * K * gate_stride + c * pixels() -
                 p.first_direction * K * gate_stride;
    unsigned char* shared = cuda::DynamicShared<unsigned char>();
    ring = shared + team * p.stages * p.slot_bytes;
    shared += p.teams * p.stages * p.slot_bytes;
    rims.rims = reinterpret_cast<T*>(shared);
    rims.warps = p.teams * p.warps;
    rims.first_warp = team * p.warps;
    rims.cluster_rank = rank;
    shared += 2 * rims.warps * Rims<T>::kWarpElements * sizeof(T);
    merged = reinterpret_cast<T*>(shared);
    winner = shared + int64_t{p.height} * p.plane_pitch * sizeof(T);
    after_merged = p.merges ? winner : shared;
  }

  __device__ __forceinline__ Form form() const {
    return kForm == kFormAny ? p.form : kForm;
  }
  __device__ __forceinline__ bool in_shared() const {
    return form() != kFormGlobal;
  }
  __device__ __forceinline__ int Direction(int pair) const {
    if (form() == kFormDirections) return rank;
    return p.directions == 1 ? p.first_direction : pair * 2 + team;
  }
  __device__ __forceinline__ int64_t pixels() const {
    return int64_t{p.height} * p.width;
  }
  // Of the gates of a direction; the K are gate_stride apart.
  __device__ __forceinline__ int64_t Gates(int direction) const {
    return first_gate + direction * K * gate_stride;
  }
  // Of the checkpoints of a direction.
  __device__ __forceinline__ int64_t Checkpoints(int direction) const {
    const int64_t horizontal =
        int64_t{(p.width + kTile - 1) / kTile} * p.height;
    const int64_t vertical = int64_t{(p.height + kTile - 1) / kTile} * p.width;
    if (p.directions == 1) {
      return plane * (direction < 2 ? horizontal : vertical);
    }
    const int64_t before = direction < 2
                               ? direction * horizontal
                               : 2 * horizontal + (direction - 2) * vertical;
    return plane * 2 * (horizontal + vertical) + before;
  }
  __device__ __forceinline__ int FirstWindow() const {
    return form() == kFormGlobal ? rank * p.warps : 0;
  }
  __device__ __forceinline__ Window WindowOf(const Line& line) const {
    return MakeWindow(p, line, FirstWindow(), warp);
  }

  __device__ __forceinline__ void Barrier() const {
    if (form() == kFormGlobal && p.cluster > 1) {
      cuda::ClusterSync();
    } else {
      __syncthreads();
    }
  }
  __device__ __forceinline__ void WaitForStage() const {
    if (p.stages == 2) {
      cuda::WaitForCopies<0>();
    } else if (p.stages == 3) {
      cuda::WaitForCopies<1>();
    } else {
      cuda::WaitForCopies<2>();
    }
  }

  // Whether this team is the first to come to the pixels of its tile, or the
  // last, among those of its pair.
  __device__ __forceinline__ bool FirstOfPair(const Line& line,
                                              int index) const {
    const int other = line.tiles - 1 - index;
    return p.teams == 1 || index < other || (index == other && team == 0);
  }
  __device__ __forceinline__ bool LastOfPair(const Line& line,
                                             int index) const {
    const int other = line.tiles - 1 - index;
    return p.teams == 1 || index > other || (index == other && team == 1);
  }

  // What no copy fills, beside the plane, is read by threads that have no
  // lane there; nothing comes of it.
  __device__ __forceinline__ void ClearTiles() const {
    if (p.whole_tiles) return;
    Pack<float, 4> zeros = {};
    unsigned char* const all = cuda::DynamicShared<unsigned char>();
    const int bytes = p.teams * p.stages * p.slot_bytes;
    for (int i = threadIdx.x * 16; i < bytes; i += blockDim.x * 16) {
      *reinterpret_cast<Pack<float, 4>*>(all + i) = zeros;
    }
    __syncthreads();
  }

  // Calls body.Fetch<kHorizontal>(...) ahead and body.Run<kHorizontal,
  // kReverse>(...) for each tile in turn. Each stands here once: what is
  // inlined twice is compiled twice.
  template <class Body>
  __device__ __forceinline__ void ForEachTile(Body& body) const {
    const int first_tiles = MakeLine(p, Direction(0)).tiles;
    const int total =
        first_tiles + (pairs == 2 ? MakeLine(p, Direction(1)).tiles : 0);
    const auto load = [&](int number, unsigned char* slot) {
      if (number < total) {
        const bool in_first = number < first_tiles;
        const int direction = Direction(in_first ? 0 : 1);
        const int index = in_first ? number : number - first_tiles;
        const Line line = MakeLine(p, direction);
        Load what;
        what.begin = FirstWindow() * p.stride;
        what.lanes = min(line.lanes - what.begin, p.tile_lanes);
        if (line.horizontal) {
          body.template Fetch<true>(slot, line, direction, index, what);
        } else {
          body.template Fetch<false>(slot, line, direction, index, what);
        }
      }
      cuda::CommitCopies();
    };
    ClearTiles();
    int slot_index = 0;
    // Before the first tile all stages but one are filled.
#pragma unroll 1
    for (int tick = 1 - p.stages; tick < total; ++tick) {
      // All made again for each tile: kept, they would cost registers.
      const int pair = tick < first_tiles ? 0 : 1;
      const int index = tick - pair * first_tiles;
      const int direction = Direction(pair);
      const Line line = MakeLine(p, direction);
      const Window window = WindowOf(line);
      if (tick >= 0) {
        if (index == 0) body.Start();
        WaitForStage();
        Barrier();
        if (index > 0 && window.active()) {
          Rims<T> all = rims;
          all.Fetch(~tick & 1, warp, p.stride, p.warps, window, body.carried);
        }
      }
      load(tick + p.stages - 1, ring + slot_index * p.slot_bytes);
      if (++slot_index == p.stages) slot_index = 0;
      if (tick < 0) continue;
      // The one that is loaded next is the one that came first.
      const unsigned char* slot = ring + slot_index * p.slot_bytes;
      const bool turns = p.teams == 2 && line.tiles - 1 - index == index;
      for (int turn = 0; turn < (turns ? 2 : 1); ++turn) {
        if (turn == 1) __syncthreads();
        if ((turns && turn != team) || !window.active()) continue;
        if (line.horizontal) {
          if (line.reverse) {
            body.template Run<true, true>(slot, line, window, direction, pair,
                                          index);
          } else {
            body.template Run<true, false>(slot, line, window, direction, pair,
                                           index);
          }
        } else if (line.reverse) {
          body.template Run<false, true>(slot, line, window, direction, pair,
                                         index);
        } else {
          body.template Run<false, false>(slot, line, window, direction, pair,
                                          index);
        }
      }
      if (window.active() && (window.below || window.above)) {
        rims.Publish(tick & 1, warp, p.stride, body.carried);
      }
    }
  }
};

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_BLOCK_INL_H_
