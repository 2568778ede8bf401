// Splat, filter and slice of one image on raw memory (internal): what the
// operators of permutohedral.h, the normaliser and mean field share.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CORE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_FILTER_CORE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "common/layers/permutohedral/lattice.h"
#include "common/layers/permutohedral/row_kernels.h"

namespace seg {
namespace permutohedral {

// A [labels][points] matrix with strides.
template <typename T>
struct Planes {
  T* data;
  int64_t label_stride;
  int64_t point_stride;
};

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
      : vertices_(vertices), row_(row), data_(new T[(vertices + 1) * row]) {
    for (int64_t c = 0; c < row; ++c) data_[vertices * row + c] = 0;
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  int64_t row() const { return row_; }
  void Clear();  // zeros
  void Swap(VertexRows& other) { data_.swap(other.data_); }

 private:
  int64_t vertices_;
  int64_t row_;
  std::unique_ptr<T[]> data_;
};

// Points [begin,end) of `in`, times `factor`, as rows (the rest of a row zero).
template <typename T>
void LoadPoints(const Planes<const T>& in, int64_t labels, const T* factor,
                int64_t begin, int64_t end, int64_t row, T* out);

// The reverse: rows times scale times factor into the points of `out`.
template <typename T>
void StorePoints(const T* rows, int64_t row, T scale, const T* factor,
                 int64_t begin, int64_t end, int64_t labels,
                 const Planes<T>& out);

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
