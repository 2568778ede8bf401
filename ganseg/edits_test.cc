#include "ganseg/edits.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"
#include "ganseg/heatmaps.h"
#include "ganseg/pictures.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

constexpr int64_t kRows = 2, kColumns = 3;

class EditsTest : public testing::Test {
 protected:
  EditsTest() : generator_(ToOptions(TinyConfig().generator)) {
    torch::manual_seed(5);
    config_.rows = kRows;
    config_.columns = kColumns;
  }
  Codes Sample() {
    const absl::StatusOr<Codes> codes = SampleCodes(config_, generator_);
    EXPECT_OK(codes.status());
    return *codes;
  }
  // x [rows * columns, ...]: that of a row and column.
  static at::Tensor At(const at::Tensor& x, int64_t row, int64_t column) {
    return x[row * kColumns + column];
  }

  Generator generator_;
  SampleConfig config_;
};

TEST_F(EditsTest, WithoutAnEditAllDiffer) {
  const Codes codes = Sample();
  EXPECT_EQ(codes.points.sizes(), at::IntArrayRef({6, 4, 2}));
  EXPECT_FALSE(at::equal(At(codes.points, 0, 0), At(codes.points, 0, 1)));
}

TEST_F(EditsTest, MovesOnePartAlone) {
  config_.move_part = 2;
  const Codes codes = Sample();
  for (int64_t row = 0; row < kRows; ++row) {
    const at::Tensor difference =
        At(codes.points, row, 2) - At(codes.points, row, 0);
    EXPECT_TRUE(at::allclose(
        difference,
        at::tensor({0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.5}, at::kFloat)
            .view({4, 2})));
    EXPECT_TRUE(
        at::equal(At(codes.appearance, row, 0), At(codes.appearance, row, 2)));
  }
  EXPECT_FALSE(at::equal(At(codes.points, 0, 0), At(codes.points, 1, 0)));
}

TEST_F(EditsTest, SpreadsPartsAboutTheirCentres) {
  config_.spread = 3;
  const Codes codes = Sample();
  const at::Tensor centres = PartCentres(codes.points, 2);
  const at::Tensor scales = MeanAbsoluteDeviation(codes.points, 2);
  EXPECT_TRUE(at::allclose(At(centres, 1, 0), At(centres, 1, 2), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(At(scales, 1, 2) - kScaleEpsilon,
                           3 * (At(scales, 1, 0) - kScaleEpsilon), 1e-4));
}

TEST_F(EditsTest, SwapsTheAppearanceOfTheOtherColumns) {
  config_.swap = Swap::kAppearance;
  const Codes codes = Sample();
  EXPECT_TRUE(at::equal(At(codes.points, 0, 0), At(codes.points, 0, 2)));
  EXPECT_TRUE(
      at::equal(At(codes.background, 0, 0), At(codes.background, 0, 2)));
  EXPECT_TRUE(
      at::equal(At(codes.appearance, 0, 1), At(codes.appearance, 1, 1)));
  EXPECT_FALSE(
      at::equal(At(codes.appearance, 0, 0), At(codes.appearance, 1, 0)));
  EXPECT_FALSE(
      at::equal(At(codes.appearance, 0, 0), At(codes.appearance, 0, 1)));
}

TEST_F(EditsTest, SwapsTheBackgroundWithItsPosition) {
  config_.swap = Swap::kBackground;
  const Codes codes = Sample();
  EXPECT_TRUE(
      at::equal(At(codes.appearance, 0, 0), At(codes.appearance, 0, 2)));
  EXPECT_TRUE(
      at::equal(At(codes.background, 0, 1), At(codes.background, 1, 1)));
  EXPECT_TRUE(at::equal(At(codes.background_position, 0, 1),
                        At(codes.background_position, 1, 1)));
}

TEST_F(EditsTest, Refusals) {
  config_.move_part = 3;
  EXPECT_THAT(SampleCodes(config_, generator_).status().message(),
              testing::HasSubstr("the generator has 2 parts"));
  config_.move_part = 1;
  config_.spread = 2;
  EXPECT_THAT(SampleCodes(config_, generator_).status().message(),
              testing::HasSubstr("one edit at a time"));
}

TEST_F(EditsTest, GridsOfPicturesAndParts) {
  generator_->eval();
  const at::NoGradGuard no_grad;
  const Generated generated = generator_->Render(Sample());
  GridOptions options;
  options.columns = kColumns;
  options.cell = 64;  // twice the 32 pixels
  for (const at::Tensor& grid :
       {ImageGrid(generated, options), PartGrid(generated, options)}) {
    EXPECT_EQ(grid.sizes(), at::IntArrayRef({3, 2 * 64 + 2, 3 * 64 + 4}));
    EXPECT_TRUE(grid.slice(1, 64, 66).eq(255).all().item<bool>());
  }
  // The first pixel of the first picture, and its copies.
  const at::Tensor grid = ImageGrid(generated, options);
  EXPECT_TRUE(at::equal(grid.slice(1, 0, 2).slice(2, 0, 2),
                        grid.slice(1, 0, 1).slice(2, 0, 1).expand({3, 2, 2})));
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
