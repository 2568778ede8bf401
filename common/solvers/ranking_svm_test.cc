#include "common/solvers/ranking_svm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/solvers/ranking_svm_reference.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr RankingLoss kLosses[] = {RankingLoss::kMarginRescaled,
                                   RankingLoss::kSlackRescaled,
                                   RankingLoss::kPairwise};

RankingSvmOptions Exact(RankingLoss loss, double c) {
  RankingSvmOptions options;
  options.loss = loss;
  options.c = c;
  options.tolerance = 1e-11;
  options.max_passes = 100000;
  return options;
}

// One feature. Accuracies 0.9, 0.5, 0.9 and features 2, 1, 0: the first item is
// the best, the third ties with it and is not compared.
//   margin: min w^2 / 2 + c max(0, 0.4 - w): w = min(c, 0.4)
//   slack: 0.4 max(0, 1 - w): w = min(0.4 c, 1)
//   pairs (0, 1) and (2, 1), weighed alike: d = 1 and -1; max(0, 1 - w) / 2 +
//     max(0, 1 + w) / 2: w = 0
TEST(RankingSvmTest, OneGroupByHand) {
  const at::Tensor f = at::tensor({2.0f, 1.0f, 0.0f}).unsqueeze(1);
  const at::Tensor a = at::tensor({0.9, 0.5, 0.9}, at::kDouble);
  const auto w = [&](RankingLoss loss, double c) {
    return TrainRankingSvm(f, a, {3}, Exact(loss, c)).weights.item<double>();
  };
  EXPECT_NEAR(w(RankingLoss::kMarginRescaled, 0.3), 0.3, 1e-5);
  EXPECT_NEAR(w(RankingLoss::kMarginRescaled, 5.0), 0.4, 1e-5);
  EXPECT_NEAR(w(RankingLoss::kSlackRescaled, 0.5), 0.2, 1e-5);
  EXPECT_NEAR(w(RankingLoss::kSlackRescaled, 5.0), 1.0, 1e-5);
  EXPECT_NEAR(w(RankingLoss::kPairwise, 3.0), 0.0, 1e-5);
  const DualityGap gap =
      TrainRankingSvm(f, a, {3}, Exact(RankingLoss::kMarginRescaled, 0.3)).gap;
  EXPECT_NEAR(gap.primal, 0.5 * 0.09 + 0.3 * 0.1, 1e-9);
  EXPECT_NEAR(gap.dual, gap.primal, 1e-9);
}

TEST(RankingSvmTest, AgreesWithADenseQuadraticProgram) {
  for (const RankingLoss loss : kLosses) {
    for (uint64_t seed = 0; seed < 6; ++seed) {
      const double c = seed % 3 == 0 ? 0.2 : seed % 3 == 1 ? 2.0 : 20.0;
      const int64_t size = seed < 3 ? 3 : 11;
      const Toy toy = RandomToy(6, size, seed);
      const RankingSvmOptions options = Exact(loss, c);
      const RankingSvm svm =
          TrainRankingSvm(toy.features, toy.accuracies, toy.sizes, options);
      const DenseProgram program = WriteOut(toy, loss, c);
      const std::vector<double> expected = SolveDense(program, size);
      const std::vector<double> w = Values(svm.weights);
      for (int64_t k = 0; k < size; ++k) {
        EXPECT_NEAR(w[k], expected[k], 1e-4)
            << "loss " << static_cast<int>(loss) << " seed " << seed;
      }
      // The certificate is true.
      const double primal = DensePrimal(program, w);
      const double best = DensePrimal(program, expected);
      EXPECT_NEAR(svm.gap.primal, primal, 1e-10 * primal);
      EXPECT_LE(svm.gap.dual, best * (1.0 + 1e-12));
      EXPECT_LE(svm.gap.Relative(), 1e-11);
      EXPECT_NEAR(primal, best, 1e-6 * best);
      EXPECT_NEAR(RankingObjective(svm.weights, toy.features, toy.accuracies,
                                   toy.sizes, options),
                  primal, 1e-10 * primal);
    }
  }
}

TEST(RankingSvmTest, ObjectiveAtAnyWeights) {
  const Toy toy = RandomToy(9, 7, 12);
  for (const RankingLoss loss : kLosses) {
    for (int64_t seed = 0; seed < 4; ++seed) {
      const at::Tensor w = Random({7}, seed);
      const double expected = DensePrimal(WriteOut(toy, loss, 3.0), Values(w));
      EXPECT_NEAR(RankingObjective(w, toy.features, toy.accuracies, toy.sizes,
                                   Exact(loss, 3.0)),
                  expected, 1e-12 * expected);
    }
  }
}

// Loss of a group whatever its number of pairs: at w = 0 it is 1.
TEST(RankingSvmTest, PairsOfAGroupWeighAsOneGroup) {
  const at::Tensor f = at::zeros({5, 2});
  const at::Tensor a = at::tensor({0.1, 0.7, 0.2, 0.9, 0.9}, at::kDouble);
  EXPECT_NEAR(RankingObjective(at::zeros({2}, at::kDouble), f, a, {2, 3},
                               Exact(RankingLoss::kPairwise, 4.0)),
              4.0, 1e-12);
}

TEST(RankingSvmTest, GroupsWithoutLossGiveZero) {
  const at::Tensor f = Random({7, 3}).to(at::kFloat);
  for (const RankingLoss loss : kLosses) {
    const RankingSvmOptions options = Exact(loss, 1.0);
    const RankingSvm ones =
        TrainRankingSvm(f, Random({7}), {1, 1, 1, 1, 1, 1, 1}, options);
    EXPECT_EQ(ones.weights.abs().sum().item<double>(), 0.0);
    EXPECT_EQ(ones.gap.primal, 0.0);
    EXPECT_EQ(ones.gap.passes, 0);
    const RankingSvm equal =
        TrainRankingSvm(f, at::full({7}, 0.3), {3, 4}, options);
    EXPECT_EQ(equal.weights.abs().sum().item<double>(), 0.0);
    EXPECT_EQ(equal.gap.primal, 0.0);
    // They count in n.
    const RankingSvm among = TrainRankingSvm(
        f.slice(0, 0, 3), at::tensor({0.1, 0.6, 0.4}, at::kDouble), {2, 1},
        Exact(loss, 0.5));
    const RankingSvm alone =
        TrainRankingSvm(f.slice(0, 0, 2), at::tensor({0.1, 0.6}, at::kDouble),
                        {2}, Exact(loss, 0.25));
    EXPECT_TRUE(at::allclose(among.weights, alone.weights, 1e-5, 1e-6));
  }
}

TEST(RankingSvmTest, NoGroupsAndNoFeatures) {
  for (const RankingLoss loss : kLosses) {
    const RankingSvm none =
        TrainRankingSvm(at::empty({0, 4}), at::empty({0}), {}, Exact(loss, 1));
    EXPECT_TRUE(at::equal(none.weights, at::zeros({4}, at::kDouble)));
    const RankingSvm empty =
        TrainRankingSvm(at::empty({2, 0}), at::tensor({0.0, 1.0}, at::kDouble),
                        {2}, Exact(loss, 1.0));
    EXPECT_EQ(empty.weights.numel(), 0);
    EXPECT_LE(empty.gap.Relative(), 1e-11);
  }
}

// Repeats of an item, and items with equal features and unequal accuracies.
TEST(RankingSvmTest, RepeatedItems) {
  const at::Tensor f = at::tensor({1.0f, 1.0f, 1.0f, 0.0f, 0.0f}).unsqueeze(1);
  const at::Tensor a = at::tensor({0.8, 0.8, 0.5, 0.2, 0.2}, at::kDouble);
  for (const RankingLoss loss : kLosses) {
    const Toy toy{f, a, {5}};
    const RankingSvm svm = TrainRankingSvm(f, a, {5}, Exact(loss, 0.7));
    EXPECT_LE(svm.gap.Relative(), 1e-11);
    const DenseProgram program = WriteOut(toy, loss, 0.7);
    EXPECT_NEAR(svm.weights.item<double>(), SolveDense(program, 1)[0], 1e-4);
  }
}

// Accuracies are one direction of the features; the others are noise.
TEST(RankingSvmTest, SeparableGroupsAreRankedPerfectly) {
  const int64_t groups = 40, items = 8, size = 12;
  at::Tensor direction = Random({size}, 6);
  direction = direction / direction.norm();
  at::Tensor f = Random({groups * items, size}, 5);
  f = f - f.matmul(direction).unsqueeze(1) * direction;
  const at::Tensor a = (8 * Random({groups * items}, 7).sigmoid()).floor() / 8;
  const at::Tensor x =
      (0.3 * f + 4 * a.unsqueeze(1) * direction).to(at::kFloat);
  const std::vector<int64_t> sizes(groups, items);
  const at::Tensor rows = a.view({groups, items});
  for (const RankingLoss loss : kLosses) {
    RankingSvmOptions options = Exact(loss, 1e3);
    options.tolerance = 1e-3;
    const RankingSvm svm = TrainRankingSvm(x, a, sizes, options);
    EXPECT_LE(svm.gap.Relative(), 1e-3);
    const std::vector<int64_t> picks = RankFirst(svm.weights, x, sizes);
    for (int64_t g = 0; g < groups; ++g) {
      EXPECT_EQ(rows[g][picks[g]].item<double>(), rows[g].max().item<double>());
    }
  }
}

TEST(RankingSvmTest, StopsAtTheToleranceOrAfterMaxPasses) {
  const Toy toy = RandomToy(60, 9, 4);
  for (const RankingLoss loss : kLosses) {
    RankingSvmOptions options = Exact(loss, 50.0);
    int64_t before = 0;
    for (const double tolerance : {1e-1, 1e-3, 1e-6}) {
      options.tolerance = tolerance;
      const DualityGap gap =
          TrainRankingSvm(toy.features, toy.accuracies, toy.sizes, options).gap;
      EXPECT_LE(gap.Relative(), tolerance);
      EXPECT_GE(gap.Relative(), -1e-12);
      EXPECT_GE(gap.passes, before);
      before = gap.passes;
    }
    options.max_passes = 1;
    const DualityGap gap =
        TrainRankingSvm(toy.features, toy.accuracies, toy.sizes, options).gap;
    EXPECT_EQ(gap.passes, 1);
    EXPECT_GT(gap.Relative(), 1e-6);
  }
}

TEST(RankingSvmTest, ThreadsChangeNothing) {
  const Toy toy = RandomToy(80, 21, 5);
  const int threads = at::get_num_threads();
  for (const RankingLoss loss : kLosses) {
    RankingSvmOptions options;
    options.loss = loss;
    at::set_num_threads(1);
    const RankingSvm svm =
        TrainRankingSvm(toy.features, toy.accuracies, toy.sizes, options);
    for (const int count : {2, 3, 4}) {
      at::set_num_threads(count);
      const RankingSvm again =
          TrainRankingSvm(toy.features, toy.accuracies, toy.sizes, options);
      EXPECT_TRUE(at::equal(again.weights, svm.weights));
      EXPECT_EQ(again.gap.primal, svm.gap.primal);
      EXPECT_EQ(again.gap.dual, svm.gap.dual);
    }
  }
  at::set_num_threads(threads);
}

// An equal shift of all features of a group changes no score's order.
TEST(RankingSvmTest, FeaturesOfAGroupCountUpToAShift) {
  const Toy toy = RandomToy(10, 4, 9);
  at::Tensor shifted = toy.features.clone();
  int64_t first = 0;
  for (size_t g = 0; g < toy.sizes.size(); ++g) {
    shifted.slice(0, first, first + toy.sizes[g]).add_(static_cast<double>(g));
    first += toy.sizes[g];
  }
  for (const RankingLoss loss : kLosses) {
    const RankingSvmOptions options = Exact(loss, 2.0);
    EXPECT_TRUE(at::allclose(
        TrainRankingSvm(toy.features, toy.accuracies, toy.sizes, options)
            .weights,
        TrainRankingSvm(shifted, toy.accuracies, toy.sizes, options).weights,
        1e-3, 1e-4));
  }
}

TEST(RankFirstTest, FirstOfEqualsInEachGroup) {
  const at::Tensor f =
      at::tensor({1.0f, 3.0f, 3.0f, 2.0f, -1.0f, -2.0f}).unsqueeze(1);
  EXPECT_THAT(RankFirst(at::ones({1}, at::kDouble), f, {3, 1, 2}),
              ElementsAre(1, 0, 0));
  EXPECT_THAT(RankFirst(-at::ones({1}, at::kDouble), f, {3, 1, 2}),
              ElementsAre(0, 0, 1));
  EXPECT_THAT(RankFirst(at::zeros({1}, at::kDouble), f, {3, 1, 2}),
              ElementsAre(0, 0, 0));
}

TEST(RankingSvmTest, RefusesWrongInput) {
  const at::Tensor f = Random({4, 3}).to(at::kFloat);
  const at::Tensor a = at::tensor({0.1, 0.2, 0.3, 0.4}, at::kDouble);
  const auto train =
      [](const at::Tensor& features, const at::Tensor& accuracies,
         const std::vector<int64_t>& sizes, const RankingSvmOptions& options) {
        return ErrorOf(
            [&] { TrainRankingSvm(features, accuracies, sizes, options); });
      };
  EXPECT_THAT(train(f.to(at::kDouble), a, {4}, {}),
              HasSubstr("TrainRankingSvm: features must be float32 [N,F], "
                        "contiguous, on the CPU, got Double [4, 3]"));
  EXPECT_THAT(train(ColumnMajor(f), a, {4}, {}), HasSubstr("strides [1, 4]"));
  EXPECT_THAT(train(f, a.slice(0, 0, 3), {4}, {}),
              HasSubstr("accuracies must be float32 or float64 on the CPU, of "
                        "1 dimensions, the last of size 4, got Double [3]"));
  EXPECT_THAT(train(f, a * std::nan(""), {4}, {}),
              HasSubstr("accuracies must be finite"));
  EXPECT_THAT(train(f, a, {3}, {}),
              HasSubstr("group_sizes must sum to the 4 rows of features, got "
                        "3"));
  EXPECT_THAT(train(f, a, {3, 2}, {}),
              HasSubstr("got 2 for group 1 with 1 rows left"));
  EXPECT_THAT(train(f, a, {4, 0}, {}), HasSubstr("got 0 for group 1"));
  EXPECT_THAT(train(f, a, {-4, 8}, {}), HasSubstr("got -4 for group 0"));
  at::Tensor broken = f.clone();
  broken[3][1] = std::nan("");
  EXPECT_THAT(train(broken, a, {2, 2}, {}),
              HasSubstr("features must be finite, those of group 1 are not"));
  RankingSvmOptions options;
  for (const double c : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    options.c = c;
    EXPECT_THAT(train(f, a, {4}, options), HasSubstr("c must be finite and"));
  }
  options = {};
  options.tolerance = 0.0;
  EXPECT_THAT(train(f, a, {4}, options), HasSubstr("tolerance must be > 0"));
  options = {};
  options.max_passes = 0;
  EXPECT_THAT(train(f, a, {4}, options), HasSubstr("max_passes must be >= 1"));
  ExpectError([&] { RankFirst(at::zeros({3}), f, {4}); },
              "RankFirst: weights must be float64 [3], contiguous, on the CPU, "
              "got Float [3]");
  ExpectError([&] { RankFirst(at::zeros({2}, at::kDouble), f, {4}); },
              "got Double [2]");
}

}  // namespace
}  // namespace seg
