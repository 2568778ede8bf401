// Splat, filter and slice of one image on raw memory (internal): what the
// operators of permutohedral.h, the normaliser and mean field share.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CORE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CORE_H_

#include <cstdint>
#include <utility>

#include "common/layers/permutohedral/buffer.h"
#include "common/layers/permutohedral/lattice.h"
#include "common/layers/permutohedral/planes.h"
#include "common/layers/permutohedral/row_kernels.h"

namespace seg {
namespace permutohedral {

// Factors of each point before the splat and after the slice; null for ones.
template <typename T>
struct Scaling {
  const T* before = nullptr;
  const T* after = nullptr;
};

// Rows of all vertices and, last, the row of zeros that missing neighbours
// read. Uninitialised but for that row.
template <typename T>
class VertexRows {
 public:
  VertexRows(int64_t vertices, int64_t row)
      : vertices_(vertices), row_(row), data_((vertices + 1) * row) {
    for (int64_t c = 0; c < row; ++c) data_[vertices * row + c] = 0;
  }
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  int64_t row() const { return row_; }
  void Clear();  // zeros
  void Swap(VertexRows& other) { std::swap(data_, other.data_); }

 private:
  int64_t vertices_;
  int64_t row_;
  Buffer<T> data_;
};

// rows = B^T (factor in), rows = C rows for the separable Gaussian (without the
// factor of GaussianScale), out = scale factor B rows.
template <typename T>
void Splat(const PermutohedralLattice& lattice, const Planes<const T>& in,
           int64_t labels, const T* factor, VertexRows<T>* rows);
template <typename T>
void BlurAllAxes(const PermutohedralLattice& lattice, bool reverse,
                 VertexRows<T>* rows, VertexRows<T>* scratch);
template <typename T>
void Slice(const PermutohedralLattice& lattice, const VertexRows<T>& rows,
           int64_t labels, T scale, const T* factor, const Planes<T>& out);

// 1 / (1 + 2^-d), densecrf's factor of a slice.
double GaussianScale(int64_t dim);

// out = after * K * before * in for the separable Gaussian.
template <typename T>
void GaussianFilter(const PermutohedralLattice& lattice,
                    const Planes<const T>& in, int64_t labels,
                    const Scaling<T>& scaling, bool reverse,
                    const Planes<T>& out);

// out[v,l] = sum_o sum_m filter[o][m][l] in[nbr(v,o),m]; filter is
// [taps][labels_in][out->row()].
template <typename T>
void ApplyTaps(const PermutohedralLattice& lattice, int64_t support,
               const T* filter, int64_t labels_in, const VertexRows<T>& in,
               VertexRows<T>* out);

// grad[o][l][m] += sum_v a[v,l] b[nbr(v,o),m]; [taps][labels_a][b.row()].
template <typename T>
void AddTapGradient(const PermutohedralLattice& lattice, int64_t support,
                    const VertexRows<T>& a, int64_t labels_a,
                    const VertexRows<T>& b, double* grad);

// The fixed Gaussian taps of a support applied to ones; [points].
template <typename T>
void GaussianTapsOfOnes(const PermutohedralLattice& lattice, int64_t support,
                        T* out);

}  // namespace permutohedral
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CORE_H_
