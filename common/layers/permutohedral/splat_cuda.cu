// Points to rows, and rows to vertices.
//
// The sorted (point, vertex) pairs are cut into blocks of kLatticeBlock; a
// group of threads adds up a block, so that a vertex of a thousand points costs
// what a thousand vertices of one do. The first and the last vertex of a block
// may go on in others: their sums are put aside, and a second kernel adds them
// up in the order of blocks.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/rows_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// A block turns POINTS points of LABELS labels.
template <typename T, int POINTS, int LABELS>
__global__ void __launch_bounds__(kThreads)
    LoadRows(int64_t points, int64_t labels, const LatticePlanes<const T> in,
             const T* factor, int64_t row, T* out) {
  SEG_SHARED(T, tile, LABELS * (POINTS + 1));
  const int64_t first = static_cast<int64_t>(blockIdx.x) * POINTS;
  const int64_t label = static_cast<int64_t>(blockIdx.y) * LABELS;
  const int64_t image = blockIdx.z;
  const int64_t left = points - first;
  const int count = left < POINTS ? static_cast<int>(left) : POINTS;
  const int64_t width_left = row - label;
  const int width = width_left < LABELS ? static_cast<int>(width_left) : LABELS;
  const T* from = in.data + image * in.image_stride + label * in.label_stride +
                  first * in.point_stride;
  // Threads along labels: the next power of two.
  int shift = 0;
  while ((1 << shift) < width) ++shift;
  const int own_label = static_cast<int>(threadIdx.x) & ((1 << shift) - 1);
  const int own_point = static_cast<int>(threadIdx.x) >> shift;
  const int step = kThreads >> shift;
  const auto load = [&](int l, int p) {
    T value = 0;
    if (p < count && label + l < labels) {
      value = from[l * in.label_stride + p * in.point_stride];
      if (factor != nullptr) value *= factor[image * points + first + p];
    }
    tile[l * (POINTS + 1) + p] = value;
  };
  if (in.point_stride <= in.label_stride) {
    for (int i = threadIdx.x; i < width * POINTS; i += kThreads) {
      load(i / POINTS, i % POINTS);
    }
  } else if (own_label < width) {
    for (int p = own_point; p < POINTS; p += step) load(own_label, p);
  }
  __syncthreads();
  if (own_label >= width) return;
  T* to = out + (image * points + first) * row + label;
  for (int p = own_point; p < count; p += step) {
    to[p * row + own_label] = tile[own_label * (POINTS + 1) + p];
  }
}

// The same for planes of neighbouring points and rows of more than four
// numbers, which are whole vectors of 16 bytes: all reads of a thread are under
// way at once, and rows are written in vectors.
template <typename T, int POINTS, int LABELS>
__global__ void __launch_bounds__(kThreads)
    LoadWideRows(int64_t points, int64_t labels,
                 const LatticePlanes<const T> in, const T* factor, int64_t row,
                 T* out) {
  constexpr int kPart = 16 / static_cast<int>(sizeof(T));
  using V = rows::Vector<T, kPart>;
  constexpr int kEach = POINTS * LABELS / kThreads;
  static_assert(kEach * kThreads == POINTS * LABELS, "whole rounds");
  static_assert(kThreads % POINTS == 0, "a thread has one point");
  SEG_SHARED(T, tile, LABELS * (POINTS + 1));
  const int64_t first = static_cast<int64_t>(blockIdx.x) * POINTS;
  const int64_t label = static_cast<int64_t>(blockIdx.y) * LABELS;
  const int64_t image = blockIdx.z;
  const int thread = static_cast<int>(threadIdx.x);
  const int p = thread % POINTS;
  const int l = thread / POINTS;
  const int count = static_cast<int>(min(points - first, int64_t{POINTS}));
  const int width = static_cast<int>(min(row - label, int64_t{LABELS}));
  const int filled = static_cast<int>(min(labels - label, int64_t{LABELS}));
  const T* from = in.data + image * in.image_stride +
                  (label + l) * in.label_stride + (first + p) * in.point_stride;
  T value[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int at = i * (kThreads / POINTS);
    value[i] = 0;
    if (p < count && l + at < filled) value[i] = from[at * in.label_stride];
  }
  T by = 1;
  if (factor != nullptr && p < count) by = factor[image * points + first + p];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int at = l + i * (kThreads / POINTS);
    // Beyond the last label zero, whatever the factor is.
    tile[at * (POINTS + 1) + p] = at < filled ? value[i] * by : T(0);
  }
  __syncthreads();
  V* to = reinterpret_cast<V*>(out + (image * points + first) * row + label);
  const int vectors = width / kPart;
  const int step = static_cast<int>(row / kPart);
  for (int i = thread; i < vectors * count; i += kThreads) {
    const int q = i % vectors;
    const int point = i / vectors;
    V v;
#pragma unroll
    for (int j = 0; j < kPart; ++j) {
      v.at[j] = tile[(q * kPart + j) * (POINTS + 1) + point];
    }
    to[static_cast<int64_t>(point) * step + q] = v;
  }
}

template <typename T>
struct SplatTask {
  const int32_t* begin;
  const int32_t* point;
  const T* weight;
  const int32_t* block_vertex;
  int64_t entries;
  int64_t blocks;
  int64_t vectors;  // of a row
  const T* x;
  T* out;
  T* partial;  // [blocks][2][row]
};

// COUNT numbers from a place aligned to four of them.
template <int COUNT, typename T>
__device__ inline void Load(const T* from, T* to) {
  using V = rows::Vector<T, 16 / sizeof(T)>;
  constexpr int kEach = 16 / static_cast<int>(sizeof(T));
#pragma unroll
  for (int i = 0; i < COUNT / kEach; ++i) {
    const V v = reinterpret_cast<const V*>(from)[i];
#pragma unroll
    for (int j = 0; j < kEach; ++j) to[i * kEach + j] = v.at[j];
  }
}

template <typename T, int VECTOR, int GROUP>
__global__ void __launch_bounds__(kThreads) SplatBlocks(const SplatTask<T> t) {
  using V = rows::Vector<T, VECTOR>;
  constexpr int kBatch = 8;
  const rows::Place<GROUP> place(t.vectors);
  if (place.group >= t.blocks || !place.inside) return;
  const V* x = reinterpret_cast<const V*>(t.x) + place.column;
  V* out = reinterpret_cast<V*>(t.out) + place.column;
  V* partial = reinterpret_cast<V*>(t.partial) + 2 * place.group * t.vectors +
               place.column;
  const int64_t first = place.group * kLatticeBlock;
  const int64_t end = min(first + kLatticeBlock, t.entries);
  int64_t v = t.block_vertex[place.group];
  bool whole = t.point[first] < 0;  // no entry of v lies in another block
  bool head = true;                 // v is the first vertex here
  V sum = rows::Zero<T, VECTOR>();
  for (int64_t e = first; e < end; e += kBatch) {
    int point[kBatch];
    T weight[kBatch];
    V value[kBatch];
    if (e + kBatch <= end) {
      Load<kBatch>(t.point + e, point);
      Load<kBatch>(t.weight + e, weight);
    } else {
#pragma unroll
      for (int b = 0; b < kBatch; ++b) {
        point[b] = e + b < end ? t.point[e + b] : 0;
        weight[b] = e + b < end ? t.weight[e + b] : T(0);
      }
    }
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      value[b] = x[(point[b] < 0 ? ~point[b] : point[b]) * t.vectors];
    }
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      if (point[b] < 0 && e + b > first) {
        (whole ? out[v * t.vectors] : partial[0]) = sum;
        whole = true;
        head = false;
        sum = rows::Zero<T, VECTOR>();
        ++v;
      }
      if (e + b < end) rows::AddTimes(weight[b], value[b], &sum);
    }
  }
  const bool ends = end == t.entries || t.point[end] < 0;
  if (whole && ends) {
    out[v * t.vectors] = sum;
  } else {
    partial[head ? 0 : t.vectors] = sum;
  }
}

// The vertex that begins in a block and ends in a later one.
template <typename T, int VECTOR, int GROUP>
__global__ void __launch_bounds__(kThreads) AddBlocks(const SplatTask<T> t) {
  using V = rows::Vector<T, VECTOR>;
  constexpr int kBatch = 8;
  const rows::Place<GROUP> place(t.vectors);
  if (place.group + 1 >= t.blocks || !place.inside) return;
  const int64_t first = place.group * kLatticeBlock;
  const int64_t next = first + kLatticeBlock;
  // Where the next block begins amid a vertex that began here.
  const int64_t v = t.block_vertex[place.group + 1];
  const int64_t begin = t.begin[v];
  if (begin < first || begin >= next) return;
  const V* partial = reinterpret_cast<const V*>(t.partial) + place.column;
  const bool head = begin == first;
  V sum = partial[(2 * place.group + (head ? 0 : 1)) * t.vectors];
  const int64_t stop = (t.begin[v + 1] - 1) / kLatticeBlock;
  for (int64_t b = place.group + 1; b <= stop; b += kBatch) {
    V value[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      value[i] = rows::Zero<T, VECTOR>();
      if (b + i <= stop) value[i] = partial[2 * (b + i) * t.vectors];
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) rows::Add(value[i], &sum);
  }
  reinterpret_cast<V*>(t.out)[v * t.vectors + place.column] = sum;
}

template <typename T, int POINTS, int LABELS>
cudaError_t LaunchLoadRows(int64_t images, int64_t points, int64_t labels,
                           const LatticePlanes<const T>& planes,
                           const T* factor, int64_t row, T* out,
                           cudaStream_t stream) {
  const dim3 grid(rows::Blocks(points, POINTS), rows::Blocks(row, LABELS),
                  static_cast<unsigned>(images));
  return Launch(LoadRows<T, POINTS, LABELS>, grid, kThreads, 0, stream, points,
                labels, planes, factor, row, out);
}

// (A function of this namespace: what its lambda holds is of it too.)
template <typename T>
cudaError_t Run(SplatTask<T> task, int64_t row, cudaStream_t stream) {
  return rows::ForRow<T>(row, [&](auto vector, auto group) {
    constexpr int kVector = decltype(vector)::value;
    constexpr int kGroup = decltype(group)::value;
    task.vectors = row / kVector;
    const dim3 grid(rows::Blocks(task.blocks, kThreads / kGroup),
                    rows::Chunks(row, kVector, kGroup));
    const cudaError_t error = Launch(SplatBlocks<T, kVector, kGroup>, grid,
                                     kThreads, 0, stream, task);
    if (error != cudaSuccess) return error;
    return Launch(AddBlocks<T, kVector, kGroup>, grid, kThreads, 0, stream,
                  task);
  });
}

}  // namespace

template <typename T>
cudaError_t LatticeLoadRows(int64_t images, int64_t points, int64_t labels,
                            const LatticePlanes<const T>& planes,
                            const T* factor, int64_t row, T* out,
                            cudaStream_t stream) {
  if (row <= 4) {
    return LaunchLoadRows<T, 512, 4>(images, points, labels, planes, factor,
                                     row, out, stream);
  }
  constexpr int kPoints = 64;
  constexpr int kLabels = 32;
  if (planes.point_stride > planes.label_stride) {
    return LaunchLoadRows<T, kPoints, kLabels>(images, points, labels, planes,
                                               factor, row, out, stream);
  }
  const dim3 grid(rows::Blocks(points, kPoints), rows::Blocks(row, kLabels),
                  static_cast<unsigned>(images));
  return Launch(LoadWideRows<T, kPoints, kLabels>, grid, kThreads, 0, stream,
                points, labels, planes, factor, row, out);
}

template <typename T>
size_t LatticeSplatScratchBytes(const LatticeParts<T>& lattice, int64_t row) {
  const int64_t entries = lattice.images * lattice.points * (lattice.dim + 1);
  const int64_t blocks = (entries + kLatticeBlock - 1) / kLatticeBlock;
  return static_cast<size_t>(2 * blocks * row) * sizeof(T);
}

template <typename T>
cudaError_t LatticeSplat(const LatticeParts<T>& lattice, const T* x,
                         int64_t row, T* out, void* scratch,
                         cudaStream_t stream) {
  SplatTask<T> task;
  task.begin = lattice.begin;
  task.point = lattice.entry_point;
  task.weight = lattice.entry_weight;
  task.block_vertex = lattice.block_vertex;
  task.entries = lattice.images * lattice.points * (lattice.dim + 1);
  task.blocks = (task.entries + kLatticeBlock - 1) / kLatticeBlock;
  task.x = x;
  task.out = out;
  task.partial = static_cast<T*>(scratch);
  return Run(task, row, stream);
}

#define SEG_INSTANTIATE(T)                                                     \
  template cudaError_t LatticeLoadRows(int64_t, int64_t, int64_t,              \
                                       const LatticePlanes<const T>&,          \
                                       const T*, int64_t, T*, cudaStream_t);   \
  template size_t LatticeSplatScratchBytes(const LatticeParts<T>&, int64_t);   \
  template cudaError_t LatticeSplat(const LatticeParts<T>&, const T*, int64_t, \
                                    T*, void*, cudaStream_t);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace cuda
}  // namespace seg
