// The operator in a program of one's own: README.md says how to build it.
#include <ATen/ATen.h>

#include <cstdio>

#include "common/layers/zero_unpool/zero_unpool.h"

int main() {
  const at::Tensor x = at::rand({1, 3, 4, 5});
  const at::Tensor weight = at::rand({2, 3, 3, 3});
  const at::Tensor y = seg::ZeroUnpoolConvolution(x, weight, at::Tensor());
  const at::Tensor plain = at::conv2d(seg::ZeroUnpool2d(x), weight, {}, 1, 1);
  const double error = (y - plain).abs().max().item<double>();
  std::printf("error %g\n", error);
  return y.sizes() == plain.sizes() && error < 1e-5 ? 0 : 1;
}
