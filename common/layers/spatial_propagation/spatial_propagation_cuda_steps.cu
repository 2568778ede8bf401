// The design kSteps: a launch a step, a thread a lane, states in memory. Takes
// lines of any length; several times slower than the others.

#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_backward-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_forward-inl.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_kernels.h"

namespace seg {
namespace spatial_propagation_cuda {
namespace {

constexpr int kThreads = 256;

// One step of a direction, for a thread's plane and lane.
template <typename T, typename G, int K>
struct StepPlace {
  int64_t index;  // plane lanes + lane
  int lane;
  int64_t x, gates, gate_stride, checkpoint;
  int stage, in_stage;  // tile and step of it in the order of the scan
  bool starts_stage;

  __device__ StepPlace(const Problem<T, G>& p, const Line& line, int direction,
                       int64_t i, int position)
      : index(i), lane(static_cast<int>(i % line.lanes)) {
    const int64_t plane = i / line.lanes;
    const int64_t pixels = int64_t{p.height} * p.width;
    const int64_t pixel = line.horizontal ? int64_t{lane} * p.width + position
                                          : int64_t{position} * p.width + lane;
    const int64_t n = plane / p.channels, c = plane % p.channels;
    const int64_t block = int64_t{direction - p.first_direction} * K;
    x = plane * pixels + pixel;
    gates = ((n * p.directions * K + block) * p.channels + c) * pixels + pixel;
    gate_stride = p.channels * pixels;
    const int tile = position / kTile;
    stage = line.Tile(tile);
    const int from_end = min((tile + 1) * kTile, line.steps) - 1 - position;
    in_stage = line.reverse ? from_end : position % kTile;
    starts_stage = in_stage == 0;
    const int64_t horizontal =
        int64_t{(p.width + kTile - 1) / kTile} * p.height;
    const int64_t vertical = int64_t{(p.height + kTile - 1) / kTile} * p.width;
    const int64_t before = p.directions == 1 ? 0
                           : direction < 2
                               ? direction * horizontal
                               : 2 * horizontal + (direction - 2) * vertical;
    const int64_t all = p.directions == 1
                            ? (direction < 2 ? horizontal : vertical)
                            : 2 * (horizontal + vertical);
    checkpoint = plane * all + before + int64_t{stage} * line.lanes + lane;
  }
};

// Gates and h of the next step for lane 0 of a run of which it is alone.
template <typename T, typename G, int K>
__device__ void LoadRaw(const Problem<T, G>& p, const Ends& ends,
                        const StepPlace<T, G, K>& place, T (&raw)[K]) {
  for (int k = 0; k < K; ++k) {
    raw[k] = Widen(p.gates[place.gates + k * place.gate_stride]);
  }
  for (int k = 0; k < K; ++k) {
    if (!(ends.Valid<K>(k, 0) || p.sum_all)) raw[k] = T(0);
    if (p.tanh) raw[k] = Tanh(raw[k]);
  }
}

template <typename T, int K>
__device__ void SourceDifferences(const T* previous, int64_t index,
                                  const Ends& ends, T x, T (&d)[K]) {
  for (int k = 0; k < K; ++k) {
    const int offset = K == 3 ? k - 1 : 0;
    d[k] = ends.Valid<K>(k, 0) ? previous[index + offset] - x : T(0);
  }
}

// merge: also into out, and checkpoints.
template <typename T, typename G, int K>
__global__ void ForwardStepKernel(const Problem<T, G> p, const Line line,
                                  int direction, int64_t count, int position,
                                  bool first_step, bool merge, bool replace,
                                  const T* previous, T* next) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const StepPlace<T, G, K> place(p, line, direction, i, position);
  const Ends ends(place.lane, line.lanes, false);
  T h = p.x[place.x];
  if (!first_step) {
    T raw[K], d[K];
    LoadRaw<T, G, K>(p, ends, place, raw);
    bool divided;
    const T inverse = Inverse<K, false>(p, raw, &divided);
    SourceDifferences<T, K>(previous, i, ends, h, d);
    for (int k = 0; k < K; ++k) {
      if (ends.Valid<K>(k, 0)) h = Fma(raw[k] * inverse, d[k], h);
    }
  }
  next[i] = h;
  if (!merge) return;
  if (p.checkpoints != nullptr && place.starts_stage && place.stage > 0) {
    p.checkpoints[place.checkpoint] = previous[i];
  }
  if (replace || Takes(h, direction, p.out[place.x], 0)) {
    p.out[place.x] = h;
    if (p.winner != nullptr) {
      p.winner[place.x] = static_cast<uint8_t>(direction);
    }
  }
}

template <typename T, typename G>
__global__ void LoadStatesKernel(const Problem<T, G> p, const Line line,
                                 int direction, int64_t count, int position,
                                 T* states) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const StepPlace<T, G, 1> place(p, line, direction, i, position);
  states[i] = p.checkpoints_in[place.checkpoint];
}

// products: K lines, `count` elements each, of p e of the step after.
template <typename T, typename G, int K>
__global__ void BackwardStepKernel(const Problem<T, G> p, const Line line,
                                   int direction, int64_t count, int position,
                                   bool first_step, bool last_step,
                                   bool replace, const T* previous,
                                   const T* products_in, T* products_out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const StepPlace<T, G, K> place(p, line, direction, i, position);
  const Ends ends(place.lane, line.lanes, false);
  T e = p.winner_in[place.x] == direction ? p.gradient[place.x] : T(0);
  if (!last_step) {
    for (int k = 0; k < K; ++k) {
      // Lane i - k received gate k from here.
      const int offset = K == 3 ? 1 - k : 0;
      const int lane = place.lane + offset;
      if (lane < 0 || lane >= line.lanes) continue;
      e += products_in[k * count + i + offset];
    }
  }
  T dx = e;
  T raw[K];
  for (int k = 0; k < K; ++k) raw[k] = T(0);
  if (!first_step) {
    T d[K], sum = T(0);
    LoadRaw<T, G, K>(p, ends, place, raw);
    bool divided;
    const T inverse = Inverse<K, false>(p, raw, &divided);
    SourceDifferences<T, K>(previous, i, ends, p.x[place.x], d);
    for (int k = 0; k < K; ++k) {
      const T gate = ends.Valid<K>(k, 0) ? raw[k] * inverse : T(0);
      sum += gate;
      products_out[k * count + i] = gate * e;
    }
    dx = Fma(-sum, e, e);
    GateGradient<K, false>(p, inverse, divided, e, d, raw);
  }
  p.x_gradient[place.x] = replace ? dx : p.x_gradient[place.x] + dx;
  if (p.gates_gradient == nullptr) return;
  for (int k = 0; k < K; ++k) {
    p.gates_gradient[place.gates + k * place.gate_stride] = Narrowed<G>(raw[k]);
  }
}

Line HostLine(const SpatialPropagationShape& shape, int direction) {
  Line line;
  line.horizontal = direction < 2;
  line.reverse = direction % 2 == 1;
  line.lanes = static_cast<int>(line.horizontal ? shape.height : shape.width);
  line.steps = static_cast<int>(line.horizontal ? shape.width : shape.height);
  line.tiles = (line.steps + kTile - 1) / kTile;
  return line;
}

dim3 Grid(int64_t count) {
  return dim3(static_cast<unsigned>(CeilDiv(count, kThreads)));
}

template <typename T, typename G, int K>
cudaError_t ForwardSteps(const Problem<T, G>& p,
                         const SpatialPropagationShape& shape, T* scratch,
                         cudaStream_t stream) {
  for (int d = shape.first_direction;
       d < shape.first_direction + shape.directions; ++d) {
    const Line line = HostLine(shape, d);
    const int64_t count = shape.planes() * line.lanes;
    T *previous = scratch, *next = scratch + count;
    for (int t = 0; t < line.steps; ++t) {
      const cudaError_t error = cuda::Launch(
          &ForwardStepKernel<T, G, K>, Grid(count), dim3(kThreads), 0, stream,
          p, line, d, count, line.reverse ? line.steps - 1 - t : t, t == 0,
          true, d == shape.first_direction, previous, next);
      if (error != cudaSuccess) return error;
      T* const swap = previous;
      previous = next;
      next = swap;
    }
  }
  return cudaSuccess;
}

template <typename T, typename G, int K>
cudaError_t BackwardSteps(const Problem<T, G>& p,
                          const SpatialPropagationShape& shape, T* scratch,
                          cudaStream_t stream) {
  for (int d = shape.first_direction;
       d < shape.first_direction + shape.directions; ++d) {
    const Line line = HostLine(shape, d);
    const int64_t count = shape.planes() * line.lanes;
    T* const products = scratch + (kTile + 1) * count;
    int parity = 0;
    for (int tile = 0; tile < line.tiles; ++tile) {
      // The tile that the scan comes to last is the first.
      const int m = line.reverse ? tile : line.tiles - 1 - tile;
      const int begin = m * kTile;
      const int steps =
          (line.steps < begin + kTile ? line.steps : begin + kTile) - begin;
      const auto position = [&](int s) {
        return line.reverse ? begin + steps - 1 - s : begin + s;
      };
      const bool first_tile = tile == line.tiles - 1;
      cudaError_t error = cudaSuccess;
      // States before step s of the tile: line s of scratch.
      if (!first_tile) {
        error =
            cuda::Launch(&LoadStatesKernel<T, G>, Grid(count), dim3(kThreads),
                         0, stream, p, line, d, count, position(0), scratch);
      }
      for (int s = 0; s + 1 < steps && error == cudaSuccess; ++s) {
        error = cuda::Launch(&ForwardStepKernel<T, G, K>, Grid(count),
                             dim3(kThreads), 0, stream, p, line, d, count,
                             position(s), first_tile && s == 0, false, false,
                             static_cast<const T*>(scratch + s * count),
                             scratch + (s + 1) * count);
      }
      for (int s = steps - 1; s >= 0 && error == cudaSuccess; --s) {
        error = cuda::Launch(
            &BackwardStepKernel<T, G, K>, Grid(count), dim3(kThreads), 0,
            stream, p, line, d, count, position(s), first_tile && s == 0,
            tile == 0 && s == steps - 1, d == shape.first_direction,
            static_cast<const T*>(scratch + s * count),
            static_cast<const T*>(products + parity * K * count),
            products + (parity ^ 1) * K * count);
        parity ^= 1;
      }
      if (error != cudaSuccess) return error;
    }
  }
  return cudaSuccess;
}

}  // namespace

template <typename T, typename G>
cudaError_t RunForwardSteps(const Problem<T, G>& problem,
                            const SpatialPropagationShape& shape, void* scratch,
                            cudaStream_t stream) {
  T* const lines = static_cast<T*>(scratch);
  return shape.connections == 3
             ? ForwardSteps<T, G, 3>(problem, shape, lines, stream)
             : ForwardSteps<T, G, 1>(problem, shape, lines, stream);
}

template <typename T, typename G>
cudaError_t RunBackwardSteps(const Problem<T, G>& problem,
                             const SpatialPropagationShape& shape,
                             void* scratch, cudaStream_t stream) {
  T* const lines = static_cast<T*>(scratch);
  return shape.connections == 3
             ? BackwardSteps<T, G, 3>(problem, shape, lines, stream)
             : BackwardSteps<T, G, 1>(problem, shape, lines, stream);
}

#define SEG_INSTANTIATE(T, G)                                                  \
  template cudaError_t RunForwardSteps(const Problem<T, G>&,                   \
                                       const SpatialPropagationShape&, void*,  \
                                       cudaStream_t);                          \
  template cudaError_t RunBackwardSteps(const Problem<T, G>&,                  \
                                        const SpatialPropagationShape&, void*, \
                                        cudaStream_t)
SEG_INSTANTIATE(float, float);
SEG_INSTANTIATE(float, __nv_bfloat16);
SEG_INSTANTIATE(double, double);
#undef SEG_INSTANTIATE

}  // namespace spatial_propagation_cuda
}  // namespace seg
