#include "common/datasets/synthetic/ambiguous.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/synthetic/hash_bytes.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::HasSubstr;

AmbiguousOptions Size(int64_t height, int64_t width, uint64_t seed = 1) {
  AmbiguousOptions options;
  options.height = height;
  options.width = width;
  options.seed = seed;
  return options;
}

double Iou(const at::Tensor& a, const at::Tensor& b) {  // bool
  return a.logical_and(b).sum().item<double>() /
         a.logical_or(b).sum().item<double>();
}

TEST(AmbiguousTest, GoldenHash) {
  // Integer arithmetic only: these bytes are the same on every machine.
  EXPECT_EQ(
      HashSamples(8, [](int64_t i) { return MakeAmbiguous(Size(32, 48), i); }),
      14827773265253187513ULL);
}

TEST(AmbiguousTest, IsAFunctionOfSeedAndIndex) {
  const Sample a = MakeAmbiguous(Size(32, 32), 5);
  const Sample b = MakeAmbiguous(Size(32, 32), 5);
  EXPECT_TRUE(a.image.equal(b.image));
  EXPECT_TRUE(a.mask.equal(b.mask));
  EXPECT_FALSE(a.image.equal(MakeAmbiguous(Size(32, 32), 6).image));
  EXPECT_FALSE(a.image.equal(MakeAmbiguous(Size(32, 32, 2), 5).image));
  EXPECT_EQ(a.id, "ambiguous5");
  EXPECT_EQ(a.path, "ambiguous:1:5");
}

TEST(AmbiguousTest, TheMaskIsOneOfTheModesByTheirProbabilities) {
  std::array<int64_t, 5> pictures{};  // by number of modes
  std::array<std::array<int64_t, 4>, 5> truths{};
  for (int64_t i = 0; i < 1500; ++i) {
    const AmbiguousOptions options = Size(32, 32);
    const std::vector<AmbiguousMode> modes = AmbiguousModes(options, i);
    ASSERT_TRUE(modes.size() == 2 || modes.size() == 4) << modes.size();
    const at::Tensor mask = MakeAmbiguous(options, i).mask;
    int64_t equal = 0;
    double sum = 0;
    for (size_t m = 0; m < modes.size(); ++m) {
      sum += modes[m].probability;
      EXPECT_DOUBLE_EQ(modes[m].probability, modes[0].probability);
      if (!modes[m].mask.equal(mask)) continue;
      ++equal;
      ++truths[modes.size()][m];
    }
    EXPECT_EQ(equal, 1) << i;
    EXPECT_NEAR(sum, 1.0, 1e-12);
    ++pictures[modes.size()];
  }
  for (const int64_t k : {2, 4}) {
    EXPECT_GT(pictures[k], 400) << k;
    const double n = static_cast<double>(pictures[k]);
    const double p = 1.0 / static_cast<double>(k);
    for (int64_t m = 0; m < k; ++m) {  // within four standard deviations
      EXPECT_NEAR(static_cast<double>(truths[k][m]), n * p,
                  4 * std::sqrt(n * p * (1 - p)))
          << k << " modes, mode " << m;
    }
  }
}

TEST(AmbiguousTest, ThePictureDoesNotTellTheMode) {
  // Brightness of the true patch less that of the others: the mean over many
  // pictures is 0 within four standard errors.
  double sum = 0;
  double squares = 0;
  constexpr int64_t kCount = 400;
  for (int64_t i = 0; i < kCount; ++i) {
    const Sample sample = MakeAmbiguous(Size(32, 32), i);
    const std::vector<AmbiguousMode> modes = AmbiguousModes(Size(32, 32), i);
    at::Tensor heart = modes[0].mask.ne(0);
    for (const AmbiguousMode& mode : modes) {
      heart = heart.logical_and(mode.mask.ne(0));
    }
    const at::Tensor grey = sample.image.to(at::kDouble).mean(0);
    double truth = 0;
    double others = 0;
    for (const AmbiguousMode& mode : modes) {
      const double mean =
          grey.masked_select(mode.mask.ne(0).logical_and(heart.logical_not()))
              .mean()
              .item<double>();
      (mode.mask.equal(sample.mask) ? truth : others) += mean;
    }
    const double d = truth - others / static_cast<double>(modes.size() - 1);
    sum += d;
    squares += d * d;
  }
  EXPECT_LT(std::abs(sum), 4 * std::sqrt(squares));
}

TEST(AmbiguousTest, OnlyASingleModeIsAnAnswer) {
  // What two or more modes share, and what they cover together, is far from
  // every mode, and so are other modes.
  for (const auto& [h, w] :
       std::vector<std::pair<int64_t, int64_t>>{{32, 32}, {48, 48}, {32, 64}}) {
    for (int64_t i = 0; i < 100; ++i) {
      std::vector<at::Tensor> shapes;
      for (const AmbiguousMode& mode : AmbiguousModes(Size(h, w), i)) {
        shapes.push_back(mode.mask.ne(0));
      }
      for (uint64_t set = 1; set < uint64_t{1} << shapes.size(); ++set) {
        at::Tensor shared = at::ones({h, w}, at::kBool);
        at::Tensor together = at::zeros({h, w}, at::kBool);
        for (size_t m = 0; m < shapes.size(); ++m) {
          if ((set >> m & 1) == 0) continue;
          shared = shared.logical_and(shapes[m]);
          together = together.logical_or(shapes[m]);
        }
        for (size_t m = 0; m < shapes.size(); ++m) {
          if (set == uint64_t{1} << m) continue;  // the mode itself
          EXPECT_LT(Iou(shared, shapes[m]), 0.8) << i << ", set " << set;
          EXPECT_LT(Iou(together, shapes[m]), 0.8) << i << ", set " << set;
        }
      }
    }
  }
}

TEST(AmbiguousTest, ModesAreOrderedBySides) {
  // The columns' mean of a mode tells its leaves' sides: left of the middle,
  // right of it, or between.
  const auto balance = [](const AmbiguousMode& mode, int64_t from, int64_t to) {
    const at::Tensor rows = mode.mask.slice(0, from, to).to(at::kDouble);
    return (rows.slice(1, 16, 32).sum() - rows.slice(1, 0, 16).sum())
        .item<double>();
  };
  for (int64_t i = 0; i < 30; ++i) {
    const std::vector<AmbiguousMode> modes = AmbiguousModes(Size(32, 32), i);
    if (modes.size() == 2) {
      EXPECT_LT(balance(modes[0], 0, 32), -50) << i;
      EXPECT_GT(balance(modes[1], 0, 32), 50) << i;
      continue;
    }
    for (int64_t m = 0; m < 4; ++m) {
      EXPECT_EQ(balance(modes[m], 0, 16) > 0, m >= 2) << i << " " << m;
      EXPECT_EQ(balance(modes[m], 16, 32) > 0, m % 2 == 1) << i << " " << m;
    }
  }
}

TEST(AmbiguousDatasetTest, OpensByName) {
  DataConfig config;
  config.pack = "synthetic:ambiguous";
  config.synthetic.height = 32;
  config.synthetic.width = 48;
  config.synthetic.val = 3;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "val"));
  EXPECT_EQ(set->size(), 3);
  EXPECT_EQ(set->info().num_classes(), 2);
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(2));
  EXPECT_EQ(set->id(2), sample.id);
  // The index of the modes is the number at the end of the path.
  const int64_t index = std::stoll(sample.path.substr(12));
  bool found = false;
  for (const AmbiguousMode& mode : AmbiguousModes(Size(32, 48), index)) {
    found = found || mode.mask.equal(sample.mask);
  }
  EXPECT_TRUE(found);
  config.synthetic.height = 16;
  EXPECT_THAT(OpenDataset(config, "", "val"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected 32 .. 4096")));
}

}  // namespace
}  // namespace seg
