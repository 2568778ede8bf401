#include "common/metrics/arg_max.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace seg {
namespace {

TEST(ArgMaxLabelsTest, HandWorked) {
  const at::Tensor scores =
      at::tensor({0.0f, 2.0f, -1.0f,  // class 0
                  1.0f, 2.0f, -3.0f,  // class 1: equal to 0 in the middle
                  0.5f, 2.5f, -1.0f})
          .view({3, 1, 3});
  const at::Tensor labels = ArgMaxLabels(scores);
  EXPECT_EQ(labels.scalar_type(), at::kByte);
  EXPECT_TRUE(at::equal(labels, at::tensor({1, 2, 0}, at::kByte).view({1, 3})));
}

TEST(ArgMaxLabelsTest, EqualsAtArgmaxInEveryLayout) {
  at::manual_seed(3);
  for (const int64_t classes : {1, 2, 7, 256}) {
    // Few values, so that there are ties.
    const at::Tensor scores = at::randint(0, 4, {2, classes, 5, 9}, at::kFloat);
    const at::Tensor expected = scores.argmax(1).to(at::kByte);
    for (const at::ScalarType type :
         {at::kFloat, at::kDouble, at::kHalf, at::kLong}) {
      EXPECT_TRUE(at::equal(ArgMaxLabels(scores.to(type)), expected));
    }
    EXPECT_TRUE(at::equal(
        ArgMaxLabels(scores.contiguous(at::MemoryFormat::ChannelsLast)),
        expected));
    EXPECT_TRUE(at::equal(ArgMaxLabels(scores[1]), expected[1]));
    const at::Tensor turned = scores.transpose(2, 3);
    EXPECT_TRUE(at::equal(ArgMaxLabels(turned), expected.transpose(1, 2)));
    EXPECT_TRUE(at::equal(ArgMaxLabels(scores.slice(3, 2, 7)),
                          expected.slice(2, 2, 7)));
  }
}

TEST(ArgMaxLabelsTest, NanIsGreatestAsInAtArgmax) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const at::Tensor scores = at::tensor({nan, 1.0f, inf, nan, 1.0f, nan, nan,
                                        nan, -inf, 0.0f, 2.0f, -inf})
                                .view({3, 2, 2});
  EXPECT_TRUE(at::equal(ArgMaxLabels(scores), scores.argmax(0).to(at::kByte)));
  const at::Tensor last =
      scores.unsqueeze(0).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(at::equal(ArgMaxLabels(last), last.argmax(1).to(at::kByte)));
}

TEST(ArgMaxLabelsTest, EmptyAndRefused) {
  EXPECT_EQ(ArgMaxLabels(at::zeros({3, 0, 4})).sizes(),
            at::IntArrayRef({0, 4}));
  EXPECT_EQ(ArgMaxLabels(at::zeros({0, 3, 4, 4})).size(0), 0);
  EXPECT_THROW(ArgMaxLabels(at::zeros({3, 4})), c10::Error);
  EXPECT_THROW(ArgMaxLabels(at::zeros({0, 4, 4})), c10::Error);
  EXPECT_THROW(ArgMaxLabels(at::zeros({257, 1, 1})), c10::Error);
}

}  // namespace
}  // namespace seg
