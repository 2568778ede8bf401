// The convolution without a tensor library: README.md says how to build it.
#include <cmath>
#include <cstdio>
#include <vector>

#include "common/layers/narrow_convolution/narrow_convolution_cpu.h"

int main() {
  // One image of one channel; a kernel that takes the pixel to the right, bias
  // -3, then a leaky ReLU of slope 0.5.
  seg::NarrowConvolutionSizes sizes;
  sizes.height = 2;
  sizes.width = 3;
  sizes.in = sizes.out = 1;
  const int64_t padded = seg::NarrowConvolutionPadded<float>(sizes.out);
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  const std::vector<float> weight = {0, 0, 0, 0, 0, 1, 0, 0, 0};
  std::vector<float> bias(padded), packed(9 * padded), y(6),
      scratch(seg::NarrowConvolutionScratch<float>(sizes));
  bias[0] = -3;
  seg::NarrowConvolutionPack(sizes, weight.data(), packed.data());
  const int64_t chunks = seg::NarrowConvolutionChunks<float>(sizes);
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    seg::NarrowConvolutionForward<float>(sizes, chunk, x.data(), packed.data(),
                                         bias.data(), 0.5f, y.data(),
                                         scratch.data());
  }
  const std::vector<float> expected = {-0.5f, 0, -1.5f, 2, 3, -1.5f};
  bool right = true;
  for (size_t i = 0; i < y.size(); ++i) {
    std::printf("%g ", y[i]);
    right = right && std::abs(y[i] - expected[i]) < 1e-6f;
  }
  std::printf("\n");
  return right ? 0 : 1;
}
