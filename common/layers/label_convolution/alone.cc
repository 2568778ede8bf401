// The convolution without a tensor library: README.md says how to build it.
#include <cmath>
#include <cstdio>
#include <vector>

#include "common/layers/label_convolution/label_convolution_cpu.h"

int main() {
  // One image of one label in, two out; a 3 x 3 kernel that sums, and one that
  // takes the pixel to the right.
  seg::LabelConvolutionSizes sizes;
  sizes.images = sizes.in_labels = 1;
  sizes.out_labels = 2;
  sizes.height = 2;
  sizes.width = 3;
  sizes.kernel_height = sizes.kernel_width = 3;
  const std::vector<float> image = {1, 2, 3, 4, 5, 6};
  std::vector<float> weight(9 * 2), padded(sizes.padded_plane()), out(12);
  for (int tap = 0; tap < 9; ++tap) {  // [tap][label out]
    weight[2 * tap] = 1;
    weight[2 * tap + 1] = tap == 5 ? 1.0f : 0.0f;
  }
  seg::PadPlane<float>(sizes, image.data(), 3, 1, padded.data());
  seg::CorrelateRows<float>(sizes, padded.data(), weight.data(), out.data(), 0,
                            sizes.images * sizes.height);
  const std::vector<float> expected = {12, 21, 16, 12, 21, 16,
                                       2,  3,  0,  5,  6,  0};
  bool right = true;
  for (size_t i = 0; i < out.size(); ++i) {
    std::printf("%g ", out[i]);
    right = right && std::abs(out[i] - expected[i]) < 1e-6f;
  }
  std::printf("\n");
  return right ? 0 : 1;
}
