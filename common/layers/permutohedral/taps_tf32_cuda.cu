// Products with the taps on the tensor cores, without shared memory: a lane
// reads of the neighbours' rows what it multiplies, straight into registers,
// some taps before it is needed, and the numbers of the neighbours as many taps
// before that. A matrix comes by the L1 cache, where all warps of a
// multiprocessor find it, and so do rows that are neighbours of several
// vertices. Warps never wait for each other.
#include "common/cuda/kernel.h"
#include "common/cuda/mma.h"
#include "common/layers/permutohedral/rows_cuda.h"
#include "common/layers/permutohedral/tap_fragments_cuda.h"
#include "common/layers/permutohedral/tap_pipeline_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace cuda {
namespace {

// Few vertices are shared out better in small tiles, whose rows are read far
// ahead.
struct ForFew {
  static constexpr int kThreads = 64;
  static constexpr int kBlocks = 8;  // of a multiprocessor
  static constexpr int kHalves = 1;  // tiles of 16 vertices of a warp
  static constexpr int kAhead = 4;   // taps
  static constexpr bool kMatrixAhead = false;
};
// With many, a warp multiplies a matrix by more rows, which hides the read of
// the next.
struct ForMany {
  static constexpr int kThreads = 384;
  static constexpr int kBlocks = 1;
  static constexpr int kHalves = 2;
  static constexpr int kAhead = 2;
  static constexpr bool kMatrixAhead = true;
};

// STEPS and TILES: of eight labels_in and labels_out. WHOLE: a row has at most
// 8 STEPS numbers.
template <typename Shape, int STEPS, int TILES, bool WHOLE>
class TapProducts {
 public:
  __device__ explicit TapProducts(const taps::Task<float>& task)
      : t(task),
        lane(static_cast<int>(threadIdx.x % 32)),
        k(lane % 4),
        first((static_cast<int>(blockIdx.x) * (Shape::kThreads / 32) +
               static_cast<int>(threadIdx.x) / 32) *
              (16 * kHalves)),
        vertices(static_cast<int>(task.vertices)),
        parts(WHOLE ? 1 : (task.row_in + kRows - 1) / kRows),
        stages(task.taps * parts),
        table(task.table + min(first + lane % (16 * kHalves), vertices - 1)),
        matrix(task.filter + int64_t{blockIdx.y} * (kRows * 8 * TILES) +
               4 * lane) {}

  __device__ void Run() {
    if (first >= vertices) return;
#pragma unroll
    for (int j = 0; j < kAhead; ++j) ReadNumber(j, j);
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      ReadRows(j, j);
      ReadNumber(j, j + kAhead);
    }
#pragma unroll
    for (int h = 0; h < kHalves; ++h) {
#pragma unroll
      for (int n = 0; n < TILES; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[h][n][i] = 0;
      }
    }
    constexpr int kMatrices = kNext ? 2 : 1;
    static_assert(kAhead % kMatrices == 0, "places known at compile time");
    float b[kMatrices][kNumbers];
    if (kNext) ReadMatrix(0, b[0]);
    for (int stage = 0; stage < stages; stage += kAhead) {
#pragma unroll
      for (int j = 0; j < kAhead; ++j) {
        const int now = stage + j;
        if (now >= stages) break;
        ReadMatrix(kNext ? now + 1 : now, b[kNext ? (j + 1) % 2 : 0]);
        Multiply(j, b[kNext ? j % 2 : 0]);
        ReadRows(j, now + kAhead);
        ReadNumber(j, now + 2 * kAhead);
      }
    }
    Write();
  }

 private:
  using Four = rows::Vector<float, 4>;
  using Two = rows::Vector<float, 2>;
  static constexpr int kHalves = Shape::kHalves;
  static constexpr int kAhead = Shape::kAhead;
  static constexpr bool kNext = Shape::kMatrixAhead;
  static constexpr int kRows = 8 * STEPS;  // labels_in of a stage
  static constexpr int kNumbers = taps::FragmentNumbers(STEPS, TILES);

  // A stage is a tap and kRows of the labels_in; those beyond the last have no
  // neighbours. Reads the neighbours' numbers of the next stage.
  __device__ void ReadNumber(int j, int stage) {
    number[j] = stage < stages ? *table : vertices;
    if (WHOLE || (stage + 1) % parts == 0) table += t.stride;
  }

  // The rows of a stage; zeros where there is no neighbour.
  __device__ void ReadRows(int j, int stage) {
    const int begin = WHOLE ? 0 : stage % parts * kRows;
    constexpr int kLast = 8 * (STEPS - 1);
    // Vertices from here on have nothing for this lane.
    const int end_of_four = begin + 4 * k < t.row_in ? vertices : 0;
    const int end_of_two = begin + kLast + 2 * k < t.row_in ? vertices : 0;
    const char* four = reinterpret_cast<const char*>(t.in + begin + 4 * k);
    const char* two =
        reinterpret_cast<const char*>(t.in + begin + kLast + 2 * k);
    const auto row_bytes = static_cast<uint32_t>(t.row_in) * 4;
#pragma unroll
    for (int i = 0; i < 2 * kHalves; ++i) {
      const int v = __shfl_sync(~0u, number[j], 8 * i + lane / 4);
      const uint64_t at = uint64_t{static_cast<uint32_t>(v)} * row_bytes;
      if (STEPS > 1) {
        Four x = rows::Zero<float, 4>();
        if (v < end_of_four) x = *reinterpret_cast<const Four*>(four + at);
#pragma unroll
        for (int m = 0; m < 4; ++m) in[j][i][m] = __float_as_uint(x.at[m]);
      }
      Two x = rows::Zero<float, 2>();
      if (v < end_of_two) x = *reinterpret_cast<const Two*>(two + at);
      in[j][i][2 * STEPS - 2] = __float_as_uint(x.at[0]);
      in[j][i][2 * STEPS - 1] = __float_as_uint(x.at[1]);
    }
  }

  // The matrix of the next stage, or of the last where there is none.
  __device__ void ReadMatrix(int stage, float (&b)[kNumbers]) {
    constexpr int kFours = kNumbers / 4;
#pragma unroll
    for (int i = 0; i < kFours; ++i) {
      const Four x = reinterpret_cast<const Four*>(matrix)[32 * i];
#pragma unroll
      for (int m = 0; m < 4; ++m) b[4 * i + m] = x.at[m];
    }
    const Two x =
        *reinterpret_cast<const Two*>(matrix + 128 * kFours - 2 * lane);
    b[4 * kFours] = x.at[0];
    b[4 * kFours + 1] = x.at[1];
    if (stage + 1 < stages) matrix += kRows * t.columns;
  }

  __device__ void Multiply(int j, const float (&b)[kNumbers]) {
    // As ToTf32, but a row with a NaN, of which all products are NaN, is left
    // as it is.
    uint32_t(&a)[2 * kHalves][2 * STEPS] = in[j];
#pragma unroll
    for (int i = 0; i < 2 * kHalves; ++i) {
      bool numbers = true;
#pragma unroll
      for (int m = 0; m < 2 * STEPS; m += 2) {
        const float x = __uint_as_float(a[i][m]);
        const float y = __uint_as_float(a[i][m + 1]);
        numbers = numbers && (x <= y || x > y);
      }
      const uint32_t half = numbers ? 0x1000u : 0u;
#pragma unroll
      for (int m = 0; m < 2 * STEPS; ++m) a[i][m] += half;
    }
#pragma unroll
    for (int m = 0; m < STEPS; ++m) {
#pragma unroll
      for (int h = 0; h < kHalves; ++h) {
        const uint32_t of_a[4] = {a[2 * h][2 * m], a[2 * h + 1][2 * m],
                                  a[2 * h][2 * m + 1], a[2 * h + 1][2 * m + 1]};
#pragma unroll
        for (int n = 0; n < TILES; ++n) {
          const float* place = &b[2 * (m * TILES + n)];
          const uint32_t of_b[2] = {__float_as_uint(place[0]),
                                    __float_as_uint(place[1])};
          MmaTf32(of_a, of_b, sum[h][n]);
        }
      }
    }
  }

  __device__ void Write() {
    const int column = static_cast<int>(blockIdx.y) * 8 * TILES;
#pragma unroll
    for (int i = 0; i < 2 * kHalves; ++i) {
      const int64_t v = int64_t{first} + 8 * i + lane / 4;
      if (v >= vertices) continue;
      const float(&s)[TILES][4] = sum[i / 2];
      const int at = i % 2 * 2;
      float* out = t.out + v * t.row_out + column;
      if (TILES > 1 && column + 4 * k < t.row_out) {
        constexpr int kSecond = TILES > 1 ? 1 : 0;
        const Four x = {
            {s[0][at], s[kSecond][at], s[0][at + 1], s[kSecond][at + 1]}};
        reinterpret_cast<Four*>(out)[k] = x;
      }
      constexpr int kLast = 8 * (TILES - 1);
      if (column + kLast + 2 * k < t.row_out) {
        const Two x = {{s[TILES - 1][at], s[TILES - 1][at + 1]}};
        reinterpret_cast<Two*>(out + kLast)[k] = x;
      }
    }
  }

  const taps::Task<float>& t;
  const int lane;
  const int k;
  const int first;
  const int vertices;
  const int parts;
  const int stages;
  const int32_t* table;
  const float* matrix;
  int number[kAhead];
  uint32_t in[kAhead][2 * kHalves][2 * STEPS];
  float sum[kHalves][TILES][4];
};

template <typename Shape, int STEPS, int TILES, bool WHOLE>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocks)
    ApplyTapsTf32(const taps::Task<float> t) {
  TapProducts<Shape, STEPS, TILES, WHOLE>(t).Run();
}

template <typename Shape, int STEPS, int TILES, bool WHOLE>
cudaError_t Run(const taps::Task<float>& task, cudaStream_t stream) {
  const dim3 grid(
      rows::Blocks(task.vertices, Shape::kThreads / 2 * Shape::kHalves),
      rows::Blocks(task.row_out, 8 * TILES));
  return Launch(ApplyTapsTf32<Shape, STEPS, TILES, WHOLE>, grid,
                Shape::kThreads, 0, stream, task);
}
template <typename Shape, int STEPS, bool WHOLE>
cudaError_t Run(const taps::Task<float>& task, cudaStream_t stream) {
  if (task.row_out <= 8) return Run<Shape, STEPS, 1, WHOLE>(task, stream);
  return Run<Shape, STEPS, 3, WHOLE>(task, stream);
}
template <typename Shape>
cudaError_t Run(const taps::Task<float>& task, cudaStream_t stream) {
  if (task.row_in <= 8) return Run<Shape, 1, true>(task, stream);
  if (task.row_in <= 24) return Run<Shape, 3, true>(task, stream);
  return Run<Shape, 3, false>(task, stream);
}

}  // namespace

cudaError_t LatticeApplyTapsTf32(const LatticeApplyTapsArguments<float>& a,
                                 int64_t many_vertices, cudaStream_t stream) {
  const taps::Task<float> task = taps::TaskOf(a);
  if (a.vertices >= many_vertices) return Run<ForMany>(task, stream);
  return Run<ForFew>(task, stream);
}

}  // namespace cuda
}  // namespace seg
