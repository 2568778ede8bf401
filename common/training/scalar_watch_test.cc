#include "common/training/scalar_watch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace seg {
namespace {

using Finding = ScalarWatch::Finding;

TEST(ScalarWatchTest, TellsOnceOfEachNameThatIsNotFinite) {
  ScalarWatch watch(3);
  const double nan = std::nan("");
  EXPECT_EQ(watch.Update("a", 1), Finding::kNothing);
  EXPECT_EQ(watch.Update("a", nan), Finding::kNotFinite);
  EXPECT_EQ(watch.Update("a", nan), Finding::kNothing);
  EXPECT_EQ(watch.Update("a", 2), Finding::kNothing);
  EXPECT_EQ(watch.Update("a", nan), Finding::kNothing);
  EXPECT_EQ(watch.Update("b", -std::numeric_limits<double>::infinity()),
            Finding::kNotFinite);
}

TEST(ScalarWatchTest, TellsOnceOfAPlateau) {
  ScalarWatch watch(3);
  for (const double value : {1.0, 1.0, 2.0, 2.0}) {
    EXPECT_EQ(watch.Update("a", value), Finding::kNothing);
  }
  EXPECT_EQ(watch.Update("a", 2.0), Finding::kPlateau);
  for (const double value : {2.0, 3.0, 3.0, 3.0}) {
    EXPECT_EQ(watch.Update("a", value), Finding::kNothing);
  }
}

TEST(ScalarWatchTest, WhatIsNotFiniteInterruptsAPlateau) {
  ScalarWatch watch(2);
  EXPECT_EQ(watch.Update("a", 1.0), Finding::kNothing);
  EXPECT_EQ(watch.Update("a", std::nan("")), Finding::kNotFinite);
  EXPECT_EQ(watch.Update("a", 1.0), Finding::kNothing);
  EXPECT_EQ(watch.Update("a", 1.0), Finding::kPlateau);
}

}  // namespace
}  // namespace seg
