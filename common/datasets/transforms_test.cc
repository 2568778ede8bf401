#include "common/datasets/transforms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "ATen/ATen.h"
#include "common/base/random.h"

namespace seg {
namespace {

at::Tensor Bytes(at::IntArrayRef sizes, uint64_t key) {
  at::Tensor out = at::empty(sizes, at::kByte);
  Rng rng(key);
  uint8_t* p = out.data_ptr<uint8_t>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    p[i] = static_cast<uint8_t>(rng.Below(256));
  }
  return out;
}

TEST(ResizeImageTest, HandWorkedHalvingOfAnEdge) {
  // Halving widens the triangle to 4 source pixels: inner outputs weigh
  // 1/8 3/8 3/8 1/8; at the border the taps outside drop out, 3/7 3/7 1/7.
  const at::Tensor row =
      at::tensor({0, 0, 0, 0, 255, 255, 255, 255}, at::kByte).view({1, 1, 8});
  const at::Tensor out = ResizeImage(row, 1, 4);
  // 255 / 8 = 31.9 and 255 * 7 / 8 = 223.1.
  EXPECT_TRUE(
      out.equal(at::tensor({0, 32, 223, 255}, at::kByte).view({1, 1, 4})))
      << out;
}

TEST(ResizeImageTest, HandWorkedDoubling) {
  const at::Tensor row = at::tensor({0, 200}, at::kByte).view({1, 1, 2});
  EXPECT_TRUE(ResizeImage(row, 1, 4).equal(
      at::tensor({0, 50, 150, 200}, at::kByte).view({1, 1, 4})));
}

TEST(ResizeImageTest, GoldenOfPillow) {
  // Made by Pillow 13.0.0, Image.resize((5, 4), BILINEAR) of the 8x6 picture
  // (x * 37 + y * 61 + x * y * 11) % 256; see the loop.
  at::Tensor image = at::empty({1, 6, 8}, at::kByte);
  for (int64_t y = 0; y < 6; ++y) {
    for (int64_t x = 0; x < 8; ++x) {
      image.data_ptr<uint8_t>()[y * 8 + x] =
          static_cast<uint8_t>((x * 37 + y * 61 + x * y * 11) % 256);
    }
  }
  const at::Tensor golden =
      at::tensor({40,  102, 163, 154, 104, 132, 170, 137, 132, 113,
                  191, 140, 147, 107, 123, 119, 166, 133, 174, 133},
                 at::kByte);
  const at::Tensor out = ResizeImage(image, 4, 5).view({-1});
  EXPECT_TRUE(out.equal(golden)) << out;
}

TEST(ResizeImageTest, AgreesWithTorchAntialias) {
  const at::Tensor image = Bytes({3, 23, 31}, 1);
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {10, 12}, {23, 12}, {40, 57}, {7, 80}, {1, 1}, {23, 31}}) {
    const at::Tensor expected =
        at::_upsample_bilinear2d_aa(image.unsqueeze(0).to(at::kDouble), {h, w},
                                    /*align_corners=*/false)
            .squeeze(0);
    const at::Tensor got = ResizeImage(image, h, w);
    EXPECT_EQ(got.sizes(), expected.sizes());
    // Both passes round to 8 bits: at most 1/2 each.
    EXPECT_LE((got.to(at::kDouble) - expected).abs().max().item<double>(), 1.01)
        << h << "x" << w;
  }
}

TEST(ResizeImageTest, TakesAnyStridesAndKeepsConstants) {
  const at::Tensor image = Bytes({9, 14, 3}, 2).permute({2, 0, 1});
  EXPECT_TRUE(
      ResizeImage(image, 5, 6).equal(ResizeImage(image.contiguous(), 5, 6)));
  EXPECT_TRUE(ResizeImage(image, 9, 14).equal(image));
  const at::Tensor flat = at::full({3, 13, 17}, 201, at::kByte);
  EXPECT_TRUE(ResizeImage(flat, 5, 40).eq(201).all().item<bool>());
}

TEST(ResizeImageTest, RefusesWrongArguments) {
  EXPECT_THROW(ResizeImage(at::zeros({3, 4, 4}), 2, 2), c10::Error);
  EXPECT_THROW(ResizeImage(at::zeros({4, 4}, at::kByte), 2, 2), c10::Error);
  EXPECT_THROW(ResizeImage(at::Tensor(), 2, 2), c10::Error);
  EXPECT_THROW(ResizeImage(at::zeros({3, 4, 4}, at::kByte), 0, 2), c10::Error);
}

TEST(ResizeMaskTest, HandWorked) {
  const at::Tensor mask =
      at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).view({2, 3});
  EXPECT_TRUE(
      ResizeMask(mask, 1, 1).equal(at::tensor({5}, at::kByte).view({1, 1})));
  EXPECT_TRUE(ResizeMask(mask, 4, 6)
                  .equal(mask.repeat_interleave(2, 0).repeat_interleave(2, 1)));
}

TEST(ResizeMaskTest, AgreesWithTorchNearestExact) {
  const at::Tensor mask = Bytes({19, 27}, 3);
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {10, 12}, {40, 57}, {19, 80}, {1, 1}, {19, 27}}) {
    const at::Tensor expected =
        at::_upsample_nearest_exact2d(mask.view({1, 1, 19, 27}).to(at::kDouble),
                                      {h, w})
            .view({h, w})
            .to(at::kByte);
    EXPECT_TRUE(ResizeMask(mask, h, w).equal(expected)) << h << "x" << w;
  }
}

TEST(ResizeMaskTest, MakesNoNewLabels) {
  const at::Tensor mask = Bytes({19, 27}, 3).remainder(5).mul(50);
  const at::Tensor out = ResizeMask(mask, 31, 8);
  EXPECT_TRUE(out.remainder(50).eq(0).all().item<bool>());
}

Sample MakeSample() {
  Sample sample;
  sample.id = "a";
  sample.path = "a.png";
  sample.image = Bytes({3, 6, 5}, 4);
  sample.mask = Bytes({6, 5}, 5).remainder(4);
  return sample;
}

TEST(ResizeSampleTest, ResizesBothAndKeepsTheNames) {
  const Sample out = ResizeSample(MakeSample(), 12, 9);
  EXPECT_EQ(out.id, "a");
  EXPECT_EQ(out.path, "a.png");
  EXPECT_EQ(out.image.sizes(), at::IntArrayRef({3, 12, 9}));
  EXPECT_EQ(out.mask.sizes(), at::IntArrayRef({12, 9}));
  Sample bare = MakeSample();
  bare.mask = at::Tensor();
  EXPECT_FALSE(ResizeSample(bare, 12, 9).mask.defined());
}

TEST(FlipSampleTest, MirrorsAndSwapsPairs) {
  Sample sample = MakeSample();
  sample.mask = at::tensor({0, 1, 2, 3, 255, 1}, at::kByte).view({2, 3});
  sample.image = at::arange(18, at::kByte).view({3, 2, 3});
  const Sample out = FlipSample(sample, {{1, 2}});
  EXPECT_TRUE(
      out.mask.equal(at::tensor({1, 2, 0, 2, 255, 3}, at::kByte).view({2, 3})))
      << out.mask;
  EXPECT_TRUE(out.image.equal(sample.image.flip({2})));
}

TEST(FlipSampleTest, IsAnInvolution) {
  const Sample sample = MakeSample();
  const std::vector<std::pair<int64_t, int64_t>> pairs = {{0, 3}, {1, 2}};
  const Sample twice = FlipSample(FlipSample(sample, pairs), pairs);
  EXPECT_TRUE(twice.image.equal(sample.image));
  EXPECT_TRUE(twice.mask.equal(sample.mask));
}

at::Tensor Points(std::vector<float> rows) {
  return at::tensor(rows).view({-1, 3});
}

TEST(PointsTest, AreResizedWithThePicture) {
  Sample sample;
  sample.image = Bytes({3, 4, 6}, 1);
  // The corners of the picture, a centre of a pixel, and one outside.
  sample.points =
      Points({-0.5f, -0.5f, 1, 5.25f, 3.25f, 1, 2, 1, 0.5f, 9, 1, 1});
  const Sample out = ResizeSample(sample, 8, 3);
  EXPECT_TRUE(out.points.equal(Points(
      {-0.5f, -0.5f, 1, 2.375f, 7, 1, 0.75f, 2.5f, 0.5f, 4.25f, 2.5f, 0})))
      << out.points;
  EXPECT_EQ(sample.points[3][2].item<float>(), 1);  // not written to
  sample.points = at::Tensor();
  EXPECT_FALSE(ResizeSample(sample, 8, 3).points.defined());
}

TEST(PointsTest, AreMirroredAndPairsExchanged) {
  Sample sample;
  sample.image = Bytes({3, 4, 6}, 1);
  // Left eye, right eye (not visible), nose.
  sample.points = Points({1, 1, 1, 4, 1, 0, 2.5f, 2, 1});
  const Sample out = FlipSample(sample, {}, {{0, 1}});
  EXPECT_TRUE(out.points.equal(Points({1, 1, 0, 4, 1, 1, 2.5f, 2, 1})))
      << out.points;
  EXPECT_TRUE(FlipSample(out, {}, {{0, 1}}).points.equal(sample.points));
  EXPECT_THROW(FlipSample(sample, {}, {{0, 3}}), c10::Error);
  sample.points = at::zeros({2, 2});
  EXPECT_THROW(FlipSample(sample, {}), c10::Error);
}

TEST(AffineTest, TheInverseUndoesIt) {
  Affine map;
  map.xx = 2, map.xy = 1, map.x0 = 3;
  map.yx = 1, map.yy = 1, map.y0 = -4;
  const at::Tensor points = Points({5, 6, 1, 0, 0, 1});
  const at::Tensor moved = MovePoints(points, map, 100, 100);
  EXPECT_TRUE(moved.equal(Points({19, 7, 1, 3, -4, 0}))) << moved;
  EXPECT_TRUE(MovePoints(moved, map.Inverse(), 100, 100)
                  .slice(1, 0, 2)
                  .equal(points.slice(1, 0, 2)));
}

TEST(NormalizeTest, HandWorked) {
  const at::Tensor images = at::full({2, 3, 1, 1}, 10.0);
  const at::Tensor out = Normalize(images, {10, 8, 20}, {1, 2, 5});
  EXPECT_TRUE(out[1].view({3}).equal(at::tensor({0.0f, 1.0f, -2.0f})));
  EXPECT_THROW(Normalize(at::zeros({3, 2, 2}, at::kByte), {0, 0, 0}, {1, 1, 1}),
               c10::Error);
}

}  // namespace
}  // namespace seg
