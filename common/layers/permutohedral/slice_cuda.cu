// Vertices to points: a group of threads a point adds up its d+1 rows; a block
// turns the sums of its points into planes in shared memory.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/rows_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
struct SliceTask {
  const int32_t* vertex;
  const T* weight;
  const T* rows;
  int64_t images;
  int64_t points;
  int64_t labels;
  int64_t vectors;  // of a row
  int32_t corners;
  T scale;
  const T* factor;
  LatticePlanes<T> planes;
};

// Points of a block: as many as it has groups, and at least 32 for whole lines
// of a plane.
template <int GROUP>
constexpr int kRounds = GROUP <= 8 ? 1 : GROUP / 8;
template <int GROUP>
constexpr int kPoints = kThreads / GROUP* kRounds<GROUP>;

template <typename T, int VECTOR, int GROUP, int CORNERS>
__global__ void __launch_bounds__(kThreads) SlicePoints(const SliceTask<T> t) {
  using V = rows::Vector<T, VECTOR>;
  constexpr int kCount = kPoints<GROUP>;
  constexpr int kWidth = VECTOR * GROUP;
  SEG_SHARED(T, tile, kWidth * (kCount + 1));
  const int corners = CORNERS > 0 ? CORNERS : t.corners;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kCount;
  const int64_t image = blockIdx.z;
  const int lane = thread % GROUP;
  const int64_t column = static_cast<int64_t>(blockIdx.y) * GROUP + lane;
  const V* from = reinterpret_cast<const V*>(t.rows) + column;
#pragma unroll
  for (int round = 0; round < kRounds<GROUP>; ++round) {
    const int p = round * (kThreads / GROUP) + thread / GROUP;
    const int64_t point = image * t.points + first + p;
    if (first + p >= t.points || column >= t.vectors) continue;
    const int32_t* vertex = t.vertex + point * corners;
    const T* weight = t.weight + point * corners;
    V sum = rows::Zero<T, VECTOR>();
#pragma unroll
    for (int r = 0; r < corners; ++r) {
      const V value = from[vertex[r] * t.vectors];  // one read of it all
      rows::AddTimes(weight[r], value, &sum);
    }
    T factor = t.scale;
    if (t.factor != nullptr) factor *= t.factor[point];
#pragma unroll
    for (int i = 0; i < VECTOR; ++i) {
      tile[(lane * VECTOR + i) * (kCount + 1) + p] = factor * sum.at[i];
    }
  }
  __syncthreads();
  const int64_t label = static_cast<int64_t>(blockIdx.y) * kWidth;
  T* to = t.planes.data + image * t.planes.image_stride +
          label * t.planes.label_stride + first * t.planes.point_stride;
  for (int i = thread; i < kWidth * kCount; i += kThreads) {
    const int l = i / kCount;
    const int p = i % kCount;
    if (label + l < t.labels && first + p < t.points) {
      to[l * t.planes.label_stride + p * t.planes.point_stride] =
          tile[l * (kCount + 1) + p];
    }
  }
}

// (A function of this namespace: what its lambda holds is of it too.)
template <typename T>
cudaError_t Run(const LatticeParts<T>& lattice, SliceTask<T> task, int64_t row,
                cudaStream_t stream) {
  return rows::ForRow<T>(row, [&](auto vector, auto group) {
    constexpr int kVector = decltype(vector)::value;
    constexpr int kGroup = decltype(group)::value;
    task.vectors = row / kVector;
    const dim3 grid(rows::Blocks(lattice.points, kPoints<kGroup>),
                    rows::Chunks(row, kVector, kGroup),
                    static_cast<unsigned>(lattice.images));
    if (lattice.dim == 5) {
      return Launch(SlicePoints<T, kVector, kGroup, 6>, grid, kThreads, 0,
                    stream, task);
    }
    if (lattice.dim == 2) {
      return Launch(SlicePoints<T, kVector, kGroup, 3>, grid, kThreads, 0,
                    stream, task);
    }
    return Launch(SlicePoints<T, kVector, kGroup, 0>, grid, kThreads, 0, stream,
                  task);
  });
}

}  // namespace

template <typename T>
cudaError_t LatticeSlice(const LatticeParts<T>& lattice, const T* from,
                         int64_t row, int64_t labels, T scale, const T* factor,
                         const LatticePlanes<T>& planes, cudaStream_t stream) {
  SliceTask<T> task;
  task.vertex = lattice.vertex;
  task.weight = lattice.weight;
  task.rows = from;
  task.images = lattice.images;
  task.points = lattice.points;
  task.labels = labels;
  task.corners = static_cast<int32_t>(lattice.dim + 1);
  task.scale = scale;
  task.factor = factor;
  task.planes = planes;
  return Run(lattice, task, row, stream);
}

template cudaError_t LatticeSlice(const LatticeParts<float>&, const float*,
                                  int64_t, int64_t, float, const float*,
                                  const LatticePlanes<float>&, cudaStream_t);
template cudaError_t LatticeSlice(const LatticeParts<double>&, const double*,
                                  int64_t, int64_t, double, const double*,
                                  const LatticePlanes<double>&, cudaStream_t);

}  // namespace cuda
}  // namespace seg
