#include "common/datasets/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "ATen/ATen.h"
#include "common/base/random.h"
#include "common/datasets/transforms.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::HasSubstr;

DatasetInfo Info() {
  DatasetInfo info;
  info.name = "test";
  info.class_names = {"a", "b", "c"};
  info.palette = Palette(3);
  info.flip_pairs = {{1, 2}};
  return info;
}

Sample RandomSample(int64_t height, int64_t width) {
  Sample sample;
  sample.id = "x";
  sample.path = "x.png";
  sample.image = at::empty({3, height, width}, at::kByte);
  sample.mask = at::empty({height, width}, at::kByte);
  Rng rng(9);
  for (int64_t i = 0; i < 3 * height * width; ++i) {
    sample.image.data_ptr<uint8_t>()[i] = static_cast<uint8_t>(rng.Below(256));
  }
  for (int64_t i = 0; i < height * width; ++i) {
    sample.mask.data_ptr<uint8_t>()[i] = static_cast<uint8_t>(rng.Below(3));
  }
  return sample;
}

// A picture that varies slowly, so that resampling it is nearly exact:
// red = 4 x, green = 4 y, blue = 100, for at most 64 x 64.
Sample RampSample(int64_t height, int64_t width) {
  Sample sample = RandomSample(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* p = sample.image.data_ptr<uint8_t>() + y * width + x;
      p[0] = static_cast<uint8_t>(4 * x);
      p[height * width] = static_cast<uint8_t>(4 * y);
      p[2 * height * width] = 100;
    }
  }
  return sample;
}

at::Tensor Inside(const Sample& s) { return s.mask.ne(255); }

TEST(AugmentTest, DefaultOptionsReturnTheSampleItself) {
  const Sample sample = RandomSample(6, 5);
  const Sample out = Augment(sample, Info(), AugmentOptions(), 3);
  EXPECT_TRUE(out.image.is_same(sample.image));
  EXPECT_TRUE(out.mask.is_same(sample.mask));
  EXPECT_EQ(out.id, "x");
  EXPECT_EQ(out.path, "x.png");
}

TEST(AugmentTest, CropIsAnExactWindowAndAllWindowsOccur) {
  const Sample sample = RandomSample(6, 5);
  AugmentOptions options;
  options.crop_height = 4;
  options.crop_width = 3;
  std::set<std::pair<int64_t, int64_t>> windows;
  for (uint64_t key = 0; key < 200; ++key) {
    const Sample out = Augment(sample, Info(), options, key);
    bool found = false;
    for (int64_t y = 0; y <= 2; ++y) {
      for (int64_t x = 0; x <= 2; ++x) {
        if (out.image.equal(sample.image.narrow(1, y, 4).narrow(2, x, 3)) &&
            out.mask.equal(sample.mask.narrow(0, y, 4).narrow(1, x, 3))) {
          windows.insert({y, x});
          found = true;
        }
      }
    }
    ASSERT_TRUE(found) << "key " << key;
  }
  EXPECT_EQ(windows.size(), 9u);
}

TEST(AugmentTest, SmallImageIsPlacedInsideTheCropAndPadded) {
  const Sample sample = RandomSample(4, 5);
  AugmentOptions options;
  options.crop_height = 6;
  options.crop_width = 5;
  std::set<int64_t> tops;
  for (uint64_t key = 0; key < 60; ++key) {
    const Sample out = Augment(sample, Info(), options, key);
    ASSERT_EQ(out.image.sizes(), at::IntArrayRef({3, 6, 5}));
    const int64_t top =
        Inside(out).any(1).to(at::kByte).argmax().item<int64_t>();
    tops.insert(top);
    ASSERT_EQ(Inside(out).sum().item<int64_t>(), 20);
    EXPECT_TRUE(out.image.narrow(1, top, 4).equal(sample.image));
    EXPECT_TRUE(out.mask.narrow(0, top, 4).equal(sample.mask));
    const int64_t outside = top == 0 ? 5 : 0;
    for (int64_t c = 0; c < 3; ++c) {
      EXPECT_TRUE(out.image[c][outside].eq(kFillColour[c]).all().item<bool>());
    }
  }
  EXPECT_THAT(tops, testing::ElementsAre(0, 1, 2));
}

TEST(AugmentTest, FlipMirrorsHalfOfTheTimeAndSwapsPairs) {
  const Sample sample = RandomSample(6, 5);
  const Sample flipped = FlipSample(sample, Info().flip_pairs);
  AugmentOptions options;
  options.flip = true;
  int count = 0;
  for (uint64_t key = 0; key < 1000; ++key) {
    const Sample out = Augment(sample, Info(), options, RandomKey({key}));
    const bool mirrored = out.image.equal(flipped.image);
    ASSERT_TRUE(mirrored || out.image.equal(sample.image));
    ASSERT_TRUE(out.mask.equal(mirrored ? flipped.mask : sample.mask));
    count += mirrored;
  }
  EXPECT_NEAR(count, 500, 80);  // five standard deviations of 16
}

TEST(AugmentTest, PointsFollowTheirPixelsThroughCropFlipAndShift) {
  // One pixel that no other equals, and a point on it.
  Sample sample = RandomSample(9, 8);
  sample.mask.fill_(0);
  sample.mask[4][5] = 1;
  sample.points = at::tensor({5.0f, 4.0f, 1.0f, 0.0f, 0.0f, 1.0f}).view({2, 3});
  DatasetInfo info = Info();
  info.flip_pairs.clear();
  AugmentOptions options;
  options.crop_height = 6;
  options.crop_width = 7;
  options.flip = true;
  options.shift = 0.4;
  int64_t seen = 0, lost = 0;
  for (uint64_t key = 0; key < 200; ++key) {
    const Sample out = Augment(sample, info, options, RandomKey({key}));
    const at::Tensor place = out.mask.eq(1).nonzero();
    const float* point = out.points.data_ptr<float>();
    ASSERT_EQ(point[2], static_cast<float>(place.size(0))) << key;
    if (place.size(0) == 0) {
      ++lost;
      continue;
    }
    ++seen;
    ASSERT_EQ(point[0], place[0][1].item<float>()) << key;
    ASSERT_EQ(point[1], place[0][0].item<float>()) << key;
  }
  EXPECT_GT(seen, 100);
  EXPECT_GT(lost, 10);
  // Rows of a pair are exchanged with a mirror image, and only then.
  info.point_flip_pairs = {{0, 1}};
  options = AugmentOptions();
  options.flip = true;
  const at::Tensor mirrored =
      FlipSample(sample, {}, info.point_flip_pairs).points;
  int64_t flips = 0;
  for (uint64_t key = 0; key < 50; ++key) {
    const Sample out = Augment(sample, info, options, RandomKey({key}));
    const bool flipped = !out.mask.equal(sample.mask);
    EXPECT_TRUE(out.points.equal(flipped ? mirrored : sample.points));
    flips += flipped;
  }
  EXPECT_GT(flips, 10);
}

TEST(AugmentTest, PointsFollowThePictureThroughScaleAndRotation) {
  Sample sample = RampSample(40, 50);  // red = 4 x, green = 4 y
  sample.points = at::tensor({25.0f, 20.0f, 1.0f}).view({1, 3});
  AugmentOptions options;
  options.scale_min = 0.8;
  options.scale_max = 1.6;
  options.scale_per_axis = true;
  options.rotation = 25;
  options.flip = true;
  options.crop_height = 44;
  options.crop_width = 36;
  int64_t seen = 0;
  for (uint64_t key = 0; key < 60; ++key) {
    const Sample out = Augment(sample, Info(), options, RandomKey({key}));
    const float* point = out.points.data_ptr<float>();
    if (point[2] == 0.0f) continue;
    ++seen;
    const auto x = static_cast<int64_t>(std::lround(point[0]));
    const auto y = static_cast<int64_t>(std::lround(point[1]));
    if (x < 1 || y < 1 || x > 34 || y > 42) continue;
    // Half a pixel of rounding is at most 0.9 in the source, times 4, and one.
    EXPECT_NEAR(out.image[0][y][x].item<int>(), 100, 5) << key;
    EXPECT_NEAR(out.image[1][y][x].item<int>(), 80, 5) << key;
  }
  EXPECT_GT(seen, 40);
}

TEST(AugmentTest, ScaleResamplesAboutTheRightPlace) {
  const Sample sample = RampSample(40, 50);
  for (const double scale : {0.3, 0.5, 0.8, 1.0, 1.7, 3.0}) {
    AugmentOptions options;
    options.scale_min = options.scale_max = scale;
    options.crop_height = 24;
    options.crop_width = 30;
    for (uint64_t key = 0; key < 5; ++key) {
      const Sample out = Augment(sample, Info(), options, key);
      const at::Tensor red = out.image[0].to(at::kDouble);
      const at::Tensor inside = Inside(out);
      // Within the picture, 4 levels a source pixel: steps of 4 / scale.
      const at::Tensor step = red.narrow(1, 1, 29) - red.narrow(1, 0, 29);
      const at::Tensor both =
          inside.narrow(1, 1, 29).logical_and(inside.narrow(1, 0, 29));
      ASSERT_GT(both.sum().item<int64_t>(), 50);
      // Rounding adds at most 1; the edge is clamped, so look at the median.
      EXPECT_NEAR(step.masked_select(both).mean().item<double>(), 4 / scale,
                  scale < 0.7 ? 4.0 / scale * 0.15 : 0.12)
          << scale;
      // The mask looks where the image looks: the inside's size.
      const double expected_h = std::min(24.0, 40 * scale);
      EXPECT_NEAR(inside.any(1).sum().item<double>(), expected_h, 1.01);
    }
  }
}

TEST(AugmentTest, ScalePerAxisStretches) {
  const Sample sample = RampSample(60, 64);
  AugmentOptions options;
  options.scale_min = 0.8;
  options.scale_max = 1.25;
  options.crop_height = options.crop_width = 40;
  // 4 levels a source pixel in red along x and in green along y.
  const auto slopes = [&](uint64_t key) {
    const Sample out = Augment(sample, Info(), options, RandomKey({key}));
    EXPECT_TRUE(Inside(out).all().item<bool>());
    const at::Tensor image = out.image.to(at::kDouble);
    return std::pair((image[0][20][38] - image[0][20][1]).item<double>() / 37,
                     (image[1][38][20] - image[1][1][20]).item<double>() / 37);
  };
  double ratio_low = 1;
  double ratio_high = 1;
  for (uint64_t key = 0; key < 20; ++key) {
    options.scale_per_axis = false;
    const auto [both_x, both_y] = slopes(key);
    EXPECT_NEAR(both_x, both_y, 0.06);
    options.scale_per_axis = true;
    const auto [x, y] = slopes(key);
    EXPECT_NEAR(x, both_x, 0.06);  // the option leaves the width's draw alone
    for (const double slope : {x, y}) {
      EXPECT_GT(slope, 4 / 1.25 - 0.06);
      EXPECT_LT(slope, 4 / 0.8 + 0.06);
    }
    ratio_low = std::min(ratio_low, x / y);
    ratio_high = std::max(ratio_high, x / y);
  }
  EXPECT_LT(ratio_low, 0.9);
  EXPECT_GT(ratio_high, 1.1);
}

TEST(AugmentTest, ScalesActBeforeTheTurn) {
  // So the picture's axes stay at right angles and keep a scale each.
  const Sample sample = RampSample(64, 64);
  AugmentOptions options;
  options.scale_min = 0.8;
  options.scale_max = 1.25;
  options.scale_per_axis = true;
  options.rotation = 40.0;
  options.flip = true;
  for (uint64_t key = 0; key < 30; ++key) {
    const Sample out = Augment(sample, Info(), options, RandomKey({key}));
    const at::Tensor image = out.image.to(at::kDouble);
    const auto gradient = [&](int64_t channel) {
      const at::Tensor plane = image[channel];
      return std::pair((plane[32][42] - plane[32][22]).item<double>() / 20,
                       (plane[42][32] - plane[22][32]).item<double>() / 20);
    };
    const auto [red_x, red_y] = gradient(0);
    const auto [green_x, green_y] = gradient(1);
    EXPECT_NEAR(red_x * green_x + red_y * green_y, 0.0, 0.6) << key;
    for (const double slope :
         {std::hypot(red_x, red_y), std::hypot(green_x, green_y)}) {
      EXPECT_GT(slope, 4 / 1.25 - 0.1);
      EXPECT_LT(slope, 4 / 0.8 + 0.1);
    }
  }
}

TEST(AugmentTest, ShiftMovesAScaledPictureWithEverythingInIt) {
  // Everything is one map: the ramp tells where a pixel came from, outside
  // is the fill colour, the ignore label and the background.
  Sample sample = RampSample(32, 48);
  sample.probabilities = at::zeros({3, 32, 48});
  sample.probabilities[1].fill_(1);
  AugmentOptions still;
  still.scale_min = still.scale_max = 1.25;
  AugmentOptions options = still;
  options.shift = 0.5;
  double farthest = 0;
  for (uint64_t key = 0; key < 100; ++key) {
    const Sample from = Augment(sample, Info(), still, RandomKey({key}));
    const Sample out = Augment(sample, Info(), options, RandomKey({key}));
    const at::Tensor inside = Inside(out);
    EXPECT_TRUE(out.probabilities[1].gt(0.5).equal(inside));
    EXPECT_TRUE(out.probabilities[0].gt(0.5).equal(inside.logical_not()));
    EXPECT_TRUE(out.image[2].ne(kFillColour[2]).equal(inside));
    if (!inside[16][24].item<bool>()) continue;
    // 4 levels a source pixel, of 1.25 target pixels.
    const double moved = (out.image[0][16][24].item<double>() -
                          from.image[0][16][24].item<double>()) /
                         4 * 1.25;
    EXPECT_LE(std::abs(moved), 0.5 * 48 + 1);
    farthest = std::max(farthest, std::abs(moved));
  }
  EXPECT_GT(farthest, 16);
}

TEST(AugmentTest, ShiftMovesWholePixelsAndPads) {
  const Sample sample = RandomSample(4, 6);
  AugmentOptions options;
  options.shift = 0.5;  // of 6: three pixels either way, in x and in y
  std::set<std::pair<int64_t, int64_t>> moves;
  for (uint64_t key = 0; key < 2000; ++key) {
    const Sample out = Augment(sample, Info(), options, RandomKey({key}));
    ASSERT_EQ(out.image.sizes(), sample.image.sizes());
    bool found = false;
    for (int64_t dy = -3; dy <= 3; ++dy) {
      for (int64_t dx = -3; dx <= 3; ++dx) {
        // The pixel at (y, x) comes from (y + dy, x + dx).
        const auto window = [&](const at::Tensor& t) {
          return at::constant_pad_nd(t, {3, 3, 3, 3}, 255)
              .narrow(-2, 3 + dy, 4)
              .narrow(-1, 3 + dx, 6);
        };
        if (!window(sample.mask).equal(out.mask)) continue;
        const at::Tensor inside = Inside(out);
        if (!window(sample.image)
                 .masked_select(inside)
                 .equal(out.image.masked_select(inside))) {
          continue;
        }
        found = true;
        moves.emplace(dy, dx);
      }
    }
    ASSERT_TRUE(found) << key;
  }
  EXPECT_EQ(moves.size(), 49u);
}

TEST(AugmentTest, RotationTurnsAboutTheCentreAndKeepsLengths) {
  AugmentOptions options;
  options.rotation = 180.0;
  const Sample ramp = RampSample(64, 64);
  for (uint64_t key = 0; key < 10; ++key) {
    const Sample out = Augment(ramp, Info(), options, RandomKey({key}));
    // The centre (31.5, 31.5) stays; this pixel is 0.71 away, 4 levels each.
    EXPECT_NEAR(out.image[0][32][32].item<int>(), 126, 4);
    EXPECT_NEAR(out.image[1][32][32].item<int>(), 126, 4);
    // The gradient turns and keeps its length of 4.
    const auto at_pixel = [&](int c, int y, int x) {
      return out.image[c][y][x].item<double>();
    };
    const double rx = (at_pixel(0, 32, 42) - at_pixel(0, 32, 22)) / 20;
    const double ry = (at_pixel(0, 42, 32) - at_pixel(0, 22, 32)) / 20;
    const double gx = (at_pixel(1, 32, 42) - at_pixel(1, 32, 22)) / 20;
    const double gy = (at_pixel(1, 42, 32) - at_pixel(1, 22, 32)) / 20;
    EXPECT_NEAR(std::hypot(rx, ry), 4.0, 0.1);
    EXPECT_NEAR(std::hypot(gx, gy), 4.0, 0.1);
    EXPECT_NEAR(rx * gy - ry * gx, 16.0, 0.6);  // no mirroring
    // Corners of a turned square lie outside.
    EXPECT_LT(Inside(out).sum().item<int64_t>(), 64 * 64);
  }
}

TEST(AugmentTest, MaskNeverGetsNewLabels) {
  Sample sample = RandomSample(30, 20);
  sample.mask.mul_(2);  // 0, 2, 4
  DatasetInfo info = Info();
  info.flip_pairs.clear();
  AugmentOptions options;
  options.crop_height = 25;
  options.crop_width = 25;
  options.scale_min = 0.5;
  options.scale_max = 2.0;
  options.rotation = 30;
  options.flip = true;
  for (uint64_t key = 0; key < 50; ++key) {
    const Sample out = Augment(sample, info, options, key);
    const at::Tensor m = out.mask;
    EXPECT_TRUE(m.eq(0)
                    .logical_or(m.eq(2))
                    .logical_or(m.eq(4))
                    .logical_or(m.eq(255))
                    .all()
                    .item<bool>());
  }
}

TEST(AugmentTest, ImageAndMaskMoveTogether) {
  // The mask marks where red > green; so must it after any geometry.
  Sample sample = RampSample(48, 48);
  sample.mask.copy_(sample.image[0].gt(sample.image[1]));
  DatasetInfo info = Info();
  info.flip_pairs.clear();
  AugmentOptions options;
  options.crop_height = 32;
  options.crop_width = 40;
  options.scale_min = 0.75;
  options.scale_max = 2.0;
  options.rotation = 40;
  options.flip = true;
  for (uint64_t key = 0; key < 20; ++key) {
    const Sample out = Augment(sample, info, options, key);
    const at::Tensor difference =
        out.image[0].to(at::kInt) - out.image[1].to(at::kInt);
    // One pixel of tolerance at the line: 4 levels in each ramp.
    const at::Tensor wrong =
        difference.gt(6)
            .logical_and(out.mask.eq(0))
            .logical_or(difference.lt(-6).logical_and(out.mask.eq(1)));
    EXPECT_EQ(wrong.sum().item<int64_t>(), 0) << key;
  }
}

TEST(AugmentTest, ShrinkingAverages) {
  // A checkerboard of single pixels must become grey, not alias.
  Sample sample = RandomSample(64, 64);
  const at::Tensor board =
      at::arange(64).view({64, 1}).add(at::arange(64)).remainder(2).mul(255);
  sample.image.copy_(board.to(at::kByte).expand({3, 64, 64}));
  AugmentOptions options;
  options.scale_min = options.scale_max = 0.5;
  options.crop_height = options.crop_width = 32;
  const Sample out = Augment(sample, Info(), options, 1);
  EXPECT_TRUE(out.image.sub(128).abs().le(1).all().item<bool>());
}

TEST(AugmentTest, ColourJitterHandWorked) {
  // Constant grey: contrast, saturation and hue change nothing, brightness
  // scales it.
  Sample sample = RandomSample(4, 4);
  sample.image.fill_(100);
  AugmentOptions options;
  options.contrast = options.saturation = 1.0;
  options.hue = 0.5;
  for (uint64_t key = 0; key < 20; ++key) {
    const Sample out = Augment(sample, Info(), options, key);
    EXPECT_LE(out.image.to(at::kInt).sub(100).abs().max().item<int>(), 1);
  }
  options = AugmentOptions();
  options.brightness = 0.5;
  std::set<int> values;
  for (uint64_t key = 0; key < 200; ++key) {
    const Sample out = Augment(sample, Info(), options, RandomKey({key}));
    const int value = out.image.view({-1})[0].item<int>();
    EXPECT_TRUE(out.image.eq(value).all().item<bool>());
    EXPECT_GE(value, 50);
    EXPECT_LE(value, 150);
    values.insert(value);
  }
  EXPECT_LT(*values.begin(), 60);
  EXPECT_GT(*values.rbegin(), 140);
}

TEST(AugmentTest, SaturationKeepsGreyAndContrastKeepsTheMean) {
  const Sample sample = RampSample(40, 40);
  const auto grey = [](const at::Tensor& image) {
    const at::Tensor f = image.to(at::kDouble);
    return 0.299 * f[0] + 0.587 * f[1] + 0.114 * f[2];
  };
  AugmentOptions options;
  options.saturation = 0.3;  // small enough not to clamp
  options.hue = 0.02;
  const Sample s = Augment(sample, Info(), options, 5);
  EXPECT_GT(s.image.ne(sample.image).sum().item<int64_t>(), 100);
  // Rounding: half a level in each channel; the YIQ constants have 4 digits.
  const at::Tensor valid = s.image.gt(0).logical_and(s.image.lt(255)).all(0);
  EXPECT_LE((grey(s.image) - grey(sample.image))
                .abs()
                .masked_select(valid)
                .max()
                .item<double>(),
            0.8);
  options = AugmentOptions();
  options.contrast = 0.4;
  const Sample c = Augment(sample, Info(), options, 6);
  EXPECT_NEAR(grey(c.image).mean().item<double>(),
              grey(sample.image).mean().item<double>(), 1.5);
}

TEST(AugmentTest, ColoursLeaveMaskAndPaddingAlone) {
  const Sample sample = RandomSample(4, 4);
  AugmentOptions options;
  options.brightness = options.contrast = options.saturation = 0.5;
  options.crop_height = options.crop_width = 8;
  const Sample out = Augment(sample, Info(), options, 5);
  EXPECT_EQ(Inside(out).sum().item<int64_t>(), 16);
  for (int64_t c = 0; c < 3; ++c) {
    EXPECT_TRUE(out.image[c]
                    .masked_select(out.mask.eq(255))
                    .eq(kFillColour[c])
                    .all()
                    .item<bool>());
  }
}

TEST(AugmentTest, IsAFunctionOfTheKeyAndLeavesItsInputAlone) {
  const Sample sample = RandomSample(20, 30);
  const at::Tensor image = sample.image.clone();
  const at::Tensor mask = sample.mask.clone();
  AugmentOptions options;
  options.crop_height = options.crop_width = 16;
  options.scale_min = 0.5;
  options.scale_max = 2;
  options.flip = true;
  options.rotation = 10;
  options.brightness = options.contrast = options.saturation = 0.2;
  options.hue = 0.1;
  const Sample a = Augment(sample, Info(), options, 11);
  const Sample b = Augment(sample, Info(), options, 11);
  const Sample c = Augment(sample, Info(), options, 12);
  EXPECT_TRUE(a.image.equal(b.image));
  EXPECT_TRUE(a.mask.equal(b.mask));
  EXPECT_FALSE(a.image.equal(c.image));
  EXPECT_TRUE(sample.image.equal(image));
  EXPECT_TRUE(sample.mask.equal(mask));
}

TEST(AugmentTest, SwitchingColourOnKeepsTheGeometry) {
  const Sample sample = RandomSample(20, 30);
  AugmentOptions options;
  options.crop_height = options.crop_width = 16;
  options.flip = true;
  const Sample plain = Augment(sample, Info(), options, 21);
  options.brightness = 0.5;
  const Sample coloured = Augment(sample, Info(), options, 21);
  EXPECT_TRUE(plain.mask.equal(coloured.mask));
}

TEST(AugmentTest, WorksWithoutMaskOnOnePixelAndOnStridedInput) {
  Sample sample = RandomSample(1, 1);
  sample.mask = at::Tensor();
  AugmentOptions options;
  options.crop_height = options.crop_width = 5;
  options.scale_min = options.scale_max = 0.3;
  options.rotation = 20;
  EXPECT_FALSE(Augment(sample, Info(), options, 1).mask.defined());
  sample = RandomSample(8, 8);
  Sample strided = sample;
  strided.image =
      sample.image.permute({1, 2, 0}).contiguous().permute({2, 0, 1});
  strided.mask = sample.mask.t().contiguous().t();
  const Sample a = Augment(sample, Info(), options, 3);
  const Sample b = Augment(strided, Info(), options, 3);
  EXPECT_TRUE(a.image.equal(b.image));
  EXPECT_TRUE(a.mask.equal(b.mask));
}

TEST(ValidateAugmentOptionsTest, NamesTheKeyAndTheRange) {
  EXPECT_OK(ValidateAugmentOptions(AugmentOptions()));
  const auto expect_bad = [](auto change, const char* key) {
    AugmentOptions options;
    change(&options);
    EXPECT_THAT(ValidateAugmentOptions(options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(key)));
  };
  using O = AugmentOptions*;
  expect_bad([](O o) { o->crop_height = 5; }, "both positive or both 0");
  expect_bad([](O o) { o->crop_height = -1; }, "augment.crop_height: -1");
  expect_bad([](O o) { o->crop_width = 20000; }, "augment.crop_width: 20000");
  expect_bad([](O o) { o->scale_min = 0; }, "augment.scale_min");
  expect_bad([](O o) { o->scale_min = 2; }, "augment.scale_max: 1");
  expect_bad([](O o) { o->rotation = 200; }, "augment.rotation: 200");
  expect_bad([](O o) { o->shift = 1.5; }, "augment.shift: 1.5");
  expect_bad([](O o) { o->brightness = 1.5; }, "augment.brightness");
  expect_bad([](O o) { o->contrast = -0.1; }, "augment.contrast");
  expect_bad([](O o) { o->saturation = std::nan(""); }, "augment.saturation");
  expect_bad([](O o) { o->hue = 0.7; }, "augment.hue: 0.7");
}

}  // namespace
}  // namespace seg
