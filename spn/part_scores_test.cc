#include "spn/part_scores.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace seg {
namespace spn {
namespace {

std::map<std::string, double> Scores(std::vector<int64_t> prediction,
                                     std::vector<int64_t> truth) {
  ConfusionMatrix confusion(11, 255);
  const int64_t n = static_cast<int64_t>(truth.size());
  confusion.Add(at::tensor(prediction).view({1, n}),
                at::tensor(truth).view({1, n}));
  std::map<std::string, double> scores;
  for (const auto& [name, f] : PartScores(confusion, HelenClasses())) {
    scores[name] = f;
  }
  return scores;
}

TEST(PartScoresTest, ByHand) {
  // Truth: two skin, left and right brow, two nose, one of each lip part.
  const auto f =
      Scores({1, 0, 3, 3, 6, 1, 7, 7, 8}, {1, 1, 2, 3, 6, 6, 7, 8, 9});
  EXPECT_DOUBLE_EQ(f.at("skin"), 2.0 * 1 / (2 + 2));
  EXPECT_DOUBLE_EQ(f.at("brows"), 1.0);  // left for right does not matter
  EXPECT_TRUE(std::isnan(f.at("eyes")));
  EXPECT_DOUBLE_EQ(f.at("nose"), 2.0 * 1 / (2 + 1));
  EXPECT_DOUBLE_EQ(f.at("U-lip"), 2.0 * 1 / (1 + 2));
  EXPECT_DOUBLE_EQ(f.at("in-mouth"), 0.0);
  EXPECT_DOUBLE_EQ(f.at("L-lip"), 0.0);
  EXPECT_DOUBLE_EQ(f.at("mouth"), 1.0);
  // brows 2 of 2 and 2, nose 1 of 2 and 1, mouth 3 of 3 and 3.
  EXPECT_DOUBLE_EQ(f.at("overall"), 2.0 * (2 + 1 + 3) / (4 + 3 + 6));
}

TEST(PartScoresTest, APartTakenForAnotherIsAnErrorOverall) {
  const auto f = Scores({4, 4}, {2, 4});  // a brow called an eye
  EXPECT_DOUBLE_EQ(f.at("overall"), 2.0 * 1 / (1 + 3));
}

TEST(PartScoresTest, OtherClassesHaveNoParts) {
  EXPECT_TRUE(
      PartScores(ConfusionMatrix(2, 255), {"background", "horse"}).empty());
}

TEST(PartScoresTest, FurtherClassesAndAnotherOrderAreFine) {
  std::vector<std::string> names = HelenClasses();
  names.insert(names.begin(), "hat");
  ConfusionMatrix confusion(12, 255);
  confusion.Add(at::tensor(std::vector<int64_t>{7, 0}).view({1, 2}),
                at::tensor(std::vector<int64_t>{7, 7}).view({1, 2}));
  for (const auto& [name, f] : PartScores(confusion, names)) {
    if (name == "nose") {
      EXPECT_DOUBLE_EQ(f, 2.0 / 3);
    }
  }
}

}  // namespace
}  // namespace spn
}  // namespace seg
