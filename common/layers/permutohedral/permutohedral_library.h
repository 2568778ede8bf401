// Lattices of a batch as an object of LibTorch's dispatcher, for the operators
// that take them (torch.classes.segpapers.PermutohedralLattice in Python).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_LIBRARY_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_LIBRARY_H_

#include <torch/custom_class.h>

#include <utility>

#include "common/layers/permutohedral/lattice.h"

namespace seg {

// One lattice an image, immutable.
struct LatticeBatch : torch::CustomClassHolder {
  explicit LatticeBatch(LatticeVector lattices)
      : lattices(std::move(lattices)) {}
  const LatticeVector lattices;
};
using LatticeBatchPtr = c10::intrusive_ptr<LatticeBatch>;

// The name of the class in schemas.
#define SEG_LATTICE_TYPE \
  "__torch__.torch.classes.segpapers.PermutohedralLattice"

// Makes the class known to the dispatcher, once: before any operator that takes
// it is registered, in whatever order sources are initialised.
void RegisterLatticeBatch();

// none, symmetric, before or after.
LatticeNormalization LatticeNormalizationFromName(c10::string_view name);

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_LIBRARY_H_
