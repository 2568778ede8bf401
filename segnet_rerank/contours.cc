#include "segnet_rerank/contours.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "common/metrics/distance_transform.h"
#include "common/solvers/cielab.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kRows = 16;  // a piece of work

// The gradient at a pixel: squared, over L, a and b, along x and along y.
struct Gradient {
  float x = 0, y = 0;
  float squared() const { return x + y; }
};

using Colour = std::array<float, 3>;

// Sobel's operator; `a`, `b`, `c` are rows above one another, and `left` and
// `right` columns. A step of 1 has the gradient 1.
Gradient SobelAt(const Colour* a, const Colour* b, const Colour* c,
                 int64_t left, int64_t x, int64_t right) {
  Gradient gradient;
  for (size_t k = 0; k < 3; ++k) {
    const float dx = (a[right][k] - a[left][k]) +
                     2 * (b[right][k] - b[left][k]) +
                     (c[right][k] - c[left][k]);
    const float dy = (c[left][k] - a[left][k]) + 2 * (c[x][k] - a[x][k]) +
                     (c[right][k] - a[right][k]);
    gradient.x += dx * dx / 16;
    gradient.y += dy * dy / 16;
  }
  return gradient;
}

using Strengths = std::array<float, kContourThresholds>;

Strengths Thresholds() {
  Strengths thresholds;
  for (int64_t j = 0; j < kContourThresholds; ++j) {
    thresholds[j] = static_cast<float>(
        0.02 * std::pow(25.0, static_cast<double>(j) /
                                  static_cast<double>(kContourThresholds - 1)));
  }
  return thresholds;
}

uint8_t DistanceBin(int64_t squared) {
  constexpr std::array<int64_t, kDistanceBins - 1> kSquares = {1, 4, 16, 64,
                                                               256};
  uint8_t bin = 0;
  for (const int64_t square : kSquares) bin += squared > square ? 1 : 0;
  return bin;
}

// The contours of an image.
struct ContourMap {
  int64_t pixels = 0;
  // [H W, thresholds]: the bin of the distance to a contour of the threshold.
  std::vector<uint8_t> bins;
  struct Pixel {
    int64_t index = 0;   // y W + x
    int64_t levels = 0;  // thresholds that it reaches, at least one
    double strength = 0;
  };
  std::vector<Pixel> contours;
};

ContourMap MakeContourMap(const at::Tensor& contours) {
  const Strengths thresholds = Thresholds();
  const float* const strength = contours.const_data_ptr<float>();
  ContourMap map;
  map.pixels = contours.numel();
  map.bins.resize(map.pixels * kContourThresholds);
  for (int64_t i = 0; i < map.pixels; ++i) {
    const int64_t levels =
        std::upper_bound(thresholds.begin(), thresholds.end(), strength[i]) -
        thresholds.begin();
    if (levels > 0) map.contours.push_back({i, levels, strength[i]});
  }
  at::parallel_for(0, kContourThresholds, 1, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      at::Tensor mask = at::zeros(contours.sizes(), at::kBool);
      bool* const inside = mask.mutable_data_ptr<bool>();
      for (const ContourMap::Pixel& pixel : map.contours) {
        inside[pixel.index] = pixel.levels > j;
      }
      const at::Tensor distance = SquaredDistanceTransform(mask);
      const int64_t* const squared = distance.const_data_ptr<int64_t>();
      for (int64_t i = 0; i < map.pixels; ++i) {
        map.bins[i * kContourThresholds + j] = DistanceBin(squared[i]);
      }
    }
  });
  return map;
}

// The pixels with another label to the right or below, ascending.
std::vector<int64_t> BoundaryPixels(const uint8_t* labels, int64_t height,
                                    int64_t width) {
  std::vector<int64_t> boundary;
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* const row = labels + y * width;
    const uint8_t* const below = y + 1 < height ? row + width : row;
    for (int64_t x = 0; x < width; ++x) {
      const bool last = x + 1 == width;
      if (row[x] != below[x] || (!last && row[x] != row[x + 1])) {
        boundary.push_back(y * width + x);
      }
    }
  }
  return boundary;
}

void DivideBySum(double* values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += values[i];
  if (sum == 0) return;
  for (int64_t i = 0; i < count; ++i) values[i] /= sum;
}

constexpr int64_t kDirection = kContourThresholds * kDistanceBins;

// result: [direction, threshold, bin], zeros.
void Compare(const uint8_t* labels, int64_t height, int64_t width,
             const ContourMap& map, double* result) {
  const std::vector<int64_t> boundary = BoundaryPixels(labels, height, width);
  for (const int64_t i : boundary) {
    for (int64_t j = 0; j < kContourThresholds; ++j) {
      result[j * kDistanceBins + map.bins[i * kContourThresholds + j]] += 1;
    }
  }
  DivideBySum(result, kDirection);

  if (map.contours.empty()) return;
  at::Tensor mask = at::zeros({height, width}, at::kBool);
  bool* const inside = mask.mutable_data_ptr<bool>();
  for (const int64_t i : boundary) inside[i] = true;
  const at::Tensor distance = SquaredDistanceTransform(mask);
  const int64_t* const squared = distance.const_data_ptr<int64_t>();
  double* const second = result + kDirection;
  for (const ContourMap::Pixel& pixel : map.contours) {
    second[(pixel.levels - 1) * kDistanceBins +
           DistanceBin(squared[pixel.index])] += pixel.strength;
  }
  // A contour of a threshold is one of all lower ones.
  for (int64_t i = kDirection - kDistanceBins; i-- > 0;) {
    second[i] += second[i + kDistanceBins];
  }
  DivideBySum(second, kDirection);
}

}  // namespace

at::Tensor ContourStrength(const at::Tensor& image) {
  TORCH_CHECK(image.dim() == 3 && image.size(0) == 3 &&
                  image.scalar_type() == at::kByte && image.is_cpu() &&
                  image.numel() > 0,
              "ContourStrength: image must be uint8 [3,H,W] on the CPU, not "
              "empty, got ",
              image.scalar_type(), " ", image.sizes(), " on ", image.device());
  const at::Tensor planes = image.contiguous();
  const int64_t height = image.size(1), width = image.size(2);
  const uint8_t* const red = planes.const_data_ptr<uint8_t>();
  const uint8_t* const green = red + height * width;
  const uint8_t* const blue = green + height * width;
  std::vector<Colour> lab(height * width);
  at::parallel_for(0, height, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * width; i < end * width; ++i) {
      lab[i] = SrgbToLab(red[i], green[i], blue[i]);
    }
  });

  std::vector<Gradient> gradients(height * width);
  at::parallel_for(0, height, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      const Colour* const row = lab.data() + y * width;
      const Colour* const above = y > 0 ? row - width : row;
      const Colour* const below = y + 1 < height ? row + width : row;
      for (int64_t x = 0; x < width; ++x) {
        gradients[y * width + x] =
            SobelAt(above, row, below, std::max<int64_t>(x - 1, 0), x,
                    std::min(x + 1, width - 1));
      }
    }
  });

  at::Tensor result = at::zeros({height, width}, at::kFloat);
  float* const strength = result.mutable_data_ptr<float>();
  at::parallel_for(0, height, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        const int64_t i = y * width + x;
        const Gradient& own = gradients[i];
        const bool along_x = own.x >= own.y;
        const int64_t place = along_x ? x : y;
        const int64_t last = (along_x ? width : height) - 1;
        const int64_t step = along_x ? 1 : width;
        if (place > 0 && own.squared() <= gradients[i - step].squared()) {
          continue;
        }
        if (place < last && own.squared() < gradients[i + step].squared()) {
          continue;
        }
        strength[i] = std::min(1.0f, std::sqrt(own.squared()) / 100);
      }
    }
  });
  return result;
}

at::Tensor ContourAgreement(const at::Tensor& labels,
                            const at::Tensor& contours) {
  TORCH_CHECK(
      labels.dim() == 3 && labels.scalar_type() == at::kByte && labels.is_cpu(),
      "ContourAgreement: labels must be uint8 [M,H,W] on the CPU, got ",
      labels.scalar_type(), " ", labels.sizes(), " on ", labels.device());
  TORCH_CHECK(contours.dim() == 2 && contours.scalar_type() == at::kFloat &&
                  contours.is_cpu() && contours.numel() > 0 &&
                  contours.sizes() == labels.sizes().slice(1),
              "ContourAgreement: contours must be float32 [H,W] on the CPU, "
              "not empty, for labels ",
              labels.sizes(), ", got ", contours.scalar_type(), " ",
              contours.sizes(), " on ", contours.device());
  const ContourMap map = MakeContourMap(contours.contiguous());
  const at::Tensor input = labels.contiguous();
  const uint8_t* const pixels = input.const_data_ptr<uint8_t>();
  const int64_t m = input.size(0), height = input.size(1),
                width = input.size(2);
  at::Tensor result = at::zeros({m, kContourFeatures}, at::kDouble);
  double* const out = result.mutable_data_ptr<double>();
  at::parallel_for(0, m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Compare(pixels + i * height * width, height, width, map,
              out + i * kContourFeatures);
    }
  });
  return result;
}

}  // namespace segnet_rerank
}  // namespace seg
