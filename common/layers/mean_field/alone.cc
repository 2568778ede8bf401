// Mean field in a program of one's own: README.md says how to build it.
#include <ATen/ATen.h>

#include <cstdio>

#include "common/layers/mean_field/mean_field.h"

int main() {
  const at::Tensor image = at::rand({1, 3, 12, 16}) * 255;
  const at::Tensor unary = at::rand({1, 4, 12, 16});
  const at::Tensor q = seg::MeanField(unary, image);
  const double error = (q.sum(1) - 1).abs().max().item<double>();
  std::printf("sums are 1 up to %g\n", error);
  return error < 1e-5 ? 0 : 1;
}
