#include "common/base/nearest.h"

#include <gtest/gtest.h>

namespace seg {
namespace {

TEST(EditDistanceTest, CountsEachKindOfChangeOnce) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("abc", ""), 3u);
  EXPECT_EQ(EditDistance("steps", "steps"), 0u);
  EXPECT_EQ(EditDistance("steps", "stesp"), 1u);
  EXPECT_EQ(EditDistance("steps", "step"), 1u);
  EXPECT_EQ(EditDistance("steps", "stops"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(NearestNameTest, OnlyWhatIsNear) {
  EXPECT_EQ(NearestName("mean_io", {"pixel_accuracy", "mean_iou"}), "mean_iou");
  EXPECT_EQ(NearestName("energy", {"pixel_accuracy", "mean_iou"}), "");
  EXPECT_EQ(NearestName("ab", {"ac", "ad"}), "ac");
  EXPECT_EQ(NearestName("x", {}), "");
}

TEST(NearestKeyTest, ByWholeOrByLastPart) {
  EXPECT_EQ(NearestKey("mean_io", {"mean_iou", "pixel_accuracy"}), "mean_iou");
  EXPECT_EQ(NearestKey("pack", {"train.lr", "data.pack"}), "data.pack");
  EXPECT_EQ(NearestKey("far", {"away"}), "away");
  EXPECT_EQ(NearestKey("x", {}), "");
}

}  // namespace
}  // namespace seg
