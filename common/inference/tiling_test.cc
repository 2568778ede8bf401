#include "common/inference/tiling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace seg {
namespace {

// An output that depends on each pixel alone: tiling must not show at all.
std::vector<at::Tensor> PointWise(const at::Tensor& images) {
  return {at::cat({images.sum(1, true), images.select(1, 0).unsqueeze(1)}, 1),
          images * 2};
}

TilingOptions Options(int64_t max_pixels, int64_t tile, int64_t overlap) {
  TilingOptions options;
  options.max_pixels = max_pixels;
  options.tile = tile;
  options.overlap = overlap;
  return options;
}

TEST(PredictTiledTest, PointWiseFunctionsAreUnchanged) {
  at::manual_seed(3);
  for (const auto& size : std::vector<std::vector<int64_t>>{
           {1, 3, 50, 70}, {2, 3, 33, 9}, {1, 3, 8, 200}, {1, 3, 17, 16}}) {
    const at::Tensor images = at::rand(size);
    const std::vector<at::Tensor> whole = PointWise(images);
    const std::vector<at::Tensor> tiled =
        PredictTiled(PointWise, images, Options(1, 16, 5));
    ASSERT_EQ(tiled.size(), 2u);
    for (size_t i = 0; i < whole.size(); ++i) {
      // Weighted means of equal float values.
      EXPECT_TRUE(at::allclose(tiled[i], whole[i], 1e-5, 1e-6));
    }
  }
}

TEST(PredictTiledTest, SmallImagesGoThroughInOnePiece) {
  int calls = 0;
  const PredictFn count = [&](const at::Tensor& images) {
    ++calls;
    return PointWise(images);
  };
  PredictTiled(count, at::rand({1, 3, 20, 20}), Options(400, 16, 4));
  EXPECT_EQ(calls, 1);
  PredictTiled(count, at::rand({1, 3, 20, 21}), Options(400, 16, 4));
  EXPECT_EQ(calls, 1 + 4);
}

TEST(PredictTiledTest, TilesOfOneSizeCoverTheImage) {
  const PredictFn check = [](const at::Tensor& images) {
    EXPECT_EQ(images.size(2), 16);
    EXPECT_EQ(images.size(3), 16);
    return std::vector<at::Tensor>{at::ones({1, 1, 16, 16})};
  };
  const at::Tensor ones =
      PredictTiled(check, at::rand({1, 3, 61, 47}), Options(1, 16, 3))[0];
  EXPECT_TRUE(at::allclose(ones, at::ones({1, 1, 61, 47})));
}

TEST(PredictTiledTest, ATileHasLessSayNearItsEdge) {
  // Each tile answers with a constant of its own: the result may not jump by
  // more than the ramp's slope.
  double next = 0;
  const PredictFn constant = [&](const at::Tensor&) {
    return std::vector<at::Tensor>{at::full({1, 1, 8, 32}, next++)};
  };
  const at::Tensor out =
      PredictTiled(constant, at::rand({1, 3, 8, 56}), Options(1, 32, 8))[0];
  EXPECT_EQ(next, 2.0);
  const at::Tensor jump = out.diff(1, 3).abs();
  EXPECT_LE(jump.max().item<double>(), 1.0 / 8 + 1e-6);
  EXPECT_EQ(out[0][0][0][0].item<float>(), 0.0f);
  EXPECT_EQ(out[0][0][0][55].item<float>(), 1.0f);
}

TEST(PredictTiledTest, RefusesAnOverlapThatLeavesNoTile) {
  EXPECT_THROW(
      PredictTiled(PointWise, at::rand({1, 3, 20, 20}), Options(1, 16, 16)),
      c10::Error);
  EXPECT_THROW(PredictTiled(PointWise, at::rand({3, 20, 20}), TilingOptions()),
               c10::Error);
}

}  // namespace
}  // namespace seg
