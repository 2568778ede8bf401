#include "common/datasets/synthetic/rim.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ATen/ATen.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

TEST(LabelsWithRimTest, ByHand) {
  // Two things of one class side by side, and background below.
  const at::Tensor things = at::tensor({1, 1, 1, 2, 2, 2,  //
                                        1, 1, 1, 2, 2, 2,  //
                                        1, 1, 1, 2, 2, 2,  //
                                        0, 0, 0, 0, 0, 0,  //
                                        0, 0, 0, 0, 0, 0},
                                       at::kByte)
                                .view({5, 6});
  const at::Tensor expected = at::tensor({7, 7, 9, 9, 7, 7,  //
                                          7, 7, 9, 9, 7, 7,  //
                                          9, 9, 9, 9, 9, 9,  //
                                          9, 9, 9, 9, 9, 9,  //
                                          0, 0, 0, 0, 0, 0},
                                         at::kByte)
                                  .view({5, 6});
  EXPECT_TRUE(LabelsWithRim(things, {0, 7, 7}, 1, 9).equal(expected));
  EXPECT_TRUE(LabelsWithRim(things, {0, 7, 7}, 0, 9)
                  .equal(things.ne(0).to(at::kByte) * 7));
  EXPECT_TRUE(LabelsWithRim(things, {0, 7, 7}, 4, 9).eq(9).all().item<bool>());
}

TEST(LabelsWithRimTest, AsBruteForce) {
  at::manual_seed(5);
  const at::Tensor things = at::randint(0, 8, {13, 11}, at::kByte)
                                .floor_divide(6)
                                .to(at::kByte);  // mostly 0, some 1
  for (const int64_t width : {1, 2, 3}) {
    const at::Tensor labels = LabelsWithRim(things, {3, 4}, width, 255);
    for (int64_t y = 0; y < 13; ++y) {
      for (int64_t x = 0; x < 11; ++x) {
        const at::Tensor window =
            things.slice(0, std::max<int64_t>(0, y - width), y + width + 1)
                .slice(1, std::max<int64_t>(0, x - width), x + width + 1);
        const int own = things[y][x].item<int>();
        const int expected = window.eq(own).all().item<bool>() ? 3 + own : 255;
        EXPECT_EQ(labels[y][x].item<int>(), expected) << y << ", " << x;
      }
    }
  }
}

TEST(LabelsWithRimTest, EmptyAndErrors) {
  EXPECT_EQ(LabelsWithRim(at::zeros({0, 4}, at::kByte), {0}, 1, 255).sizes(),
            at::IntArrayRef({0, 4}));
  ExpectError(
      [] {
        LabelsWithRim(at::zeros({2, 2}), {0}, 1, 255);
      },
      "contiguous uint8 [H,W], got Float [2, 2]");
  ExpectError(
      [] {
        LabelsWithRim(at::zeros({2, 2}, at::kByte), {0}, -1, 255);
      },
      "width must be >= 0, got -1");
}

}  // namespace
}  // namespace seg
