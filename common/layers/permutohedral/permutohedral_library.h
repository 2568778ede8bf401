// Lattices of a batch as an object of LibTorch's dispatcher, for the operators
// that take them (torch.classes.segpapers.PermutohedralLattice in Python).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_LIBRARY_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_PERMUTOHEDRAL_LIBRARY_H_

#include <torch/custom_class.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "common/layers/permutohedral/lattice.h"

namespace seg {

// How lattices were made, and can be again: what is pickled and copied. A
// lattice is a function of it, bit for bit.
struct LatticeRecipe {
  enum Kind : int64_t { kBilateral, kSpatial, kFeatures };
  int64_t kind = kFeatures;
  at::Tensor tensor;            // images or features, a copy; kSpatial: empty,
                                // on the lattices' device
  std::vector<double> numbers;  // kBilateral: two thetas; kSpatial: images,
                                // height, width, theta
};

// One lattice an image, immutable.
struct LatticeBatch : torch::CustomClassHolder {
  LatticeBatch(LatticeVector lattices, LatticeRecipe recipe)
      : lattices(std::move(lattices)), recipe(std::move(recipe)) {}
  const LatticeVector lattices;
  const LatticeRecipe recipe;
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
