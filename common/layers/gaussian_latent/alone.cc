// The operators in a program of one's own: README.md says how to build it.
#include <ATen/ATen.h>

#include <cstdio>

#include "common/layers/gaussian_latent/gaussian_latent.h"

int main() {
  const seg::DiagonalGaussian p = {at::zeros({2, 3}), at::zeros({2, 3})};
  const seg::DiagonalGaussian q = {at::ones({2, 3}), at::zeros({2, 3})};
  // Half a nat for each of three components.
  const at::Tensor kl = seg::KlDivergence(q, p);
  std::printf("%g %g\n", kl[0].item<double>(), kl[1].item<double>());
  return at::equal(kl, at::full({2}, 1.5)) ? 0 : 1;
}
