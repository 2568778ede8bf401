#include "common/datasets/synthetic/digits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/synthetic/hash_bytes.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::HasSubstr;

DigitsOptions Hidden(int64_t quadrants, int64_t height = 32,
                     int64_t width = 32) {
  DigitsOptions options;
  options.hidden_quadrants = quadrants;
  options.height = height;
  options.width = width;
  return options;
}

at::Tensor IsHidden(const Sample& sample) {  // bool [H,W]
  const at::Tensor colour =
      at::tensor({70, 90, 150}, at::kByte).view({3, 1, 1});
  return sample.image.eq(colour).all(0);
}

TEST(DigitsTest, GoldenHash) {
  // Integer arithmetic only: these bytes are the same on every machine.
  EXPECT_EQ(HashSamples(20,
                        [](int64_t i) {
                          return MakeDigit(Hidden(1 + i % 3, 32, 40), i);
                        }),
            576380804086535149ULL);
}

TEST(DigitsTest, HidesTheQuadrantsThatItSays) {
  at::Tensor expected = at::zeros({32, 40}, at::kBool);
  expected.slice(0, 0, 16).slice(1, 20, 40).fill_(true);
  EXPECT_TRUE(IsHidden(MakeDigit(Hidden(1, 32, 40), 7)).equal(expected));
  expected.slice(1, 20, 40).fill_(true);
  EXPECT_TRUE(IsHidden(MakeDigit(Hidden(2, 32, 40), 7)).equal(expected));
  expected.slice(0, 0, 16).fill_(true);
  EXPECT_TRUE(IsHidden(MakeDigit(Hidden(3, 32, 40), 7)).equal(expected));
}

TEST(DigitsTest, LabelsAreOfWhatIsHidden) {
  for (int64_t i = 0; i < 20; ++i) {
    for (int64_t quadrants = 1; quadrants <= 3; ++quadrants) {
      const Sample sample = MakeDigit(Hidden(quadrants), i);
      EXPECT_TRUE(
          sample.mask.ne(DigitsInfo().ignore_label).equal(IsHidden(sample)));
      EXPECT_EQ(sample.mask.eq(255).logical_not().sum().item<int64_t>(),
                256 * quadrants);
    }
    // The same digit whatever is hidden.
    const Sample one = MakeDigit(Hidden(1), i);
    const Sample three = MakeDigit(Hidden(3), i);
    EXPECT_EQ(one.id, three.id);
    const at::Tensor hidden = IsHidden(one);
    EXPECT_TRUE(
        one.mask.masked_select(hidden).equal(three.mask.masked_select(hidden)))
        << i;
    // The bottom right quadrant, hidden in `three` alone: bright is digit, but
    // for the edge.
    const auto corner = [](const at::Tensor& t) {
      return t.slice(-2, 16).slice(-1, 16);
    };
    const at::Tensor bright = corner(one.image)[0].gt(96);
    EXPECT_GT(bright.eq(corner(three.mask).ne(0))
                  .to(at::kDouble)
                  .mean()
                  .item<double>(),
              0.95)
        << i;
  }
}

TEST(DigitsTest, DigitsVaryAndStayInThePicture) {
  double share = 0;
  double border = 0;
  at::Tensor mean = at::zeros({32, 32}, at::kDouble);
  constexpr int64_t kCount = 300;
  for (int64_t i = 0; i < kCount; ++i) {
    const at::Tensor mask = MakeDigit(Hidden(3), i).mask.eq(1).to(at::kDouble);
    const double area = mask.mean().item<double>();
    EXPECT_GT(area, 0.01) << i;
    EXPECT_LT(area, 0.5) << i;
    share += area / kCount;
    border += (mask.sum() - mask.slice(0, 1, 31).slice(1, 1, 31).sum())
                  .item<double>() /
              kCount;
    mean += mask / kCount;
  }
  EXPECT_GT(share, 0.07);  // of the picture, in three quadrants
  EXPECT_LT(share, 0.25);
  EXPECT_LT(border, 1.0);  // pixels a picture
  // No pixel is the digit's in nearly every picture.
  EXPECT_LT(mean.max().item<double>(), 0.8);
  EXPECT_FALSE(
      MakeDigit(Hidden(3), 1).mask.equal(MakeDigit(Hidden(3), 2).mask));
}

TEST(DigitsDatasetTest, OpensByName) {
  DataConfig config;
  config.pack = "synthetic:digits";
  config.synthetic.height = 32;
  config.synthetic.width = 32;
  config.synthetic.hidden_quadrants = 2;
  config.synthetic.train = 4;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  EXPECT_EQ(set->size(), 4);
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(3));
  EXPECT_EQ(sample.id, "digit3");
  EXPECT_TRUE(sample.image.equal(MakeDigit(Hidden(2), 3).image));
  config.synthetic.hidden_quadrants = 4;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("hidden_quadrants: 4, expected 1 .. 3")));
}

}  // namespace
}  // namespace seg
