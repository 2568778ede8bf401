#include "common/datasets/transforms.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ATen/ATen.h"

namespace seg {
namespace {

constexpr int kPrecisionBits = 22;  // 32 - 8 - 2, as in Pillow's Resample.c

// Filter taps of one axis: output i is the sum over k of
// weights[i * width + k] * source[first[i] + k].
struct Taps {
  int64_t width = 0;
  std::vector<int64_t> first;
  std::vector<int64_t> count;
  std::vector<int32_t> weights;
};

Taps TriangleTaps(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  Taps taps;
  taps.width = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.weights.assign(out * taps.width, 0);
  std::vector<double> w(taps.width);
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int64_t low =
        std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    const int64_t high =
        std::min<int64_t>(in, static_cast<int64_t>(centre + support + 0.5));
    double sum = 0.0;
    for (int64_t k = 0; k < high - low; ++k) {
      const double x = std::abs((k + low - centre + 0.5) * (1.0 / support));
      w[k] = std::max(0.0, 1.0 - x);
      sum += w[k];
    }
    taps.first.push_back(low);
    taps.count.push_back(high - low);
    for (int64_t k = 0; k < high - low; ++k) {
      taps.weights[i * taps.width + k] = static_cast<int32_t>(
          0.5 + w[k] / sum * static_cast<double>(1 << kPrecisionBits));
    }
  }
  return taps;
}

uint8_t Round(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

// source: `rows` rows of `in` pixels -> `rows` rows of `out` pixels.
void ResampleRows(const uint8_t* source, int64_t rows, int64_t in, int64_t out,
                  uint8_t* target) {
  const Taps taps = TriangleTaps(in, out);
  for (int64_t y = 0; y < rows; ++y, source += in, target += out) {
    for (int64_t x = 0; x < out; ++x) {
      const int32_t* w = taps.weights.data() + x * taps.width;
      const uint8_t* p = source + taps.first[x];
      int32_t sum = kHalf;
      for (int64_t k = 0; k < taps.count[x]; ++k) sum += w[k] * p[k];
      target[x] = Round(sum);
    }
  }
}

// source: [in, width] -> target: [out, width].
void ResampleColumns(const uint8_t* source, int64_t in, int64_t out,
                     int64_t width, uint8_t* target) {
  const Taps taps = TriangleTaps(in, out);
  std::vector<int32_t> sum(width);
  for (int64_t y = 0; y < out; ++y, target += width) {
    std::fill(sum.begin(), sum.end(), kHalf);
    for (int64_t k = 0; k < taps.count[y]; ++k) {
      const int32_t w = taps.weights[y * taps.width + k];
      const uint8_t* row = source + (taps.first[y] + k) * width;
      for (int64_t x = 0; x < width; ++x) sum[x] += w * row[x];
    }
    for (int64_t x = 0; x < width; ++x) target[x] = Round(sum[x]);
  }
}

void CheckByte(const char* name, const at::Tensor& t, int64_t dim) {
  TORCH_CHECK(t.defined() && t.scalar_type() == at::kByte && t.dim() == dim &&
                  t.device().is_cpu() && t.numel() > 0,
              name, ": argument must be a non-empty uint8 CPU tensor of ", dim,
              " axes, got ",
              t.defined() ? c10::toString(t.scalar_type()) : "undefined", " ",
              t.defined() ? t.sizes() : at::IntArrayRef());
}

}  // namespace

at::Tensor ResizeImage(const at::Tensor& image, int64_t height, int64_t width) {
  CheckByte("ResizeImage", image, 3);
  TORCH_CHECK(height > 0 && width > 0,
              "ResizeImage: size must be positive, got ", height, " x ", width);
  at::Tensor current = image.contiguous();
  const int64_t channels = current.size(0);
  if (current.size(2) != width) {
    const int64_t rows = channels * current.size(1);
    at::Tensor next = at::empty({channels, current.size(1), width}, at::kByte);
    ResampleRows(current.data_ptr<uint8_t>(), rows, current.size(2), width,
                 next.data_ptr<uint8_t>());
    current = next;
  }
  if (current.size(1) != height) {
    at::Tensor next = at::empty({channels, height, width}, at::kByte);
    for (int64_t c = 0; c < channels; ++c) {
      ResampleColumns(current.data_ptr<uint8_t>() + c * current.size(1) * width,
                      current.size(1), height, width,
                      next.data_ptr<uint8_t>() + c * height * width);
    }
    current = next;
  }
  return current;
}

at::Tensor ResizeMask(const at::Tensor& mask, int64_t height, int64_t width) {
  CheckByte("ResizeMask", mask, 2);
  TORCH_CHECK(height > 0 && width > 0,
              "ResizeMask: size must be positive, got ", height, " x ", width);
  const at::Tensor source = mask.contiguous();
  const int64_t in_height = source.size(0);
  const int64_t in_width = source.size(1);
  if (in_height == height && in_width == width) return source;
  std::vector<int64_t> column(width);
  // floor((x + 1/2) in / out), in integers.
  for (int64_t x = 0; x < width; ++x) {
    column[x] = (2 * x + 1) * in_width / (2 * width);
  }
  at::Tensor out = at::empty({height, width}, at::kByte);
  uint8_t* target = out.data_ptr<uint8_t>();
  for (int64_t y = 0; y < height; ++y, target += width) {
    const uint8_t* row = source.data_ptr<uint8_t>() +
                         (2 * y + 1) * in_height / (2 * height) * in_width;
    for (int64_t x = 0; x < width; ++x) target[x] = row[column[x]];
  }
  return out;
}

Affine Affine::Inverse() const {
  const double determinant = xx * yy - xy * yx;
  Affine out;
  out.xx = yy / determinant;
  out.xy = -xy / determinant;
  out.yx = -yx / determinant;
  out.yy = xx / determinant;
  out.x0 = -(out.xx * x0 + out.xy * y0);
  out.y0 = -(out.yx * x0 + out.yy * y0);
  return out;
}

at::Tensor MovePoints(const at::Tensor& points, const Affine& map,
                      int64_t height, int64_t width) {
  if (!points.defined()) return points;
  TORCH_CHECK(points.dim() == 2 && points.size(1) == 3 &&
                  points.scalar_type() == at::kFloat,
              "MovePoints: points must be float32 [P,3], got ",
              points.scalar_type(), " ", points.sizes());
  at::Tensor out = points.contiguous().clone();
  float* p = out.data_ptr<float>();
  for (int64_t i = 0; i < out.size(0); ++i, p += 3) {
    const double x = map.xx * p[0] + map.xy * p[1] + map.x0;
    const double y = map.yx * p[0] + map.yy * p[1] + map.y0;
    const bool inside = x >= -0.5 && y >= -0.5 &&
                        x < static_cast<double>(width) - 0.5 &&
                        y < static_cast<double>(height) - 0.5;
    p[0] = static_cast<float>(x);
    p[1] = static_cast<float>(y);
    if (!inside) p[2] = 0.0f;
  }
  return out;
}

at::Tensor SwapPoints(const at::Tensor& points,
                      const std::vector<std::pair<int64_t, int64_t>>& pairs) {
  if (!points.defined() || pairs.empty()) return points;
  at::Tensor out = points.contiguous().clone();
  const int64_t count = out.size(0);
  float* p = out.data_ptr<float>();
  for (const auto& [a, b] : pairs) {
    TORCH_CHECK(a >= 0 && a < count && b >= 0 && b < count,
                "SwapPoints: a pair must name two of ", count, " points, got ",
                a, " and ", b);
    std::swap_ranges(p + 3 * a, p + 3 * a + 3, p + 3 * b);
  }
  return out;
}

Sample ResizeSample(const Sample& sample, int64_t height, int64_t width) {
  Sample out = sample;
  out.image = ResizeImage(sample.image, height, width);
  if (sample.mask.defined()) {
    out.mask = ResizeMask(sample.mask, height, width);
  }
  if (sample.probabilities.defined()) {
    out.probabilities =
        at::_upsample_bilinear2d_aa(sample.probabilities.unsqueeze(0),
                                    {height, width}, /*align_corners=*/false)
            .squeeze(0);
  }
  const double sx =
      static_cast<double>(width) / static_cast<double>(sample.image.size(2));
  const double sy =
      static_cast<double>(height) / static_cast<double>(sample.image.size(1));
  Affine map;
  map.xx = sx;
  map.x0 = 0.5 * sx - 0.5;
  map.yy = sy;
  map.y0 = 0.5 * sy - 0.5;
  out.points = MovePoints(sample.points, map, height, width);
  return out;
}

std::array<uint8_t, 256> FlipTable(
    const std::vector<std::pair<int64_t, int64_t>>& flip_pairs) {
  std::array<uint8_t, 256> table;
  for (int i = 0; i < 256; ++i) table[i] = static_cast<uint8_t>(i);
  for (const auto& [a, b] : flip_pairs) {
    TORCH_CHECK(a >= 0 && a < 256 && b >= 0 && b < 256,
                "FlipTable: class ids must be 0..255, got ", a, " and ", b);
    table[a] = static_cast<uint8_t>(b);
    table[b] = static_cast<uint8_t>(a);
  }
  return table;
}

at::Tensor FlippedClasses(
    int64_t classes,
    const std::vector<std::pair<int64_t, int64_t>>& flip_pairs) {
  const std::array<uint8_t, 256> table = FlipTable(flip_pairs);
  return at::tensor(at::ArrayRef<uint8_t>(table).slice(0, classes), at::kLong);
}

Sample FlipSample(
    const Sample& sample,
    const std::vector<std::pair<int64_t, int64_t>>& flip_pairs,
    const std::vector<std::pair<int64_t, int64_t>>& point_flip_pairs) {
  Sample out = sample;
  const int64_t width = sample.image.size(2);
  Affine mirror;
  mirror.xx = -1.0;
  mirror.x0 = static_cast<double>(width - 1);
  out.points =
      SwapPoints(MovePoints(sample.points, mirror, sample.image.size(1), width),
                 point_flip_pairs);
  out.image = sample.image.flip({2});
  if (sample.mask.defined()) {
    out.mask = sample.mask.flip({1});
    const std::array<uint8_t, 256> table = FlipTable(flip_pairs);
    uint8_t* p = out.mask.data_ptr<uint8_t>();
    for (int64_t i = 0; i < out.mask.numel(); ++i) p[i] = table[p[i]];
  }
  if (sample.probabilities.defined()) {
    out.probabilities = sample.probabilities.flip({2}).index_select(
        0, FlippedClasses(sample.probabilities.size(0), flip_pairs));
  }
  return out;
}

at::Tensor Normalize(const at::Tensor& images,
                     const std::array<double, 3>& mean,
                     const std::array<double, 3>& std) {
  TORCH_CHECK(images.is_floating_point() &&
                  (images.dim() == 3 || images.dim() == 4) &&
                  images.size(-3) == 3,
              "Normalize: images must be float [N,3,H,W] or [3,H,W], got ",
              images.scalar_type(), " ", images.sizes());
  const auto column = [&](const std::array<double, 3>& v) {
    return at::tensor({v[0], v[1], v[2]}, images.options()).view({3, 1, 1});
  };
  return (images - column(mean)) / column(std);
}

}  // namespace seg
