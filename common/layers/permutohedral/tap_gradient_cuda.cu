// The gradient of the taps: for each tap the sum over vertices of an outer
// product. A block takes a tap, a part of the vertices and 24 x 24 pairs of
// labels; each of its warps takes an eighth of the vertices. Sums of a few
// hundred products are made in T, the rest in double. The parts are added up in
// their order by a second kernel.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/rows_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr int kVertices = 64;     // of a stage, an eighth of them a warp
constexpr int kSide = 24;         // labels of a tile, both ways
constexpr int kRowLabels = 6;     // of `a` in a thread: four threads
constexpr int kColumnLabels = 3;  // of `b` in a thread: eight threads
constexpr int kStagesInT = 16;    // until sums go to double
constexpr int kAddThreads = 128;

template <typename T>
struct Task {
  int64_t vertices;
  int64_t vertices_of_part;  // a multiple of kVertices
  const int32_t* table;
  int64_t stride;
  int32_t row_a, row_b;
  int32_t tiles_b;
  int64_t taps;
  const T* a;
  const T* b;
  double* sums;  // [parts][taps][tiles][kSide][kSide]
};

template <typename T>
__global__ void __launch_bounds__(kThreads) AddProducts(const Task<T> t) {
  constexpr int kPart = 16 / static_cast<int>(sizeof(T));
  constexpr int kParts = kSide / kPart;  // copies a row
  constexpr int kCopies = (kVertices * kParts + kThreads - 1) / kThreads;
  T* a = DynamicShared<T>();
  T* b = a + 2 * kVertices * kSide;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int row = thread % 4 * kRowLabels;
  const int column = thread % 32 / 4 * kColumnLabels;
  const int tile_a = static_cast<int>(blockIdx.z) / t.tiles_b * kSide;
  const int tile_b = static_cast<int>(blockIdx.z) % t.tiles_b * kSide;
  const int32_t* table = t.table + static_cast<int64_t>(blockIdx.x) * t.stride;
  const int64_t begin = blockIdx.y * t.vertices_of_part;
  const int64_t end = min(begin + t.vertices_of_part, t.vertices);

  int32_t index[kCopies];  // neighbours of the stage to be copied
  const auto load_index = [&](int64_t stage) {
#pragma unroll
    for (int k = 0; k < kCopies; ++k) {
      const int64_t v = stage + (thread + k * kThreads) / kParts;
      index[k] = v < end ? table[v] : static_cast<int32_t>(t.vertices);
    }
  };
  const auto copy = [&](int64_t stage, int slot) {
#pragma unroll
    for (int k = 0; k < kCopies; ++k) {
      const int i = thread + k * kThreads;
      if (i >= kVertices * kParts) continue;
      const int v = i / kParts;
      const int part = i % kParts * kPart;
      const int at = (slot * kVertices + v) * kSide + part;
      const bool in_a = stage + v < end && tile_a + part < t.row_a;
      const bool in_b = index[k] < t.vertices && tile_b + part < t.row_b;
      CopyAsyncZero<16>(
          a + at, t.a + (in_a ? (stage + v) * t.row_a + tile_a + part : 0),
          in_a);
      CopyAsyncZero<16>(
          b + at,
          t.b + (in_b ? int64_t{index[k]} * t.row_b + tile_b + part : 0), in_b);
    }
    CommitCopies();
  };

  T sum[kRowLabels][kColumnLabels];
  double total[kRowLabels][kColumnLabels];
#pragma unroll
  for (int l = 0; l < kRowLabels; ++l) {
#pragma unroll
    for (int m = 0; m < kColumnLabels; ++m) {
      sum[l][m] = 0;
      total[l][m] = 0;
    }
  }
  const auto flush = [&] {
#pragma unroll
    for (int l = 0; l < kRowLabels; ++l) {
#pragma unroll
      for (int m = 0; m < kColumnLabels; ++m) {
        total[l][m] += static_cast<double>(sum[l][m]);
        sum[l][m] = 0;
      }
    }
  };
  load_index(begin);
  copy(begin, 0);
  load_index(begin + kVertices);
  int slot = 0;
  int stages = 0;
  for (int64_t stage = begin; stage < end; stage += kVertices) {
    copy(stage + kVertices, 1 - slot);
    load_index(stage + 2 * kVertices);
    WaitForCopies<1>();
    __syncthreads();
    constexpr int kOwn = kVertices / kWarps;
    const T* from_a = a + (slot * kVertices + warp * kOwn) * kSide + row;
    const T* from_b = b + (slot * kVertices + warp * kOwn) * kSide + column;
#pragma unroll
    for (int v = 0; v < kOwn; ++v) {
      T x[kRowLabels];
      T y[kColumnLabels];
#pragma unroll
      for (int l = 0; l < kRowLabels; l += 2) {
        const auto pair = *reinterpret_cast<const rows::Vector<T, 2>*>(
            from_a + v * kSide + l);
        x[l] = pair.at[0];
        x[l + 1] = pair.at[1];
      }
#pragma unroll
      for (int m = 0; m < kColumnLabels; ++m) y[m] = from_b[v * kSide + m];
#pragma unroll
      for (int l = 0; l < kRowLabels; ++l) {
#pragma unroll
        for (int m = 0; m < kColumnLabels; ++m) sum[l][m] += x[l] * y[m];
      }
    }
    if (++stages == kStagesInT) {
      flush();
      stages = 0;
    }
    slot = 1 - slot;
    __syncthreads();
  }
  WaitForCopies<0>();
  flush();
  // The warps' sums in turn, where the rows were.
  double* all = reinterpret_cast<double*>(DynamicShared<T>());
  static_assert(4 * kVertices * sizeof(T) >= kSide * sizeof(double));
  for (int w = 0; w < kWarps; ++w) {
    __syncthreads();
    if (w != warp) continue;
#pragma unroll
    for (int l = 0; l < kRowLabels; ++l) {
#pragma unroll
      for (int m = 0; m < kColumnLabels; ++m) {
        double* at = all + (row + l) * kSide + column + m;
        *at = (w == 0 ? 0.0 : *at) + total[l][m];
      }
    }
  }
  __syncthreads();
  double* out =
      t.sums + ((blockIdx.y * t.taps + blockIdx.x) * gridDim.z + blockIdx.z) *
                   (kSide * kSide);
  for (int i = thread; i < kSide * kSide; i += kThreads) out[i] = all[i];
}

struct Total {
  const double* sums;
  int64_t parts;
  int64_t taps;
  int32_t tiles_a, tiles_b;
  int64_t labels_a, labels_b;
  double* gradient;
  bool add;
};

__global__ void __launch_bounds__(kAddThreads) AddParts(const Total t) {
  const int64_t i =
      static_cast<int64_t>(blockIdx.x) * kAddThreads + threadIdx.x;
  if (i >= t.labels_a * t.labels_b * t.taps) return;
  // The sums' order of numbers is (tap, l, m): read along it.
  const int64_t m = i % t.labels_b;
  const int64_t l = i / t.labels_b % t.labels_a;
  const int64_t tap = i / (t.labels_b * t.labels_a);
  const int64_t tiles = int64_t{t.tiles_a} * t.tiles_b;
  const int64_t tile = l / kSide * t.tiles_b + m / kSide;
  const int64_t at =
      (tap * tiles + tile) * (kSide * kSide) + l % kSide * kSide + m % kSide;
  const int64_t step = t.taps * tiles * (kSide * kSide);
  double* out = t.gradient + (l * t.labels_b + m) * t.taps + tap;
  double sum = t.add ? *out : 0.0;
  for (int64_t part = 0; part < t.parts; ++part) {
    sum += t.sums[part * step + at];
  }
  *out = sum;
}

int64_t Tiles(int64_t labels) { return (labels + kSide - 1) / kSide; }

// A function of the sizes alone: the order of the sum is fixed.
int64_t VerticesOfPart(int64_t vertices) {
  constexpr int64_t kLeast = 1024;
  constexpr int64_t kMostParts = 32;
  int64_t each = (vertices + kMostParts - 1) / kMostParts;
  if (each < kLeast) each = kLeast;
  return (each + kVertices - 1) / kVertices * kVertices;
}
int64_t Parts(int64_t vertices) {
  const int64_t each = VerticesOfPart(vertices);
  return (vertices + each - 1) / each;
}

}  // namespace

template <typename T>
size_t LatticeTapGradientScratchBytes(const LatticeTapGradientArguments<T>& a) {
  return static_cast<size_t>(Parts(a.vertices) * a.taps * Tiles(a.labels_a) *
                             Tiles(a.labels_b) * kSide * kSide) *
         sizeof(double);
}

template <typename T>
cudaError_t LatticeTapGradient(const LatticeTapGradientArguments<T>& a,
                               cudaStream_t stream) {
  const int64_t tiles_a = Tiles(a.labels_a);
  const int64_t tiles_b = Tiles(a.labels_b);
  Task<T> task;
  task.vertices = a.vertices;
  task.vertices_of_part = VerticesOfPart(a.vertices);
  task.table = a.table;
  task.stride = a.stride;
  task.row_a = static_cast<int32_t>(LatticeTapRow(a.labels_a));
  task.row_b = static_cast<int32_t>(LatticeTapRow(a.labels_b));
  task.tiles_b = static_cast<int32_t>(tiles_b);
  task.taps = a.taps;
  task.a = a.a;
  task.b = a.b;
  task.sums = static_cast<double*>(a.scratch);
  const dim3 grid(static_cast<unsigned>(a.taps),
                  static_cast<unsigned>(Parts(a.vertices)),
                  static_cast<unsigned>(tiles_a * tiles_b));
  const cudaError_t error =
      Launch(AddProducts<T>, grid, kThreads, 4 * kVertices * kSide * sizeof(T),
             stream, task);
  if (error != cudaSuccess) return error;
  Total total;
  total.sums = task.sums;
  total.parts = Parts(a.vertices);
  total.taps = a.taps;
  total.tiles_a = static_cast<int32_t>(tiles_a);
  total.tiles_b = static_cast<int32_t>(tiles_b);
  total.labels_a = a.labels_a;
  total.labels_b = a.labels_b;
  total.gradient = a.gradient;
  total.add = a.add;
  return Launch(AddParts,
                rows::Blocks(a.labels_a * a.labels_b * a.taps, kAddThreads),
                kAddThreads, 0, stream, total);
}

#define SEG_INSTANTIATE(T)                        \
  template size_t LatticeTapGradientScratchBytes( \
      const LatticeTapGradientArguments<T>&);     \
  template cudaError_t LatticeTapGradient(        \
      const LatticeTapGradientArguments<T>&, cudaStream_t);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace cuda
}  // namespace seg
