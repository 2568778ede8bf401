#include "common/solvers/feature_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common/base/random.h"
#include "common/testing/instruction_sets.h"

namespace seg {
namespace {

// Small integers: sums are exact in any order.
template <typename T>
std::vector<T> Integers(int64_t size, uint64_t seed) {
  Rng rng(seed);
  std::vector<T> values(size);
  for (T& value : values) value = static_cast<T>(rng.Between(-1000, 1000));
  return values;
}

TEST(FeatureRowsTest, AgreesWithPlainLoopsOnEveryInstructionSet) {
  ForEachTarget([](const char* name) {
    // Below and above one vector and four of them, and what is left over.
    for (int64_t size = 0; size <= 70; ++size) {
      const std::vector<float> x = Integers<float>(size, 1);
      const std::vector<float> y = Integers<float>(size, 2);
      const std::vector<double> w = Integers<double>(size, 3);
      double with_floats = 0.0, with_doubles = 0.0;
      std::vector<double> sum = w;
      for (int64_t i = 0; i < size; ++i) {
        with_floats += double{x[i]} * double{y[i]};
        with_doubles += double{x[i]} * w[i];
        sum[i] += -3.0 * double{x[i]};
      }
      EXPECT_EQ(Dot(x.data(), y.data(), size), with_floats) << name;
      EXPECT_EQ(Dot(x.data(), w.data(), size), with_doubles) << name;
      std::vector<double> got = w;
      AddScaled(-3.0, x.data(), size, got.data());
      EXPECT_EQ(got, sum) << name << " " << size;
    }
  });
}

// Products of floats are exact in double; float sums would lose the ones.
TEST(FeatureRowsTest, SumsInDouble) {
  ForEachTarget([](const char* name) {
    std::vector<float> x(41, 1.0f);
    x[7] = 1e8f;
    const std::vector<float> ones(41, 1.0f);
    EXPECT_EQ(Dot(x.data(), ones.data(), 41), 1e8 + 40.0) << name;
  });
}

TEST(FeatureRowsTest, NanIsNotLost) {
  ForEachTarget([](const char* name) {
    for (const int64_t at : {0, 9, 18}) {
      std::vector<float> x(19, 1.0f);
      x[at] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(Dot(x.data(), x.data(), 19))) << name;
    }
  });
}

}  // namespace
}  // namespace seg
