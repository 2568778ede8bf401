#include "common/losses/expected_iou.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "common/losses/soft_cross_entropy.h"
#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using Form = std::function<ExpectedIouResult(
    const at::Tensor&, const at::Tensor&, const ExpectedIouOptions&)>;

double Iou(const at::Tensor& scores, const at::Tensor& target,
           const ExpectedIouOptions& options = {}) {
  return ExpectedIou(scores, target, options).value.item<double>();
}

double Uoi(const at::Tensor& scores, const at::Tensor& target,
           const ExpectedIouOptions& options = {}) {
  return ExpectedUoi(scores, target, options).value.item<double>();
}

at::Tensor GradientOf(const Form& form, const at::Tensor& scores,
                      const at::Tensor& target,
                      const ExpectedIouOptions& options = {}) {
  const at::Tensor leaf = scores.clone().set_requires_grad(true);
  return torch::autograd::grad({form(leaf, target, options).value}, {leaf})[0];
}

double Largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

// Shares of [N, C, ...], double: pure and mixed cells, cells with a void share
// of 1/4 and all void ones, by their number.
at::Tensor Shares(at::IntArrayRef sizes) {
  const at::Tensor soft = at::softmax(4.0 * Random(sizes, 4), 1);
  const at::Tensor pure =
      at::one_hot(soft.argmax(1), sizes[1]).movedim(-1, 1).to(at::kDouble);
  std::vector<int64_t> cells = sizes.vec();
  cells[1] = 1;
  const int64_t count = soft.numel() / sizes[1];
  const at::Tensor kind = at::arange(count).remainder(7).view(cells);
  return at::where(kind < 3, pure, soft)
      .mul(at::where(kind == 4, 0.75, 1.0))
      .masked_fill(kind == 5, 0);
}

// Options that differ from the defaults in one thing each, for both ratios.
std::vector<ExpectedIouOptions> AllOptions() {
  std::vector<ExpectedIouOptions> all(8);
  all[1].sums = ExpectedIouSums::kImage;
  all[2].classes = ExpectedIouClasses::kAll;
  all[2].intersection_epsilon = 0.1;
  all[3].min_target_mass = 2;
  all[4].scale = ExpectedIouScale::kMeanOfAll;
  all[5].scale = ExpectedIouScale::kSum;
  all[6].cell = ExpectedIouCell::kValidShare;
  all[7].prediction_floor = 0.1;  // raises many
  return all;
}

TEST(ExpectedIouTest, HandWorked) {
  // Two cells, two classes: ph = (3/4, 1/4) and (1/2, 1/2), p = (1, 0) and
  // (1/2, 1/2). Class 0: A = 5/4, B = 3/2, I = 3/4 + 1/4, U = 7/4. Class 1:
  // A = 3/4, B = 1/2, I = 1/4, U = 1.
  const at::Tensor scores =
      at::tensor({0.75, 0.5, 0.25, 0.5}, at::kDouble).log().view({1, 2, 2});
  const at::Tensor target =
      at::tensor({1.0, 0.5, 0.0, 0.5}, at::kDouble).view({1, 2, 2});
  EXPECT_NEAR(Iou(scores, target), (4.0 / 7 + 1.0 / 4) / 2, 1e-15);
  EXPECT_NEAR(Uoi(scores, target), (7.0 / 4 + 4) / 2, 1e-15);
  EXPECT_NEAR(Uoi(scores + 7.0, target), (7.0 / 4 + 4) / 2, 1e-14);
  ExpectedIouOptions options;
  options.scale = ExpectedIouScale::kSum;
  EXPECT_NEAR(Uoi(scores, target, options), 7.0 / 4 + 4, 1e-15);
  options.intersection_epsilon = 0.25;
  EXPECT_NEAR(Uoi(scores, target, options), 7.0 / 5 + 2, 1e-15);
  // A floor of 0.3 raises the 1/4 of a class that is not in its cell: A of
  // class 1 is 0.8 and U is 1.05. Nothing is raised that matters to I.
  options = {};
  options.prediction_floor = 0.3;
  const ExpectedIouResult floored = ExpectedUoi(scores, target, options);
  EXPECT_NEAR(floored.value.item<double>(), (7.0 / 4 + 4.2) / 2, 1e-15);
  EXPECT_EQ(floored.raised.item<int64_t>(), 0);
  EXPECT_EQ(floored.counted.item<int64_t>(), 2);
  // One of 0.6 raises the class 1 of cell 0, and both classes of cell 1, where
  // they are in the target.
  options.prediction_floor = 0.6;
  EXPECT_EQ(ExpectedUoi(scores, target, options).raised.item<int64_t>(), 2);
}

// I and U are expectations over labels drawn from prediction and target: sums
// over all 2^3 * 2^3 labellings of three cells.
TEST(ExpectedIouTest, IsTheRatioOfExpectationsOverDrawnLabels) {
  const at::Tensor scores = Random({1, 2, 3});
  const at::Tensor target = at::softmax(Random({1, 2, 3}, 4), 1);
  const std::vector<double> ph = Values(at::softmax(scores, 1));
  const std::vector<double> p = Values(target);
  double both[2] = {}, either[2] = {};
  for (int predicted = 0; predicted < 8; ++predicted) {
    for (int truth = 0; truth < 8; ++truth) {
      double probability = 1;
      for (int i = 0; i < 3; ++i) {
        probability *= ph[3 * (predicted >> i & 1) + i];
        probability *= p[3 * (truth >> i & 1) + i];
      }
      for (int c = 0; c < 2; ++c) {
        for (int i = 0; i < 3; ++i) {
          const bool a = (predicted >> i & 1) == c, b = (truth >> i & 1) == c;
          both[c] += a && b ? probability : 0;
          either[c] += a || b ? probability : 0;
        }
      }
    }
  }
  EXPECT_NEAR(Iou(scores, target),
              (both[0] / either[0] + both[1] / either[1]) / 2, 1e-14);
  EXPECT_NEAR(Uoi(scores, target),
              (either[0] / both[0] + either[1] / both[1]) / 2, 1e-14);
}

struct LoopResult {
  double iou = 0, uoi = 0;
  int64_t counted = 0, skipped = 0, raised = 0;
};

// The definition in loops over groups, classes and cells.
LoopResult Loops(const at::Tensor& scores, const at::Tensor& target,
                 const ExpectedIouOptions& options) {
  const int64_t images = scores.size(0), classes = scores.size(1);
  const int64_t cells = scores.numel() / (images * classes);
  const std::vector<double> ph = Values(at::softmax(scores, 1));
  const std::vector<double> t = Values(target);
  const bool by_image = options.sums == ExpectedIouSums::kImage;
  LoopResult result;
  double groups_that_count = 0;
  for (int64_t first = 0; first < images; first += by_image ? 1 : images) {
    double iou = 0, uoi = 0;
    int64_t counted = 0;
    for (int64_t c = 0; c < classes; ++c) {
      double a = 0, b = 0, both = 0, valid = 0;
      for (int64_t n = first; n < (by_image ? first + 1 : images); ++n) {
        for (int64_t i = 0; i < cells; ++i) {
          double share = 0;
          for (int64_t k = 0; k < classes; ++k) {
            share += t[(n * classes + k) * cells + i];
          }
          if (share == 0) continue;
          const double weight =
              options.cell == ExpectedIouCell::kWhole ? 1 : share;
          const int64_t at = (n * classes + c) * cells + i;
          const double predicted = std::max(ph[at], options.prediction_floor);
          valid += weight;
          a += weight * predicted;
          b += weight * t[at] / share;
          both += weight * predicted * t[at] / share;
          result.raised += ph[at] < options.prediction_floor && t[at] > 0;
        }
      }
      const bool counts = options.classes == ExpectedIouClasses::kAll
                              ? valid > 0
                              : b > options.min_target_mass;
      result.skipped += !counts && b > 0;
      if (!counts) continue;
      ++counted;
      iou += both / (a + b - both);
      uoi += (a + b - both) / (both + options.intersection_epsilon);
    }
    result.counted += counted;
    if (counted == 0) continue;
    groups_that_count += 1;
    double divisor = 1;
    if (options.scale == ExpectedIouScale::kMeanOfCounted) {
      divisor = static_cast<double>(counted);
    } else if (options.scale == ExpectedIouScale::kMeanOfAll) {
      divisor = static_cast<double>(classes);
    }
    result.iou += iou / divisor;
    result.uoi += uoi / divisor;
  }
  if (groups_that_count > 0) {
    result.iou /= groups_that_count;
    result.uoi /= groups_that_count;
  }
  return result;
}

void ExpectResult(const ExpectedIouResult& result, double value,
                  const LoopResult& loops) {
  EXPECT_NEAR(result.value.item<double>(), value, 1e-12 * value);
  EXPECT_EQ(result.counted.item<int64_t>(), loops.counted);
  EXPECT_EQ(result.skipped.item<int64_t>(), loops.skipped);
  EXPECT_EQ(result.raised.item<int64_t>(), loops.raised);
}

// Small, with a class that is absent, one that is rare and an image that is
// void; and with more cells than one run of the kernel has, of which the last
// is not full.
TEST(ExpectedIouTest, AgreesWithLoops) {
  at::Tensor small = Shares({3, 5, 4, 3});
  small.select(1, 4).zero_();
  small.select(1, 3).mul_(0.05);
  small[1].zero_();
  for (const at::Tensor& target : {small, Shares({2, 3, 67, 71})}) {
    const at::Tensor scores = 2.0 * Random(target.sizes());
    for (const ExpectedIouOptions& options : AllOptions()) {
      const LoopResult loops = Loops(scores, target, options);
      ExpectResult(ExpectedIou(scores, target, options), loops.iou, loops);
      ExpectResult(ExpectedUoi(scores, target, options), loops.uoi, loops);
      ExpectResult(ExpectedIouComposed(scores, target, options), loops.iou,
                   loops);
      ExpectResult(ExpectedUoiComposed(scores, target, options), loops.uoi,
                   loops);
    }
  }
}

TEST(ExpectedIouTest, GradientAgreesWithTheComposedForm) {
  const at::Tensor target = Shares({2, 4, 50, 60});
  const at::Tensor scores = Random({2, 4, 50, 60});
  for (const ExpectedIouOptions& options : AllOptions()) {
    for (const auto& [fused, composed] :
         {std::pair<Form, Form>{&ExpectedIou, &ExpectedIouComposed},
          std::pair<Form, Form>{&ExpectedUoi, &ExpectedUoiComposed}}) {
      const at::Tensor expected = GradientOf(composed, scores, target, options);
      EXPECT_GT(Largest(expected), 0);
      EXPECT_TRUE(at::allclose(GradientOf(fused, scores, target, options),
                               expected, 0, 1e-12 * Largest(expected)));
    }
  }
  // The gradient of the value is taken times that of the loss in it.
  const at::Tensor leaf = scores.clone().set_requires_grad(true);
  EXPECT_TRUE(at::allclose(
      torch::autograd::grad({3.0 * ExpectedUoi(leaf, target).value}, {leaf})[0],
      3.0 * GradientOf(&ExpectedUoi, scores, target), 0, 1e-15));
}

// Equations 59 and 67 of the supplement.
TEST(ExpectedIouTest, GradientIsThatOfTheSupplement) {
  const at::Tensor scores = Random({2, 3, 4, 5});
  const at::Tensor p = at::softmax(Random({2, 3, 4, 5}, 4), 1);
  const at::Tensor ph = at::softmax(scores, 1);
  const std::vector<int64_t> cells = {0, 2, 3};
  const at::Tensor both = (ph * p).sum(cells, true);
  const at::Tensor sum = (ph + p).sum(cells, true);
  const auto through_softmax = [&](const at::Tensor& g) {
    return ph * (g - (ph * g).sum(1, true));
  };
  ExpectedIouOptions options;
  options.scale = ExpectedIouScale::kSum;
  EXPECT_TRUE(at::allclose(
      GradientOf(&ExpectedIou, scores, p, options),
      through_softmax((p * sum - both) / (sum - both).square()), 0, 1e-14));
  EXPECT_TRUE(at::allclose(GradientOf(&ExpectedUoi, scores, p, options),
                           through_softmax((both - p * sum) / both.square()), 0,
                           1e-14));
}

at::Tensor OneHot(const at::Tensor& labels, int64_t classes) {
  return at::one_hot(labels, classes).movedim(-1, 1).to(at::kDouble);
}

// Certain predictions of hard labels: the IOU of counts over the minibatch.
TEST(ExpectedIouTest, OfCertainPredictionsIsTheIouOfCounts) {
  at::manual_seed(5);
  const at::Tensor truth = at::randint(0, 3, {2, 6, 6}, at::kLong);
  const at::Tensor guess = at::where(at::rand({2, 6, 6}) < 0.6, truth,
                                     at::randint(0, 3, {2, 6, 6}, at::kLong));
  double iou = 0, uoi = 0;
  for (int64_t c = 0; c < 3; ++c) {
    const double both = ((truth == c) & (guess == c)).sum().item<double>();
    const double either = ((truth == c) | (guess == c)).sum().item<double>();
    iou += both / either / 3;
    uoi += either / both / 3;
  }
  const at::Tensor target = OneHot(truth, 3);
  for (const double certainty : {100.0, 1e4}) {
    const at::Tensor scores = certainty * OneHot(guess, 3);
    EXPECT_NEAR(Iou(scores, target), iou, 1e-6);
    EXPECT_NEAR(Uoi(scores, target), uoi, 1e-6);
    EXPECT_NEAR(Iou(certainty * target, target), 1, 1e-6);
    EXPECT_NEAR(Uoi(certainty * target, target), 1, 1e-6);
  }
}

TEST(ExpectedIouTest, RangesAndTheBoundBetweenThem) {
  ExpectedIouOptions sum;
  sum.scale = ExpectedIouScale::kSum;
  for (int64_t seed = 0; seed < 5; ++seed) {
    const at::Tensor scores = 3.0 * Random({2, 4, 5, 5}, seed);
    const at::Tensor target = Shares({2, 4, 5, 5});
    const double iou = Iou(scores, target, sum);
    const double uoi = Uoi(scores, target, sum);
    EXPECT_GT(iou, 0);
    EXPECT_LT(iou, 4);
    EXPECT_GT(uoi, 4);
    EXPECT_GE(iou, 16 / uoi);  // arithmetic and harmonic mean
  }
}

// Why the paper takes the UOI: with each further error it changes by more, and
// the IOU by less.
TEST(ExpectedIouTest, LaterErrorsWeighMoreInTheUoiAndLessInTheIou) {
  std::vector<double> iou, uoi;
  const at::Tensor truth = (at::arange(40) < 20).to(at::kLong).view({1, 40});
  for (int64_t errors = 0; errors < 12; ++errors) {
    // Misses for the UOI, false positives for the IOU.
    const at::Tensor missed = truth.clone(), added = truth.clone();
    missed.slice(1, 0, errors).fill_(0);
    added.slice(1, 20, 20 + errors).fill_(1);
    uoi.push_back(Uoi(100.0 * OneHot(missed, 2), OneHot(truth, 2)));
    iou.push_back(Iou(100.0 * OneHot(added, 2), OneHot(truth, 2)));
  }
  for (size_t i = 2; i < uoi.size(); ++i) {
    EXPECT_GT(uoi[i] - uoi[i - 1], uoi[i - 1] - uoi[i - 2]);
    EXPECT_LT(iou[i - 1] - iou[i], iou[i - 2] - iou[i - 1]);
    EXPECT_LT(iou[i], iou[i - 1]);
  }
}

TEST(ExpectedIouTest, SumsOverTheMinibatchOrOverImages) {
  const at::Tensor scores = Random({3, 4, 5, 6});
  const at::Tensor target = Shares({3, 4, 5, 6});
  // The minibatch is one large image, whatever the order of its cells.
  const auto as_one = [](const at::Tensor& x) {
    return x.movedim(1, 0).reshape({1, 4, 90});
  };
  EXPECT_NEAR(Uoi(scores, target), Uoi(as_one(scores), as_one(target)), 1e-13);
  EXPECT_NEAR(Iou(scores, target),
              Iou(as_one(scores).flip(2), as_one(target).flip(2)), 1e-14);
  ExpectedIouOptions images;
  images.sums = ExpectedIouSums::kImage;
  double iou = 0, uoi = 0;
  for (int64_t n = 0; n < 3; ++n) {
    iou += Iou(scores.narrow(0, n, 1), target.narrow(0, n, 1)) / 3;
    uoi += Uoi(scores.narrow(0, n, 1), target.narrow(0, n, 1)) / 3;
  }
  EXPECT_NEAR(Iou(scores, target, images), iou, 1e-14);
  EXPECT_NEAR(Uoi(scores, target, images), uoi, 1e-13);
  // An image that is all void is not one of the mean.
  at::Tensor with_void = target.clone();
  with_void[2].zero_();
  EXPECT_NEAR(Uoi(scores, with_void, images),
              Uoi(scores.narrow(0, 0, 2), target.narrow(0, 0, 2), images),
              1e-13);
  EXPECT_EQ(Largest(GradientOf(&ExpectedUoi, scores, with_void, images)[2]), 0);
}

TEST(ExpectedIouTest, AbsentClasses) {
  const at::Tensor scores = Random({2, 3, 4, 4});
  at::Tensor target = Shares({2, 3, 4, 4});
  target.select(1, 2).zero_();
  ExpectedIouOptions all, sum;
  sum.scale = ExpectedIouScale::kSum;
  const ExpectedIouResult result = ExpectedUoi(scores, target);
  EXPECT_EQ(result.counted.item<int64_t>(), 2);
  EXPECT_EQ(result.skipped.item<int64_t>(), 0);
  EXPECT_NEAR(2 * result.value.item<double>(), Uoi(scores, target, sum), 1e-13);
  // Counted, it is a zero in the mean of the IOU, without gradient.
  all.classes = ExpectedIouClasses::kAll;
  EXPECT_NEAR(3 * Iou(scores, target, all), 2 * Iou(scores, target), 1e-14);
  EXPECT_TRUE(at::allclose(3 * GradientOf(&ExpectedIou, scores, target, all),
                           2 * GradientOf(&ExpectedIou, scores, target), 0,
                           1e-14));
  // In the UOI its false positives cost: A of the class / epsilon.
  all.intersection_epsilon = sum.intersection_epsilon = 0.5;
  all.scale = ExpectedIouScale::kSum;
  const at::Tensor valid = target.sum(1) > 0;
  const double predicted =
      at::softmax(scores, 1).select(1, 2).mul(valid).sum().item<double>();
  EXPECT_NEAR(Uoi(scores, target, all),
              Uoi(scores, target, sum) + predicted / 0.5, 1e-12);
  // Neither true nor predicted, and no floor: 0 / 0 is 0.
  all = {};
  all.classes = ExpectedIouClasses::kAll;
  all.prediction_floor = 0;
  const at::Tensor unlikely = scores.clone();
  unlikely.select(1, 2).fill_(-1e4);
  for (const Form& form : {Form(&ExpectedIou), Form(&ExpectedIouComposed)}) {
    EXPECT_NEAR(3 * form(unlikely, target, all).value.item<double>(),
                2 * Iou(unlikely, target), 1e-6);
    EXPECT_TRUE(
        GradientOf(form, unlikely, target, all).isfinite().all().item<bool>());
  }
}

TEST(ExpectedIouTest, RareClasses) {
  // Class 2 has a hundredth of one cell.
  const at::Tensor scores = Random({1, 3, 20});
  at::Tensor target = OneHot(at::arange(20).remainder(2).view({1, 20}), 3);
  target[0].select(1, 0).copy_(at::tensor({0.99, 0.0, 0.01}, at::kDouble));
  const double gradient = Largest(GradientOf(&ExpectedUoi, scores, target));
  ExpectedIouOptions options;
  options.min_target_mass = 0.02;
  const ExpectedIouResult result = ExpectedUoi(scores, target, options);
  EXPECT_EQ(result.counted.item<int64_t>(), 2);
  EXPECT_EQ(result.skipped.item<int64_t>(), 1);
  EXPECT_LT(Largest(GradientOf(&ExpectedUoi, scores, target, options)),
            gradient / 100);
  options = {};
  options.intersection_epsilon = 1;
  EXPECT_EQ(ExpectedUoi(scores, target, options).counted.item<int64_t>(), 3);
  EXPECT_LT(Largest(GradientOf(&ExpectedUoi, scores, target, options)),
            gradient / 100);
  // With mass of exactly the minimum a class does not count.
  options = {};
  options.min_target_mass = 10;
  EXPECT_EQ(ExpectedUoi(scores, target, options).counted.item<int64_t>(), 0);
  EXPECT_EQ(Uoi(scores, target, options), 0);
  EXPECT_EQ(Largest(GradientOf(&ExpectedUoi, scores, target, options)), 0);
}

TEST(ExpectedIouTest, VoidCellsDoNotCount) {
  const at::Tensor scores = Random({2, 3, 4, 5});
  const at::Tensor target = Shares({2, 3, 4, 5});
  const at::Tensor is_void = target.sum(1, true) == 0;
  ASSERT_GT(is_void.sum().item<int64_t>(), 0);
  for (const ExpectedIouOptions& options : AllOptions()) {
    EXPECT_EQ(Uoi(scores, target, options),
              Uoi(scores.masked_fill(is_void, 30.0), target, options));
    EXPECT_EQ(Largest(GradientOf(&ExpectedUoi, scores, target, options)
                          .masked_select(is_void)),
              0);
    const at::Tensor nothing = at::zeros_like(target);
    for (const Form& form :
         {Form(&ExpectedIou), Form(&ExpectedUoi), Form(&ExpectedIouComposed),
          Form(&ExpectedUoiComposed)}) {
      const ExpectedIouResult result = form(scores, nothing, options);
      EXPECT_EQ(result.value.item<double>(), 0);
      EXPECT_EQ(result.counted.item<int64_t>(), 0);
      EXPECT_EQ(Largest(GradientOf(form, scores, nothing, options)), 0);
    }
  }
}

TEST(ExpectedIouTest, CellsThatAreVoidInPart) {
  const at::Tensor scores = Random({1, 3, 6});
  const at::Tensor full = at::softmax(Random({1, 3, 6}, 4), 1);
  // Whole cells: a void share changes nothing.
  const at::Tensor share =
      at::tensor({1.0, 0.5, 0.25, 1.0, 0.125, 0.5}, at::kDouble);
  EXPECT_NEAR(Uoi(scores, full * share), Uoi(scores, full), 1e-14);
  // By their valid share: two halves of a cell are a cell.
  ExpectedIouOptions options;
  options.cell = ExpectedIouCell::kValidShare;
  EXPECT_NEAR(Uoi(at::cat({scores, scores}, 2), 0.5 * at::cat({full, full}, 2),
                  options),
              Uoi(scores, full), 1e-14);
  EXPECT_NEAR(Uoi(scores, full, options), Uoi(scores, full), 1e-14);
}

TEST(ExpectedIouTest, TheFloorKeepsTheUoiFinite) {
  // Class 1 is predicted nowhere.
  const at::Tensor target =
      OneHot(at::tensor({0, 0, 1, 1}, at::kLong).view({1, 4}), 2);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor t = target.to(type);
    const at::Tensor scores = at::zeros({1, 2, 4}, type);
    scores.select(1, 0).fill_(1e4);
    const ExpectedIouResult result = ExpectedUoi(scores, t);
    EXPECT_EQ(result.raised.item<int64_t>(), 2);
    // Class 0: U = 4, I = 2. Class 1: U = 2, I = 2e-8.
    EXPECT_NEAR(result.value.item<double>(), 5e7, 100);
    for (const Form& form : {Form(&ExpectedIou), Form(&ExpectedUoi)}) {
      EXPECT_TRUE(GradientOf(form, scores, t).isfinite().all().item<bool>());
    }
    ExpectedIouOptions options;
    options.prediction_floor = 0;
    EXPECT_EQ(Uoi(scores, t, options), std::numeric_limits<double>::infinity());
  }
}

TEST(ExpectedIouTest, GradientMatchesFiniteDifferences) {
  const at::Tensor scores = Random({2, 4, 3, 3});
  const at::Tensor target = Shares({2, 4, 3, 3});
  for (const ExpectedIouOptions& options : AllOptions()) {
    for (const Form& form : {Form(&ExpectedIou), Form(&ExpectedUoi)}) {
      EXPECT_TRUE(GradCheck(
          [&](const std::vector<at::Tensor>& in) {
            return form(in[0], target, options).value;
          },
          {scores}));
    }
  }
  for (const at::Tensor& other : Layouts(scores)) {
    EXPECT_TRUE(GradCheck(
        [&](const std::vector<at::Tensor>& in) {
          return ExpectedUoi(in[0], target).value;
        },
        {other}));
  }
  for (const Form& form :
       {Form(&ExpectedIouComposed), Form(&ExpectedUoiComposed)}) {
    EXPECT_TRUE(GradGradCheck(
        [&](const std::vector<at::Tensor>& in) {
          return form(in[0], target.slice(2, 0, 2), {}).value;
        },
        {scores.slice(2, 0, 2)}));
  }
}

TEST(ExpectedIouTest, LayoutsTypesAndThreads) {
  const at::Tensor scores = Random({2, 3, 80, 90});
  const at::Tensor target = Shares({2, 3, 80, 90});
  for (const Form& form : {Form(&ExpectedIou), Form(&ExpectedUoi)}) {
    const auto value = [&](const at::Tensor& s, const at::Tensor& t) {
      return form(s, t, {}).value.item<double>();
    };
    const double expected = value(scores, target);
    for (const at::Tensor& other : Layouts(scores)) {
      EXPECT_NEAR(value(other, target), expected, 1e-14);
    }
    for (const at::Tensor& other : Layouts(target)) {
      EXPECT_EQ(value(scores, other), expected);
    }
    const at::Tensor s = scores.to(at::kFloat), t = target.to(at::kFloat);
    EXPECT_EQ(form(s, t, {}).value.scalar_type(), at::kFloat);
    // The sums are in double, the probabilities and the result in float.
    EXPECT_NEAR(value(s, t), expected, 1e-6 * expected);
    const at::Tensor gradient = GradientOf(form, scores, target);
    EXPECT_TRUE(at::allclose(GradientOf(form, s, t).to(at::kDouble), gradient,
                             0, 1e-5 * Largest(gradient)));
    const int threads = at::get_num_threads();
    for (const int count : {1, 2, 3}) {
      at::set_num_threads(count);
      EXPECT_EQ(value(scores, target), expected);
      EXPECT_TRUE(at::equal(GradientOf(form, scores, target), gradient));
    }
    at::set_num_threads(threads);
  }
}

TEST(ExpectedIouTest, OneClassEmptyAndMatrixInput) {
  for (const Form& form :
       {Form(&ExpectedIou), Form(&ExpectedUoi), Form(&ExpectedIouComposed),
        Form(&ExpectedUoiComposed)}) {
    EXPECT_NEAR(form(Random({1, 1, 4}), at::ones({1, 1, 4}, at::kDouble), {})
                    .value.item<double>(),
                1, 1e-15);
    for (const at::Tensor& empty :
         {at::zeros({0, 3, 2}), at::zeros({2, 3, 0})}) {
      const ExpectedIouResult result = form(empty, empty, {});
      EXPECT_EQ(result.value.item<double>(), 0);
      EXPECT_EQ(result.counted.item<int64_t>(), 0);
      EXPECT_EQ(result.raised.item<int64_t>(), 0);
      EXPECT_EQ(GradientOf(form, empty, empty).sizes(), empty.sizes());
    }
  }
  // [N, C], one cell an image, all of class 0: A = 5/4, B = 5, I = 5/4.
  const at::Tensor target = OneHot(at::zeros({5}, at::kLong), 4);
  EXPECT_NEAR(Uoi(at::zeros({5, 4}, at::kDouble), target), 4, 1e-14);
}

TEST(ExpectedIouTest, TheTargetIsAConstant) {
  const at::Tensor target = at::full({1, 2, 3}, 0.5).set_requires_grad(true);
  for (const Form& form : {Form(&ExpectedIou), Form(&ExpectedUoiComposed)}) {
    EXPECT_FALSE(form(at::zeros({1, 2, 3}), target, {}).value.requires_grad());
    const ExpectedIouResult result =
        form(at::zeros({1, 2, 3}).set_requires_grad(true), target, {});
    EXPECT_TRUE(result.value.requires_grad());
    EXPECT_FALSE(result.counted.requires_grad());
    EXPECT_FALSE(result.raised.requires_grad());
  }
}

TEST(ExpectedIouMixTest, IsTheWeightedSumOfItsTerms) {
  const at::Tensor scores = Random({2, 3, 4, 5});
  const at::Tensor target = Shares({2, 3, 4, 5});
  const at::Tensor share = target.sum(1, true);
  const at::Tensor is_void = share == 0;
  const at::Tensor full = target / share.masked_fill(is_void, 1);
  const double cells = 40 - is_void.sum().item<double>();
  const double cross_entropy = SoftCrossEntropySum(scores, full).item<double>();
  const auto mix = [&](const ExpectedIouMixOptions& options) {
    return ExpectedIouMix(scores, target, options).value.item<double>();
  };
  ExpectedIouMixOptions options;
  EXPECT_NEAR(mix(options),
              0.7 * Uoi(scores, target) + 0.3 * cross_entropy / cells, 1e-14);
  options.cross_entropy = CrossEntropyReduction::kSum;
  EXPECT_NEAR(mix(options), 0.7 * Uoi(scores, target) + 0.3 * cross_entropy,
              1e-13);
  options.term = ExpectedIouTerm::kMinusIou;
  options.term_weight = 2;
  options.cross_entropy_weight = 0.5;
  EXPECT_NEAR(mix(options), -2 * Iou(scores, target) + 0.5 * cross_entropy,
              1e-13);
  // The overlap's options and counts are those of the mix; the cross-entropy
  // takes the same weights of the cells.
  options = {};
  options.overlap.cell = ExpectedIouCell::kValidShare;
  options.overlap.min_target_mass = 1e6;
  EXPECT_NEAR(mix(options),
              0.3 * SoftCrossEntropySum(scores, target).item<double>() /
                  share.sum().item<double>(),
              1e-14);
  EXPECT_EQ(ExpectedIouMix(scores, target, options).skipped.item<int64_t>(), 3);
}

TEST(ExpectedIouMixTest, GradientMatchesFiniteDifferences) {
  const at::Tensor target = Shares({2, 3, 4, 2});
  for (const ExpectedIouTerm term :
       {ExpectedIouTerm::kUoi, ExpectedIouTerm::kMinusIou}) {
    ExpectedIouMixOptions options;
    options.term = term;
    EXPECT_TRUE(GradCheck(
        [&](const std::vector<at::Tensor>& in) {
          return ExpectedIouMix(in[0], target, options).value;
        },
        {Random({2, 3, 4, 2})}));
  }
}

// The cross-entropy finds a class whose predictions are all below the floor,
// and punishes those of class 2, which is not in the target.
TEST(ExpectedIouMixTest, TheCrossEntropySeesWhatTheUoiDoesNot) {
  const at::Tensor target =
      OneHot(at::tensor({0, 0, 1, 1}, at::kLong).view({1, 4}), 3);
  const at::Tensor scores = at::zeros({1, 3, 4}, at::kDouble);
  scores.select(1, 1).fill_(-50);
  const auto slope = [&](const at::Tensor& gradient, int64_t c, int64_t cell) {
    return gradient[0][c][cell].item<double>();
  };
  const at::Tensor uoi = GradientOf(&ExpectedUoi, scores, target);
  const at::Tensor mix =
      GradientOf([](const at::Tensor& s, const at::Tensor& t,
                    const ExpectedIouOptions&) { return ExpectedIouMix(s, t); },
                 scores, target);
  EXPECT_NEAR(slope(uoi, 1, 2), 0, 1e-15);
  EXPECT_NEAR(slope(mix, 1, 2), 0.7 * slope(uoi, 1, 2) - 0.3 / 4, 1e-12);
  EXPECT_NEAR(slope(mix, 2, 0), 0.7 * slope(uoi, 2, 0) + 0.3 * 0.5 / 4, 1e-12);
}

TEST(ExpectedIouMixTest, VoidAndEmpty) {
  const at::Tensor scores = Random({2, 3, 4});
  const at::Tensor leaf = scores.clone().set_requires_grad(true);
  const at::Tensor loss = ExpectedIouMix(leaf, at::zeros_like(scores)).value;
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(Largest(torch::autograd::grad({loss}, {leaf})[0]), 0);
  const at::Tensor empty = at::zeros({0, 3, 2});
  EXPECT_EQ(ExpectedIouMix(empty, empty).value.item<double>(), 0);
}

TEST(ExpectedIouTest, SecondDerivativesAreRefused) {
  const at::Tensor target = Shares({1, 3, 4});
  for (const Form& form : {Form(&ExpectedIou), Form(&ExpectedUoi)}) {
    const at::Tensor scores = Random({1, 3, 4}).set_requires_grad(true);
    // Recording the graph is allowed.
    const at::Tensor gradient = torch::autograd::grad(
        {form(scores, target, {}).value}, {scores}, {}, true, true)[0];
    ExpectError([&] { gradient.sum().backward(); },
                "second derivatives are not supported");
  }
}

// Tensors without data: a value read back would throw here, and stop the queue
// of a GPU.
TEST(ExpectedIouTest, ReadsNothingBackFromADevice) {
  const at::Tensor scores = at::zeros({2, 3, 4, 5}).to(at::kMeta);
  for (const ExpectedIouOptions& options : AllOptions()) {
    EXPECT_EQ(ExpectedIou(scores, scores, options).value.dim(), 0);
    ExpectedIouMixOptions mix;
    mix.overlap = options;
    EXPECT_EQ(ExpectedIouMix(scores, scores, mix).value.dim(), 0);
  }
}

TEST(ExpectedIouTest, Errors) {
  const at::Tensor scores = at::zeros({1, 3, 2});
  const at::Tensor target = at::full({1, 3, 2}, 0.25);
  for (const Form& form :
       {Form(&ExpectedIou), Form(&ExpectedUoi), Form(&ExpectedIouComposed),
        Form(&ExpectedUoiComposed)}) {
    const auto error = [&](const at::Tensor& s, const at::Tensor& t,
                           const std::string& message) {
      ExpectError([&] { form(s, t, {}); }, message);
    };
    error(scores[0][0], target[0][0],
          "scores must be [N, C, ...], got sizes [2]");
    error(scores.to(at::kInt), target,
          "scores must be float32 or float64, got Int");
    error(at::zeros({1, 0, 2}), at::zeros({1, 0, 2}),
          "scores need at least one class");
    error(scores, target[0],
          "target must have the sizes of scores, [1, 3, 2], got [3, 2]");
    error(scores, target.to(at::kDouble),
          "target must have the type of scores, Float, got Double");
    error(scores, target.to(at::kMeta),
          "target must be on the device of scores, cpu, got meta");
    at::Tensor bad = target.clone();
    bad[0][1][1] = -0.5;
    error(scores, bad, "target must have shares >= 0, at most 1 in a cell");
    error(scores, bad, "got -0.5");
    bad[0][1][1] = std::nan("");
    error(scores, bad, "got nan");
    bad[0][1][1] = 1.0;
    error(scores, bad, "together, got 1.5");
    const auto bad_option = [&](ExpectedIouOptions options,
                                const std::string& message) {
      ExpectError([&] { form(scores, target, options); }, message);
    };
    ExpectedIouOptions options;
    options.min_target_mass = -1;
    bad_option(options, "min_target_mass must be >= 0, got -1");
    options.classes = ExpectedIouClasses::kAll;
    options.min_target_mass = 2;
    bad_option(options,
               "min_target_mass must be 0 where all classes count, got 2");
    options = {};
    options.prediction_floor = 1;
    bad_option(options, "prediction_floor must be in [0, 1), got 1");
    options = {};
    options.intersection_epsilon = -1;
    bad_option(options, "intersection_epsilon must be >= 0, got -1");
  }
  ExpectedIouOptions options;
  options.classes = ExpectedIouClasses::kAll;
  ExpectError([&] { ExpectedUoi(scores, target, options); },
              "ExpectedUoi: all classes count, so intersection_epsilon must "
              "be > 0");
}

}  // namespace
}  // namespace seg
