#include "segnet_rerank/o2p/descriptors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "common/config/config.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr double kPi = 3.14159265358979323846;

at::Tensor Noise(int64_t height, int64_t width) {
  at::manual_seed(4);
  return at::randint(0, 256, {3, height, width}, at::kByte);
}

// Grey levels of a plane that rises by `dx` a pixel to the right and by `dy`
// downwards.
at::Tensor Ramp(int64_t size, int64_t dx, int64_t dy) {
  const at::Tensor along = at::arange(size, at::kLong);
  const at::Tensor plane = dx * along + dy * along.view({size, 1});
  return plane.expand({3, size, size}).to(at::kByte);
}

DescriptorConfig Gradients(int64_t cells, std::vector<int64_t> sizes,
                           int64_t step = 4) {
  DescriptorConfig config;
  config.cells = cells;
  config.cell_sizes = std::move(sizes);
  config.step = step;
  return config;
}

DescriptorConfig Lbp(std::vector<int64_t> sizes, int64_t step = 4) {
  DescriptorConfig config = Gradients(1, std::move(sizes), step);
  config.type = DescriptorType::kLbp;
  return config;
}

// The histogram of the descriptor at a pixel.
std::vector<double> HistogramAt(const Descriptors& descriptors, int32_t x,
                                int32_t y) {
  for (int64_t i = 0; i < descriptors.centres.size(0); ++i) {
    if (descriptors.centres[i][0].item<int32_t>() != x ||
        descriptors.centres[i][1].item<int32_t>() != y) {
      continue;
    }
    return Values(descriptors.values[i].slice(
        0, 0, descriptors.values.size(1) - kColourValues - kRawPositionValues));
  }
  ADD_FAILURE() << "no descriptor at " << x << ", " << y;
  return {};
}

// The histogram of one patch in double, straight from the definition.
std::vector<double> Direct(const at::Tensor& image,
                           const DescriptorConfig& config, int64_t size,
                           int64_t x, int64_t y) {
  const at::Tensor planes = image.to(at::kDouble);
  const at::Tensor grey =
      0.299 * planes[0] + 0.587 * planes[1] + 0.114 * planes[2];
  const std::vector<double> pixels = Values(grey);
  const int64_t height = grey.size(0), width = grey.size(1);
  const auto at = [&](int64_t v, int64_t u) {
    return pixels[std::clamp<int64_t>(v, 0, height - 1) * width +
                  std::clamp<int64_t>(u, 0, width - 1)];
  };
  const bool lbp = config.type == DescriptorType::kLbp;
  const int64_t cells = lbp ? 1 : config.cells;
  std::vector<double> histogram(HistogramSize(config), 0.0);
  const int64_t top = y - cells * size / 2, left = x - cells * size / 2;
  for (int64_t v = top; v < top + cells * size; ++v) {
    for (int64_t u = left; u < left + cells * size; ++u) {
      if (lbp) {
        std::vector<bool> lighter;
        for (int i = 0; i < 8; ++i) {
          // Clockwise from the right, as y points down.
          const int64_t dy = std::lround(std::sin(i * kPi / 4));
          const int64_t dx = std::lround(std::cos(i * kPi / 4));
          lighter.push_back(at(v + dy, u + dx) > at(v, u));
        }
        const int64_t all = std::count(lighter.begin(), lighter.end(), true);
        int64_t bin = all == 0 || all == 8 ? 56 : 57;
        for (int start = 0; start < 8; ++start) {
          for (int length = 1; length < 8; ++length) {
            bool same = true;
            for (int i = 0; i < 8; ++i) {
              same = same && lighter[(start + i) % 8] == (i < length);
            }
            if (same) bin = 7 * start + length - 1;
          }
        }
        histogram[bin] += 1.0;
        continue;
      }
      const double dx = (at(v, u + 1) - at(v, u - 1)) / 2;
      const double dy = (at(v + 1, u) - at(v - 1, u)) / 2;
      const int64_t cell = (v - top) / size * cells + (u - left) / size;
      const double angle = std::atan2(dy, dx);
      for (int k = 0; k < 8; ++k) {
        const double away =
            std::abs(std::remainder(angle - k * kPi / 4, 2 * kPi));
        histogram[8 * cell + k] +=
            std::hypot(dx, dy) * std::max(0.0, 1.0 - away / (kPi / 4));
      }
    }
  }
  for (int round = 0; round < 2; ++round) {
    double sum = 0.0;
    for (const double value : histogram) sum += value * value;
    for (double& value : histogram) {
      if (sum > 0.0) value /= std::sqrt(sum);
      if (round == 0 && !lbp) value = std::min(value, 0.2);
    }
  }
  return histogram;
}

TEST(DescriptorsTest, RampsFillOneOrientation) {
  const struct {
    int64_t dx, dy;
    int64_t bin;
  } kCases[] = {{4, 0, 0}, {5, 5, 1}, {0, 4, 2}};
  for (const auto& c : kCases) {
    // Four cells of equal gradients: each has 1/2 of the norm. Cut at 0.2 and
    // brought to norm 1 again it is 1/2 once more.
    const Descriptors found =
        ComputeDescriptors(Ramp(16, c.dx, c.dy), Gradients(2, {2}));
    const std::vector<double> histogram = HistogramAt(found, 6, 6);
    ASSERT_EQ(histogram.size(), 32u);
    for (int64_t i = 0; i < 32; ++i) {
      // float32; at 45 degrees the angle's rounding feeds the next bin
      EXPECT_NEAR(histogram[i], i % 8 == c.bin ? 0.5 : 0.0, 1e-5) << i;
    }
  }
  // Falling to the right: 180 degrees.
  const Descriptors found =
      ComputeDescriptors(Ramp(16, 4, 0).flip({2}), Gradients(1, {4}));
  EXPECT_NEAR(HistogramAt(found, 6, 6)[4], 1.0, 1e-6);
}

TEST(DescriptorsTest, MatchesTheDefinition) {
  const at::Tensor image = Noise(21, 26);
  for (const DescriptorConfig& config :
       {Gradients(4, {2}, 3), Gradients(2, {3}, 4), Gradients(1, {5}, 5),
        Gradients(2, {1}, 1), Lbp({6}, 3), Lbp({1}, 2)}) {
    const Descriptors found = ComputeDescriptors(image, config);
    const int64_t number = found.values.size(0);
    ASSERT_GT(number, 8);
    ASSERT_EQ(found.values.size(1), HistogramSize(config) + 12);
    for (int64_t i = 0; i < number; i += 5) {
      const int64_t x = found.centres[i][0].item<int32_t>();
      const int64_t y = found.centres[i][1].item<int32_t>();
      const std::vector<double> values = Values(found.values[i]);
      const std::vector<double> expected =
          Direct(image, config, config.cell_sizes[0], x, y);
      for (size_t k = 0; k < expected.size(); ++k) {
        ASSERT_NEAR(values[k], expected[k], 1e-5) << i << " " << k;  // float32
      }
      const size_t last = values.size() - 1;
      EXPECT_EQ(values[last - 2], x);
      EXPECT_EQ(values[last - 1], y);
      EXPECT_EQ(values[last], config.cell_sizes[0]);
    }
  }
}

TEST(DescriptorsTest, UniformImages) {
  const at::Tensor image = at::full({3, 12, 12}, 90, at::kByte);
  const Descriptors gradients = ComputeDescriptors(image, Gradients(2, {2}));
  EXPECT_EQ(gradients.values.slice(1, 0, 32).abs().max().item<float>(), 0.0f);
  const Descriptors lbp = ComputeDescriptors(image, Lbp({4}));
  for (int64_t i = 0; i < lbp.values.size(0); ++i) {
    EXPECT_NEAR(lbp.values[i][56].item<float>(), 1.0f, 1e-6f);
    EXPECT_NEAR(lbp.values[i].slice(0, 0, 58).sum().item<float>(), 1.0f, 1e-6f);
  }
}

TEST(DescriptorsTest, ColoursOfTheCentre) {
  const struct {
    int64_t rgb[3];
    double values[9];
  } kCases[] = {
      // L*, a*, b* as colour tables have them, over 100
      {{255, 0, 0}, {1, 0, 0, 0, 1, 1, 0.5324, 0.8009, 0.6720}},
      {{0, 255, 0}, {0, 1, 0, 1.0 / 3, 1, 1, 0.8773, -0.8618, 0.8318}},
      {{0, 0, 255}, {0, 0, 1, 2.0 / 3, 1, 1, 0.3230, 0.7919, -1.0786}},
      {{255, 0, 255}, {1, 0, 1, 5.0 / 6, 1, 1, 0.6032, 0.9825, -0.6084}},
      {{119, 119, 119},
       {119 / 255.0, 119 / 255.0, 119 / 255.0, 0, 0, 119 / 255.0, 0.5003, 0,
        0}}};
  for (const auto& c : kCases) {
    at::Tensor image = Noise(8, 8);
    for (int64_t k = 0; k < 3; ++k) image[k][2][2].fill_(c.rgb[k]);
    const Descriptors found = ComputeDescriptors(image, Gradients(2, {2}, 4));
    ASSERT_EQ(found.centres[0][0].item<int32_t>(), 2);
    ASSERT_EQ(found.centres[0][1].item<int32_t>(), 2);
    for (int64_t k = 0; k < 9; ++k) {
      // 3e-4: the last digit of the tables
      EXPECT_NEAR(found.values[0][32 + k].item<double>(), c.values[k], 3e-4)
          << k;
    }
  }
}

TEST(DescriptorsTest, PatchesLieInTheImage) {
  for (const int64_t height : {1, 3, 8, 9, 17, 40}) {
    for (const int64_t width : {1, 4, 7, 33}) {
      for (const int64_t step : {1, 3, 4, 7}) {
        const DescriptorConfig config = Gradients(2, {2, 4, 5}, step);
        const Descriptors found =
            ComputeDescriptors(Noise(height, width), config);
        // Every place of the grid whose patch fits, in order.
        std::vector<double> expected;
        for (const int64_t size : config.cell_sizes) {
          for (int64_t y = step / 2; y < height; y += step) {
            for (int64_t x = step / 2; x < width; x += step) {
              if (x - size < 0 || y - size < 0 || x + size > width ||
                  y + size > height) {
                continue;
              }
              expected.push_back(static_cast<double>(x));
              expected.push_back(static_cast<double>(y));
            }
          }
        }
        EXPECT_EQ(Values(found.centres), expected)
            << height << " x " << width << ", step " << step;
        EXPECT_EQ(found.values.sizes(),
                  at::IntArrayRef({found.centres.size(0), 44}));
      }
    }
  }
}

TEST(DescriptorsTest, TinyImagesHaveNone) {
  for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 0}, {0, 5}, {5, 0}, {1, 1}, {7, 100}}) {
    const Descriptors found = ComputeDescriptors(Noise(height, width));
    EXPECT_EQ(found.values.sizes(), at::IntArrayRef({0, 44}));
    EXPECT_EQ(found.centres.sizes(), at::IntArrayRef({0, 2}));
  }
}

TEST(DescriptorsTest, AnyLayout) {
  const at::Tensor image = Noise(20, 24);
  const Descriptors expected = ComputeDescriptors(image);
  for (const at::Tensor& other :
       {image.repeat_interleave(2, 2).slice(2, 0, std::nullopt, 2),
        ColumnMajor(image),
        image.permute({1, 2, 0}).contiguous().permute({2, 0, 1})}) {
    EXPECT_TRUE(at::equal(ComputeDescriptors(other).values, expected.values));
  }
}

TEST(DescriptorsTest, Errors) {
  ExpectError(
      [] {
        ComputeDescriptors(at::zeros({3, 8, 8}));
      },
      "image must be uint8 [3,H,W] on the CPU, got Float [3, 8, 8]");
  ExpectError(
      [] {
        ComputeDescriptors(at::zeros({1, 8, 8}, at::kByte));
      },
      "got Byte [1, 8, 8]");
  const at::Tensor image = Noise(8, 8);
  ExpectError([&] { ComputeDescriptors(image, Gradients(0, {2})); },
              "cells must be 1 to 8, got 0");
  ExpectError([&] { ComputeDescriptors(image, Gradients(2, {})); },
              "cell_sizes must not be empty");
  ExpectError(
      [&] {
        ComputeDescriptors(image, Gradients(2, {4, 0}));
      },
      "cell_sizes must be 1 to 1024, got 0");
  ExpectError([&] { ComputeDescriptors(image, Gradients(2, {4}, 0)); },
              "step must be 1 to 1024, got 0");
}

TEST(DescriptorsTest, ConfigBindsToYaml) {
  DescriptorConfig config;
  ASSERT_OK(ParseConfig("type: lbp\ncell_sizes: [2, 4, 6]\n", "test.yaml",
                        {"step=2"}, &config));
  EXPECT_EQ(config.type, DescriptorType::kLbp);
  EXPECT_EQ(config.cell_sizes, (std::vector<int64_t>{2, 4, 6}));
  EXPECT_EQ(config.step, 2);
  EXPECT_FALSE(ParseConfig("cells: 9\n", "test.yaml", {}, &config).ok());
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
