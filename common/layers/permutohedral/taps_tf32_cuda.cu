// Products with the taps on the tensor cores: a warp takes 32 vertices as two
// tiles of 16, and TILES tiles of eight labels.
#include "common/cuda/kernel.h"
#include "common/cuda/mma.h"
#include "common/layers/permutohedral/rows_cuda.h"
#include "common/layers/permutohedral/tap_pipeline_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {
namespace {

constexpr int kHalves = 2;  // tiles of 16 vertices of a warp

template <int VERTICES, int TILES>
__global__ void __launch_bounds__(VERTICES)
    ApplyTapsTf32(const taps::Task<float> t) {
  constexpr int kColumns = 8 * TILES;
  using Pipeline = taps::Pipeline<float, VERTICES, kColumns, 8>;
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const int warp_vertex = thread / 32 * 32;
  const int g = lane / 4;
  const int k = lane % 4;
  float sum[kHalves][TILES][4];
#pragma unroll
  for (int h = 0; h < kHalves; ++h) {
#pragma unroll
    for (int n = 0; n < TILES; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[h][n][i] = 0;
    }
  }
  Pipeline pipeline(t, DynamicShared<typename Pipeline::S>());
  while (pipeline.Next()) {
    const int index = pipeline.Index()[thread];
    if (!__any_sync(~0u, index < t.vertices)) continue;  // none has a neighbour
    const float* in = pipeline.Rows() + (warp_vertex + g) * taps::kInRow + k;
    const float* filter = pipeline.Filter() + k * kColumns + g;
    const int depth = pipeline.Depth();
#pragma unroll
    for (int m = 0; m < taps::kDepth; m += 8) {
      if (m >= depth) break;
      uint32_t a[kHalves][4];
#pragma unroll
      for (int h = 0; h < kHalves; ++h) {
        const float* rows = in + h * 16 * taps::kInRow + m;
        a[h][0] = ToTf32(rows[0]);
        a[h][1] = ToTf32(rows[8 * taps::kInRow]);
        a[h][2] = ToTf32(rows[4]);
        a[h][3] = ToTf32(rows[8 * taps::kInRow + 4]);
      }
#pragma unroll
      for (int n = 0; n < TILES; ++n) {
        const float* place = filter + m * kColumns + 8 * n;
        const uint32_t b[2] = {ToTf32(place[0]), ToTf32(place[4 * kColumns])};
#pragma unroll
        for (int h = 0; h < kHalves; ++h) MmaTf32(a[h], b, sum[h][n]);
      }
    }
  }
  const int column = static_cast<int>(blockIdx.y) * kColumns + 2 * k;
#pragma unroll
  for (int h = 0; h < kHalves; ++h) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t v = static_cast<int64_t>(blockIdx.x) * VERTICES +
                        warp_vertex + 16 * h + 8 * half + g;
      if (v >= t.vertices) continue;
      float* out = t.out + v * t.row_out + column;
#pragma unroll
      for (int n = 0; n < TILES; ++n) {
        if (column + 8 * n < t.row_out) {  // rows are multiples of four
          out[8 * n] = sum[h][n][2 * half];
          out[8 * n + 1] = sum[h][n][2 * half + 1];
        }
      }
    }
  }
}

template <int VERTICES, int TILES>
cudaError_t Run(const taps::Task<float>& task, cudaStream_t stream) {
  constexpr int kColumns = 8 * TILES;
  const dim3 grid(rows::Blocks(task.vertices, VERTICES),
                  rows::Blocks(task.row_out, kColumns));
  return Launch(ApplyTapsTf32<VERTICES, TILES>, grid, VERTICES,
                sizeof(taps::Shared<float, VERTICES, kColumns>), stream, task);
}

}  // namespace

cudaError_t LatticeApplyTapsTf32(const LatticeApplyTapsArguments<float>& a,
                                 cudaStream_t stream) {
  // Larger blocks read the matrices less often, smaller ones share out better.
  constexpr int64_t kManyVertices = 132 * 4 * 128;
  const taps::Task<float> task = taps::TaskOf(a);
  const bool many = a.vertices >= kManyVertices;
  if (a.labels_out <= 8) {
    return many ? Run<128, 1>(task, stream) : Run<64, 1>(task, stream);
  }
  return many ? Run<128, 3>(task, stream) : Run<64, 3>(task, stream);
}

}  // namespace cuda
}  // namespace seg
