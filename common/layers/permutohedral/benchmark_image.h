// Pictures for benchmarks: the sparsity of a lattice, and so every time,
// depends on smooth areas, edges, texture and noise.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_BENCHMARK_IMAGE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_BENCHMARK_IMAGE_H_

#include <cmath>
#include <cstdlib>
#include <string>

#include "ATen/ATen.h"
#include "common/io/image.h"

namespace seg {

// [3,H,W] uint8. A synthetic scene of textured discs on a smooth ground with
// sensor noise, or, when the environment variable SEG_BENCHMARK_IMAGE names a
// picture, that one resized.
inline at::Tensor BenchmarkImage(int64_t height, int64_t width) {
  if (const char* path = std::getenv("SEG_BENCHMARK_IMAGE")) {
    const auto image = ReadImage(path);
    TORCH_CHECK(image.ok(), image.status().ToString());
    return at::upsample_bilinear2d(image->to(at::kFloat).unsqueeze(0),
                                   {height, width}, false)
        .squeeze(0)
        .round()
        .to(at::kByte);
  }
  at::manual_seed(1);
  const double scale = 1.0 / static_cast<double>(std::max(height, width));
  const at::Tensor y = at::arange(height).view({-1, 1}) * scale;
  const at::Tensor x = at::arange(width).view({1, -1}) * scale;
  const at::Tensor phase = at::arange(3).view({3, 1, 1});
  at::Tensor image =
      90 + 60 * (at::sin(5 * x + phase) * at::cos(4 * y - phase));
  for (int i = 0; i < 12; ++i) {
    const at::Tensor u = at::rand({5});
    const at::Tensor inside = (y - u[0]).square() + (x - u[1]).square() <
                              (0.05 + 0.2 * u[2]).square();
    const at::Tensor stripes =
        18 * at::sin((20 + 100 * u[3]) * (x + (2 * u[4] - 1) * y));
    const at::Tensor colour = 20 + 215 * at::rand({3, 1, 1});
    image = at::where(inside, colour + stripes, image);
  }
  image = image + 4 * at::randn({3, height, width});
  return image.clamp(0, 255).round().to(at::kByte);
}

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_BENCHMARK_IMAGE_H_
