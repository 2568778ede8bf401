#include "segnet_rerank/label_pairs.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

at::Tensor Labels(const std::vector<int64_t>& values, int64_t height) {
  return at::tensor(values).to(at::kByte).view({1, height, -1});
}

TEST(LabelPairsTest, PairsInOrder) {
  EXPECT_EQ(Values(ClassPairs(4)),
            (std::vector<double>{0, 0, 0, 1, 1, 2, 1, 2, 3, 2, 3, 3}));
  EXPECT_EQ(ClassPairs(1).sizes(), at::IntArrayRef({2, 0}));
}

TEST(LabelPairsTest, ByHand) {
  const LabelPlaces places = FindLabels(Labels({0, 0, 2, 2,  //
                                                0, 2, 2, 0},
                                               2),
                                        4);
  EXPECT_EQ(Values(places.area), (std::vector<double>{0.5, 0, 0.5, 0}));
  // Class 0 at x = 0.5, 1.5, 0.5, 3.5 and y = 0.5, 0.5, 1.5, 1.5; class 2 at
  // x = 2.5, 3.5, 1.5, 2.5.
  EXPECT_EQ(Values(places.centre[0]),
            (std::vector<double>{1.5 / 4, 0.5, 0, 0, 2.5 / 4, 0.5, 0, 0}));
  // The pairs are (0,1) (0,2) (0,3) (1,2) (1,3) (2,3).
  EXPECT_EQ(Values(CentroidDifferences(places)),
            (std::vector<double>{0, 0, 1.0 / 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(Values(PairMass(places)), (std::vector<double>{0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(Values(CoOccurrence(places)),
            (std::vector<double>{0, 1, 0, 0, 0, 0}));
}

TEST(LabelPairsTest, MassesAndCoOccurrencesAddUpToOne) {
  // Areas 1/2, 1/3, 1/6: pairs 5/6, 2/3, 1/2 of 2 together.
  const LabelPlaces places = FindLabels(Labels({0, 0, 0, 1, 1, 2}, 1), 3);
  EXPECT_TRUE(at::allclose(PairMass(places), at::tensor({5.0, 4.0, 3.0}) / 12));
  EXPECT_TRUE(at::allclose(CoOccurrence(places),
                           at::full({1, 3}, 1.0 / 3, at::kDouble)));
}

TEST(LabelPairsTest, MatchesBruteForce) {
  at::manual_seed(11);
  constexpr int64_t kClasses = 5, kHeight = 6, kWidth = 9;
  at::Tensor labels = at::randint(0, kClasses, {4, kHeight, kWidth},
                                  at::TensorOptions(at::kByte));
  labels[2].clamp_(1, 3);  // without some classes
  labels[3].fill_(4);      // one class alone
  const LabelPlaces places = FindLabels(labels, kClasses);
  const at::Tensor centroids = CentroidDifferences(places);
  const at::Tensor mass = PairMass(places), together = CoOccurrence(places);
  const at::Tensor x =
      (at::arange(kWidth, at::kDouble) + 0.5).expand({kHeight, kWidth}) /
      kWidth;
  const at::Tensor y = (at::arange(kHeight, at::kDouble) + 0.5)
                           .unsqueeze(1)
                           .expand({kHeight, kWidth}) /
                       kHeight;
  for (int64_t m = 0; m < 4; ++m) {
    std::vector<double> expected_centroids, expected_mass, expected_together;
    for (int64_t a = 0; a < kClasses; ++a) {
      for (int64_t b = a + 1; b < kClasses; ++b) {
        const at::Tensor in_a = labels[m].eq(a), in_b = labels[m].eq(b);
        const double size_a = in_a.sum().item<double>();
        const double size_b = in_b.sum().item<double>();
        const bool both = size_a > 0 && size_b > 0;
        const auto difference = [&](const at::Tensor& where) {
          if (!both) return 0.0;
          return where.masked_select(in_b).mean().item<double>() -
                 where.masked_select(in_a).mean().item<double>();
        };
        expected_centroids.push_back(difference(x));
        expected_centroids.push_back(difference(y));
        expected_mass.push_back(both ? size_a + size_b : 0);
        expected_together.push_back(both ? 1 : 0);
      }
    }
    const auto shares = [](const std::vector<double>& values) {
      const at::Tensor all = at::tensor(values);
      return all / all.sum().clamp_min(1e-300);
    };
    EXPECT_TRUE(at::allclose(centroids[m], at::tensor(expected_centroids)));
    EXPECT_TRUE(at::allclose(mass[m], shares(expected_mass)));
    EXPECT_TRUE(at::allclose(together[m], shares(expected_together)));
  }
  EXPECT_EQ(mass[3].sum().item<double>(), 0);
  for (const at::Tensor& same : {ChannelsLast(labels), ColumnMajor(labels)}) {
    const LabelPlaces other = FindLabels(same, kClasses);
    EXPECT_TRUE(at::equal(other.area, places.area));
    EXPECT_TRUE(at::equal(other.centre, places.centre));
  }
}

TEST(LabelPairsTest, OneClassHasNoPair) {
  const LabelPlaces places = FindLabels(at::zeros({2, 1, 1}, at::kByte), 1);
  EXPECT_EQ(Values(places.area), (std::vector<double>{1, 1}));
  EXPECT_EQ(Values(places.centre), std::vector<double>(4, 0.5));
  EXPECT_EQ(CentroidDifferences(places).sizes(), at::IntArrayRef({2, 0}));
  EXPECT_EQ(PairMass(places).sizes(), at::IntArrayRef({2, 0}));
  EXPECT_EQ(CoOccurrence(places).sizes(), at::IntArrayRef({2, 0}));
}

TEST(LabelPairsTest, Errors) {
  ExpectError(
      [] {
        FindLabels(at::full({1, 2, 2}, 3, at::kByte), 3);
      },
      "labels must be below 3, got 3");
  ExpectError(
      [] {
        FindLabels(at::zeros({2, 2}, at::kByte), 3);
      },
      "uint8 [M,H,W]");
  ExpectError(
      [] {
        FindLabels(at::zeros({1, 2, 2}, at::kLong), 3);
      },
      "got Long [1, 2, 2]");
  ExpectError(
      [] {
        FindLabels(at::zeros({1, 0, 2}, at::kByte), 3);
      },
      "not empty");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
