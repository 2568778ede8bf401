#include "common/metrics/boundary_band.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace seg {
namespace {

// For each pixel the distance along its column to the nearest pixel with
// another label, or `far` where that is at least `far`.
template <typename T>
std::vector<int32_t> ColumnRuns(const T* labels, int64_t height, int64_t width,
                                int32_t far) {
  std::vector<int32_t> runs(height * width, far);
  for (int64_t y = 1; y < height; ++y) {  // upwards
    const T* here = labels + y * width;
    const T* above = here - width;
    int32_t* run = runs.data() + y * width;
    const int32_t* run_above = run - width;
    for (int64_t x = 0; x < width; ++x) {
      run[x] = here[x] != above[x] ? 1 : std::min(run_above[x] + 1, far);
    }
  }
  // Downwards: from here on `down` is that of the row below.
  std::vector<int32_t> down(width, far);
  for (int64_t y = height - 2; y >= 0; --y) {
    const T* here = labels + y * width;
    const T* below = here + width;
    int32_t* run = runs.data() + y * width;
    for (int64_t x = 0; x < width; ++x) {
      down[x] = here[x] != below[x] ? 1 : std::min(down[x] + 1, far);
      run[x] = std::min(run[x], down[x]);
    }
  }
  return runs;
}

// Squared distance of pixel x of a row to the nearest pixel with another label,
// or `none` where that is at least `none`.
template <typename T>
int64_t Nearest(const T* labels, const int32_t* runs, int64_t width, int64_t x,
                int64_t none) {
  const auto column = [&](int64_t u) -> int64_t {
    return labels[u] != labels[x] ? 0 : int64_t{runs[u]} * runs[u];
  };
  int64_t best = std::min(none, column(x));
  for (int64_t d = 1; d * d < best; ++d) {
    if (x >= d) best = std::min(best, d * d + column(x - d));
    if (x + d < width) best = std::min(best, d * d + column(x + d));
  }
  return best;
}

template <typename T>
BoundaryBand Find(const T* labels, int64_t height, int64_t width, double radius,
                  int64_t ignore_label) {
  // No distance is greater than height + width.
  const int64_t reach = static_cast<int64_t>(
      std::min(std::floor(radius), static_cast<double>(height + width)));
  // The least squared distance outside the band.
  const int64_t none = static_cast<int64_t>(
      std::min(std::floor(radius * radius) + 1,
               static_cast<double>((reach + 1) * (reach + 1))));
  const std::vector<int32_t> runs =
      ColumnRuns(labels, height, width, static_cast<int32_t>(reach + 1));
  BoundaryBand band;
  for (int64_t y = 0; y < height; ++y) {
    const T* row = labels + y * width;
    const int32_t* run = runs.data() + y * width;
    int64_t done = 0;  // the pixels before it have been looked at
    for (int64_t x = 0; x < width; ++x) {
      // A pixel in the band has such a pixel at most `reach` beside it.
      if (run[x] > reach && (x == 0 || row[x] == row[x - 1])) continue;
      const int64_t end = std::min(width, x + reach + 1);
      for (int64_t u = std::max(done, x - reach); u < end; ++u) {
        if (static_cast<int64_t>(row[u]) == ignore_label) continue;
        const int64_t distance = Nearest(row, run, width, u, none);
        if (distance >= none) continue;
        band.pixels.push_back(y * width + u);
        band.squared_distances.push_back(distance);
      }
      done = std::max(done, end);
    }
  }
  return band;
}

}  // namespace

BoundaryBand FindBoundaryBand(const at::Tensor& target, double radius,
                              int64_t ignore_label) {
  TORCH_CHECK(target.dim() == 2 && target.is_cpu() && target.is_contiguous() &&
                  (target.scalar_type() == at::kByte ||
                   target.scalar_type() == at::kLong),
              "FindBoundaryBand: target must be contiguous uint8 or int64 "
              "[H,W] on the CPU, got ",
              target.toString(), " ", target.sizes());
  TORCH_CHECK(radius > 0, "FindBoundaryBand: radius must be positive, got ",
              radius);
  const int64_t height = target.size(0), width = target.size(1);
  if (target.scalar_type() == at::kByte) {
    return Find(target.const_data_ptr<uint8_t>(), height, width, radius,
                ignore_label);
  }
  return Find(target.const_data_ptr<int64_t>(), height, width, radius,
              ignore_label);
}

}  // namespace seg
