// The permutohedral lattice of one image: where each data point lies in the
// tessellation of A*_d by simplices, and which lattice vertices are neighbours.
// It depends on the features only, so it is built once an image and shared (by
// shared_ptr, const, thread safe) over iterations, label pairs and the backward
// pass. The filters that use it are in permutohedral.h.
//
// A point f in R^d is scaled and elevated to the plane sum(y) = 0 of R^{d+1} so
// that the blur [1/2 1 1/2] along the d+1 axes has about unit variance in the
// units of f; it is then expressed by barycentric weights over the d+1 vertices
// of its simplex. (Adams, Baek and Davis 2010; Kraehenbuehl and Koltun 2011.)
//
// Neighbours are found by looking the key of each offset up in the hash table,
// never by walking over intermediate vertices, so that `b is the neighbour of a
// at offset n` and `a is the neighbour of b at offset -n` always hold together
// and a symmetric filter gives a symmetric operator.
//
// Build: O(P d^2) for P points, plus one look-up for each new (point, vertex).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "c10/util/intrusive_ptr.h"
#include "common/layers/permutohedral/buffer.h"

namespace seg {

// Which diagonal scaling surrounds the Gaussian or learned filter K. With
// G1 = (fixed Gaussian filter of ones) and eps = 1e-20 (densecrf):
enum class LatticeNormalization {
  kNone,       // K x
  kSymmetric,  // n K n x,  n_i = 1 / sqrt(G1_i + eps)
  kBefore,     // K n x,    n_i = 1 / (G1_i + eps)
  kAfter,      // n K x,    n_i = 1 / (G1_i + eps)
};

class LatticeData;

class PermutohedralLattice {
 public:
  // Neighbours one unit step away along each of the d+1 axes: row k*M + v holds
  // {v - step k, v + step k}; a missing neighbour is M (a row of zeros there).
  struct AxisNeighbors {
    std::vector<int32_t> pairs;  // [d+1, M, 2]
  };

  // Transposed splat matrix: the points of each vertex, in point order.
  struct PointLists {
    std::vector<int32_t> begin;  // [M+1], into the two below
    std::vector<int32_t> point;
    std::vector<int32_t> slot;  // index into vertices() and weights()
  };

  // Existing neighbours of the support of size s as a rule book: for the tile t
  // of kTile consecutive vertices and tap o, entries begin[t * taps + o] ..
  // begin[t * taps + o + 1] say that vertex t * kTile + target has the
  // neighbour `source` at offset o.
  struct TapPairs {
    static constexpr int64_t kTile = 64;
    int64_t taps = 0;
    int64_t tiles = 0;
    std::vector<int64_t> begin;  // [tiles * taps + 1]
    std::vector<int32_t> source;
    std::vector<uint8_t> target;
  };

  // How vertex keys are stored. kAuto packs a key in one 64-bit word when d and
  // the range of the coordinates allow it and else falls back to kWide.
  enum class Keys { kAuto, kPacked, kWide };

  // features: [P,d] float32 or float64, any strides, d >= 1, P >= 0; no
  // gradient flows to them. Rank and rounding decisions are discontinuous in
  // the features: they are made in the features' own precision (in float64
  // where a float32 coordinate is beyond 2^12 unit cells) with the operation
  // order of densecrf; ties go to the lower axis. Throws (TORCH_CHECK) on
  // non-finite features and on coordinates beyond 2^22 unit cells, and for
  // Keys::kPacked when they do not fit.
  //
  // Features on a GPU (with --config=cuda) give a lattice there, with the same
  // simplices: for the filters on values of that GPU, not for the functions
  // below that give host memory, which throw. d <= 16, P >= 1; keys of more
  // than 63 bits are refused.
  static std::shared_ptr<const PermutohedralLattice> Build(
      const at::Tensor& features, Keys keys = Keys::kAuto);

  // One lattice an image for features [N,P,d]. On a GPU they are built and
  // filtered at once; use them together and in order for the filters' speed.
  static std::vector<std::shared_ptr<const PermutohedralLattice>> BuildBatch(
      const at::Tensor& features);

  // The lattice of `image` of a batch on a device (internal).
  PermutohedralLattice(c10::intrusive_ptr<const LatticeData> data,
                       int64_t image);

  ~PermutohedralLattice();
  PermutohedralLattice(const PermutohedralLattice&) = delete;
  PermutohedralLattice& operator=(const PermutohedralLattice&) = delete;

  int64_t num_points() const { return num_points_; }
  int64_t dim() const { return dim_; }
  int64_t num_vertices() const {
    return data_ == nullptr ? num_vertices_ : DeviceVertices();
  }
  bool packed_keys() const { return packed_; }

  // Null on the CPU; else the lattices of a batch, of which this is the one of
  // image().
  const LatticeData* data() const { return data_.get(); }
  int64_t image() const { return image_; }
  // That image's lattice by itself.
  const LatticeData& own_data() const;

  // [P,d+1]: vertex of remainder r of the simplex of each point. Vertices are
  // numbered as blocks of points first touch them: near points, near numbers.
  const int32_t* vertices() const { return vertices_.data(); }
  // [P,d+1] barycentric weights (T = float or double). Sum 1; below 0 by no
  // more than rounding, which grows with the coordinates: -1e-4 for float32
  // features (at 2^12 cells; typically -1e-7), -1e-8 for float64 ones (at 2^22
  // cells).
  template <typename T>
  const T* weights() const;

  // The d+1 integer coordinates (sum 0) of a vertex.
  std::vector<int64_t> VertexCoordinates(int64_t vertex) const;

  // Dense neighbour table [taps,M] in the order of PermutohedralOffsets(d, s);
  // -1 where no vertex exists. Not cached: O(taps M) look-ups, half of them
  // saved by symmetry.
  std::vector<int32_t> FindNeighbors(int64_t support) const;

  // Lazily computed and kept, thread safe.
  const AxisNeighbors& axis_neighbors() const;
  const PointLists& point_lists() const;
  const TapPairs& tap_pairs(int64_t support) const;

  // The scaling n (or 1 / G1 for kBefore and kAfter) of each point, [P].
  // support = 0: of the separable Gaussian; support >= 1: of the direct
  // Gaussian taps of that support. Lazily computed and kept, thread safe. T =
  // float or double; nullptr for kNone.
  template <typename T>
  const T* Normalizer(LatticeNormalization normalization,
                      int64_t support) const;

  // Opaque storage of the keys and the hash table.
  class KeyTable;

 private:
  PermutohedralLattice();
  int64_t DeviceVertices() const;
  void CheckOnHost(const char* what) const;

  c10::intrusive_ptr<const LatticeData> data_;
  int64_t image_ = 0;
  int64_t num_points_ = 0;
  int64_t dim_ = 0;
  int64_t num_vertices_ = 0;
  bool packed_ = true;
  permutohedral::Buffer<int32_t> vertices_;
  mutable permutohedral::Buffer<float> weights_float_;
  mutable permutohedral::Buffer<double> weights_double_;
  std::unique_ptr<KeyTable> keys_;

  mutable std::recursive_mutex mutex_;
  mutable std::unique_ptr<AxisNeighbors> axis_neighbors_;
  mutable std::unique_ptr<PointLists> point_lists_;
  mutable std::map<int64_t, std::unique_ptr<TapPairs>> tap_pairs_;
  mutable std::map<std::pair<bool, int64_t>, std::vector<float>> norm_float_;
  mutable std::map<std::pair<bool, int64_t>, std::vector<double>> norm_double_;
};

template <>
const float* PermutohedralLattice::weights<float>() const;
template <>
const double* PermutohedralLattice::weights<double>() const;

using LatticePtr = std::shared_ptr<const PermutohedralLattice>;
using LatticeVector = std::vector<LatticePtr>;  // one lattice an image

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_H_
