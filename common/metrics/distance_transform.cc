#include "common/metrics/distance_transform.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace seg {

at::Tensor SquaredDistanceTransform(const at::Tensor& sources) {
  TORCH_CHECK(sources.dim() == 2 && sources.scalar_type() == at::kBool,
              "SquaredDistanceTransform: sources must be bool [H, W], got ",
              sources.scalar_type(), " ", sources.sizes());
  const at::Tensor input = sources.cpu().contiguous();
  const bool* source = input.const_data_ptr<bool>();
  const int64_t height = input.size(0), width = input.size(1);
  at::Tensor result = at::empty({height, width}, at::kLong);
  int64_t* out = result.mutable_data_ptr<int64_t>();

  // Distance along the column, in `out`. `far` is more than any distance.
  const int64_t far = height + width;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t i = y * width + x;
      out[i] = source[i] ? 0 : y == 0 ? far : std::min(far, out[i - width] + 1);
    }
  }
  for (int64_t y = height - 2; y >= 0; --y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t i = y * width + x;
      out[i] = std::min(out[i], out[i + width] + 1);
    }
  }

  // Along each row: lower envelope of the parabolas (x - s)^2 + g(s)^2.
  std::vector<int64_t> g(width), site(width), start(width);
  for (int64_t y = 0; y < height; ++y) {
    int64_t* row = out + y * width;
    std::copy(row, row + width, g.begin());
    const auto value = [&g](int64_t x, int64_t s) {
      return (x - s) * (x - s) + g[s] * g[s];
    };
    int64_t top = -1;
    for (int64_t u = 0; u < width; ++u) {
      if (g[u] >= far) continue;  // no source in this column
      while (top >= 0 && value(start[top], site[top]) > value(start[top], u)) {
        --top;
      }
      if (top < 0) {
        top = 0;
        site[0] = u;
        start[0] = 0;
        continue;
      }
      // First x where u is closer than the site at the top. The numerator is
      // not negative: u would have replaced the site otherwise.
      const int64_t s = site[top];
      const int64_t first =
          (u * u - s * s + g[u] * g[u] - g[s] * g[s]) / (2 * (u - s)) + 1;
      if (first < width) {
        ++top;
        site[top] = u;
        start[top] = first;
      }
    }
    for (int64_t x = width - 1; x >= 0; --x) {
      if (top < 0) {
        row[x] = kNoSource;
        continue;
      }
      row[x] = value(x, site[top]);
      if (x == start[top]) --top;
    }
  }
  return result;
}

}  // namespace seg
