// Products with the taps: a block of threads takes 64 vertices and goes through
// the taps; the rows of their neighbours and the tap's matrix come to shared
// memory by asynchronous copies, two stages ahead of the products, and the
// numbers of the neighbours four stages ahead. A thread keeps the sums of four
// vertices and LABELS labels in registers.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/rows_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kThreads = 64;
constexpr int kVertices = 64;       // of a block
constexpr int kLanes = 8;           // threads along vertices in a warp
constexpr int kEach = 4;            // vertices of a thread: kLanes apart
constexpr int kGroups = 4;          // threads along labels in a warp
constexpr int kDepth = 24;          // labels_in of a stage
constexpr int kInRow = kDepth + 4;  // in shared memory: no bank conflicts
constexpr int kRing = 3;
constexpr int kIndexRing = 5;
static_assert(kLanes * kGroups == 32 && kLanes * kEach == 32, "a warp");

template <typename T>
struct Task {
  int64_t vertices;
  int32_t taps;
  const int32_t* table;
  int64_t stride;
  int32_t row_in;
  int32_t row_out;
  int32_t columns;
  const T* filter;
  const T* in;
  T* out;
};

template <typename T, int LABELS>
struct Shared {
  static constexpr int kColumns = LABELS * kGroups;
  T in[kRing][kVertices][kInRow];
  T filter[kRing][kDepth][kColumns];
  int32_t index[kIndexRing][kVertices];
};

// A tap and kDepth of the labels_in, and where they lie in shared memory.
struct Stage {
  int tap = 0;
  int begin = 0;
  int row_slot = 0;
  int index_slot = 0;

  __device__ void Next(int row_in) {
    begin += kDepth;
    if (begin >= row_in) {
      begin = 0;
      ++tap;
    }
    row_slot = row_slot + 1 < kRing ? row_slot + 1 : 0;
    index_slot = index_slot + 1 < kIndexRing ? index_slot + 1 : 0;
  }
};

template <typename T, int LABELS>
__global__ void __launch_bounds__(kThreads) ApplyTaps(const Task<T> t) {
  using S = Shared<T, LABELS>;
  constexpr int kPart = 16 / static_cast<int>(sizeof(T));  // of a copy
  S& s = *DynamicShared<S>();
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const int warp_vertex = thread / 32 * 32;
  const int group = lane % kGroups;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kVertices;
  const int column = static_cast<int>(blockIdx.y) * S::kColumns;
  const int64_t own = min(first + thread, t.vertices - 1);

  const auto copy_index = [&](const Stage& stage) {
    if (stage.tap >= t.taps) return;
    CopyAsync<4>(&s.index[stage.index_slot][thread],
                 &t.table[stage.tap * t.stride + own]);
  };
  const auto copy_rows = [&](const Stage& stage) {
    if (stage.tap >= t.taps) return;
    const int depth = min(kDepth, t.row_in - stage.begin);
    const int32_t* index = s.index[stage.index_slot];
    auto* rows = s.in[stage.row_slot];
    const auto copy = [&](int i, int parts) {
      const int v = i / parts;
      const int part = i % parts * kPart;
      // Zeros for a missing one, without a read: all threads of a card reading
      // one row of zeros would wait for one place of the L2 cache.
      const bool found = index[v] < t.vertices;
      const int64_t from = found ? index[v] : 0;
      CopyAsyncZero<16>(&rows[v][part],
                        t.in + from * t.row_in + stage.begin + part, found);
    };
    if (depth == kDepth) {
      constexpr int kParts = kDepth / kPart;
#pragma unroll
      for (int i = thread; i < kVertices * kParts; i += kThreads) {
        copy(i, kParts);
      }
    } else {
      const int parts = depth / kPart;
      for (int i = thread; i < kVertices * parts; i += kThreads) {
        copy(i, parts);
      }
    }
    const T* filter =
        t.filter +
        (static_cast<int64_t>(stage.tap) * t.row_in + stage.begin) * t.columns +
        column;
    constexpr int kRowParts = S::kColumns / kPart;
    for (int i = thread; i < depth * kRowParts; i += kThreads) {
      const int m = i / kRowParts;
      const int part = i % kRowParts * kPart;
      CopyAsync<16>(&s.filter[stage.row_slot][m][part],
                    filter + m * t.columns + part);
    }
  };

  // The stages whose neighbours' numbers, whose rows come, and which is used.
  Stage numbers, rows_stage, stage;
  copy_index(numbers);
  numbers.Next(t.row_in);
  copy_index(numbers);
  numbers.Next(t.row_in);
  CommitCopies();
  WaitForCopies<0>();
  __syncthreads();
  for (int ahead = 0; ahead < 2; ++ahead) {
    copy_rows(rows_stage);
    copy_index(numbers);
    CommitCopies();
    rows_stage.Next(t.row_in);
    numbers.Next(t.row_in);
  }

  T sum[kEach][LABELS];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
#pragma unroll
    for (int l = 0; l < LABELS; ++l) sum[i][l] = 0;
  }
  for (; stage.tap < t.taps; stage.Next(t.row_in)) {
    WaitForCopies<1>();
    __syncthreads();
    copy_rows(rows_stage);
    copy_index(numbers);
    CommitCopies();
    rows_stage.Next(t.row_in);
    numbers.Next(t.row_in);
    const int index = s.index[stage.index_slot][warp_vertex + lane];
    if (!__any_sync(~0u, index < t.vertices)) continue;  // none has a neighbour
    const T* in = &s.in[stage.row_slot][warp_vertex + lane / kGroups][0];
    const T* filter = &s.filter[stage.row_slot][0][group * LABELS];
    const int depth = min(kDepth, t.row_in - stage.begin);
#pragma unroll 2
    for (int m = 0; m < depth; m += kPart) {
      using V = rows::Vector<T, kPart>;
      V u[kEach];
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        u[i] = *reinterpret_cast<const V*>(in + i * kLanes * kInRow + m);
      }
#pragma unroll
      for (int k = 0; k < kPart; ++k) {
        using P = rows::Vector<T, 2>;
        P f[LABELS / 2];
#pragma unroll
        for (int l = 0; l < LABELS / 2; ++l) {
          f[l] = *reinterpret_cast<const P*>(filter + (m + k) * S::kColumns +
                                             2 * l);
        }
#pragma unroll
        for (int i = 0; i < kEach; ++i) {
#pragma unroll
          for (int l = 0; l < LABELS; ++l) {
            sum[i][l] += u[i].at[k] * f[l / 2].at[l % 2];
          }
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int64_t v = first + warp_vertex + lane / kGroups + i * kLanes;
    if (v >= t.vertices) continue;
    T* out = t.out + v * t.row_out;
#pragma unroll
    for (int l = 0; l < LABELS; ++l) {
      const int at = column + group * LABELS + l;
      if (at < t.row_out) out[at] = sum[i][l];
    }
  }
}

template <typename T, int LABELS>
cudaError_t Run(const Task<T>& task, cudaStream_t stream) {
  using S = Shared<T, LABELS>;
  const dim3 grid(rows::Blocks(task.vertices, kVertices),
                  rows::Blocks(task.row_out, S::kColumns));
  return Launch(ApplyTaps<T, LABELS>, grid, kThreads, sizeof(S), stream, task);
}

}  // namespace

template <typename T>
cudaError_t LatticeApplyTaps(const LatticeApplyTapsArguments<T>& a,
                             cudaStream_t stream) {
  Task<T> task;
  task.vertices = a.vertices;
  task.row_in = static_cast<int32_t>(LatticeTapRow(a.labels_in));
  task.row_out = static_cast<int32_t>(LatticeTapRow(a.labels_out));
  task.columns = static_cast<int32_t>(LatticeTapColumns(a.labels_out));
  task.taps = static_cast<int32_t>(a.taps);
  task.table = a.table;
  task.stride = a.stride;
  task.filter = a.filter;
  task.in = a.in;
  task.out = a.out;
  if (a.labels_out <= 8) return Run<T, 2>(task, stream);
  return Run<T, 6>(task, stream);
}

template cudaError_t LatticeApplyTaps(const LatticeApplyTapsArguments<float>&,
                                      cudaStream_t);
template cudaError_t LatticeApplyTaps(const LatticeApplyTapsArguments<double>&,
                                      cudaStream_t);

}  // namespace cuda
}  // namespace seg
