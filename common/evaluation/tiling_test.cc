#include "common/evaluation/tiling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace seg {
namespace {

// An output that depends on each pixel alone: tiling must not show at all.
std::vector<at::Tensor> PointWise(const Batch& batch) {
  const at::Tensor& images = batch.images;
  return {at::cat({images.sum(1, true), images.select(1, 0).unsqueeze(1)}, 1),
          images * 2};
}

Batch Images(const at::Tensor& images) {
  Batch batch;
  batch.images = images;
  return batch;
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
    const std::vector<at::Tensor> whole = PointWise(Images(images));
    const std::vector<at::Tensor> tiled =
        PredictTiled(PointWise, Images(images), Options(1, 16, 5));
    ASSERT_EQ(tiled.size(), 2u);
    for (size_t i = 0; i < whole.size(); ++i) {
      // Weighted means of equal float values.
      EXPECT_TRUE(at::allclose(tiled[i], whole[i], 1e-5, 1e-6));
    }
  }
}

TEST(PredictTiledTest, SmallImagesGoThroughInOnePiece) {
  int calls = 0;
  const ProbabilitiesFn count = [&](const Batch& batch) {
    ++calls;
    return PointWise(batch);
  };
  PredictTiled(count, Images(at::rand({1, 3, 20, 20})), Options(400, 16, 4));
  EXPECT_EQ(calls, 1);
  PredictTiled(count, Images(at::rand({1, 3, 20, 21})), Options(400, 16, 4));
  EXPECT_EQ(calls, 1 + 4);
}

TEST(PredictTiledTest, TilesOfOneSizeCoverTheImage) {
  const ProbabilitiesFn check = [](const Batch& batch) {
    const at::Tensor& images = batch.images;
    EXPECT_EQ(images.size(2), 16);
    EXPECT_EQ(images.size(3), 16);
    return std::vector<at::Tensor>{at::ones({1, 1, 16, 16})};
  };
  const at::Tensor ones = PredictTiled(check, Images(at::rand({1, 3, 61, 47})),
                                       Options(1, 16, 3))[0];
  EXPECT_TRUE(at::allclose(ones, at::ones({1, 1, 61, 47})));
}

TEST(PredictTiledTest, ATileHasLessSayNearItsEdge) {
  // Each tile answers with a constant of its own: the result may not jump by
  // more than the ramp's slope.
  double next = 0;
  const ProbabilitiesFn constant = [&](const Batch&) {
    return std::vector<at::Tensor>{at::full({1, 1, 8, 32}, next++)};
  };
  const at::Tensor out = PredictTiled(constant, Images(at::rand({1, 3, 8, 56})),
                                      Options(1, 32, 8))[0];
  EXPECT_EQ(next, 2.0);
  const at::Tensor jump = out.diff(1, 3).abs();
  EXPECT_LE(jump.max().item<double>(), 1.0 / 8 + 1e-6);
  EXPECT_EQ(out[0][0][0][0].item<float>(), 0.0f);
  EXPECT_EQ(out[0][0][0][55].item<float>(), 1.0f);
}

TEST(PredictTiledTest, ProbabilitiesAreCutWithTheImage) {
  at::manual_seed(4);
  Batch batch = Images(at::rand({1, 3, 21, 40}));
  batch.probabilities = at::rand({1, 2, 21, 40});
  const ProbabilitiesFn sum = [](const Batch& tile) {
    return std::vector<at::Tensor>{tile.images.sum(1, true) +
                                   tile.probabilities};
  };
  EXPECT_TRUE(at::allclose(PredictTiled(sum, batch, Options(1, 16, 4))[0],
                           sum(batch)[0], 1e-5, 1e-6));
}

TEST(PredictTiledTest, RefusesAnOverlapThatLeavesNoTile) {
  EXPECT_THROW(PredictTiled(PointWise, Images(at::rand({1, 3, 20, 20})),
                            Options(1, 16, 16)),
               c10::Error);
  EXPECT_THROW(
      PredictTiled(PointWise, Images(at::rand({3, 20, 20})), TilingOptions()),
      c10::Error);
}

}  // namespace
}  // namespace seg
