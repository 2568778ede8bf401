// Rows of numbers read and written by groups of threads, for the kernels of the
// lattice (include in a .cu only; internal).
//
// A row is vectors of VECTOR numbers; a group of GROUP threads of a warp takes
// GROUP vectors of a row at once, a thread one. Longer rows are cut into chunks
// of GROUP vectors, one a blockIdx.y.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_ROWS_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_ROWS_CUDA_H_

#include <cstdint>

#include "common/cuda/kernel.h"

namespace seg {
namespace cuda {
namespace rows {

template <typename T, int VECTOR>
struct alignas(sizeof(T) * VECTOR) Vector {
  T at[VECTOR];
};

template <typename T, int VECTOR>
__device__ inline Vector<T, VECTOR> Zero() {
  Vector<T, VECTOR> x;
#pragma unroll
  for (int i = 0; i < VECTOR; ++i) x.at[i] = 0;
  return x;
}
template <typename T, int VECTOR>
__device__ inline void Add(const Vector<T, VECTOR>& a, Vector<T, VECTOR>* sum) {
#pragma unroll
  for (int i = 0; i < VECTOR; ++i) sum->at[i] += a.at[i];
}
template <typename T, int VECTOR>
__device__ inline void AddTimes(T w, const Vector<T, VECTOR>& a,
                                Vector<T, VECTOR>* sum) {
#pragma unroll
  for (int i = 0; i < VECTOR; ++i) sum->at[i] += w * a.at[i];
}

// Which vectors of a row this thread takes.
template <int GROUP>
struct Place {
  __device__ Place(int64_t row_vectors)
      : group((static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) /
              GROUP),
        column(blockIdx.y * GROUP + threadIdx.x % GROUP),
        inside(column < row_vectors) {}
  int64_t group;
  int64_t column;
  bool inside;
};

// Calls run(vector, group) with the two as integral constants for a row.
template <int N>
struct Constant {
  static constexpr int value = N;
};
template <int VECTOR, typename F>
cudaError_t WithGroup(int64_t row, const F& run) {
  const int64_t vectors = row / VECTOR;
  if (vectors <= 1) return run(Constant<VECTOR>(), Constant<1>());
  if (vectors <= 2) return run(Constant<VECTOR>(), Constant<2>());
  if (vectors <= 4) return run(Constant<VECTOR>(), Constant<4>());
  if (vectors <= 8) return run(Constant<VECTOR>(), Constant<8>());
  return run(Constant<VECTOR>(), Constant<16>());
}
template <typename T, typename F>
cudaError_t ForRow(int64_t row, const F& run) {
  constexpr int kMost = 16 / static_cast<int>(sizeof(T));
  if (row == 1) return run(Constant<1>(), Constant<1>());
  if (row == 2) return run(Constant<2>(), Constant<1>());
  return WithGroup<kMost>(row, run);
}

inline unsigned Chunks(int64_t row, int vector, int group) {
  const int64_t width = static_cast<int64_t>(vector) * group;
  return static_cast<unsigned>((row + width - 1) / width);
}
inline unsigned Blocks(int64_t items, int64_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

}  // namespace rows
}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_ROWS_CUDA_H_
