#include "common/reporting/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ATen/ATen.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

at::Tensor Grey(int64_t height, int64_t width, int value) {
  return at::full({3, height, width}, value, at::kByte);
}

std::array<int, 3> At(const at::Tensor& rgb, int64_t y, int64_t x) {
  return {rgb[0][y][x].item<int>(), rgb[1][y][x].item<int>(),
          rgb[2][y][x].item<int>()};
}

std::string MessageOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& e) {
    return e.what_without_backtrace();
  }
  return "nothing thrown";
}

const Palette kPalette = {{0, 0, 0}, {200, 100, 0}};

TEST(VocPaletteTest, HasTheColoursOfTheDevkit) {
  const Palette p = VocPalette();
  ASSERT_EQ(p.size(), 256u);
  EXPECT_EQ(p[0], (std::array<uint8_t, 3>{0, 0, 0}));
  EXPECT_EQ(p[1], (std::array<uint8_t, 3>{128, 0, 0}));        // aeroplane
  EXPECT_EQ(p[15], (std::array<uint8_t, 3>{192, 128, 128}));   // person
  EXPECT_EQ(p[20], (std::array<uint8_t, 3>{0, 64, 128}));      // tvmonitor
  EXPECT_EQ(p[255], (std::array<uint8_t, 3>{224, 224, 192}));  // void
  EXPECT_EQ(VocPalette(3).size(), 3u);
}

TEST(ColourMaskTest, PaintsClassesIgnoreAndClassesBeyondThePalette) {
  const at::Tensor mask = at::tensor({0, 1, 2, 255}, at::kByte).view({2, 2});
  const at::Tensor rgb = ColourMask(mask, kPalette);
  EXPECT_EQ(At(rgb, 0, 0), (std::array<int, 3>{0, 0, 0}));
  EXPECT_EQ(At(rgb, 0, 1), (std::array<int, 3>{200, 100, 0}));
  EXPECT_EQ(At(rgb, 1, 0), (std::array<int, 3>{0, 128, 0}));  // VOC's class 2
  EXPECT_EQ(At(rgb, 1, 1), (std::array<int, 3>{224, 224, 192}));
  // Any integer type and any strides.
  EXPECT_TRUE(
      rgb.equal(ColourMask(mask.to(at::kLong).t().contiguous().t(), kPalette)));
}

TEST(BlendMaskTest, MixesByHand) {
  OverlayOptions options;
  options.opacity = 0.25;
  options.boundaries = false;
  const at::Tensor mask = at::tensor({1, 255}, at::kLong).view({1, 2});
  const at::Tensor rgb = BlendMask(Grey(1, 2, 100), mask, kPalette, options);
  // 100 + (200 - 100) / 4, 100, 100 - 100 / 4; ignored pixels stay.
  EXPECT_EQ(At(rgb, 0, 0), (std::array<int, 3>{125, 100, 75}));
  EXPECT_EQ(At(rgb, 0, 1), (std::array<int, 3>{100, 100, 100}));
}

TEST(BlendMaskTest, BoundaryPixelsHaveFullColour) {
  OverlayOptions options;
  options.opacity = 0;
  options.unpainted_class = 0;
  at::Tensor mask = at::zeros({5, 5}, at::kByte);
  mask.narrow(0, 1, 3).narrow(1, 1, 3).fill_(1);
  const at::Tensor rgb = BlendMask(Grey(5, 5, 50), mask, kPalette, options);
  EXPECT_EQ(At(rgb, 1, 1), (std::array<int, 3>{200, 100, 0}));
  EXPECT_EQ(At(rgb, 2, 2), (std::array<int, 3>{50, 50, 50}));  // interior
  EXPECT_EQ(At(rgb, 0, 1), (std::array<int, 3>{50, 50, 50}));  // unpainted
}

TEST(BlendMaskTest, LeavesItsInputAlone) {
  const at::Tensor image = Grey(2, 2, 10);
  BlendMask(image, at::ones({2, 2}, at::kByte), kPalette);
  EXPECT_TRUE(image.equal(Grey(2, 2, 10)));
}

TEST(DifferenceImageTest, MarksWrongAndIgnoredPixels) {
  const at::Tensor truth = at::tensor({0, 1, 255}, at::kByte).view({1, 3});
  const at::Tensor got = at::tensor({0, 0, 0}, at::kByte).view({1, 3});
  const at::Tensor rgb = DifferenceImage(Grey(1, 3, 101), truth, got);
  EXPECT_EQ(At(rgb, 0, 0), (std::array<int, 3>{178, 178, 178}));
  EXPECT_GT(At(rgb, 0, 1)[0], At(rgb, 0, 1)[2] + 100);  // vermillion
  EXPECT_GT(At(rgb, 0, 2)[2], At(rgb, 0, 2)[0]);        // blue-grey
}

TEST(SideBySideTest, AlignsTopAndFillsWithWhite) {
  const at::Tensor row = SideBySide({Grey(2, 3, 0), Grey(4, 1, 9)}, 2);
  EXPECT_EQ(row.sizes(), at::IntArrayRef({3, 4, 6}));
  EXPECT_EQ(At(row, 1, 2)[0], 0);
  EXPECT_EQ(At(row, 3, 0)[0], 255);  // below the first
  EXPECT_EQ(At(row, 0, 3)[0], 255);  // gap
  EXPECT_EQ(At(row, 3, 5)[0], 9);
  EXPECT_EQ(SideBySide({}).sizes(), at::IntArrayRef({3, 0, 0}));
}

TEST(OverlayTest, AcceptsEmptyImages) {
  const at::Tensor mask = at::zeros({0, 0}, at::kByte);
  EXPECT_EQ(BlendMask(Grey(0, 0, 0), mask, {}).numel(), 0);
  EXPECT_EQ(ColourMask(mask, {}).numel(), 0);
  EXPECT_EQ(DifferenceImage(Grey(0, 0, 0), mask, mask).numel(), 0);
}

TEST(OverlayTest, RefusesWrongShapesWithTheArgumentsName) {
  const at::Tensor image = Grey(2, 2, 0), mask = at::zeros({2, 2}, at::kByte);
  EXPECT_THAT(MessageOf([&] { BlendMask(image[0], mask, {}); }),
              HasSubstr("BlendMask: image must be uint8 [3,H,W]"));
  EXPECT_THAT(MessageOf([&] { BlendMask(image, mask.to(at::kFloat), {}); }),
              HasSubstr("BlendMask: mask must be integers [H,W]"));
  EXPECT_THAT(MessageOf([&] {
                BlendMask(image, at::zeros({2, 3}, at::kByte), {});
              }),
              HasSubstr("mask must have the image's size [2,2], got [2, 3]"));
  EXPECT_THAT(MessageOf([&] { DifferenceImage(image, {}, mask); }),
              HasSubstr("truth must be integers [H,W], got undefined"));
  OverlayOptions options;
  options.opacity = 1.5;
  EXPECT_THAT(MessageOf([&] { BlendMask(image, mask, {}, options); }),
              HasSubstr("opacity must be in [0,1], got 1.5"));
}

}  // namespace
}  // namespace seg
