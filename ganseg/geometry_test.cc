#include "ganseg/geometry.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace ganseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(GridAxisTest, HandWorked) {
  EXPECT_THAT(Values(GridAxis(GridType::kPixelCentred, 4, 1, at::kDouble)),
              ElementsAre(-1.25, -0.75, -0.25, 0.25, 0.75, 1.25));
  EXPECT_THAT(Values(GridAxis(GridType::kEndpoint, 3, 1, at::kDouble)),
              ElementsAre(-2, -1, 0, 1, 2));
  const at::Tensor axis = GridAxis(GridType::kEndpoint, 32, 10, at::kFloat);
  EXPECT_EQ(axis.scalar_type(), at::kFloat);
  EXPECT_EQ(axis[10].item<float>(), -1);
  EXPECT_EQ(axis[41].item<float>(), 1);
}

// A pixel of one level is two of the next only where pixels have centres.
TEST(GridAxisTest, LevelsNest) {
  const auto middle_of_two = [](GridType grid) {
    const at::Tensor fine = GridAxis(grid, 16, 8, at::kDouble);
    return (fine.slice(0, 0, std::nullopt, 2) +
            fine.slice(0, 1, std::nullopt, 2)) /
           2;
  };
  EXPECT_TRUE(at::equal(middle_of_two(GridType::kPixelCentred),
                        GridAxis(GridType::kPixelCentred, 8, 4, at::kDouble)));
  EXPECT_GT((middle_of_two(GridType::kEndpoint) -
             GridAxis(GridType::kEndpoint, 8, 4, at::kDouble))
                .abs()
                .max()
                .item<double>(),
            0.05);
}

TEST(GridAxisTest, Errors) {
  ExpectError([] { GridAxis(GridType::kEndpoint, 1, 0, at::kFloat); },
              "size must be at least 2, got 1");
  ExpectError([] { GridAxis(GridType::kPixelCentred, 4, -1, at::kFloat); },
              "margin must not be negative, got -1");
}

TEST(MakeLevelsTest, GroupsBlocks) {
  ASSERT_OK_AND_ASSIGN(const std::vector<Level> levels,
                       MakeLevels({32, 32, 64, 128}, {10, 11, 12}));
  ASSERT_EQ(levels.size(), 3);
  EXPECT_EQ(levels[0].size, 32);
  EXPECT_EQ(levels[0].blocks, 2);
  EXPECT_EQ(levels[0].padded(), 52);
  EXPECT_EQ(levels[1].blocks, 1);
  EXPECT_EQ(levels[1].padded(), 86);
  EXPECT_EQ(levels[2].padded(), 152);
}

TEST(MakeLevelsTest, Errors) {
  const auto error = [](const std::vector<int64_t>& sizes,
                        const std::vector<int64_t>& margins) {
    return MakeLevels(sizes, margins).status();
  };
  EXPECT_THAT(error({}, {}), StatusIs(kInvalid, HasSubstr("got none")));
  EXPECT_THAT(error({1, 2}, {4, 4}),
              StatusIs(kInvalid, HasSubstr("at least 2, got 1")));
  EXPECT_THAT(error({8, 24}, {4, 4}),
              StatusIs(kInvalid, HasSubstr("twice as large, got 24 after 8")));
  EXPECT_THAT(error({8, 4}, {4, 4}),
              StatusIs(kInvalid, HasSubstr("got 4 after 8")));
  EXPECT_THAT(error({8, 8, 16}, {4}),
              StatusIs(kInvalid, HasSubstr("each of the 2 sizes")));
  EXPECT_THAT(error({8, 16}, {4, -1}),
              StatusIs(kInvalid, HasSubstr("level 1 (16 pixels) has -1")));
  EXPECT_THAT(error({8, 16}, {4, 9}),
              StatusIs(kInvalid, HasSubstr("has 9, at most 8")));
}

TEST(SmallestMarginsTest, KnownNetworks) {
  EXPECT_THAT(SmallestMargins({8, 16, 32}, BlockType::kSpade),
              ElementsAre(7, 6, 4));
  EXPECT_THAT(SmallestMargins({32, 32, 64, 128}, BlockType::kSpade),
              ElementsAre(9, 6, 4));
  // With six blocks the released margin of 10 is just enough.
  EXPECT_THAT(SmallestMargins({32, 32, 64, 64, 128, 128}, BlockType::kSpade),
              ElementsAre(10, 9, 6));
  EXPECT_THAT(SmallestMargins({32, 32, 64, 128}, BlockType::kAdain),
              ElementsAre(4, 2, 1));
  EXPECT_THAT(SmallestMargins({8}, BlockType::kSpade), ElementsAre(4));
}

// Spoiled pixels beyond the last margin, block by block.
int64_t Leak(const std::vector<Level>& levels, BlockType type) {
  int64_t spoiled = 0;
  for (size_t l = 0; l < levels.size(); ++l) {
    if (l > 0) {
      spoiled = std::max<int64_t>(
          0, 2 * spoiled + 1 - (2 * levels[l - 1].margin - levels[l].margin));
    }
    for (int64_t b = 0; b < levels[l].blocks; ++b) {
      spoiled = type == BlockType::kSpade ? std::max<int64_t>(spoiled, 2) + 2
                                          : spoiled + 1;
    }
  }
  return std::max<int64_t>(0, spoiled - levels.back().margin);
}

TEST(CheckMarginsTest, AgreesWithTheRecursionForAllMargins) {
  int allowed = 0, refused = 0;
  for (const std::vector<int64_t>& sizes :
       std::vector<std::vector<int64_t>>{{8, 16, 32},
                                         {32, 32, 64, 128},
                                         {8, 8, 16, 16, 32, 32},
                                         {4, 8, 8, 8, 16}}) {
    for (const BlockType type : {BlockType::kSpade, BlockType::kAdain}) {
      for (int64_t a = 0; a < 14; ++a) {
        for (int64_t b = 0; b < 14; ++b) {
          for (int64_t c = 0; c < 14; ++c) {
            const auto levels = MakeLevels(sizes, {a, b, c});
            if (!levels.ok()) continue;
            const bool ok = CheckMargins(sizes, {a, b, c}, type).ok();
            EXPECT_EQ(ok, Leak(*levels, type) == 0)
                << a << " " << b << " " << c;
            ++(ok ? allowed : refused);
          }
        }
      }
    }
  }
  EXPECT_GT(allowed, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(CheckMarginsTest, NamesLevelMarginAndNeed) {
  EXPECT_THAT(
      CheckMargins({8, 16, 32}, {7, 5, 4}, BlockType::kSpade),
      StatusIs(kInvalid,
               HasSubstr("level 1 (16 pixels) has 5, at least 6 is needed")));
  EXPECT_THAT(CheckMargins({8, 16, 32}, {7, 5, 4}, BlockType::kSpade),
              StatusIs(kInvalid, HasSubstr("(7, 6, 4 suffice)")));
  EXPECT_OK(CheckMargins({8, 16, 32}, {7, 6, 4}, BlockType::kSpade));
  EXPECT_OK(CheckMargins({32, 32, 64, 128}, {9, 9, 9}, BlockType::kSpade));
  EXPECT_FALSE(
      CheckMargins({32, 32, 64, 128}, {8, 8, 8}, BlockType::kSpade).ok());
}

TEST(UpsampleAndCropTest, EqualsUpsamplingThenCropping) {
  for (const at::Tensor& x :
       {Random({2, 3, 20, 20}), ChannelsLast(Random({2, 3, 20, 20}))}) {
    const at::Tensor whole = at::upsample_bilinear2d(x, {40, 40}, false);
    for (int64_t margin = 0; margin <= 9; ++margin) {
      for (int64_t next = 0; next <= 2 * margin; ++next) {
        const at::Tensor got = UpsampleAndCrop(x, margin, next);
        EXPECT_TRUE(at::equal(got, Crop(whole, 2 * margin - next)))
            << margin << " " << next;
      }
    }
  }
}

TEST(UpsampleAndCropTest, GradientMatchesFiniteDifferences) {
  for (const int64_t next : {1, 2, 3, 4}) {
    EXPECT_TRUE(GradCheck(
        [&](const auto& in) { return UpsampleAndCrop(in[0], 2, next); },
        {Random({1, 2, 7, 7})}));
  }
}

TEST(UpsampleAndCropTest, Errors) {
  const at::Tensor x = at::zeros({1, 1, 8, 8});
  ExpectError([&] { UpsampleAndCrop(x, 4, 4); },
              "S larger than two margins of 4, got [1, 1, 8, 8]");
  ExpectError([&] { UpsampleAndCrop(x, 2, 5); },
              "0 to twice margin, got 5 and margin 2");
}

TEST(CropTest, IsAView) {
  const at::Tensor x = Random({2, 3, 8, 8});
  const at::Tensor y = Crop(x, 2);
  EXPECT_THAT(y.sizes(), ElementsAre(2, 3, 4, 4));
  EXPECT_EQ(y.storage().data(), x.storage().data());
  EXPECT_TRUE(at::equal(y, x.narrow(2, 2, 4).narrow(3, 2, 4)));
}

TEST(ResizeAndPadTest, HandWorked) {
  // 4 x 4 to 2 x 2: means of 2 x 2; then copies of the border.
  const at::Tensor x = at::arange(16, at::kDouble).view({1, 1, 4, 4});
  const at::Tensor y = ResizeAndPad(x, {2, 1, 1});
  EXPECT_THAT(Values(y),
              ElementsAre(2.5, 2.5, 4.5, 4.5, 2.5, 2.5, 4.5, 4.5, 10.5, 10.5,
                          12.5, 12.5, 10.5, 10.5, 12.5, 12.5));
  EXPECT_TRUE(at::equal(ResizeAndPad(x, {4, 0, 1}), x));
  EXPECT_TRUE(at::equal(Crop(ResizeAndPad(x, {4, 3, 1}), 3), x));
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
