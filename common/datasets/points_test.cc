#include "common/datasets/points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

at::Tensor Points(std::vector<float> values) {
  return at::tensor(values).view({-1, 3});
}

TEST(ReadPointsTest, BlanksCommasCommentsAndNames) {
  const PackFixture pack;
  pack.WriteText("points.txt",
                 "# ID, then two points\n"
                 "\n"
                 "day/a  1.5 2 -1.0 -1.0\r\n"
                 "b\t0 0\t3 4\n");
  ASSERT_OK_AND_ASSIGN(const auto points, ReadPoints(pack.Path("points.txt")));
  ASSERT_EQ(points.size(), 2u);
  EXPECT_TRUE(points.at("day/a").equal(Points({1.5, 2, 1, -1, -1, 0})));
  EXPECT_TRUE(points.at("b").equal(Points({0, 0, 1, 3, 4, 1})));
  pack.WriteText("points.csv",
                 "file,x0,y0\n"
                 "a name.png, 7.25 ,8\n"
                 "c.png,-1,9\n");
  ASSERT_OK_AND_ASSIGN(const auto table, ReadPoints(pack.Path("points.csv")));
  EXPECT_TRUE(table.at("a name.png").equal(Points({7.25, 8, 1})));
  EXPECT_EQ(table.at("c.png")[0][2].item<float>(), 0.0f);
  pack.WriteText("none.txt", "");
  ASSERT_OK_AND_ASSIGN(const auto none, ReadPoints(pack.Path("none.txt")));
  EXPECT_TRUE(none.empty());
}

TEST(ReadPointsTest, Errors) {
  const PackFixture pack;
  const auto read = [&pack](const std::string& text) {
    pack.WriteText("points.txt", text);
    return ReadPoints(pack.Path("points.txt")).status();
  };
  EXPECT_THAT(read("a 1 2\nb 1\n"),
              StatusIs(kInvalid, HasSubstr("points.txt:2: expected an ID and "
                                           "pairs of numbers x y")));
  EXPECT_THAT(read("a 1 2\nb one two\n"), StatusIs(kInvalid, HasSubstr(":2:")));
  EXPECT_THAT(read("a 1 2\nb nan 2\n"), StatusIs(kInvalid, HasSubstr(":2:")));
  EXPECT_THAT(read("a\n"), StatusIs(kInvalid, HasSubstr("got 1 cells")));
  EXPECT_THAT(read("a 1 2\nb 1 2 3 4\n"),
              StatusIs(kInvalid, HasSubstr(":2: 2 points, earlier lines have "
                                           "1")));
  EXPECT_THAT(read("a 1 2\na 3 4\n"),
              StatusIs(kInvalid, HasSubstr(":2: the ID 'a' is there twice")));
  EXPECT_THAT(ReadPoints(pack.Path("missing.txt")),
              StatusIs(kNotFound, HasSubstr("missing.txt")));
}

class PointsTest : public testing::Test {
 protected:
  void SetUp() override {
    pack_.WriteWhole(2, 8, 12);
    config_.pack = pack_.folder();
    config_.landmarks = "five.txt";
    pack_.WriteText("five.txt",
                    "s0 2 3 9 3 5 4 3 6 8 6\n"
                    "s1 -1 -1 8 2 6 5 4 7 8 7\n"
                    "s2 1 1 1 1 1 1 1 1 1 1\n");
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open() const {
    return OpenDataset(config_, "", "train");
  }
  PackFixture pack_;
  DataConfig config_;
};

TEST_F(PointsTest, FillSamplesAndFollowTheResizing) {
  ASSERT_OK_AND_ASSIGN(const auto set, Open());
  EXPECT_TRUE(set->info().has_points);
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(1));
  EXPECT_TRUE(sample.points.equal(
      Points({-1, -1, 0, 8, 2, 1, 6, 5, 1, 4, 7, 1, 8, 7, 1})));
  EXPECT_THAT(set->info().point_flip_pairs,
              ElementsAre(Pair(0, 1), Pair(3, 4)));
  config_.resize_height = 16;
  config_.resize_width = 24;
  ASSERT_OK_AND_ASSIGN(const auto large, Open());
  ASSERT_OK_AND_ASSIGN(const Sample resized, large->Get(0));
  // The centre of pixel 2 of 12 is that of 4.5 of 24.
  EXPECT_EQ(resized.points[0][0].item<float>(), 4.5f);
  EXPECT_EQ(resized.points[0][1].item<float>(), 6.5f);
}

TEST_F(PointsTest, TheFileMayLieElsewhereAndHoldOtherPoints) {
  const PackFixture other("other");
  other.WriteText("one.txt", "s0 2 3\ns1 4 5\n");
  config_.landmarks = other.Path("one.txt");
  ASSERT_OK_AND_ASSIGN(const auto set, Open());
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(1));
  EXPECT_TRUE(sample.points.equal(Points({4, 5, 1})));
  EXPECT_TRUE(set->info().has_points);
  EXPECT_TRUE(set->info().point_flip_pairs.empty());
}

// data.align takes the same file, and the points go with the picture.
TEST_F(PointsTest, AlignedByTheSameFile) {
  config_.align = 32;
  ASSERT_OK_AND_ASSIGN(const auto set, Open());
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(0));
  ASSERT_EQ(sample.image.sizes(), at::IntArrayRef({3, 32, 32}));
  // The nose is near its place in the square, (0.5, 0.62).
  EXPECT_NEAR(sample.points[2][0].item<float>(), 15.5, 1.5);
  EXPECT_NEAR(sample.points[2][1].item<float>(), 19.3, 3);
}

TEST_F(PointsTest, Errors) {
  config_.landmarks = "absent.txt";
  EXPECT_THAT(Open(), StatusIs(kNotFound, HasSubstr("absent.txt: not found; "
                                                    "data.landmarks names")));
  pack_.WriteText("few.txt", "s0 1 1\n");
  config_.landmarks = "few.txt";
  EXPECT_THAT(Open(),
              StatusIs(kNotFound, HasSubstr("few.txt: no points for 's1'")));
  config_.pack = "synthetic:faces";
  EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("data.landmarks: few.txt, "
                                                   "but synthetic:faces has "
                                                   "no folder")));
}

}  // namespace
}  // namespace seg
