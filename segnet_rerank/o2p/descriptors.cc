#include "segnet_rerank/o2p/descriptors.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/solvers/cielab.h"

namespace seg {
namespace segnet_rerank {

SEG_DEFINE_ENUM(DescriptorType, {DescriptorType::kGradients, "gradients"},
                {DescriptorType::kLbp, "lbp"})
SEG_DEFINE_CONFIG(DescriptorConfig, type, cells, cell_sizes, step)

namespace {

constexpr int64_t kMostCells = 8, kMostPixels = 1024;
constexpr int64_t kOrientations = 8;
constexpr int64_t kPatterns = 58;
constexpr float kCut = 0.2f;  // Lowe 2004, Sec. 6.1
constexpr float kPi = 3.14159265358979f;

struct Grey {
  int64_t height, width;
  std::vector<float> pixels;

  // Border pixels repeat.
  float at(int64_t y, int64_t x) const {
    return pixels[std::clamp<int64_t>(y, 0, height - 1) * width +
                  std::clamp<int64_t>(x, 0, width - 1)];
  }
};

// What a pixel adds to the histogram of its cell: `low` to bin `bin`, `high` to
// bin `next`.
struct Vote {
  int32_t bin, next;
  float low, high;
};

std::vector<Vote> GradientVotes(const Grey& grey) {
  std::vector<Vote> votes(grey.pixels.size());
  at::parallel_for(0, grey.height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int64_t x = 0; x < grey.width; ++x) {
        const float dx = 0.5f * (grey.at(y, x + 1) - grey.at(y, x - 1));
        const float dy = 0.5f * (grey.at(y + 1, x) - grey.at(y - 1, x));
        const float angle = std::atan2(dy, dx) + (dy < 0.0f ? 2.0f * kPi : 0);
        const float place = angle * (kOrientations / (2.0f * kPi));
        const float below = std::floor(place);
        const int32_t bin = static_cast<int32_t>(below) % kOrientations;
        const float magnitude = std::hypot(dx, dy);
        const float high = magnitude * (place - below);
        votes[y * grey.width + x] = {
            bin, static_cast<int32_t>((bin + 1) % kOrientations),
            magnitude - high, high};
      }
    }
  });
  return votes;
}

// The bin of each of the 256 patterns; bit i says that neighbour i, clockwise
// from the right, is lighter.
std::array<int32_t, 256> PatternBins() {
  std::array<int32_t, 256> bins;
  for (int32_t code = 0; code < 256; ++code) {
    int32_t starts = 0, start = 0, length = 0;
    for (int32_t i = 0; i < 8; ++i) {
      const bool lighter = code >> i & 1;
      length += lighter;
      if (lighter && !(code >> ((i + 7) % 8) & 1)) {
        ++starts;
        start = i;
      }
    }
    bins[code] = starts == 0   ? 56  // none or all
                 : starts == 1 ? 7 * start + length - 1
                               : 57;
  }
  return bins;
}

std::vector<Vote> PatternVotes(const Grey& grey) {
  constexpr int64_t kAround[8][2] = {{0, 1},  {1, 1},   {1, 0},  {1, -1},
                                     {0, -1}, {-1, -1}, {-1, 0}, {-1, 1}};
  const std::array<int32_t, 256> bins = PatternBins();
  std::vector<Vote> votes(grey.pixels.size());
  at::parallel_for(0, grey.height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      for (int64_t x = 0; x < grey.width; ++x) {
        const float own = grey.at(y, x);
        int32_t code = 0;
        for (int i = 0; i < 8; ++i) {
          const float other = grey.at(y + kAround[i][0], x + kAround[i][1]);
          code |= (other > own) << i;
        }
        votes[y * grey.width + x] = {bins[code], bins[code], 1.0f, 0.0f};
      }
    }
  });
  return votes;
}

void BringToNorm1(float* values, int64_t count) {
  float sum = 0.0f;
  for (int64_t i = 0; i < count; ++i) sum += values[i] * values[i];
  if (sum == 0.0f) return;
  const float factor = 1.0f / std::sqrt(sum);
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

std::array<float, 3> Hsv(float red, float green, float blue) {
  const float value = std::max({red, green, blue});
  const float range = value - std::min({red, green, blue});
  if (range == 0.0f) return {0.0f, 0.0f, value};
  float sixth = value == red     ? (green - blue) / range
                : value == green ? 2.0f + (blue - red) / range
                                 : 4.0f + (red - green) / range;
  if (sixth < 0.0f) sixth += 6.0f;
  return {sixth / 6.0f, range / value, value};
}

// Coordinates first, first + step, .. at which a patch lies in the image.
struct Places {
  int64_t first = 0, count = 0;
};

Places FindPlaces(int64_t size, int64_t patch, int64_t step) {
  const int64_t origin = step / 2, before = patch / 2;
  const int64_t last = size - (patch - before);  // that leaves room
  Places places;
  places.first = origin;
  if (before > origin) {
    places.first += (before - origin + step - 1) / step * step;
  }
  if (last >= places.first) places.count = (last - places.first) / step + 1;
  return places;
}

}  // namespace

std::vector<KeyRule> DescriptorConfig::Rules() {
  return {OneOf<DescriptorType>("type"),
          {"cells", 1, kMostCells},
          {"cell_sizes", 1, kMostPixels},
          {"step", 1, kMostPixels}};
}

int64_t HistogramSize(const DescriptorConfig& config) {
  return config.type == DescriptorType::kLbp
             ? kPatterns
             : kOrientations * config.cells * config.cells;
}

Descriptors ComputeDescriptors(const at::Tensor& image,
                               const DescriptorConfig& config) {
  TORCH_CHECK(
      image.dim() == 3 && image.size(0) == 3 &&
          image.scalar_type() == at::kByte && image.is_cpu(),
      "ComputeDescriptors: image must be uint8 [3,H,W] on the CPU, got ",
      image.scalar_type(), " ", image.sizes(), " on ", image.device());
  TORCH_CHECK(config.cells >= 1 && config.cells <= kMostCells,
              "ComputeDescriptors: cells must be 1 to ", kMostCells, ", got ",
              config.cells);
  TORCH_CHECK(config.step >= 1 && config.step <= kMostPixels,
              "ComputeDescriptors: step must be 1 to ", kMostPixels, ", got ",
              config.step);
  TORCH_CHECK(!config.cell_sizes.empty(),
              "ComputeDescriptors: cell_sizes must not be empty");
  for (const int64_t size : config.cell_sizes) {
    TORCH_CHECK(size >= 1 && size <= kMostPixels,
                "ComputeDescriptors: cell_sizes must be 1 to ", kMostPixels,
                ", got ", size);
  }

  const bool lbp = config.type == DescriptorType::kLbp;
  const int64_t cells = lbp ? 1 : config.cells;
  const int64_t bins = lbp ? kPatterns : kOrientations;
  const int64_t length = HistogramSize(config);
  const int64_t columns = length + kColourValues + kRawPositionValues;
  const int64_t height = image.size(1), width = image.size(2);

  int64_t total = 0;
  for (const int64_t size : config.cell_sizes) {
    total += FindPlaces(height, cells * size, config.step).count *
             FindPlaces(width, cells * size, config.step).count;
  }
  Descriptors result;
  result.values = at::zeros({total, columns}, at::kFloat);
  result.centres = at::empty({total, 2}, at::kInt);
  if (total == 0) return result;

  const at::Tensor kept = image.contiguous();
  const uint8_t* red = kept.const_data_ptr<uint8_t>();
  const uint8_t* green = red + height * width;
  const uint8_t* blue = green + height * width;
  Grey grey{height, width, std::vector<float>(height * width)};
  for (int64_t i = 0; i < height * width; ++i) {
    // BT.601, as JPEG has it.
    grey.pixels[i] = 0.299f * red[i] + 0.587f * green[i] + 0.114f * blue[i];
  }
  const std::vector<Vote> votes =
      lbp ? PatternVotes(grey) : GradientVotes(grey);

  float* const values = result.values.mutable_data_ptr<float>();
  int32_t* const centres = result.centres.mutable_data_ptr<int32_t>();
  int64_t before = 0;  // descriptors of the sizes before
  for (const int64_t size : config.cell_sizes) {
    const Places rows = FindPlaces(height, cells * size, config.step);
    const Places along = FindPlaces(width, cells * size, config.step);
    at::parallel_for(0, rows.count, 4, [&](int64_t begin, int64_t end) {
      for (int64_t place = begin * along.count; place < end * along.count;
           ++place) {
        const int64_t y = rows.first + place / along.count * config.step;
        const int64_t x = along.first + place % along.count * config.step;
        const int64_t top = y - cells * size / 2, left = x - cells * size / 2;
        float* const row = values + (before + place) * columns;
        for (int64_t v = 0; v < cells * size; ++v) {
          const Vote* vote = votes.data() + (top + v) * width + left;
          for (int64_t cell = 0; cell < cells; ++cell) {
            float* const histogram = row + (v / size * cells + cell) * bins;
            for (int64_t u = 0; u < size; ++u, ++vote) {
              histogram[vote->bin] += vote->low;
              histogram[vote->next] += vote->high;
            }
          }
        }
        BringToNorm1(row, length);
        if (!lbp) {
          for (int64_t i = 0; i < length; ++i) row[i] = std::min(row[i], kCut);
          BringToNorm1(row, length);
        }

        const int64_t pixel = y * width + x;
        const float r = red[pixel] / 255.0f, g = green[pixel] / 255.0f,
                    b = blue[pixel] / 255.0f;
        const std::array<float, 3> hsv = Hsv(r, g, b);
        const std::array<float, 3> lab =
            SrgbToLab(red[pixel], green[pixel], blue[pixel]);
        float* rest = row + length;
        for (const float value : {r, g, b}) *rest++ = value;
        for (const float value : hsv) *rest++ = value;
        for (const float value : lab) *rest++ = value / 100.0f;
        *rest++ = static_cast<float>(x);
        *rest++ = static_cast<float>(y);
        *rest++ = static_cast<float>(size);
        centres[2 * (before + place)] = static_cast<int32_t>(x);
        centres[2 * (before + place) + 1] = static_cast<int32_t>(y);
      }
    });
    before += rows.count * along.count;
  }
  return result;
}

}  // namespace segnet_rerank
}  // namespace seg
