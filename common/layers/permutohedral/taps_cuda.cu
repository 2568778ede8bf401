// Products with the taps in T: a thread keeps the sums of four vertices and
// LABELS labels in registers.
#include "common/cuda/kernel.h"
#include "common/layers/permutohedral/rows_cuda.h"
#include "common/layers/permutohedral/tap_pipeline_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kVertices = 64;  // of a block, and its threads
constexpr int kLanes = 8;      // threads along vertices in a warp
constexpr int kEach = 4;       // vertices of a thread: kLanes apart
constexpr int kGroups = 4;     // threads along labels in a warp
static_assert(kLanes * kGroups == 32 && kLanes * kEach == 32, "a warp");

template <typename T, int LABELS>
__global__ void __launch_bounds__(kVertices) ApplyTaps(const taps::Task<T> t) {
  constexpr int kColumns = LABELS * kGroups;
  constexpr int kPart = 16 / static_cast<int>(sizeof(T));
  using Pipeline = taps::Pipeline<T, kVertices, kColumns, kPart>;
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const int warp_vertex = thread / 32 * 32;
  const int group = lane % kGroups;
  T sum[kEach][LABELS];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
#pragma unroll
    for (int l = 0; l < LABELS; ++l) sum[i][l] = 0;
  }
  Pipeline pipeline(t, DynamicShared<typename Pipeline::S>());
  while (pipeline.Next()) {
    const int index = pipeline.Index()[thread];
    if (!__any_sync(~0u, index < t.vertices)) continue;  // none has a neighbour
    const T* in =
        pipeline.Rows() + (warp_vertex + lane / kGroups) * taps::kInRow;
    const T* filter = pipeline.Filter() + group * LABELS;
    const int depth = pipeline.Depth();
#pragma unroll 2
    for (int m = 0; m < depth; m += kPart) {
      using V = rows::Vector<T, kPart>;
      V u[kEach];
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        u[i] = *reinterpret_cast<const V*>(in + i * kLanes * taps::kInRow + m);
      }
#pragma unroll
      for (int k = 0; k < kPart; ++k) {
        using P = rows::Vector<T, 2>;
        P f[LABELS / 2];
#pragma unroll
        for (int l = 0; l < LABELS / 2; ++l) {
          f[l] =
              *reinterpret_cast<const P*>(filter + (m + k) * kColumns + 2 * l);
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
  const int column = static_cast<int>(blockIdx.y) * kColumns + group * LABELS;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int64_t v = static_cast<int64_t>(blockIdx.x) * kVertices +
                      warp_vertex + lane / kGroups + i * kLanes;
    if (v >= t.vertices) continue;
    T* out = t.out + v * t.row_out + column;
#pragma unroll
    for (int l = 0; l < LABELS; ++l) {
      if (column + l < t.row_out) out[l] = sum[i][l];
    }
  }
}

template <typename T, int LABELS>
cudaError_t Run(const taps::Task<T>& task, cudaStream_t stream) {
  constexpr int kColumns = LABELS * kGroups;
  const dim3 grid(rows::Blocks(task.vertices, kVertices),
                  rows::Blocks(task.row_out, kColumns));
  return Launch(ApplyTaps<T, LABELS>, grid, kVertices,
                sizeof(taps::Shared<T, kVertices, kColumns>), stream, task);
}

}  // namespace

template <typename T>
cudaError_t LatticeApplyTaps(const LatticeApplyTapsArguments<T>& a,
                             cudaStream_t stream) {
  const taps::Task<T> task = taps::TaskOf(a);
  if (a.labels_out <= 8) return Run<T, 2>(task, stream);
  return Run<T, 6>(task, stream);
}

template cudaError_t LatticeApplyTaps(const LatticeApplyTapsArguments<float>&,
                                      cudaStream_t);
template cudaError_t LatticeApplyTaps(const LatticeApplyTapsArguments<double>&,
                                      cudaStream_t);

}  // namespace cuda
}  // namespace seg
