#include "common/io/planar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace seg {
namespace {

using ::testing::ElementsAre;

TEST(PlanarTest, ByHand) {
  const std::vector<uint8_t> rgb = {1, 2, 3, 4, 5, 6};
  std::vector<uint8_t> planes(6), back(6);
  DeinterleaveRgb(rgb.data(), 2, planes.data());
  EXPECT_THAT(planes, ElementsAre(1, 4, 2, 5, 3, 6));
  InterleaveRgb(planes.data(), 2, back.data());
  EXPECT_EQ(back, rgb);
}

// Every length around the widest vector (64 lanes): whole vectors and tails.
TEST(PlanarTest, MatchesTheLoopForEveryLength) {
  for (int64_t n = 0; n <= 200; ++n) {
    std::vector<uint8_t> rgb(3 * n + 1), planes(3 * n + 1), back(3 * n + 1);
    for (int64_t i = 0; i < 3 * n; ++i) rgb[i] = static_cast<uint8_t>(i * 89);
    planes[3 * n] = back[3 * n] = rgb[3 * n] = 77;  // must stay
    DeinterleaveRgb(rgb.data(), n, planes.data());
    for (int64_t i = 0; i < n; ++i) {
      for (int c = 0; c < 3; ++c) {
        ASSERT_EQ(planes[c * n + i], rgb[3 * i + c]) << n;
      }
    }
    EXPECT_EQ(planes[3 * n], 77);
    InterleaveRgb(planes.data(), n, back.data());
    EXPECT_EQ(back, rgb) << n;
  }
}

}  // namespace
}  // namespace seg
