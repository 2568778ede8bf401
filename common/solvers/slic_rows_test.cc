#include "common/solvers/slic_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common/base/random.h"
#include "common/testing/instruction_sets.h"

namespace seg {
namespace {

std::vector<float> Uniform(int64_t size, Rng* rng) {
  std::vector<float> values(size + kSlicSlack);
  for (float& value : values) {
    value = static_cast<float>(rng->Between(-100000, 100000)) / 1000.0f;
  }
  return values;
}

TEST(SlicRowsTest, AgreesWithAPlainLoopOnEveryInstructionSet) {
  ForEachTarget([](const char* name) {
    for (int64_t count = 0; count <= 70; ++count) {
      Rng rng(count + 1);
      const std::vector<float> l = Uniform(count, &rng);
      const std::vector<float> a = Uniform(count, &rng);
      const std::vector<float> b = Uniform(count, &rng);
      const std::vector<float> dx = Uniform(count, &rng);
      const float centre[3] = {1.5f, -20.0f, 30.25f};
      const float dy2 = 6.25f, space = 0.37f;
      // Some pixels have no centre, some the distance that they are given, some
      // a little more.
      std::vector<float> distance(count + kSlicSlack, -1.0f);
      std::vector<int32_t> label(count + kSlicSlack, 3);
      std::vector<float> want_distance = distance;
      std::vector<int32_t> want_label = label;
      for (int64_t i = 0; i < count; ++i) {
        const volatile float dl = l[i] - centre[0], da = a[i] - centre[1],
                             db = b[i] - centre[2];
        const volatile float l2 = dl * dl, a2 = da * da, b2 = db * db;
        const volatile float la = l2 + a2, colour = la + b2;
        const volatile float x2 = dx[i] * dx[i], in_space = dy2 + x2;
        const volatile float weighed = space * in_space;
        const float found = colour + weighed;
        const float infinity = std::numeric_limits<float>::infinity();
        const float had[] = {infinity, found, std::nextafter(found, infinity),
                             0.5f * found};
        distance[i] = had[i % 4];
        const bool nearer = i % 4 == 0 || i % 4 == 2;
        want_distance[i] = nearer ? found : distance[i];
        want_label[i] = nearer ? 8 : 3;
      }
      const float* const colour[3] = {l.data(), a.data(), b.data()};
      TakeNearer(colour, centre, dx.data(), dy2, space, 8, count,
                 distance.data(), label.data());
      EXPECT_EQ(distance, want_distance) << name << " " << count;
      EXPECT_EQ(label, want_label) << name << " " << count;
    }
  });
}

TEST(SlicRowsTest, NanIsNearToNothing) {
  ForEachTarget([](const char* name) {
    std::vector<float> plane(1 + kSlicSlack,
                             std::numeric_limits<float>::quiet_NaN());
    const float* const colour[3] = {plane.data(), plane.data(), plane.data()};
    const float centre[3] = {0.0f, 0.0f, 0.0f};
    const std::vector<float> dx(1 + kSlicSlack);
    std::vector<float> distance(1 + kSlicSlack, 5.0f);
    std::vector<int32_t> label(1 + kSlicSlack, 3);
    TakeNearer(colour, centre, dx.data(), 0.0f, 1.0f, 8, 1, distance.data(),
               label.data());
    EXPECT_EQ(label[0], 3) << name;
    EXPECT_EQ(distance[0], 5.0f) << name;
  });
}

}  // namespace
}  // namespace seg
