// Backward kernel of the spatial propagation. Included by its .cu files.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_BACKWARD_INL_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_BACKWARD_INL_H_

#include <cstdint>
#include <type_traits>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_block-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_kernels.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_launch-inl.h"

namespace seg {
namespace spatial_propagation_cuda {

// Gradient of the raw gates of one lane and step, in place of them; d: h of a
// gate's source - x, zero where it is unused; e: gradient of h.
template <int K, bool kDivideRule, class P, typename T>
__device__ __forceinline__ void GateGradient(const P& p, T inverse,
                                             bool divided, T e, const T (&d)[K],
                                             T (&raw)[K]) {
  T dot = T(0);
#pragma unroll
  for (int k = 0; k < K; ++k) dot = Fma(d[k], raw[k] * inverse, dot);
  if (!divided) dot = T(0);
  e *= inverse;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const T sign_dot = raw[k] > T(0) ? dot : (raw[k] < T(0) ? -dot : T(0));
    T of_raw = (d[k] - sign_dot) * e;
    if (!kDivideRule && p.tanh) of_raw *= Fma(-raw[k], raw[k], T(1));
    raw[k] = of_raw;
  }
}

template <class P, typename T, typename G, int K, Form kForm, bool kDivideRule>
struct BackwardBody {
  const Block<P, T, K, kForm>& block;
  const P& p;
  T carried[kRun];  // of the gradient of h, what later steps send back
  // Whether the gradient of the gates may go through shared memory: in float64
  // there are no registers left for it.
  static constexpr bool kStages = sizeof(T) == 4;
  // Whether the states of a tile's steps lie in shared memory. In registers
  // they have no index, so that the groups of a tile are written out and need
  // more of them at a time. In kShared this is 7 to 11 % faster with many
  // planes; kDirections would lose the second block of a multiprocessor,
  // kGlobal loses 2 to 5 %. Where tiles are not whole, planes may fit only
  // without.
  static constexpr bool kStatesInShared = P::whole && kForm == kFormShared;

  __device__ __forceinline__ explicit BackwardBody(
      const Block<P, T, K, kForm>& b)
      : block(b), p(b.p) {
    Start();
  }
  __device__ __forceinline__ void Start() {
#pragma unroll
    for (int i = 0; i < kRun; ++i) carried[i] = T(0);
  }

  // A slot: K arrays of gates, x, gradient, the states before the tile,
  // winners.
  struct Slot {
    G* gates;
    T* x;
    T* gradient;
    T* states;
    uint8_t* winner;
  };
  __device__ __forceinline__ Slot SlotAt(const unsigned char* slot) const {
    const int elements = p.tile_lanes * kTile;
    Slot s;
    s.gates = reinterpret_cast<G*>(const_cast<unsigned char*>(slot));
    s.x = reinterpret_cast<T*>(s.gates + K * elements);
    s.gradient = s.x + elements;
    s.states = s.gradient + elements;
    s.winner = reinterpret_cast<uint8_t*>(s.states + p.tile_lanes);
    return s;
  }

  template <bool kHorizontal>
  __device__ __forceinline__ void Fetch(unsigned char* slot, const Line& line,
                                        int direction, int index,
                                        Load load) const {
    // The last of the forward scan come first.
    const int forward_index = line.tiles - 1 - index;
    load.tile = line.Tile(forward_index);
    const int64_t offset = block.offset;
    const Slot s = SlotAt(slot);
    const G* gates = p.gates + block.Gates(direction);
    if constexpr (std::is_same_v<T, G>) {
      const T* planes[K + 2];
#pragma unroll
      for (int k = 0; k < K; ++k) planes[k] = gates + k * block.gate_stride;
      planes[K] = p.x + offset;
      planes[K + 1] = p.gradient + offset;
      LoadTile<kHorizontal, 16>(p, planes, s.gates, load, block.thread);
    } else {
      const G* planes[K];
#pragma unroll
      for (int k = 0; k < K; ++k) planes[k] = gates + k * block.gate_stride;
      LoadTile<kHorizontal, 16>(p, planes, s.gates, load, block.thread);
      const T* states[2] = {p.x + offset, p.gradient + offset};
      LoadTile<kHorizontal, 16>(p, states, s.x, load, block.thread);
    }
    const uint8_t* winner[1] = {p.winner_in + offset};
    LoadTile<kHorizontal, 4>(p, winner, s.winner, load, block.thread);
    const T* states = p.checkpoints_in + block.Checkpoints(direction) +
                      int64_t{forward_index} * line.lanes + load.begin;
    if (forward_index == 0) return;
    for (int i = block.thread; i < load.lanes; i += p.warps * kWarp) {
      cuda::CopyAsync<sizeof(T)>(s.states + i, states + i);
    }
  }

  template <bool kHorizontal, bool kReverse>
  __device__ __forceinline__ void Run(const unsigned char* slot_data,
                                      const Line& line, const Window& window,
                                      int direction, int pair, int index) {
    constexpr int kGroups = kTile / kGroup;
    [[maybe_unused]] constexpr int kWrittenOut = kStatesInShared ? 1 : kGroups;
    const int forward_index = line.tiles - 1 - index;
    const int tile = line.Tile(forward_index);
    const int elements = p.tile_lanes * kTile;
    const Slot slot = SlotAt(slot_data);
    const int lane = window.base + threadIdx.x % kWarp * kRun;
    // Beyond the tile there is no lane.
    const int local = min(lane - window.tile_begin, p.tile_lanes - kRun);
    const Ends ends(lane, line.lanes, P::whole);
    const bool owned = lane >= window.own_begin && lane < window.own_end;
    const int first = kReverse ? line.steps - 1 : 0;  // position of step 0
    T gates[K][kGroup][kRun], x[kGroup][kRun];

    // The states before each step, again.
    T states[kStatesInShared ? 1 : kTile][kRun], h[kRun];
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      h[i] = forward_index > 0 ? slot.states[local + i] : T(0);
    }
#pragma unroll(kWrittenOut)
    for (int half = 0; half < kGroups; ++half) {
      const int s = kReverse ? kTile - kGroup * (half + 1) : kGroup * half;
#pragma unroll
      for (int k = 0; k < K; ++k) {
        LoadGroup<kHorizontal, kReverse>(slot.gates + k * elements, local, s,
                                         p.tile_lanes, gates[k]);
      }
      LoadGroup<kHorizontal, kReverse>(slot.x, local, s, p.tile_lanes, x);
      Normalize<K, kDivideRule>(p, ends, gates);
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
        const int position = tile * kTile + s + (kReverse ? kGroup - 1 - u : u);
        const int step = half * kGroup + u;
        if constexpr (kStatesInShared) {
          Pack<T, kRun> run;
#pragma unroll
          for (int i = 0; i < kRun; ++i) run.v[i] = h[i];
          AsPack<kRun>(SharedStates(step)) = run;
        } else {
#pragma unroll
          for (int i = 0; i < kRun; ++i) states[step][i] = h[i];
        }
        if (half + 1 < kGroups || u + 1 < kGroup) {
          Step<K>(gates, x, u,
                  kReverse && !P::whole
                      ? position == first
                      : u == 0 && half == 0 && forward_index == 0,
                  ends, h);
        }
      }
    }

    const bool replace = block.form() == kFormDirections ||
                         (pair == 0 && block.FirstOfPair(line, index));
    const bool last = block.form() != kFormDirections &&
                      pair == block.pairs - 1 && block.LastOfPair(line, index);
    T* x_gradient = p.x_gradient + block.offset;
#pragma unroll(kWrittenOut)
    for (int half = kGroups - 1; half >= 0; --half) {
      const int s = kReverse ? kTile - kGroup * (half + 1) : kGroup * half;
      const Place<kHorizontal, kReverse, P::whole> place{
          lane,       tile * kTile + s, line.lanes,
          line.steps, p.width,          p.plane_pitch};
      const typename Place<kHorizontal, kReverse,
                           P::whole>::template Offsets<true>
          in_shared(place);
      const typename Place<kHorizontal, kReverse,
                           P::whole>::template Offsets<false>
          in_memory(place);
      T dx[kGroup][kRun];
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
#pragma unroll
        for (int i = 0; i < kRun; ++i) dx[u][i] = T(0);
      }
      if (owned && !replace) {
        if (block.in_shared()) {
          place.Read(block.merged, true, in_shared, dx);
        } else {
          place.Read(x_gradient, p.vectors, in_memory, dx);
        }
      }
      T gradient[kGroup][kRun], before[kGroup][kRun];
      int winner[kGroup][kRun];
#pragma unroll
      for (int k = 0; k < K; ++k) {
        LoadGroup<kHorizontal, kReverse>(slot.gates + k * elements, local, s,
                                         p.tile_lanes, gates[k]);
      }
      LoadGroup<kHorizontal, kReverse>(slot.x, local, s, p.tile_lanes, x);
      LoadGroup<kHorizontal, kReverse>(slot.gradient, local, s, p.tile_lanes,
                                       gradient);
      LoadGroup<kHorizontal, kReverse>(slot.winner, local, s, p.tile_lanes,
                                       winner);
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
#pragma unroll
        for (int i = 0; i < kRun; ++i) {
          if (winner[u][i] != direction) gradient[u][i] = T(0);
        }
      }
#pragma unroll
      for (int u = 0; u < kGroup; ++u) {
        const int step = half * kGroup + u;
        if constexpr (kStatesInShared) {
          const Pack<T, kRun> run = AsPack<kRun>(SharedStates(step));
#pragma unroll
          for (int i = 0; i < kRun; ++i) before[u][i] = run.v[i];
        } else {
#pragma unroll
          for (int i = 0; i < kRun; ++i) before[u][i] = states[step][i];
        }
      }
      TakeRaw<K, kDivideRule>(p, ends, gates);
#pragma unroll
      for (int u = kGroup - 1; u >= 0; --u) {
        const int position = place.position + (kReverse ? kGroup - 1 - u : u);
        if (!P::whole && position >= line.steps) continue;
        StepBack(ends,
                 kReverse && !P::whole
                     ? position == first
                     : u == 0 && half == 0 && forward_index == 0,
                 before[u], u, x, gradient, gates, dx);
      }
      if (owned) {
        if (block.in_shared() && !last) {
          place.Write(block.merged, true, in_shared, dx);
        } else {
          place.Write(x_gradient, p.vectors, in_memory, dx);
        }
      }
      if (p.gates_gradient == nullptr) continue;
      if (kStages && kHorizontal && p.staged) {
        StageGatesGradient<kReverse>(s, gates);
      } else if (owned) {
        G* to = p.gates_gradient + block.Gates(direction);
#pragma unroll
        for (int k = 0; k < K; ++k) {
          place.Write(to + k * block.gate_stride, p.vectors, in_memory,
                      gates[k]);
        }
      }
    }
    if (kStages && kHorizontal && p.staged && p.gates_gradient != nullptr) {
      WriteStaged(line, window, direction, tile);
    }
  }

  // This thread's lanes of the states before a step. Other threads do not read
  // them, so there is no barrier.
  __device__ __forceinline__ T* SharedStates(int step) const {
    const int number = block.team * p.warps + block.warp;
    return reinterpret_cast<T*>(block.after_merged) +
           (number * kTile + step) * kWindow + threadIdx.x % kWarp * kRun;
  }

  // The gradient of a warp's gates, a tile of its window, as in a tile of
  // gates.
  __device__ __forceinline__ G* Staging() const {
    const int number = block.team * p.warps + block.warp;
    const int states =
        kStatesInShared ? p.teams * p.warps * kTile * kWindow * sizeof(T) : 0;
    return reinterpret_cast<G*>(block.after_merged + states) +
           number * K * kWindow * kTile;
  }
  template <bool kReverse>
  __device__ __forceinline__ void StageGatesGradient(
      int s, const T (&gates)[K][kGroup][kRun]) const {
    constexpr int kPart = 16 / sizeof(G);
    constexpr int kPiece = kPart < kGroup ? kPart : kGroup;
    const int run = threadIdx.x % kWarp;
#pragma unroll
    for (int k = 0; k < K; ++k) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
#pragma unroll
        for (int c = 0; c < kGroup; c += kPiece) {
          Pack<G, kPiece> piece;
#pragma unroll
          for (int j = 0; j < kPiece; ++j) {
            piece.v[j] =
                Narrowed<G>(gates[k][kReverse ? kGroup - 1 - c - j : c + j][i]);
          }
          AsPack<kPiece>(Staging() + k * kWindow * kTile +
                         HorizontalPart<G>(run, i * kTile + s + c)) = piece;
        }
      }
    }
  }
  // All columns of a lane at a time: whole sectors of memory.
  __device__ __forceinline__ void WriteStaged(const Line& line,
                                              const Window& window,
                                              int direction, int tile) const {
    constexpr int kPart = 16 / sizeof(G);
    constexpr int kParts = kTile / kPart;
    __syncwarp();
    G* to = p.gates_gradient + block.Gates(direction);
#pragma unroll
    for (int i = 0; i < kWindow * kParts / kWarp; ++i) {
      const int item = threadIdx.x % kWarp + i * kWarp;
      const int offset = item / kParts, column = item % kParts * kPart;
      const int lane = window.base + offset;
      if (lane < window.own_begin || lane >= window.own_end) continue;
      if (!P::whole && tile * kTile + column >= line.steps) continue;
      const G* from =
          Staging() +
          HorizontalPart<G>(offset / kRun, offset % kRun * kTile + column);
      G* const at = to + lane * p.width + tile * kTile + column;
#pragma unroll
      for (int k = 0; k < K; ++k) {
        AsPack<kPart>(at + k * block.gate_stride) =
            AsPack<kPart>(from + k * kWindow * kTile);
      }
    }
    __syncwarp();
  }

  // Step u of a group: adds to dx, and puts the gradient of the raw gates in
  // their place. h: states of the step before.
  __device__ __forceinline__ void StepBack(const Ends& ends, bool first_step,
                                           const T (&h)[kRun], int u,
                                           const T (&x)[kGroup][kRun],
                                           const T (&gradient)[kGroup][kRun],
                                           T (&gates)[K][kGroup][kRun],
                                           T (&dx)[kGroup][kRun]) {
    T e[kRun];
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      e[i] = gradient[u][i] + carried[i];
    }
    if (first_step) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        dx[u][i] += e[i];
#pragma unroll
        for (int k = 0; k < K; ++k) gates[k][u][i] = T(0);
      }
      return;
    }
    const Neighbours<T> beside(h, ends);
    T products[K][kRun];
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      T raw[K];
#pragma unroll
      for (int k = 0; k < K; ++k) raw[k] = gates[k][u][i];
      bool divided;
      const T inverse = Inverse<K, kDivideRule>(p, raw, &divided);
      T sum = T(0), d[K];
      Differences<K>(h, beside, x[u][i], i, d);
#pragma unroll
      for (int k = 0; k < K; ++k) {
        const bool valid = ends.Valid<K>(k, i);
        const T gate = kDivideRule || valid ? raw[k] * inverse : T(0);
        if (!valid) d[k] = T(0);
        sum = k == 0 ? gate : sum + gate;
        products[k][i] = gate * e[i];
      }
      dx[u][i] += Fma(-sum, e[i], e[i]);
      GateGradient<K, kDivideRule>(p, inverse, divided, e[i], d, raw);
#pragma unroll
      for (int k = 0; k < K; ++k) gates[k][u][i] = raw[k];
    }
    if constexpr (K == 1) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) carried[i] = products[0][i];
    } else {
      // Lane i - k received gate k from here.
      T from_before = __shfl_up_sync(kAllLanes, products[2][kRun - 1], 1);
      const T from_next = __shfl_down_sync(kAllLanes, products[0][0], 1);
      if (ends.first) from_before = T(0);
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        const T before = i == 0 ? from_before : products[2][i > 0 ? i - 1 : 0];
        T after =
            i + 1 < kRun ? products[0][i + 1 < kRun ? i + 1 : 0] : from_next;
        if (ends.last[i]) after = T(0);
        carried[i] = products[1][i] + after + before;
      }
    }
  }

  // A cluster with a direction a block: the sum, in parts.
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
      Pack<T, kPart> dx[4];
#pragma unroll
      for (int d = 0; d < 4; ++d) dx[d] = AsPack<kPart>(merged[d] + from);
#pragma unroll
      for (int j = 0; j < kPart; ++j) {
        dx[0].v[j] = (dx[0].v[j] + dx[1].v[j]) + (dx[2].v[j] + dx[3].v[j]);
      }
      AsPack<kPart>(p.x_gradient + offset + int64_t{row} * p.width + column) =
          dx[0];
    }
  }
};

namespace {

template <class P, typename T, typename G, int K, Form kForm, bool kDivideRule>
__global__ void __launch_bounds__(kMaxBackwardWarps* kWarp, 1)
    BackwardKernel(const P p) {
  if constexpr (kCompiled<kDivideRule>) {
    const Block<P, T, K, kForm> block(p);
    BackwardBody<P, T, G, K, kForm, kDivideRule> body(block);
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
cudaError_t RunBackwardDivide(const Problem<T, G>& problem,
                              const Layout& layout, int64_t planes,
                              cudaStream_t stream) {
  return LaunchBlocks(&BackwardKernel<P, T, G, 3, kForm, true>, P(problem),
                      layout, planes, stream);
}

// Any number of connections and rule.
template <int K, typename T, typename G>
cudaError_t RunBackwardAny(const Problem<T, G>& problem, const Layout& layout,
                           int64_t planes, cudaStream_t stream) {
  constexpr Form kForm = sizeof(T) == 4 ? kFormAny : kFormGlobal;
  return LaunchBlocks(&BackwardKernel<Problem<T, G>, T, G, K, kForm, false>,
                      problem, layout, planes, stream);
}

template <Form kForm, typename T, typename G>
cudaError_t RunBackwardForm(const Problem<T, G>& problem, const Layout& layout,
                            int64_t planes, cudaStream_t stream) {
  // kGlobal takes planes that are larger.
  if constexpr (kForm != kFormGlobal) {
    if (IsFixed(problem, 1, kWindow)) {
      return RunBackwardDivide<FixedProblem<T, G, 1, kWindow>, kForm>(
          problem, layout, planes, stream);
    }
  }
  // Else it would spill registers.
  if constexpr (kForm != kFormGlobal || std::is_same_v<T, G>) {
    if (IsFixed(problem, 3, FixedLanes(kForm))) {
      return RunBackwardDivide<FixedProblem<T, G, 3, FixedLanes(kForm)>, kForm>(
          problem, layout, planes, stream);
    }
  }
  if constexpr (std::is_same_v<T, G>) {
    return RunBackwardDivide<Problem<T, G>, kForm>(problem, layout, planes,
                                                   stream);
  } else {
    return RunBackwardAny<3>(problem, layout, planes, stream);
  }
}

template <typename T, typename G>
cudaError_t RunBackward(const Problem<T, G>& problem, const Layout& layout,
                        const SpatialPropagationShape& shape,
                        cudaStream_t stream) {
  const int64_t planes = shape.planes();
  if constexpr (sizeof(T) == 4) {
    if (HasKernelsOfItsOwn(shape)) {
      switch (problem.form) {
        case kFormShared:
          return RunBackwardForm<kFormShared>(problem, layout, planes, stream);
        case kFormDirections:
          return RunBackwardForm<kFormDirections>(problem, layout, planes,
                                                  stream);
        default:
          return RunBackwardForm<kFormGlobal>(problem, layout, planes, stream);
      }
    }
  } else if (problem.form != kFormGlobal) {
    return cudaErrorInvalidValue;
  }
  return shape.connections == 1
             ? RunBackwardAny<1>(problem, layout, planes, stream)
             : RunBackwardAny<3>(problem, layout, planes, stream);
}

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_BACKWARD_INL_H_
