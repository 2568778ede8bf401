#include "common/losses/dice.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/losses/cross_entropy.h"
#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

double Loss(const at::Tensor& scores, const at::Tensor& labels,
            const DiceOptions& options = {}) {
  return DiceLoss(scores, labels, options).item<double>();
}

at::Tensor GradientOf(const at::Tensor& scores, const at::Tensor& labels) {
  const at::Tensor leaf = scores.clone().set_requires_grad(true);
  return torch::autograd::grad({DiceLoss(leaf, labels)}, {leaf})[0];
}

// Labels of all classes with every fifth pixel ignored.
at::Tensor Labels(at::IntArrayRef sizes, int64_t classes) {
  at::manual_seed(5);
  const at::Tensor labels = at::randint(0, classes, sizes, at::kLong);
  return labels.masked_fill(
      at::arange(labels.numel()).remainder(5).view(sizes) == 0, 255);
}

TEST(DiceLossTest, HandWorked) {
  // Two pixels, two classes: p = (3/4, 1/4) of class 0 and (1/2, 1/2) of 1.
  // Class 0: 1 - 2 * 3/4 / (5/4 + 1) = 1/3; class 1: 1 - 1 / (3/4 + 1) = 3/7.
  const at::Tensor scores =
      at::tensor({0.75, 0.5, 0.25, 0.5}, at::kDouble).log().view({1, 2, 2});
  const at::Tensor labels = at::tensor({0, 1}, at::kLong).view({1, 2});
  DiceOptions options;
  options.epsilon = 1e-300;  // not seen
  EXPECT_NEAR(Loss(scores, labels, options), (1.0 / 3 + 3.0 / 7) / 2, 1e-15);
  EXPECT_NEAR(Loss(scores + 7.0, labels), (1.0 / 3 + 3.0 / 7) / 2, 1e-8);
  // With epsilon 1: 1 - 5/2 / (13/4) and 1 - 2 / (11/4).
  options.epsilon = 1;
  EXPECT_NEAR(Loss(scores, labels, options), (3.0 / 13 + 3.0 / 11) / 2, 1e-15);
}

// More pixels than one run of the kernel has, and a last run that is not full.
TEST(DiceLossTest, AgreesWithLoops) {
  const int64_t images = 2, classes = 3, height = 67, width = 71;
  const at::Tensor scores = Random({images, classes, height, width});
  const at::Tensor labels = Labels({images, height, width}, classes);
  const double epsilon = 0.5;
  double expected = 0;
  for (int64_t n = 0; n < images; ++n) {
    std::vector<double> both(classes), predicted(classes), pixels(classes);
    const std::vector<double> s = Values(scores[n]), t = Values(labels[n]);
    const int64_t count = height * width;
    for (int64_t i = 0; i < count; ++i) {
      if (t[i] == 255) continue;
      double z = 0;
      for (int64_t c = 0; c < classes; ++c) z += std::exp(s[c * count + i]);
      for (int64_t c = 0; c < classes; ++c) {
        const double p = std::exp(s[c * count + i]) / z;
        predicted[c] += p;
        if (t[i] == static_cast<double>(c)) {
          both[c] += p;
          pixels[c] += 1;
        }
      }
    }
    for (int64_t c = 0; c < classes; ++c) {
      expected +=
          1 - (2 * both[c] + epsilon) / (predicted[c] + pixels[c] + epsilon);
    }
  }
  DiceOptions options;
  options.epsilon = epsilon;
  expected /= static_cast<double>(images * classes);
  EXPECT_NEAR(Loss(scores, labels, options), expected, 1e-14);
  EXPECT_NEAR(DiceLossComposed(scores, labels, options).item<double>(),
              expected, 1e-14);
}

TEST(DiceLossTest, GradientAgreesWithTheComposedForm) {
  const at::Tensor scores = Random({2, 4, 50, 60});
  const at::Tensor labels = Labels({2, 50, 60}, 4);
  const at::Tensor leaf = scores.clone().set_requires_grad(true);
  const at::Tensor composed =
      torch::autograd::grad({3.0 * DiceLossComposed(leaf, labels)}, {leaf})[0];
  EXPECT_TRUE(at::allclose(3.0 * GradientOf(scores, labels), composed, 0,
                           1e-12 * composed.abs().max().item<double>()));
  EXPECT_TRUE(at::equal(GradientOf(scores, labels),
                        GradientOf(scores, labels.to(at::kByte))));
}

TEST(DiceLossTest, MeanOfTheImagesWhateverTheirOrder) {
  const at::Tensor scores = Random({3, 4, 5, 6});
  const at::Tensor labels = Labels({3, 5, 6}, 4);
  double mean = 0;
  for (int64_t n = 0; n < 3; ++n) {
    mean += Loss(scores.narrow(0, n, 1), labels.narrow(0, n, 1)) / 3;
  }
  EXPECT_NEAR(Loss(scores, labels), mean, 1e-14);
  EXPECT_NEAR(Loss(scores.flip(0), labels.flip(0)), mean, 1e-14);
  // Pixels have no place: another order of them gives the same.
  EXPECT_NEAR(Loss(scores.flip(2), labels.flip(1)), mean, 1e-14);
}

TEST(DiceLossTest, RightAndWrongWithCertainty) {
  const at::Tensor labels =
      Labels({2, 6, 6}, 3)
          .masked_fill_(at::arange(72).remainder(5).view({2, 6, 6}) == 0, 1);
  const at::Tensor right =
      100.0 * at::one_hot(labels, 3).movedim(-1, 1).to(at::kDouble);
  EXPECT_NEAR(Loss(right, labels), 0, 1e-12);
  EXPECT_NEAR(Loss(right.roll(1, 1), labels), 1, 1e-8);
  const at::Tensor large = right.to(at::kFloat) * 100.0f;  // scores of 1e4
  EXPECT_NEAR(Loss(large, labels), 0, 1e-6);
  EXPECT_TRUE(GradientOf(large, labels).isfinite().all().item<bool>());
}

// A class that is not in the image costs 1 where it is predicted at all, and
// its gradient is lost beside those of the others.
TEST(DiceLossTest, EmptyClass) {
  const at::Tensor scores = Random({1, 3, 8, 8});
  const at::Tensor labels = Labels({1, 8, 8}, 2);  // no pixel of class 2
  const double two_present =
      Loss(scores, labels) - 1.0 / 3;  // (D0 + D1) / 3, to epsilon
  const at::Tensor valid = labels[0] != 255;
  const at::Tensor p = at::softmax(scores[0], 0) * valid;
  double expected = 0;
  for (int64_t c = 0; c < 2; ++c) {
    const at::Tensor t = (labels[0] == c).to(at::kDouble);
    expected +=
        (1 - 2 * (p[c] * t).sum() / (p[c].sum() + t.sum())).item<double>() / 3;
  }
  EXPECT_NEAR(two_present, expected, 1e-9);
  EXPECT_TRUE(GradientOf(scores, labels).isfinite().all().item<bool>());
  // Not predicted either: all of it right.
  const at::Tensor unlikely = scores.clone();
  unlikely.select(1, 2).fill_(-1e4);
  DiceOptions options;
  EXPECT_NEAR(Loss(unlikely, labels, options),
              2.0 / 3 * Loss(unlikely.narrow(1, 0, 2), labels, options), 1e-9);
}

TEST(DiceLossTest, IgnoredPixelsDoNotCount) {
  const at::Tensor scores = Random({2, 3, 4, 5});
  const at::Tensor labels = Labels({2, 4, 5}, 3);
  const at::Tensor ignored = (labels == 255).unsqueeze(1);
  EXPECT_EQ(Loss(scores, labels),
            Loss(scores.masked_fill(ignored, 30.0), labels));
  EXPECT_EQ(GradientOf(scores, labels)
                .masked_select(ignored)
                .abs()
                .max()
                .item<double>(),
            0);
  DiceOptions options;
  options.ignore_label = -1;
  EXPECT_EQ(Loss(scores, labels.masked_fill(labels == 255, -1), options),
            Loss(scores, labels));
}

TEST(DiceLossTest, AnImageOfIgnoredPixelsAddsNothing) {
  const at::Tensor scores = Random({2, 3, 4, 5});
  at::Tensor labels = Labels({2, 4, 5}, 3);
  labels[1].fill_(255);
  EXPECT_NEAR(Loss(scores, labels),
              0.5 * Loss(scores.narrow(0, 0, 1), labels.narrow(0, 0, 1)),
              1e-15);
  EXPECT_EQ(GradientOf(scores, labels)[1].abs().max().item<double>(), 0);
  labels.fill_(255);
  EXPECT_EQ(Loss(scores, labels), 0);
  EXPECT_EQ(GradientOf(scores, labels).abs().max().item<double>(), 0);
}

TEST(DiceLossTest, GradientMatchesFiniteDifferences) {
  for (const double epsilon : {1e-8, 1.0}) {
    DiceOptions options;
    options.epsilon = epsilon;
    const at::Tensor labels = Labels({2, 3, 4}, 4);
    const auto loss = [&](const std::vector<at::Tensor>& in) {
      return DiceLoss(in[0], labels, options);
    };
    const at::Tensor scores = Random({2, 4, 3, 4});
    EXPECT_TRUE(GradCheck(loss, {scores}));
    for (const at::Tensor& other : Layouts(scores)) {
      EXPECT_TRUE(GradCheck(loss, {other}));
    }
    EXPECT_TRUE(GradGradCheck(
        [&](const std::vector<at::Tensor>& in) {
          return DiceLossComposed(in[0], labels, options);
        },
        {scores}));
  }
}

TEST(DiceLossTest, LayoutsTypesAndThreads) {
  const at::Tensor scores = Random({2, 3, 80, 90});
  const at::Tensor labels = Labels({2, 80, 90}, 3);
  const double loss = Loss(scores, labels);
  for (const at::Tensor& other : Layouts(scores)) {
    EXPECT_NEAR(Loss(other, labels), loss, 1e-15);
  }
  for (const at::Tensor& other : Layouts(labels)) {
    EXPECT_EQ(Loss(scores, other), loss);
  }
  EXPECT_EQ(Loss(scores, labels.to(at::kByte)), loss);
  const at::Tensor single = DiceLoss(scores.to(at::kFloat), labels);
  EXPECT_EQ(single.scalar_type(), at::kFloat);
  // Sums of a run in float, of which there are 2048 terms in four lanes.
  EXPECT_NEAR(single.item<double>(), loss, 1e-6);
  const at::Tensor gradient = GradientOf(scores, labels);
  EXPECT_TRUE(
      at::allclose(GradientOf(scores.to(at::kFloat), labels).to(at::kDouble),
                   gradient, 0, 1e-5 * gradient.abs().max().item<double>()));
  const int threads = at::get_num_threads();
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    EXPECT_EQ(Loss(scores, labels), loss);
    EXPECT_TRUE(at::equal(GradientOf(scores, labels), gradient));
  }
  at::set_num_threads(threads);
}

TEST(DiceLossTest, OneClassEmptyAndMatrixInput) {
  EXPECT_NEAR(Loss(Random({1, 1, 4}), at::zeros({1, 4}, at::kLong)), 0, 1e-15);
  for (const at::Tensor& empty : {at::zeros({0, 3, 2}), at::zeros({2, 3, 0})}) {
    const at::Tensor leaf = empty.clone().set_requires_grad(true);
    const at::Tensor labels =
        at::zeros({empty.size(0), empty.size(2)}, at::kLong);
    EXPECT_EQ(Loss(leaf, labels), 0);
    EXPECT_EQ(GradientOf(empty, labels).sizes(), empty.sizes());
    EXPECT_EQ(DiceLossComposed(leaf, labels).item<double>(), 0);
  }
  // [N, C], one pixel an image: p = 1/4 of each class; the class of the label
  // has 1 - 1/2 / (5/4), the others 1.
  EXPECT_NEAR(Loss(at::zeros({5, 4}, at::kDouble), at::zeros({5}, at::kLong)),
              (0.6 + 3) / 4, 1e-7);
}

TEST(DiceLossTest, AddsToTheCrossEntropyInOneGraph) {
  // The loss of GANSeg's segmentation network.
  const at::Tensor labels = Labels({2, 3, 4}, 4);
  EXPECT_TRUE(GradCheck(
      [&](const std::vector<at::Tensor>& in) {
        return 0.5 * CrossEntropy(in[0], labels) +
               0.5 * DiceLoss(in[0], labels);
      },
      {Random({2, 4, 3, 4})}));
}

TEST(DiceLossTest, SecondDerivativesAreRefused) {
  const at::Tensor scores = Random({1, 3, 4}).set_requires_grad(true);
  const at::Tensor loss = DiceLoss(scores, at::zeros({1, 4}, at::kLong));
  // Recording the graph is allowed.
  const at::Tensor gradient =
      torch::autograd::grad({loss}, {scores}, {}, true, true)[0];
  ExpectError([&] { gradient.sum().backward(); },
              "DiceLoss: second derivatives are not supported");
}

// Tensors without data: a value read back would throw here, and stop the queue
// of a GPU.
TEST(DiceLossTest, ReadsNothingBackFromADevice) {
  const at::Tensor scores = at::zeros({2, 3, 4, 5}).to(at::kMeta);
  const at::Tensor labels = at::zeros({2, 4, 5}, at::kLong).to(at::kMeta);
  EXPECT_EQ(DiceLoss(scores, labels).dim(), 0);
}

TEST(DiceLossTest, Errors) {
  const at::Tensor scores = at::zeros({1, 3, 2});
  const at::Tensor labels = at::zeros({1, 2}, at::kLong);
  for (const auto form : {&DiceLoss, &DiceLossComposed}) {
    const auto error = [&](const at::Tensor& s, const at::Tensor& l,
                           const std::string& message) {
      ExpectError([&] { form(s, l, {}); }, message);
    };
    error(scores, at::tensor({0, 7}, at::kLong).view({1, 2}),
          "labels have 7, which is neither in 0..2 nor the ignore label 255");
    error(scores, at::tensor({-1, 0}, at::kLong).view({1, 2}),
          "labels have -1");
    error(scores, at::tensor({0, 3}, at::kByte).view({1, 2}), "labels have 3");
    error(scores, at::zeros({1, 3}, at::kLong),
          "labels must have sizes [1, 2] for scores [1, 3, 2], got [1, 3]");
    error(scores, at::zeros({1, 2}),
          "labels must be int64 or uint8, got Float");
    error(scores.to(at::kInt), labels,
          "scores must be float32 or float64, got Int");
    error(scores[0][0], labels[0], "scores must be [N, C, ...], got sizes [2]");
    error(at::zeros({1, 0, 2}), labels, "scores need at least one class");
    error(scores, labels.to(at::kMeta),
          "labels must be on the device of scores, cpu, got meta");
    ExpectError(
        [&] {
          DiceOptions options;
          options.epsilon = 0;
          form(scores, labels, options);
        },
        "epsilon must be > 0, got 0");
  }
}

}  // namespace
}  // namespace seg
