#include "common/datasets/align.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/config/config.h"
#include "common/datasets/augment.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

Similarity Turn(double degrees, double scale, double x0, double y0) {
  const double t = degrees * M_PI / 180;
  return {scale * std::cos(t), scale * std::sin(t), x0, y0};
}

std::vector<Position> Apply(const Similarity& s,
                            const std::vector<Position>& points) {
  std::vector<Position> out;
  for (const Position& p : points) out.push_back(s(p));
  return out;
}

double SquaredError(const Similarity& s, const std::vector<Position>& from,
                    const std::vector<Position>& to) {
  double sum = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    const Position p = s(from[i]);
    sum += std::pow(p.x - to[i].x, 2) + std::pow(p.y - to[i].y, 2);
  }
  return sum;
}

TEST(FitSimilarityTest, HandWorkedCase) {
  // A quarter turn, twice as large, shifted by (10, 20).
  ASSERT_OK_AND_ASSIGN(
      const Similarity s,
      FitSimilarity({{0, 0}, {1, 0}, {0, 1}}, {{10, 20}, {10, 22}, {8, 20}}));
  EXPECT_NEAR(s.a, 0, 1e-12);
  EXPECT_NEAR(s.b, 2, 1e-12);
  EXPECT_NEAR(s.x0, 10, 1e-12);
  EXPECT_NEAR(s.y0, 20, 1e-12);
}

TEST(FitSimilarityTest, RecoversEverySimilarityExactly) {
  Rng rng(3);
  for (int trial = 0; trial < 200; ++trial) {
    const Similarity truth =
        Turn(rng.Uniform(-180, 180), rng.Uniform(0.05, 20),
             rng.Uniform(-500, 500), rng.Uniform(-500, 500));
    std::vector<Position> points;
    for (int i = 0; i < 2 + trial % 4; ++i) {
      points.push_back({rng.Uniform(0, 1000), rng.Uniform(0, 1000)});
    }
    ASSERT_OK_AND_ASSIGN(const Similarity s,
                         FitSimilarity(points, Apply(truth, points)));
    // 1e-9 of the largest number, some 20000.
    EXPECT_NEAR(s.a, truth.a, 1e-9);
    EXPECT_NEAR(s.b, truth.b, 1e-9);
    EXPECT_NEAR(s.x0, truth.x0, 2e-5);
    EXPECT_NEAR(s.y0, truth.y0, 2e-5);
    EXPECT_NEAR(s.scale(), std::hypot(truth.a, truth.b), 1e-9);
    const Position there = s.Inverse()(s(points[0]));
    EXPECT_NEAR(there.x, points[0].x, 1e-8);
    EXPECT_NEAR(there.y, points[0].y, 1e-8);
  }
}

TEST(FitSimilarityTest, IsTheLeastSquaresSolution) {
  Rng rng(4);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<Position> from, to;
    for (int i = 0; i < 5; ++i) {
      from.push_back({rng.Uniform(0, 10), rng.Uniform(0, 10)});
      to.push_back({rng.Uniform(0, 10), rng.Uniform(0, 10)});
    }
    ASSERT_OK_AND_ASSIGN(const Similarity s, FitSimilarity(from, to));
    const double least = SquaredError(s, from, to);
    for (const double step : {-1e-3, 1e-3}) {
      for (int k = 0; k < 4; ++k) {
        Similarity other = s;
        (k == 0   ? other.a
         : k == 1 ? other.b
         : k == 2 ? other.x0
                  : other.y0) += step;
        EXPECT_GT(SquaredError(other, from, to), least);
      }
    }
  }
}

TEST(FitSimilarityTest, NeverMirrors) {
  // Mirrored points: a reflection would fit without error. The fit is a turn
  // (positive determinant a^2 + b^2) that leaves an error.
  const std::vector<Position> from = {{0, 0}, {4, 0}, {2, 1}, {1, 5}, {3, 5}};
  std::vector<Position> to;
  for (const Position& p : from) to.push_back({-p.x, p.y});
  ASSERT_OK_AND_ASSIGN(const Similarity s, FitSimilarity(from, to));
  EXPECT_GT(s.scale(), 0.1);
  EXPECT_GT(SquaredError(s, from, to), 1);
}

TEST(FitSimilarityTest, RefusesTooFewPoints) {
  EXPECT_THAT(FitSimilarity({}, {}), StatusIs(kInvalid, HasSubstr("got 0")));
  EXPECT_THAT(FitSimilarity({{1, 2}}, {{3, 4}}),
              StatusIs(kInvalid, HasSubstr("two pairs of points at least, got "
                                           "1 and 1")));
  EXPECT_THAT(FitSimilarity({{1, 2}, {2, 3}}, {{3, 4}}),
              StatusIs(kInvalid, HasSubstr("got 2 and 1")));
  EXPECT_THAT(FitSimilarity({{1, 2}, {1, 2}}, {{3, 4}, {5, 6}}),
              StatusIs(kInvalid, HasSubstr("in one place")));
  EXPECT_THAT(FitSimilarity({{1, 2}, {2, 2}}, {{3, 4}, {3, 4}}),
              StatusIs(kInvalid, HasSubstr("scale 0")));
}

TEST(FaceSimilarityTest, LeavesOutWhatIsNotVisible) {
  const FacePoints places = FaceTemplate(100);
  EXPECT_DOUBLE_EQ(places[0].x, 37.5);
  EXPECT_DOUBLE_EQ(places[4].y, 72.0);
  const Similarity truth = Turn(20, 3, 7, -4);
  FacePoints points;
  for (int i = 0; i < 5; ++i) {
    points[i] = truth.Inverse()(places[i]);
    points[i].x += 100, points[i].y += 100;  // all coordinates positive
  }
  for (int hidden = 0; hidden < 4; ++hidden) {
    if (hidden > 0) points[hidden] = {-1, -1};
    const auto s = FaceSimilarity(points, 100);
    ASSERT_OK(s);
    EXPECT_NEAR(s->a, truth.a, 1e-9) << hidden;
    EXPECT_NEAR(s->b, truth.b, 1e-9) << hidden;
  }
  points[4] = {-1, -1};
  EXPECT_THAT(FaceSimilarity(points, 100),
              StatusIs(kInvalid, HasSubstr("got 1 and 1")));
}

Sample Picture(int64_t h, int64_t w) {
  Sample sample;
  sample.id = "id";
  sample.path = "path";
  sample.image =
      at::arange(3 * h * w).mul(5).remainder(251).to(at::kByte).view({3, h, w});
  sample.mask = at::arange(h * w).remainder(3).to(at::kByte).view({h, w});
  return sample;
}

TEST(WarpSampleTest, IdentityAndShiftsCopyPixels) {
  const Sample sample = Picture(6, 6);
  const Sample same = WarpSample(sample, Similarity(), 6, 255);
  EXPECT_TRUE(same.image.equal(sample.image));
  EXPECT_TRUE(same.mask.equal(sample.mask));
  EXPECT_EQ(same.id, "id");
  EXPECT_EQ(same.path, "path");
  // Two to the right and one down: the first two columns and the first row lie
  // outside.
  const Sample moved = WarpSample(sample, {1, 0, 2, 1}, 6, 200);
  for (int64_t y = 0; y < 6; ++y) {
    for (int64_t x = 0; x < 6; ++x) {
      const bool inside = y >= 1 && x >= 2;
      EXPECT_EQ(moved.mask[y][x].item<int>(),
                inside ? sample.mask[y - 1][x - 2].item<int>() : 200);
      for (int64_t c = 0; c < 3; ++c) {
        EXPECT_EQ(moved.image[c][y][x].item<int>(),
                  inside ? sample.image[c][y - 1][x - 2].item<int>()
                         : kFillColour[c]);
      }
    }
  }
}

TEST(WarpSampleTest, QuarterTurnsAreExact) {
  // (x, y) -> (-y + 5, x): the picture turned by 90 degrees clockwise.
  Sample sample = Picture(6, 6);
  sample.points = at::tensor({1.0f, 2.0f, 1.0f}).view({1, 3});
  const Sample turned = WarpSample(sample, {0, 1, 5, 0}, 6, 255);
  EXPECT_TRUE(turned.points.equal(at::tensor({3.0f, 1.0f, 1.0f}).view({1, 3})));
  EXPECT_TRUE(turned.mask.equal(sample.mask.t().flip({1})));
  EXPECT_TRUE(turned.image.equal(sample.image.transpose(1, 2).flip({2})));
}

TEST(WarpSampleTest, InterpolatesAndKeepsLabels) {
  Sample sample;
  sample.image = at::zeros({3, 2, 2}, at::kByte);
  sample.image.select(2, 1).fill_(100);  // right column
  sample.mask = at::tensor({0, 7, 0, 7}, at::kByte).view({2, 2});
  // Doubled about the corner: centres at -1/4, 1/4, 3/4, 5/4 of the source.
  const Sample doubled = WarpSample(sample, {2, 0, 0.5, 0.5}, 4, 255);
  const at::Tensor row = at::tensor({0, 25, 75, 100}, at::kByte);
  const at::Tensor labels = at::tensor({0, 0, 7, 7}, at::kByte);
  for (int64_t y = 0; y < 4; ++y) {
    EXPECT_TRUE(doubled.image[1][y].equal(row)) << y;
    EXPECT_TRUE(doubled.mask[y].equal(labels)) << y;
  }
}

TEST(WarpSampleTest, ShrinkingAveragesInsteadOfSkipping) {
  // Stripes of one pixel become grey, not black or white.
  Sample sample;
  sample.image = at::arange(64)
                     .remainder(2)
                     .mul(200)
                     .to(at::kByte)
                     .expand({3, 64, 64})
                     .contiguous();
  const Sample small = WarpSample(sample, {0.25, 0, -0.375, -0.375}, 16, 255);
  EXPECT_FALSE(small.mask.defined());
  const at::Tensor middle =
      small.image.slice(1, 2, 14).slice(2, 2, 14).to(at::kFloat);
  EXPECT_GT(middle.min().item<float>(), 80);
  EXPECT_LT(middle.max().item<float>(), 120);
}

TEST(ReadLandmarksTest, ReadsAndRefuses) {
  const PackFixture pack;
  const auto read = [&](const std::string& text) {
    pack.WriteText("landmarks.txt", text);
    return ReadLandmarks(pack.Path("landmarks.txt"));
  };
  ASSERT_OK_AND_ASSIGN(const auto points,
                       read("# points\n\na/1 1 2 3.5 4 5 6 -1.0 -1.0 9 10\r\n"
                            "b\t1 2 3 4 5 6 7 8 9 10"));
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points.at("a/1")[1].x, 3.5);
  EXPECT_EQ(points.at("a/1")[3].y, -1.0);
  EXPECT_EQ(points.at("b")[4].y, 10);
  EXPECT_THAT(read("a 1 2 3\n"),
              StatusIs(kInvalid, HasSubstr("landmarks.txt:1: expected an ID")));
  EXPECT_THAT(read("\na 1 2 3 4 5 6 7 8 9 x\n"),
              StatusIs(kInvalid, HasSubstr("landmarks.txt:2: ")));
  EXPECT_THAT(read("a 1 2 3 4 5 6 7 8 9 nan\n"),
              StatusIs(kInvalid, HasSubstr("landmarks.txt:1: ")));
  EXPECT_THAT(read("a 1 2 3 4 5 6 7 8 9 10\na 1 2 3 4 5 6 7 8 9 10\n"),
              StatusIs(kInvalid, HasSubstr(":2: the ID 'a' is there twice")));
}

TEST(AlignedDatasetTest, PacksAreAlignedByTheirLandmarks) {
  const PackFixture pack;
  pack.WriteWhole(2, 40, 50);
  DataConfig config;
  config.pack = pack.folder();
  config.align = 32;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kNotFound, AllOf(HasSubstr("landmarks.txt: not found"),
                                        HasSubstr("data.align=0"))));
  // s0: the template itself, 3 to the right and 5 down; s1 has two points.
  std::string text = "s0";
  for (const Position& p : FaceTemplate(32)) {
    text += " " + std::to_string(p.x + 3) + " " + std::to_string(p.y + 5);
  }
  pack.WriteText("landmarks.txt", text + "\n");
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kNotFound, HasSubstr("no points for 's1'")));
  pack.WriteText("landmarks.txt", text + "\ns1 9 9 -1 -1 -1 -1 -1 -1 -1 -1\n");
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("'s1': a similarity needs two")));
  pack.WriteText("landmarks.txt", text + "\ns1 9 9 19 9 -1 -1 -1 -1 -1 -1\n");
  ASSERT_OK_AND_ASSIGN(const auto aligned, OpenDataset(config, "", "train"));
  EXPECT_EQ(aligned->size(), 2);
  ASSERT_OK_AND_ASSIGN(const Sample second, aligned->Get(1));
  EXPECT_EQ(second.image.sizes(), at::IntArrayRef({3, 32, 32}));
  ASSERT_OK_AND_ASSIGN(const Sample first, aligned->Get(0));
  config.align = 0;
  ASSERT_OK_AND_ASSIGN(const auto plain, OpenDataset(config, "", "train"));
  ASSERT_OK_AND_ASSIGN(const Sample before, plain->Get(0));
  EXPECT_TRUE(first.mask.equal(
      before.mask.slice(0, 5, 37).slice(1, 3, 35).contiguous()));
  // The points have six decimals, so the image may round otherwise.
  EXPECT_LE(first.image.to(at::kInt)
                .sub(before.image.slice(1, 5, 37).slice(2, 3, 35))
                .abs()
                .max()
                .item<int>(),
            1);
}

TEST(AlignedDatasetTest, WarnsWhereLeftAndRightAreMixedUp) {
  const PackFixture pack;
  pack.WriteWhole(2, 40, 50);
  DataConfig config;
  config.pack = pack.folder();
  config.align = 32;
  const auto line = [](const std::string& id, FacePoints points, bool mixed) {
    if (mixed) std::swap(points[0], points[1]);
    std::string text = id;
    for (const Position& p : points) {
      text += " " + std::to_string(p.x) + " " + std::to_string(p.y);
    }
    return text + "\n";
  };
  const auto log_of = [&](bool mixed) {
    const std::string log = pack.Path("log.txt");
    std::filesystem::remove(log);
    pack.WriteText("landmarks.txt", line("s0", FaceTemplate(32), false) +
                                        line("s1", FaceTemplate(32), mixed));
    EXPECT_OK(SetLogFile(log));
    EXPECT_OK(OpenDataset(config, "", "train"));
    EXPECT_OK(SetLogFile(""));
    const auto text = ReadFile(log);
    return text.ok() ? *text : std::string();
  };
  EXPECT_THAT(log_of(true),
              HasSubstr("the points of 1 of 2 samples ('s1' first) fit the "
                        "template badly"));
  EXPECT_EQ(log_of(false), "");
}

TEST(AlignedDatasetTest, RefusesWhatHasNoLandmarks) {
  DataConfig config;
  config.align = 64;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("data.align")));
  for (const char* text : {"align=-1", "align=20000", "align=1.5"}) {
    DataConfig fresh;
    EXPECT_THAT(ParseConfig("", "c.yaml", {text}, &fresh),
                StatusIs(kInvalid, HasSubstr("align")))
        << text;
  }
}

}  // namespace
}  // namespace seg
