// The projection without a tensor library: README.md says how to build it.
#include <cmath>
#include <cstdio>
#include <vector>

#include "common/layers/simplex_projection/simplex_projection_cpu.h"

int main() {
  // Two pixels of three labels, planes: label l of pixel p at [l * 2 + p].
  const std::vector<float> x = {0.5f, -1, -0.25f, 2, 1, 0};
  std::vector<float> y(x.size());
  const seg::SimplexSizes sizes = {/*images=*/1, /*labels=*/3, /*pixels=*/2};
  seg::SimplexForward<float>(sizes, {x.data(), 6, 2, 1}, {}, /*step=*/0,
                             /*leak=*/0, {y.data(), 6, 2, 1}, 0,
                             seg::SimplexBlocks(sizes));
  const std::vector<float> expected = {0.25f, 0, 0, 1, 0.75f, 0};
  bool right = true;
  for (size_t i = 0; i < y.size(); ++i) {
    std::printf("%g ", y[i]);
    right = right && std::abs(y[i] - expected[i]) < 1e-6f;
  }
  std::printf("\n");
  return right ? 0 : 1;
}
