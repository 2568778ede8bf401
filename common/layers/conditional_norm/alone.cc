// The modulated norm without a tensor library: README.md says how to build it.
#include <cmath>
#include <cstdio>
#include <vector>

#include "common/layers/conditional_norm/modulated_norm_cpu.h"

int main() {
  // One image of four pixels and one channel, gamma 1 and beta 2 for all.
  const seg::ModulatedNormSizes sizes = {/*images=*/1, /*pixels=*/4,
                                         /*channels=*/1};
  const std::vector<double> x = {1, 2, 3, 6}, gamma_beta = {1, 2};
  const int64_t blocks = seg::ModulatedNormBlocks(sizes);
  std::vector<double> means(blocks), squares(blocks), y(4);
  seg::ModulatedNormStatistics<double>(sizes, x.data(), means.data(),
                                       squares.data(), 0, blocks);
  double mean = 0, square = 0;
  seg::ModulatedNormCombine<double>(sizes, means.data(), squares.data(), &mean,
                                    &square);
  const double inverse = 1 / std::sqrt(square / 4);
  const seg::ModulationView<double> modulation = {gamma_beta.data(), 2, 0, 1};
  double* const to = y.data();
  seg::ModulatedNormForward<double>(sizes, x.data(), &mean, &inverse, 1,
                                    &modulation, &to, 0, blocks);
  bool right = mean == 3 && square == 14;
  for (size_t i = 0; i < y.size(); ++i) {
    std::printf("%g ", y[i]);
    right = right && std::abs(y[i] - (2 * (x[i] - 3) * inverse + 2)) < 1e-12;
  }
  std::printf("\n");
  return right ? 0 : 1;
}
