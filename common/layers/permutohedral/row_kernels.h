// Vector kernels on rows of labels: splat, blur, slice (internal). Values are
// point- or vertex-major: one row of `row` = RowLength(labels) numbers, the
// unused ones zero. T = float or double.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_ROW_KERNELS_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_ROW_KERNELS_H_

#include <cstdint>

namespace seg {
namespace permutohedral {

// 1, 2, 4 or a multiple of 8: what the vector kernels take.
inline int64_t RowLength(int64_t labels) {
  if (labels <= 2) return labels;
  return labels <= 4 ? 4 : (labels + 7) / 8 * 8;
}

// out[vertex] += weight * x[p] for points [begin,end); x starts at row `begin`.
template <typename T>
void SplatScatter(const int32_t* vertices, const T* weights, int64_t corners,
                  const T* x, int64_t begin, int64_t end, int64_t row, T* out);

// The same sums in the same order, gathered for vertices [begin,end); x starts
// at point 0. list_begin, point, slot: PermutohedralLattice::PointLists.
template <typename T>
void SplatGather(const int32_t* list_begin, const int32_t* point,
                 const int32_t* slot, const T* weights, const T* x,
                 int64_t begin, int64_t end, int64_t row, T* out);

// out[v] = in[v] + (in[pairs[v][0]] + in[pairs[v][1]]) / 2 for [begin,end).
template <typename T>
void BlurAxis(const int32_t* pairs, const T* in, int64_t begin, int64_t end,
              int64_t row, T* out);

// out[p] = sum_r weight * rows[vertex] for points [begin,end); out starts at
// row `begin`.
template <typename T>
void SliceRows(const int32_t* vertices, const T* weights, int64_t corners,
               const T* rows, int64_t begin, int64_t end, int64_t row, T* out);

// out[p] += factor * (the above).
template <typename T>
void SliceRowsAdd(const int32_t* vertices, const T* weights, int64_t corners,
                  const T* rows, T factor, int64_t begin, int64_t end,
                  int64_t row, T* out);

}  // namespace permutohedral
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_ROW_KERNELS_H_
