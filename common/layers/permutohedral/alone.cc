// The filter in a program of one's own: README.md says how to build it.
#include <ATen/ATen.h>

#include <cstdio>

#include "common/layers/permutohedral/permutohedral.h"

int main() {
  const at::Tensor image = at::rand({1, 3, 12, 16}) * 255;
  const seg::LatticeVector lattices =
      seg::BuildBilateralLattices(image, /*theta_position=*/4,
                                  /*theta_colour=*/40);
  const at::Tensor values = at::rand({1, 2, 12, 16}).set_requires_grad(true);
  const at::Tensor filtered = seg::PermutohedralGaussian(
      values, lattices, seg::LatticeNormalization::kAfter);
  filtered.sum().backward();
  // Normalised after: a weighted mean of the values.
  const double lowest = filtered.min().item<double>();
  const double highest = filtered.max().item<double>();
  std::printf("%g to %g\n", lowest, highest);
  return lowest > 0 && highest < 1 && values.grad().defined() ? 0 : 1;
}
