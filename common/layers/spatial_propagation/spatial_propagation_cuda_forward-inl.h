// Forward kernel of the spatial propagation. Included by its .cu files.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_FORWARD_INL_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_FORWARD_INL_H_

#include <cstdint>
#include <type_traits>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_block-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_kernels.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_launch-inl.h"

namespace seg {
namespace spatial_propagation_cuda {

// Whether h of `direction` replaces the maximum `best` of `winner`: larger, or
// NaN, which nothing replaces; among equals (NaN among them) the first
// direction.
template <typename T>
__device__ __forceinline__ bool Takes(T h, int direction, T best, int winner) {
  const bool larger = best == best && !(h <= best);
  const bool equal = h == best || (h != h && best != best);
  return larger || (equal && direction < winner);
}

template <class P, typename T, typename G, int K, Form kForm, bool kDivideRule,
          bool kWinners>
struct ForwardBody {
  const Block<P, T, K, kForm>& block;
  const P& p;
  T carried[kRun];  // h

  // Whether they are kept: with kDivideRule known to the compiler.
  __device__ __forceinline__ bool winners() const {
    return kWinners && (kDivideRule || p.winner != nullptr);
  }

  __device__ __forceinline__ explicit ForwardBody(
      const Block<P, T, K, kForm>& b)
      : block(b), p(b.p) {
    Start();
  }
  __device__ __forceinline__ void Start() {
#pragma unroll
    for (int i = 0; i < kRun; ++i) carried[i] = T(0);
  }

  // A slot: K arrays of gates, x.
  template <bool kHorizontal>
  __device__ __forceinline__ void Fetch(unsigned char* slot, const Line& line,
                                        int direction, int index,
                                        Load load) const {
    load.tile = line.Tile(index);
    const G* gates = p.gates + block.Gates(direction);
    const T* x = p.x + block.offset;
    if constexpr (std::is_same_v<T, G>) {
      const T* planes[K + 1];
#pragma unroll
      for (int k = 0; k < K; ++k) planes[k] = gates + k * block.gate_stride;
      planes[K] = x;
      LoadTile<kHorizontal, 16>(p, planes, reinterpret_cast<T*>(slot), load,
                                block.thread);
    } else {
      const G* planes[K];
#pragma unroll
      for (int k = 0; k < K; ++k) planes[k] = gates + k * block.gate_stride;
      G* to = reinterpret_cast<G*>(slot);
      LoadTile<kHorizontal, 16>(p, planes, to, load, block.thread);
      const T* states[1] = {x};
      LoadTile<kHorizontal, 16>(
          p, states, reinterpret_cast<T*>(to + K * p.tile_lanes * kTile), load,
          block.thread);
    }
  }

  template <bool kHorizontal, bool kReverse>
  __device__ __forceinline__ void Run(const unsigned char* slot,
                                      const Line& line, const Window& window,
                                      int direction, int pair, int index) {
    const int elements = p.tile_lanes * kTile;
    const G* gates_tile = reinterpret_cast<const G*>(slot);
    const T* x_tile = reinterpret_cast<const T*>(gates_tile + K * elements);
    const int lane = window.base + threadIdx.x % kWarp * kRun;
    // Beyond the tile there is no lane.
    const int local = min(lane - window.tile_begin, p.tile_lanes - kRun);
    const Ends ends(lane, line.lanes, P::whole);
    const bool owned = lane >= window.own_begin && lane < window.own_end;
    const int64_t offset = block.offset;
    if (winners() && index > 0 && owned) {
      T* to = p.checkpoints + block.Checkpoints(direction) +
              int64_t{index} * line.lanes + lane;
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        if (lane + i < line.lanes) to[i] = carried[i];
      }
    }
    const bool replace = block.form() == kFormDirections ||
                         (pair == 0 && block.FirstOfPair(line, index));
    const bool last = block.form() != kFormDirections &&
                      pair == block.pairs - 1 && block.LastOfPair(line, index);
#pragma unroll 1
    for (int half = 0; half < kTile / kGroup; ++half) {
      const int s = kReverse ? kTile - kGroup * (half + 1) : kGroup * half;
      const Place<kHorizontal, kReverse, P::whole> place{
          lane,       line.Tile(index) * kTile + s,
          line.lanes, line.steps,
          p.width,    p.plane_pitch};
      const typename Place<kHorizontal, kReverse,
                           P::whole>::template Offsets<true>
          in_shared(place);
      const typename Place<kHorizontal, kReverse,
                           P::whole>::template Offsets<false>
          in_memory(place);
      // Less than every h, or equal.
      T best[kGroup][kRun];
      int winner[kGroup][kRun];
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
#pragma unroll
        for (int i = 0; i < kRun; ++i) {
          best[u][i] = -Infinity<T>();
          winner[u][i] = direction;
        }
      }
      if (owned && !replace) {
        if (block.in_shared()) {
          place.Read(block.merged, true, in_shared, best);
          if (winners()) place.Read(block.winner, true, in_shared, winner);
        } else {
          place.Read(p.out + offset, p.vectors, in_memory, best);
          if (winners()) {
            place.Read(p.winner + offset, p.vectors, in_memory, winner);
          }
        }
      }
      T gates[K][kGroup][kRun], x[kGroup][kRun];
#pragma unroll
      for (int k = 0; k < K; ++k) {
        LoadGroup<kHorizontal, kReverse>(gates_tile + k * elements, local, s,
                                         p.tile_lanes, gates[k]);
      }
      LoadGroup<kHorizontal, kReverse>(x_tile, local, s, p.tile_lanes, x);
      Normalize<K, kDivideRule>(p, ends, gates);
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
        // Step 0 can be any of the last tile of memory, else the first.
        const bool first_step =
            kReverse && !P::whole
                ? place.position + kGroup - 1 - u == line.steps - 1
                : u == 0 && index + half == 0;
        Step<K>(gates, x, u, first_step, ends, carried);
#pragma unroll
        for (int i = 0; i < kRun; ++i) {
          const T larger = Larger(carried[i], best[u][i]);
          if constexpr (kWinners) {
            if (Takes(carried[i], direction, best[u][i], winner[u][i])) {
              best[u][i] = carried[i];
              winner[u][i] = direction;
            }
          }
          if (!winners()) best[u][i] = larger;
        }
      }
      if (!owned) continue;
      if (block.in_shared() && !last) {
        place.Write(block.merged, true, in_shared, best);
        if (winners() && block.form() == kFormShared) {
          place.Write(block.winner, true, in_shared, winner);
        }
      } else {
        place.Write(p.out + offset, p.vectors, in_memory, best);
        if (winners()) {
          place.Write(p.winner + offset, p.vectors, in_memory, winner);
        }
      }
    }
  }

  // A cluster with a direction a block: the maximum, in parts.
  __device__ __forceinline__ void MergeDirections() const {
    if (p.vectors) {
      MergeParts<kGroup>();
    } else {
      MergeParts<1>();
    }
  }

  template <int kPart>
  __device__ __forceinline__ void MergeParts() const {
    const int parts = p.width / kPart;
    const int64_t offset = block.offset;
    const T* merged[4];
#pragma unroll
    for (int d = 0; d < 4; ++d) merged[d] = cuda::ClusterMap(block.merged, d);
    for (int i = block.rank * blockDim.x + threadIdx.x; i < p.height * parts;
         i += 4 * blockDim.x) {
      const int row = i / parts, column = i % parts * kPart;
      const int from = PlaneOffset(row, column, p.plane_pitch);
      Pack<T, kPart> h[4];
#pragma unroll
      for (int d = 0; d < 4; ++d) h[d] = AsPack<kPart>(merged[d] + from);
      Pack<uint8_t, kPart> winner;
#pragma unroll
      for (int j = 0; j < kPart; ++j) {
        winner.v[j] = 0;
#pragma unroll
        for (int d = 1; d < 4; ++d) {
          if (Takes(h[d].v[j], d, h[0].v[j], 0)) {
            h[0].v[j] = h[d].v[j];
            winner.v[j] = static_cast<uint8_t>(d);
          }
        }
      }
      const int64_t to = offset + int64_t{row} * p.width + column;
      AsPack<kPart>(p.out + to) = h[0];
      if (winners()) AsPack<kPart>(p.winner + to) = winner;
    }
  }
};

namespace {

template <class P, typename T, typename G, int K, Form kForm, bool kDivideRule,
          bool kWinners>
__global__ void __launch_bounds__(kMaxForwardWarps* kWarp, 1)
    ForwardKernel(const P p) {
  if constexpr (kCompiled<kDivideRule>) {
    const Block<P, T, K, kForm> block(p);
    ForwardBody<P, T, G, K, kForm, kDivideRule, kWinners> body(block);
    block.ForEachTile(body);
    if (block.form() == kFormDirections) {
      cuda::ClusterSync();
      body.MergeDirections();
    }
    // Others may still read the shared memory of this block.
    if (block.form() != kFormShared && p.cluster > 1) cuda::ClusterSync();
  }
}

}  // namespace

// Three-way, kDivide.
template <class P, Form kForm, typename T, typename G>
cudaError_t RunForwardDivide(const Problem<T, G>& problem, const Layout& layout,
                             int64_t planes, cudaStream_t stream) {
  return LaunchBlocks(problem.winner == nullptr
                          ? &ForwardKernel<P, T, G, 3, kForm, true, false>
                          : &ForwardKernel<P, T, G, 3, kForm, true, true>,
                      P(problem), layout, planes, stream);
}

// Any number of connections and rule.
template <int K, typename T, typename G>
cudaError_t RunForwardAny(const Problem<T, G>& problem, const Layout& layout,
                          int64_t planes, cudaStream_t stream) {
  constexpr Form kForm = sizeof(T) == 4 ? kFormAny : kFormGlobal;
  return LaunchBlocks(
      &ForwardKernel<Problem<T, G>, T, G, K, kForm, false, true>, problem,
      layout, planes, stream);
}

template <Form kForm, typename T, typename G>
cudaError_t RunForwardForm(const Problem<T, G>& problem, const Layout& layout,
                           int64_t planes, cudaStream_t stream) {
  // kGlobal takes planes that are larger.
  if constexpr (kForm != kFormGlobal) {
    if (IsFixed(problem, 1, kWindow)) {
      return RunForwardDivide<FixedProblem<T, G, 1, kWindow>, kForm>(
          problem, layout, planes, stream);
    }
  }
  if (IsFixed(problem, 3, FixedLanes(kForm))) {
    return RunForwardDivide<FixedProblem<T, G, 3, FixedLanes(kForm)>, kForm>(
        problem, layout, planes, stream);
  }
  if constexpr (std::is_same_v<T, G>) {
    return RunForwardDivide<Problem<T, G>, kForm>(problem, layout, planes,
                                                  stream);
  } else {
    return RunForwardAny<3>(problem, layout, planes, stream);
  }
}

template <typename T, typename G>
cudaError_t RunForward(const Problem<T, G>& problem, const Layout& layout,
                       const SpatialPropagationShape& shape,
                       cudaStream_t stream) {
  const int64_t planes = shape.planes();
  if constexpr (sizeof(T) == 4) {
    if (HasKernelsOfItsOwn(shape)) {
      switch (problem.form) {
        case kFormShared:
          return RunForwardForm<kFormShared>(problem, layout, planes, stream);
        case kFormDirections:
          return RunForwardForm<kFormDirections>(problem, layout, planes,
                                                 stream);
        default:
          return RunForwardForm<kFormGlobal>(problem, layout, planes, stream);
      }
    }
  } else if (problem.form != kFormGlobal) {
    return cudaErrorInvalidValue;
  }
  return shape.connections == 1
             ? RunForwardAny<1>(problem, layout, planes, stream)
             : RunForwardAny<3>(problem, layout, planes, stream);
}

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_FORWARD_INL_H_
