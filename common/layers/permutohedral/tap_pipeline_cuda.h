// What feeds the products with the taps (include in a .cu only; internal). A
// block of threads takes VERTICES vertices, one a thread, and goes through the
// taps; the rows of their neighbours and the tap's matrix come to shared memory
// by asynchronous copies, two stages ahead of the products, and the numbers of
// the neighbours four stages ahead.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_TAP_PIPELINE_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_TAP_PIPELINE_CUDA_H_

#include <cstdint>

#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {
namespace taps {

constexpr int kDepth = 24;          // labels_in of a stage
constexpr int kInRow = kDepth + 4;  // in shared memory: no bank conflicts
constexpr int kRing = 3;
constexpr int kIndexRing = 5;

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

template <typename T>
Task<T> TaskOf(const LatticeApplyTapsArguments<T>& a) {
  Task<T> task;
  task.vertices = a.vertices;
  task.taps = static_cast<int32_t>(a.taps);
  task.table = a.table;
  task.stride = a.stride;
  task.row_in = static_cast<int32_t>(LatticeTapRow(a.labels_in));
  task.row_out = static_cast<int32_t>(LatticeTapRow(a.labels_out));
  task.columns = static_cast<int32_t>(LatticeTapColumns(a.labels_out));
  task.filter = a.filter;
  task.in = a.in;
  task.out = a.out;
  return task;
}

template <typename T, int VERTICES, int COLUMNS>
struct Shared {
  T in[kRing][VERTICES][kInRow];
  T filter[kRing][kDepth][COLUMNS];
  int32_t index[kIndexRing][VERTICES];
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

// ROUND: stages are filled up with zeros to a multiple of so many labels_in.
template <typename T, int VERTICES, int COLUMNS, int ROUND>
class Pipeline {
 public:
  using S = Shared<T, VERTICES, COLUMNS>;

  __device__ Pipeline(const Task<T>& task, S* shared)
      : t(task),
        s(*shared),
        thread(static_cast<int>(threadIdx.x)),
        first(static_cast<int64_t>(blockIdx.x) * VERTICES),
        column(static_cast<int>(blockIdx.y) * COLUMNS),
        own(min(first + thread, task.vertices - 1)) {
    for (int ahead = 0; ahead < 2; ++ahead) CopyNumbers();
    CommitCopies();
    WaitForCopies<0>();
    __syncthreads();
    for (int ahead = 0; ahead < 2; ++ahead) Copy();
  }

  // Waits for the stage that is next used, and starts the copies of a later
  // one; false when there is none. Numbers and rows are then where `Index` and
  // so on say.
  __device__ bool Next() {
    if (started_) stage_.Next(t.row_in);
    started_ = true;
    if (stage_.tap >= t.taps) return false;
    WaitForCopies<1>();
    __syncthreads();
    Copy();
    return true;
  }

  // Of the stage: neighbours [VERTICES], their rows [VERTICES][kInRow], the
  // tap's matrix [kDepth][COLUMNS], and how much of kDepth is used.
  __device__ const int32_t* Index() const { return s.index[stage_.index_slot]; }
  __device__ const T* Rows() const { return &s.in[stage_.row_slot][0][0]; }
  __device__ const T* Filter() const {
    return &s.filter[stage_.row_slot][0][0];
  }
  __device__ int Depth() const { return Rounded(DepthOf(stage_)); }

 private:
  static constexpr int kPart = 16 / static_cast<int>(sizeof(T));  // of a copy

  __device__ int DepthOf(const Stage& stage) const {
    return min(kDepth, t.row_in - stage.begin);
  }
  __device__ static int Rounded(int depth) {
    return (depth + ROUND - 1) / ROUND * ROUND;
  }

  __device__ void CopyNumbers() {
    if (numbers_.tap < t.taps) {
      CopyAsync<4>(&s.index[numbers_.index_slot][thread],
                   &t.table[numbers_.tap * t.stride + own]);
    }
    numbers_.Next(t.row_in);
  }

  __device__ void Copy() {
    if (rows_.tap < t.taps) CopyRows(rows_);
    rows_.Next(t.row_in);
    CopyNumbers();
    CommitCopies();
  }

  __device__ void CopyRow(const Stage& stage, int i, int parts, int depth) {
    const int v = i / parts;
    const int part = i % parts * kPart;
    // Zeros for a missing one, without a read: all threads of a card reading
    // one row of zeros would wait for one place of the L2 cache.
    const int32_t neighbor = s.index[stage.index_slot][v];
    const bool found = neighbor < t.vertices && part < depth;
    const int64_t from =
        found ? int64_t{neighbor} * t.row_in + stage.begin + part : 0;
    CopyAsyncZero<16>(&s.in[stage.row_slot][v][part], t.in + from, found);
  }

  __device__ void CopyRows(const Stage& stage) {
    const int depth = DepthOf(stage);
    const int rounded = Rounded(depth);
    if (depth == kDepth) {
      constexpr int kParts = kDepth / kPart;
#pragma unroll
      for (int i = 0; i < kParts; ++i) {
        CopyRow(stage, thread + i * VERTICES, kParts, kDepth);
      }
    } else {
      const int parts = rounded / kPart;
      for (int i = 0; i < parts; ++i) {
        CopyRow(stage, thread + i * VERTICES, parts, depth);
      }
    }
    const T* filter =
        t.filter +
        (static_cast<int64_t>(stage.tap) * t.row_in + stage.begin) * t.columns +
        column;
    constexpr int kRowParts = COLUMNS / kPart;
    for (int i = thread; i < rounded * kRowParts; i += VERTICES) {
      const int m = i / kRowParts;
      const int part = i % kRowParts * kPart;
      const bool inside = m < depth;
      CopyAsyncZero<16>(&s.filter[stage.row_slot][m][part],
                        filter + (inside ? m * t.columns + part : 0), inside);
    }
  }

  const Task<T>& t;
  S& s;
  const int thread;
  const int64_t first;
  const int column;
  const int64_t own;
  // The stages whose neighbours' numbers and whose rows are copied next, and
  // the one that is used.
  Stage numbers_, rows_, stage_;
  bool started_ = false;
};

}  // namespace taps
}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_TAP_PIPELINE_CUDA_H_
