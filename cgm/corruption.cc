#include "cgm/corruption.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace seg {
namespace cgm {

at::Tensor OmittedPixels(int64_t n, int64_t height, int64_t width,
                         int64_t block, double omitted,
                         const at::Generator& generator) {
  const int64_t rows = (height + block - 1) / block;
  const int64_t columns = (width + block - 1) / block;
  const std::optional<at::Generator> source =
      generator.defined() ? std::optional<at::Generator>(generator)
                          : std::nullopt;
  const auto block_of = [block](int64_t pixels) {
    return at::arange(pixels).div(block, "floor");
  };
  return at::rand({n, rows, columns}, source)
      .lt(omitted)
      .index_select(1, block_of(height))
      .index_select(2, block_of(width));
}

at::Tensor Corrupt(const at::Tensor& images, const CorruptionConfig& config) {
  if (config.type == CorruptionType::kNone) return images;
  const int64_t n = images.size(0), height = images.size(2),
                width = images.size(3);
  if (config.type == CorruptionType::kBlocks) {
    return images.masked_fill(
        OmittedPixels(n, height, width, config.block, config.omitted)
            .to(images.device())
            .unsqueeze(1),
        0);
  }
  const double u = at::rand({}).item<double>();
  const int64_t side =
      std::min({height, width,
                static_cast<int64_t>(std::llround(static_cast<double>(height) *
                                                  u * config.max_side))});
  at::Tensor corrupted = images.clone();
  if (side == 0) return corrupted;
  const at::Tensor place = at::rand({n, 2}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    const auto start = [&](int64_t axis, int64_t size) {
      return static_cast<int64_t>(place[i][axis].item<double>() *
                                  static_cast<double>(size - side + 1));
    };
    corrupted[i]
        .narrow(1, start(0, height), side)
        .narrow(2, start(1, width), side)
        .zero_();
  }
  return corrupted;
}

}  // namespace cgm
}  // namespace seg
