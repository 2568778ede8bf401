#include "common/layers/permutohedral/filter_core.h"

#include <algorithm>
#include <cmath>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/layers/permutohedral/tap_kernels.h"
#include "common/layers/permutohedral/taps.h"

namespace seg {
namespace permutohedral {
namespace {

constexpr int64_t kPoints = 64;  // points staged at a time, in L1
constexpr int64_t kPointGrain = 4096;
constexpr int64_t kVertexGrain = 1024;

bool SeveralThreads(int64_t points) {
  return at::get_num_threads() > 1 && !at::in_parallel_region() &&
         points > 2 * kPointGrain;
}

}  // namespace

template <typename T>
void VertexRows<T>::Clear() {
  std::fill(data(), data() + (vertices_ + 1) * row_, T(0));
}

template <typename T>
void Splat(const PermutohedralLattice& lattice, const Planes<const T>& in,
           int64_t labels, const T* factor, VertexRows<T>* rows) {
  const int64_t points = lattice.num_points();
  const int64_t corners = lattice.dim() + 1;
  const int64_t row = rows->row();
  const T* weights = lattice.weights<T>();
  if (SeveralThreads(points)) {
    const auto& lists = lattice.point_lists();
    Buffer<T> x(points * row);
    at::parallel_for(0, points, kPointGrain, [&](int64_t begin, int64_t end) {
      LoadPoints(in, labels, factor, begin, end, row, x.data() + begin * row);
    });
    at::parallel_for(0, lattice.num_vertices(), kVertexGrain,
                     [&](int64_t begin, int64_t end) {
                       SplatGather(lists.begin.data(), lists.point.data(),
                                   lists.slot.data(), weights, x.data(), begin,
                                   end, row, rows->data());
                     });
    return;
  }
  rows->Clear();
  std::vector<T> x(kPoints * row);
  for (int64_t begin = 0; begin < points; begin += kPoints) {
    const int64_t end = std::min(begin + kPoints, points);
    LoadPoints(in, labels, factor, begin, end, row, x.data());
    SplatScatter(lattice.vertices(), weights, corners, x.data(), begin, end,
                 row, rows->data());
  }
}

template <typename T>
void BlurAllAxes(const PermutohedralLattice& lattice, bool reverse,
                 VertexRows<T>* rows, VertexRows<T>* scratch) {
  const int64_t vertices = lattice.num_vertices();
  const int64_t dim = lattice.dim();
  const int32_t* pairs = lattice.axis_neighbors().pairs.data();
  for (int64_t k = 0; k <= dim; ++k) {
    const int64_t axis = reverse ? dim - k : k;
    at::parallel_for(0, vertices, kVertexGrain,
                     [&](int64_t begin, int64_t end) {
                       BlurAxis<T>(pairs + 2 * axis * vertices, rows->data(),
                                   begin, end, rows->row(), scratch->data());
                     });
    rows->Swap(*scratch);
  }
}

template <typename T>
void Slice(const PermutohedralLattice& lattice, const VertexRows<T>& rows,
           int64_t labels, T scale, const T* factor, const Planes<T>& out) {
  const int64_t row = rows.row();
  const T* weights = lattice.weights<T>();
  at::parallel_for(
      0, lattice.num_points(), kPointGrain, [&](int64_t first, int64_t last) {
        std::vector<T> y(kPoints * row);
        for (int64_t begin = first; begin < last; begin += kPoints) {
          const int64_t end = std::min(begin + kPoints, last);
          SliceRows(lattice.vertices(), weights, lattice.dim() + 1, rows.data(),
                    begin, end, row, y.data());
          StorePoints(y.data(), row, scale, factor, begin, end, labels, out);
        }
      });
}

double GaussianScale(int64_t dim) {
  return 1.0 / (1.0 + std::pow(2.0, -static_cast<double>(dim)));
}

template <typename T>
void GaussianFilter(const PermutohedralLattice& lattice,
                    const Planes<const T>& in, int64_t labels,
                    const Scaling<T>& scaling, bool reverse,
                    const Planes<T>& out) {
  const int64_t row = RowLength(labels);
  VertexRows<T> rows(lattice.num_vertices(), row);
  VertexRows<T> scratch(lattice.num_vertices(), row);
  Splat(lattice, in, labels, scaling.before, &rows);
  BlurAllAxes(lattice, reverse, &rows, &scratch);
  Slice(lattice, rows, labels, static_cast<T>(GaussianScale(lattice.dim())),
        scaling.after, out);
}

template <typename T>
void ApplyTaps(const PermutohedralLattice& lattice, int64_t support,
               const T* filter, int64_t labels_in, const VertexRows<T>& in,
               VertexRows<T>* out) {
  const auto& pairs = lattice.tap_pairs(support);
  constexpr int64_t kTile = PermutohedralLattice::TapPairs::kTile;
  const int64_t row = out->row();
  const int64_t grain = 4;
  out->Clear();
  at::parallel_for(0, pairs.tiles, grain, [&](int64_t first, int64_t last) {
    for (int64_t tile = first; tile < last; ++tile) {
      const int64_t* begin = pairs.begin.data() + tile * pairs.taps;
      T* target = out->data() + tile * kTile * row;
      for (int64_t o = 0; o < pairs.taps; ++o) {
        const int64_t count = begin[o + 1] - begin[o];
        if (count == 0) continue;
        ApplyTap(filter + o * labels_in * row, in.data(), labels_in, in.row(),
                 pairs.source.data() + begin[o], pairs.target.data() + begin[o],
                 count, row, target);
      }
    }
  });
}

template <typename T>
void AddTapGradient(const PermutohedralLattice& lattice, int64_t support,
                    const VertexRows<T>& a, int64_t labels_a,
                    const VertexRows<T>& b, double* grad) {
  const auto& pairs = lattice.tap_pairs(support);
  constexpr int64_t kTile = PermutohedralLattice::TapPairs::kTile;
  // One tap is summed by one thread, tile after tile: within a tile in T, over
  // tiles in double. Neighbours of a tile are few and near: they stay in cache
  // over the taps.
  at::parallel_for(0, pairs.taps, 4, [&](int64_t first, int64_t last) {
    for (int64_t tile = 0; tile < pairs.tiles; ++tile) {
      const int64_t* begin = pairs.begin.data() + tile * pairs.taps;
      const T* rows = a.data() + tile * kTile * a.row();
      for (int64_t o = first; o < last; ++o) {
        if (begin[o] == begin[o + 1]) continue;
        AddOuterProducts(
            rows, labels_a, a.row(), b.data(), b.row(),
            pairs.source.data() + begin[o], pairs.target.data() + begin[o],
            begin[o + 1] - begin[o], grad + o * labels_a * b.row());
      }
    }
  });
}

template <typename T>
void GaussianTapsOfOnes(const PermutohedralLattice& lattice, int64_t support,
                        T* out) {
  const at::Tensor taps = PermutohedralGaussianTaps(lattice.dim(), support);
  const std::vector<T> filter(taps.const_data_ptr<double>(),
                              taps.const_data_ptr<double>() + taps.numel());
  const std::vector<T> ones(lattice.num_points(), T(1));
  VertexRows<T> in(lattice.num_vertices(), 1);
  VertexRows<T> filtered(lattice.num_vertices(), 1);
  Splat<T>(lattice, {ones.data(), 0, 1}, 1, nullptr, &in);
  ApplyTaps(lattice, support, filter.data(), 1, in, &filtered);
  Slice<T>(lattice, filtered, 1, T(1), nullptr, {out, 0, 1});
}

#define SEG_INSTANTIATE(T)                                                     \
  template class VertexRows<T>;                                                \
  template void Splat(const PermutohedralLattice&, const Planes<const T>&,     \
                      int64_t, const T*, VertexRows<T>*);                      \
  template void BlurAllAxes(const PermutohedralLattice&, bool, VertexRows<T>*, \
                            VertexRows<T>*);                                   \
  template void Slice(const PermutohedralLattice&, const VertexRows<T>&,       \
                      int64_t, T, const T*, const Planes<T>&);                 \
  template void GaussianFilter(const PermutohedralLattice&,                    \
                               const Planes<const T>&, int64_t,                \
                               const Scaling<T>&, bool, const Planes<T>&);     \
  template void ApplyTaps(const PermutohedralLattice&, int64_t, const T*,      \
                          int64_t, const VertexRows<T>&, VertexRows<T>*);      \
  template void AddTapGradient(const PermutohedralLattice&, int64_t,           \
                               const VertexRows<T>&, int64_t,                  \
                               const VertexRows<T>&, double*);                 \
  template void GaussianTapsOfOnes(const PermutohedralLattice&, int64_t, T*);
SEG_INSTANTIATE(float)
SEG_INSTANTIATE(double)
#undef SEG_INSTANTIATE

}  // namespace permutohedral
}  // namespace seg
