// The CUDA kernels in the emulator against the CPU core.
#include "common/layers/simplex_projection/simplex_projection_cuda.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "common/layers/simplex_projection/simplex_projection_cpu.h"
#include "common/testing/cuda_emulator/emulator.h"
#include "common/testing/cuda_emulator/schedules.h"

namespace seg {
namespace {

using cuda::emulator::DeviceArray;
using cuda::emulator::ExpectSameInAllSchedules;
using cuda::emulator::LastError;

// Planes [N, L, P], planes with a gap of two elements after each, channels
// last, or every second element of planes.
enum class Layout { kPlanes, kGaps, kChannelsLast, kSparse };

template <typename T>
SimplexView<T> View(const SimplexSizes& sizes, Layout layout, T* data) {
  const int64_t image = sizes.labels * sizes.pixels;
  switch (layout) {
    case Layout::kPlanes:
      return {data, image, sizes.pixels, 1};
    case Layout::kGaps:
      return {data, image + 2 * sizes.labels, sizes.pixels + 2, 1};
    case Layout::kChannelsLast:
      return {data, image, 1, sizes.labels};
    case Layout::kSparse:
      break;
  }
  return {data, 2 * image, 2 * sizes.pixels, 2};
}

int64_t Elements(const SimplexSizes& sizes, Layout layout) {
  const int64_t planes = sizes.images * sizes.labels;
  switch (layout) {
    case Layout::kGaps:
      return planes * (sizes.pixels + 2);
    case Layout::kSparse:
      return 2 * planes * sizes.pixels;
    default:
      return planes * sizes.pixels;
  }
}

template <typename T>
std::vector<T> Random(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0.0, 0.6);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

// Forward and backward of the CPU core and of the kernels, one after the other.
template <typename T>
struct Case {
  SimplexSizes sizes;
  Layout layout;
  T leak;
  bool step;
  std::vector<T> x, gradient, back;

  Case(const SimplexSizes& sizes, Layout layout, T leak, bool step)
      : sizes(sizes),
        layout(layout),
        leak(leak),
        step(step),
        x(Random<T>(Elements(sizes, layout), 1)),
        gradient(Random<T>(Elements(sizes, layout), 2)),
        back(Random<T>(Elements(sizes, layout), 3)) {}

  // y, then r.
  std::vector<T> Cpu() const {
    std::vector<T> y(x.size()), r(x.size());
    const int64_t blocks = SimplexBlocks(sizes);
    SimplexForward<T>(sizes, View(sizes, layout, x.data()), Slope(gradient),
                      T(0.3), leak, View(sizes, layout, y.data()), 0, blocks);
    SimplexBackward<T>(sizes, View<const T>(sizes, layout, y.data()),
                       View(sizes, layout, back.data()), leak,
                       View(sizes, layout, r.data()), 0, blocks);
    y.insert(y.end(), r.begin(), r.end());
    return y;
  }

  std::vector<T> Cuda() const {
    const DeviceArray<T> dx(x), slope(gradient), g(back);
    // In gaps and between the elements of kSparse nothing is written.
    const DeviceArray<T> y(std::vector<T>(x.size(), T(0)));
    const DeviceArray<T> r(std::vector<T>(x.size(), T(0)));
    SimplexView<const T> slope_view;
    if (step) slope_view = View<const T>(sizes, layout, slope.data());
    EXPECT_EQ(SimplexForwardCuda<T>(
                  sizes, View<const T>(sizes, layout, dx.data()), slope_view,
                  T(0.3), leak, View(sizes, layout, y.data()), nullptr),
              cudaSuccess)
        << LastError();
    EXPECT_EQ(
        SimplexBackwardCuda<T>(sizes, View<const T>(sizes, layout, y.data()),
                               View<const T>(sizes, layout, g.data()), leak,
                               View(sizes, layout, r.data()), nullptr),
        cudaSuccess)
        << LastError();
    std::vector<T> result = y.ToVector();
    const std::vector<T> rest = r.ToVector();
    result.insert(result.end(), rest.begin(), rest.end());
    return result;
  }

 private:
  SimplexView<const T> Slope(const std::vector<T>& values) const {
    if (!step) return {};
    return View(sizes, layout, values.data());
  }
};

// exact: the same values, NaN included; else with room for one rounding that
// a CPU without fused multiply-adds does twice.
template <typename T>
void ExpectSame(const std::vector<T>& actual, const std::vector<T>& expected,
                bool exact) {
  ASSERT_EQ(actual.size(), expected.size());
  const T tolerance = exact ? T(0) : 32 * std::numeric_limits<T>::epsilon();
  for (size_t i = 0; i < actual.size(); ++i) {
    const bool same = std::isnan(expected[i])
                          ? std::isnan(actual[i])
                          : actual[i] == expected[i] ||
                                std::abs(actual[i] - expected[i]) <= tolerance;
    ASSERT_TRUE(same) << "element " << i << ": " << actual[i] << ", on the CPU "
                      << expected[i];
  }
}

template <typename T>
class SimplexProjectionCudaTest : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SimplexProjectionCudaTest, Types);

TYPED_TEST(SimplexProjectionCudaTest, EqualsTheCpuForAnyNumberOfLabels) {
  using T = TypeParam;
  // Each padded size from both sides, and more labels than registers.
  for (int64_t labels : {1, 2, 3, 4, 5, 8, 9, 16, 17, 21, 24, 25, 32, 33, 50}) {
    const Case<T> exact({2, labels, 37}, Layout::kPlanes, T(0), false);
    ExpectSame(exact.Cuda(), exact.Cpu(), /*exact=*/true);
    const Case<T> leaky({1, labels, 29}, Layout::kPlanes, T(0.3), true);
    ExpectSame(leaky.Cuda(), leaky.Cpu(), /*exact=*/false);
  }
}

TYPED_TEST(SimplexProjectionCudaTest, AnyLayoutAndSize) {
  using T = TypeParam;
  for (Layout layout :
       {Layout::kPlanes, Layout::kChannelsLast, Layout::kSparse}) {
    for (const SimplexSizes& sizes :
         {SimplexSizes{1, 2, 1}, SimplexSizes{1, 2, 515}, SimplexSizes{3, 2, 5},
          SimplexSizes{2, 7, 257}, SimplexSizes{1, 21, 130}}) {
      const Case<T> plain(sizes, layout, T(0), false);
      ExpectSame(plain.Cuda(), plain.Cpu(), /*exact=*/true);
      const Case<T> step(sizes, layout, T(0.5), true);
      ExpectSame(step.Cuda(), step.Cpu(), /*exact=*/false);
    }
  }
}

// Pixels that can be moved together, by four (520 of them fill more than a
// block) and by two, and those that cannot.
TYPED_TEST(SimplexProjectionCudaTest, AdjacentPixels) {
  using T = TypeParam;
  for (int64_t labels : {1, 2, 3, 4, 6, 8, 11, 16, 19, 22, 27, 32}) {
    for (int64_t pixels : {520, 8, 4, 6, 2, 7}) {
      for (Layout layout : {Layout::kPlanes, Layout::kGaps}) {
        const Case<T> plain({2, labels, pixels}, layout, T(0), false);
        ExpectSame(plain.Cuda(), plain.Cpu(), /*exact=*/true);
      }
    }
    const Case<T> step({2, labels, 12}, Layout::kPlanes, T(0.5), true);
    ExpectSame(step.Cuda(), step.Cpu(), /*exact=*/false);
  }
}

TYPED_TEST(SimplexProjectionCudaTest, DataAtAnyElement) {
  using T = TypeParam;
  const SimplexSizes sizes = {1, 2, 8};
  for (int64_t at : {0, 1, 2}) {
    std::vector<T> x = Random<T>(16 + at, 1);
    const DeviceArray<T> from(x);
    const DeviceArray<T> to(std::vector<T>(16 + at, T(0)));
    EXPECT_EQ(
        SimplexForwardCuda<T>(
            sizes, View<const T>(sizes, Layout::kPlanes, from.data() + at), {},
            T(0), T(0), View(sizes, Layout::kPlanes, to.data() + at), nullptr),
        cudaSuccess)
        << LastError();
    std::vector<T> expected(16 + at);
    SimplexForward<T>(
        sizes, View<const T>(sizes, Layout::kPlanes, x.data() + at), {}, T(0),
        T(0), View(sizes, Layout::kPlanes, expected.data() + at), 0,
        SimplexBlocks(sizes));
    ExpectSame(to.ToVector(), expected, /*exact=*/true);
  }
}

TYPED_TEST(SimplexProjectionCudaTest, AllSchedulesGiveTheSameBits) {
  using T = TypeParam;
  for (int64_t labels : {2, 21, 40}) {
    const Case<T> one({2, labels, 150}, Layout::kPlanes, T(0.3), true);
    ExpectSameInAllSchedules([&] { return one.Cuda(); });
  }
}

TYPED_TEST(SimplexProjectionCudaTest, NanAndInfinityStayInTheirPixel) {
  using T = TypeParam;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  // 40 pixels are moved by four or two, and solved together.
  const auto check = [&](int64_t labels, int64_t pixels) {
    for (T leak : {T(0), T(0.5)}) {
      Case<T> bad({1, labels, pixels}, Layout::kPlanes, leak, false);
      bad.x[(labels - 1) * pixels + 5] = kNan;
      bad.x[17] = kNan;
      bad.x[33] = kInfinity;
      for (int64_t l = 0; l < labels; ++l) bad.x[l * pixels + 36] = -kInfinity;
      if (labels > 1) bad.x[8] = -kInfinity;  // one label that is ruled out
      const std::vector<T> actual = bad.Cuda();
      ExpectSame(actual, bad.Cpu(), /*exact=*/leak == T(0));
      const int64_t y_size = labels * pixels;
      for (int64_t i = 0; i < 2 * y_size; ++i) {
        const int64_t p = i % pixels;
        EXPECT_EQ(std::isnan(actual[i]),
                  p == 5 || p == 17 || p == 33 || p == 36)
            << i;
      }
    }
  };
  for (int64_t labels : {1, 2, 3, 6, 21, 40}) {
    check(labels, 37);
    check(labels, 40);
  }
}

TYPED_TEST(SimplexProjectionCudaTest, TiesAndLargeValues) {
  using T = TypeParam;
  Case<T> ties({1, 3, 4}, Layout::kPlanes, T(0.5), false);
  ties.x = {T(0.5), 2, T(1e4),  -7,  //
            T(0.5), 2, T(-1e4), -7,  //
            0,      2, T(1e4),  -7};
  const std::vector<T> actual = ties.Cuda();
  ExpectSame(actual, ties.Cpu(), /*exact=*/false);
  EXPECT_EQ(actual[0], T(0.5));
  EXPECT_EQ(actual[8], T(0));  // equal to the threshold: inactive
  EXPECT_EQ(actual[2], T(0.5));
}

TYPED_TEST(SimplexProjectionCudaTest, NothingToDo) {
  using T = TypeParam;
  EXPECT_EQ(SimplexForwardCuda<T>({0, 3, 4}, {}, {}, T(0), T(0), {}, nullptr),
            cudaSuccess);
  EXPECT_EQ(SimplexForwardCuda<T>({2, 0, 4}, {}, {}, T(0), T(0), {}, nullptr),
            cudaSuccess);
  EXPECT_EQ(SimplexBackwardCuda<T>({2, 3, 0}, {}, {}, T(0), {}, nullptr),
            cudaSuccess);
  EXPECT_EQ(SimplexBackwardCuda<T>({2, 0, 4}, {}, {}, T(0), {}, nullptr),
            cudaSuccess);
}

}  // namespace
}  // namespace seg
