#include "common/datasets/colour.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace seg {
namespace {

constexpr int kColourBits = 12;  // of the matrix

// The colour matrix of a draw in fixed point: out = m in + offset.
struct ColourMap {
  int32_t m[3][3];
  int32_t offset;
};

ColourMap MakeColourMap(const ColourChange& d, double mean_grey) {
  constexpr double kLuma[3] = {0.299, 0.587, 0.114};
  // Rows of RGB -> YIQ and of its inverse (NTSC, FCC 1953).
  constexpr double kToYiq[3][3] = {{0.299, 0.587, 0.114},
                                   {0.595716, -0.274453, -0.321263},
                                   {0.211456, -0.522591, 0.311135}};
  constexpr double kToRgb[3][3] = {
      {1.0, 0.9563, 0.6210}, {1.0, -0.2721, -0.6474}, {1.0, -1.1070, 1.7046}};
  const double gain = d.brightness * d.contrast;
  double m[3][3];  // brightness, contrast and saturation
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      m[i][j] = gain * ((i == j ? d.saturation : 0.0) +
                        (1.0 - d.saturation) * kLuma[j]);
    }
  }
  if (d.hue != 0.0) {
    const double c = std::cos(d.hue);
    const double s = std::sin(d.hue);
    double turned[3][3];
    for (int j = 0; j < 3; ++j) {
      double yiq[3] = {0, 0, 0};
      for (int i = 0; i < 3; ++i) {
        for (int k = 0; k < 3; ++k) yiq[i] += kToYiq[i][k] * m[k][j];
      }
      const double q[3] = {yiq[0], c * yiq[1] - s * yiq[2],
                           s * yiq[1] + c * yiq[2]};
      for (int i = 0; i < 3; ++i) {
        turned[i][j] = 0;
        for (int k = 0; k < 3; ++k) turned[i][j] += kToRgb[i][k] * q[k];
      }
    }
    std::memcpy(m, turned, sizeof(m));
  }
  ColourMap map;
  constexpr double kOne = 1 << kColourBits;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      map.m[i][j] = static_cast<int32_t>(std::lround(m[i][j] * kOne));
    }
  }
  // The grey point of the contrast step, seen after brightness.
  map.offset = static_cast<int32_t>(std::lround(
      ((1.0 - d.contrast) * d.brightness * mean_grey + 0.5) * kOne));
  return map;
}

}  // namespace

void ChangeColours(const ColourChange& d, const std::vector<uint8_t>& inside,
                   uint8_t* rgb) {
  const int64_t n = static_cast<int64_t>(inside.size());
  uint8_t* r = rgb;
  uint8_t* g = rgb + n;
  uint8_t* b = rgb + 2 * n;
  int64_t count = 0;
  int64_t sum[3] = {0, 0, 0};
  for (int64_t i = 0; i < n; ++i) {
    count += inside[i];
    sum[0] += inside[i] * r[i];
    sum[1] += inside[i] * g[i];
    sum[2] += inside[i] * b[i];
  }
  if (count == 0) return;
  const double grey = (0.299 * sum[0] + 0.587 * sum[1] + 0.114 * sum[2]) /
                      static_cast<double>(count);
  const ColourMap map = MakeColourMap(d, grey);
  const auto apply = [&](const int32_t* row, int32_t x, int32_t y, int32_t z) {
    const int32_t v =
        (row[0] * x + row[1] * y + row[2] * z + map.offset) >> kColourBits;
    return static_cast<uint8_t>(std::clamp(v, 0, 255));
  };
  for (int64_t i = 0; i < n; ++i) {
    const int32_t x = r[i];
    const int32_t y = g[i];
    const int32_t z = b[i];
    const bool in = inside[i] != 0;
    r[i] = in ? apply(map.m[0], x, y, z) : r[i];
    g[i] = in ? apply(map.m[1], x, y, z) : g[i];
    b[i] = in ? apply(map.m[2], x, y, z) : b[i];
  }
}

}  // namespace seg
