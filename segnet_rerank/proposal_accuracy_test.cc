#include "segnet_rerank/proposal_accuracy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/metrics/confusion_matrix.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

at::Tensor Map(const std::vector<int64_t>& values) {
  return at::tensor(values).to(at::kByte).view({1, -1});
}

TEST(CountByClassTest, ByHand) {
  const at::Tensor truth = Map({0, 0, 1, 1, 255, 2});
  const at::Tensor counts = CountByClass(
      at::stack({Map({0, 1, 1, 1, 2, 0}), Map({0, 0, 1, 1, 0, 2})}), truth, 4);
  EXPECT_EQ(Values(counts[0]),
            (std::vector<double>{1, 1, 1, 2, 1, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(Values(counts[1]),
            (std::vector<double>{2, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0}));
  const at::Tensor accuracies = ProposalAccuracies(counts);
  // Class 3 is in neither.
  EXPECT_DOUBLE_EQ(accuracies[0].item<double>(), (1.0 / 3 + 2.0 / 3 + 0) / 3);
  EXPECT_DOUBLE_EQ(accuracies[1].item<double>(), 1);
}

TEST(CountByClassTest, MatchesConfusionMatrices) {
  at::manual_seed(2);
  constexpr int64_t kClasses = 6, kProposals = 7;
  at::Tensor corpus = at::zeros({kClasses, 3}, at::kLong);
  ConfusionMatrix whole(kClasses);
  for (int64_t image = 0; image < 4; ++image) {
    const int64_t height = 3 + image, width = 11;
    at::Tensor truth =
        at::randint(0, 5, {height, width}, at::TensorOptions(at::kByte));
    truth[0].fill_(255);
    const at::Tensor labels = at::randint(
        0, kClasses, {kProposals, height, width}, at::TensorOptions(at::kByte));
    const at::Tensor counts = CountByClass(labels, truth, kClasses);
    for (int64_t m = 0; m < kProposals; ++m) {
      ConfusionMatrix own(kClasses);
      own.Add(labels[m], truth);
      for (int64_t c = 0; c < kClasses; ++c) {
        EXPECT_EQ(counts[m][c][0].item<int64_t>(), own.count(c, c));
      }
      EXPECT_DOUBLE_EQ(MeanIouOfCounts(counts[m]).item<double>(),
                       own.MeanIou());
    }
    corpus += counts[2];
    whole.Add(labels[2], truth);
    for (const at::Tensor& same : {ChannelsLast(labels), ColumnMajor(labels)}) {
      EXPECT_TRUE(at::equal(CountByClass(same, truth, kClasses), counts));
    }
  }
  EXPECT_DOUBLE_EQ(MeanIouOfCounts(corpus).item<double>(), whole.MeanIou());
}

TEST(CountByClassTest, NoKnownPixelAndNone) {
  const at::Tensor counts =
      CountByClass(at::ones({2, 1, 1}, at::kByte), Map({255}), 2);
  EXPECT_EQ(counts.sum().item<int64_t>(), 0);
  EXPECT_TRUE(std::isnan(MeanIouOfCounts(counts[0]).item<double>()));
  EXPECT_EQ(Values(ProposalAccuracies(counts)), (std::vector<double>{0, 0}));
  EXPECT_EQ(CountByClass(at::ones({0, 1, 1}, at::kByte), Map({0}), 2).sizes(),
            at::IntArrayRef({0, 2, 3}));
  EXPECT_EQ(CountByClass(at::ones({2, 0, 3}, at::kByte),
                         at::zeros({0, 3}, at::kByte), 2)
                .sum()
                .item<int64_t>(),
            0);
}

TEST(CountByClassTest, OneClassAndTheMost) {
  const at::Tensor one =
      CountByClass(at::zeros({1, 1, 2}, at::kByte), Map({0, 255}), 1);
  EXPECT_EQ(Values(one), (std::vector<double>{1, 0, 0}));
  const at::Tensor many =
      CountByClass(at::full({1, 1, 2}, 254, at::kByte), Map({254, 255}), 255);
  EXPECT_EQ(many[0][254][0].item<int64_t>(), 1);
  EXPECT_EQ(many.sum().item<int64_t>(), 1);
}

TEST(CountByClassTest, Errors) {
  const at::Tensor labels = at::zeros({2, 1, 3}, at::kByte);
  ExpectError(
      [&] {
        CountByClass(labels, Map({0, 3, 0}), 3);
      },
      "target has label 3 at pixel 1, which is neither in 0..2 nor the "
      "ignore label 255");
  ExpectError(
      [&] {
        CountByClass(labels + 3, Map({0, 1, 0}), 3);
      },
      "prediction has label 3 at pixel 0, expected 0..2");
  ExpectError([&] { CountByClass(labels, Map({0, 1}), 3); }, "[1, 2]");
  ExpectError(
      [&] {
        CountByClass(labels, Map({0, 1, 0}), 0);
      },
      "num_classes must be at least 1");
  ExpectError([&] { MeanIouOfCounts(at::zeros({4, 3})); }, "int64 [..,C,3]");
}

TEST(OraclePickTest, TheFirstOfTheBestAndNeverWorseWithMore) {
  const at::Tensor accuracies = at::tensor({0.3, 0.1, 0.5, 0.5, 0.7, 0.2});
  const std::vector<int64_t> expected = {0, 0, 2, 2, 4, 4, 4, 4};
  double before = 0;
  for (int64_t k = 1; k <= 8; ++k) {
    const int64_t pick = OraclePick(accuracies, k);
    EXPECT_EQ(pick, expected[k - 1]) << k;
    EXPECT_GE(accuracies[pick].item<double>(), before);
    before = accuracies[pick].item<double>();
  }
  EXPECT_EQ(OraclePick(at::full({3}, 0.4, at::kDouble), 3), 0);
  ExpectError([&] { OraclePick(accuracies, 0); }, "k must be at least 1");
  ExpectError([&] { OraclePick(at::zeros({0}, at::kDouble), 1); }, "M >= 1");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
