#include "common/losses/cross_entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using Input = CrossEntropyInput;
using Reduction = CrossEntropyReduction;

at::Tensor Random(at::IntArrayRef sizes, int64_t seed = 3) {
  at::manual_seed(seed);
  return at::randn(sizes, at::kDouble);
}

CrossEntropyOptions Options(Input input,
                            Reduction reduction = Reduction::kMean) {
  CrossEntropyOptions options;
  options.input = input;
  options.reduction = reduction;
  return options;
}

// [2, 3, 4] targets of 4 classes with every fifth pixel ignored.
at::Tensor Target() {
  return at::arange(24, at::kLong)
      .remainder(4)
      .masked_fill(at::arange(24).remainder(5) == 0, 255)
      .view({2, 3, 4});
}

double Loss(const at::Tensor& input, const at::Tensor& target,
            const CrossEntropyOptions& options = {}) {
  return CrossEntropy(input, target, options).item<double>();
}

TEST(CrossEntropyTest, HandWorked) {
  // Two pixels, two classes: p = (3/4, 1/4) and (1/2, 1/2).
  const at::Tensor p =
      at::tensor({0.75, 0.5, 0.25, 0.5}, at::kDouble).view({1, 2, 2});
  const at::Tensor target = at::tensor({1, 0}, at::kLong).view({1, 2});
  const double expected = -std::log(0.25) - std::log(0.5);
  EXPECT_DOUBLE_EQ(
      Loss(p, target, Options(Input::kProbabilities, Reduction::kSum)),
      expected);
  EXPECT_DOUBLE_EQ(Loss(p, target, Options(Input::kProbabilities)),
                   expected / 2);
  EXPECT_NEAR(Loss(p.log(), target, Options(Input::kLogProbabilities)),
              expected / 2, 1e-15);
  // Scores may be shifted per pixel.
  EXPECT_NEAR(Loss(p.log() + 7.0, target), expected / 2, 1e-14);
}

TEST(CrossEntropyTest, AgreesWithTheLibrary) {
  const at::Tensor x = Random({2, 4, 3, 4});
  EXPECT_NEAR(Loss(x, Target()),
              at::cross_entropy_loss(x, Target(), {}, at::Reduction::Mean, 255)
                  .item<double>(),
              1e-14);
  EXPECT_NEAR(Loss(x, Target(), Options(Input::kScores, Reduction::kSum)),
              at::cross_entropy_loss(x, Target(), {}, at::Reduction::Sum, 255)
                  .item<double>(),
              1e-13);
}

TEST(CrossEntropyTest, KindsOfInputAgree) {
  const at::Tensor x = Random({2, 4, 3, 4});
  const at::Tensor log_p = at::log_softmax(x, 1);
  CrossEntropyOptions options = Options(Input::kProbabilities);
  options.epsilon = 1e-12;  // not reached
  EXPECT_NEAR(Loss(x, Target()), Loss(log_p.exp(), Target(), options), 1e-14);
  EXPECT_NEAR(Loss(x, Target()),
              Loss(log_p, Target(), Options(Input::kLogProbabilities)), 1e-14);
}

TEST(CrossEntropyTest, FloorOfProbabilities) {
  const double epsilon = 0.1;
  const at::Tensor target = at::zeros({1, 1}, at::kLong);
  for (double p : {-0.5, 0.0, 0.05, epsilon, 0.2}) {
    CrossEntropyOptions options = Options(Input::kProbabilities);
    options.epsilon = epsilon;
    const at::Tensor x = at::tensor({p, 1.0 - p}, at::kDouble).view({1, 2, 1});
    const at::Tensor leaf = x.clone().set_requires_grad(true);
    const at::Tensor loss = CrossEntropy(leaf, target, options);
    const at::Tensor gradient = torch::autograd::grad({loss}, {leaf})[0];
    const bool above = p > epsilon;
    EXPECT_NEAR(
        loss.item<double>(),
        above ? -std::log(p) : -std::log(epsilon) + (epsilon - p) / epsilon,
        1e-14);
    EXPECT_NEAR(gradient[0][0][0].item<double>(),
                above ? -1.0 / p : -1.0 / epsilon, 1e-13);
    EXPECT_EQ(gradient[0][1][0].item<double>(), 0.0);
  }
}

TEST(CrossEntropyTest, IgnoredPixelsDoNotCount) {
  const at::Tensor x = Random({2, 4, 3, 4});
  const at::Tensor changed = x.clone();
  changed[0].select(1, 0).select(1, 0).fill_(50.0);  // pixel 0 is ignored
  EXPECT_DOUBLE_EQ(Loss(x, Target()), Loss(changed, Target()));
  // NaN in an ignored pixel reaches neither loss nor gradient.
  changed[0].select(1, 0).select(1, 0).fill_(kNan);
  const at::Tensor leaf = changed.exp().set_requires_grad(true);
  const at::Tensor loss =
      CrossEntropy(leaf, Target(), Options(Input::kProbabilities));
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
  EXPECT_TRUE(
      torch::autograd::grad({loss}, {leaf})[0].isfinite().all().item<bool>());
}

TEST(CrossEntropyTest, AllIgnoredGivesZeroWithZeroGradient) {
  for (Input kind :
       {Input::kScores, Input::kLogProbabilities, Input::kProbabilities}) {
    for (Reduction reduction : {Reduction::kMean, Reduction::kSum}) {
      const at::Tensor x = Random({1, 3, 2, 2}).set_requires_grad(true);
      const at::Tensor loss = CrossEntropy(
          x, at::full({1, 2, 2}, 255, at::kLong), Options(kind, reduction));
      EXPECT_EQ(loss.item<double>(), 0.0);
      EXPECT_TRUE(at::equal(torch::autograd::grad({loss}, {x})[0],
                            at::zeros({1, 3, 2, 2}, at::kDouble)));
    }
  }
}

TEST(CrossEntropyTest, GradientMatchesFiniteDifferences) {
  const at::Tensor scores = Random({2, 4, 3, 4});
  for (Reduction reduction : {Reduction::kMean, Reduction::kSum}) {
    for (Input kind :
         {Input::kScores, Input::kLogProbabilities, Input::kProbabilities}) {
      const CrossEntropyOptions options = Options(kind, reduction);
      const at::Tensor x =
          kind == Input::kProbabilities ? at::softmax(scores, 1) - 0.1 : scores;
      const auto loss = [&options](const std::vector<at::Tensor>& in) {
        return CrossEntropy(in[0], Target(), options);
      };
      EXPECT_TRUE(GradCheck(loss, {x}));
      EXPECT_TRUE(
          GradCheck(loss, {x.movedim(1, -1).contiguous().movedim(-1, 1)}));
    }
  }
}

TEST(CrossEntropyTest, LargeScoresDoNotOverflow) {
  for (double scale : {1e4, -1e4}) {
    const at::Tensor x = (scale * at::ones({1, 3, 2})).set_requires_grad(true);
    const at::Tensor loss = CrossEntropy(x, at::zeros({1, 2}, at::kLong));
    EXPECT_NEAR(loss.item<float>(), std::log(3.0f), 1e-6f);
    EXPECT_TRUE(
        torch::autograd::grad({loss}, {x})[0].isfinite().all().item<bool>());
  }
  const at::Tensor x = at::tensor({-1e4f, 1e4f}).view({1, 2, 1});
  EXPECT_EQ(Loss(x, at::zeros({1, 1}, at::kLong)), 2e4);
}

TEST(CrossEntropyTest, TypesOfTargetAndInput) {
  const at::Tensor x = Random({2, 4, 3, 4});
  EXPECT_EQ(Loss(x, Target()), Loss(x, Target().to(at::kByte)));
  const at::Tensor loss = CrossEntropy(x.to(at::kFloat), Target());
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  // A mean of 19 float terms of size 2.
  EXPECT_NEAR(loss.item<double>(), Loss(x, Target()), 1e-6);
}

TEST(CrossEntropyTest, OneClassEmptyAndMatrixInput) {
  EXPECT_EQ(Loss(Random({1, 1, 2}), at::zeros({1, 2}, at::kLong)), 0.0);
  EXPECT_EQ(Loss(at::zeros({0, 3, 2}), at::zeros({0, 2}, at::kLong)), 0.0);
  EXPECT_NEAR(Loss(at::zeros({5, 4}), at::zeros({5}, at::kLong)), std::log(4.0),
              1e-6);
  CrossEntropyOptions options;
  options.ignore_label = -1;
  EXPECT_NEAR(Loss(at::zeros({2, 4}), at::tensor({-1, 3}, at::kLong), options),
              std::log(4.0), 1e-6);
}

// Tensors without data: a value read back would throw here, and stop the queue
// of a GPU.
TEST(CrossEntropyTest, ReadsNothingBackFromADevice) {
  const at::Tensor x = at::zeros({2, 3, 4, 5}).to(at::kMeta);
  const at::Tensor target = at::zeros({2, 4, 5}, at::kLong).to(at::kMeta);
  for (Input input :
       {Input::kScores, Input::kLogProbabilities, Input::kProbabilities}) {
    CrossEntropyOptions options;
    options.input = input;
    EXPECT_EQ(CrossEntropy(x, target, options).dim(), 0);
  }
}

TEST(CrossEntropyTest, Errors) {
  const at::Tensor x = at::zeros({1, 3, 2});
  const at::Tensor t = at::zeros({1, 2}, at::kLong);
  ExpectError(
      [&] {
        CrossEntropy(x, at::tensor({0, 7}, at::kLong).view({1, 2}));
      },
      "target has label 7, which is neither in 0..2 nor the ignore "
      "label 255");
  ExpectError(
      [&] {
        CrossEntropy(x, at::tensor({-1, 0}, at::kLong).view({1, 2}));
      },
      "target has label -1");
  ExpectError(
      [&] {
        CrossEntropy(x, at::zeros({1, 3}, at::kLong));
      },
      "target must have sizes [1, 2] for input [1, 3, 2], got [1, 3]");
  ExpectError(
      [&] {
        CrossEntropy(x, at::zeros({1, 2}));
      },
      "target must be int64 or uint8, got Float");
  ExpectError([&] { CrossEntropy(x.to(at::kInt), t); },
              "input must be float32 or float64, got Int");
  ExpectError(
      [&] {
        CrossEntropyOptions options;
        options.epsilon = 0.0;
        CrossEntropy(x, t, options);
      },
      "epsilon must be in (0, 1), got 0");
}

}  // namespace
}  // namespace seg
