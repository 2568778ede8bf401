#include "common/training/bound_watch.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace seg {
namespace {

ScalarBound Bound(ScalarBound::Side side, double bound, int64_t updates) {
  ScalarBound out;
  out.side = side;
  out.bound = bound;
  out.updates = updates;
  return out;
}

TEST(BoundWatchTest, TellsOnceAfterTheUpdatesInARow) {
  BoundWatch watch(Bound(ScalarBound::Side::kBelow, 0.1, 5));
  int64_t due = -1;
  for (int64_t i = 0; i < 30; ++i) {
    // Below at 0..3 and from 5 on.
    if (watch.Update(at::scalar_tensor(i == 4 ? 0.2 : 0.01))) {
      EXPECT_EQ(due, -1);
      due = i;
    }
  }
  EXPECT_EQ(due, 9);
}

TEST(BoundWatchTest, TheBoundItselfAndNanAreNotBeyond) {
  BoundWatch watch(Bound(ScalarBound::Side::kAbove, 2.0, 2));
  for (const double value : {3.0, 2.0, 3.0, std::nan(""), 3.0}) {
    EXPECT_FALSE(watch.Update(at::scalar_tensor(value, at::kDouble)));
  }
  EXPECT_TRUE(watch.Update(at::scalar_tensor(HUGE_VAL, at::kDouble)));
}

TEST(BoundWatchTest, ATensorWithGradientsIsOnlyLookedAt) {
  BoundWatch watch(Bound(ScalarBound::Side::kBelow, 1.0, 1));
  at::Tensor value = at::zeros({}).set_requires_grad(true);
  EXPECT_TRUE(watch.Update(value * 2));
}

}  // namespace
}  // namespace seg
