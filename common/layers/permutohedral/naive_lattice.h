// The permutohedral lattice as the textbook has it, for tests: scalar double,
// keys as vectors in a std::map, operators as dense matrices. Shares no code
// with the fast one.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_NAIVE_LATTICE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_NAIVE_LATTICE_H_

#include <cstdint>
#include <map>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

class NaiveLattice {
 public:
  using Key = std::vector<int64_t>;  // d+1 coordinates

  explicit NaiveLattice(const at::Tensor& features);  // [P,d]

  int64_t num_vertices() const { return static_cast<int64_t>(keys_.size()); }
  const std::vector<Key>& keys() const { return keys_; }
  int64_t IndexOf(const Key& key) const { return index_.at(key); }
  const at::Tensor& splat() const { return splat_; }  // B^T, [M,P] double

  // Neighbour of each vertex at an offset tuple n (-1: none).
  std::vector<int64_t> Neighbors(const Key& n) const;
  // The same by walking n_0 steps along axis 0, then n_1 along axis 1, ...,
  // where every vertex on the way must exist: what a direct look-up avoids.
  std::vector<int64_t> WalkedNeighbors(const Key& n) const;

  // [P L_out, P L_in] matrix B C_F B^T of a learnable filter, point-major rows
  // (p * L + l). filter: [L_out,L_in,taps] over all offsets of the support.
  at::Tensor TapOperator(const at::Tensor& filter, int64_t support,
                         bool walked = false) const;
  // [P,P] matrix of the separable blur with densecrf's factor.
  at::Tensor GaussianOperator(bool reverse = false) const;

 private:
  int64_t dim_;
  std::map<Key, int64_t> index_;
  std::vector<Key> keys_;
  at::Tensor splat_;
};

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_NAIVE_LATTICE_H_
