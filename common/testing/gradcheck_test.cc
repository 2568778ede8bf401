#include "common/testing/gradcheck.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

namespace seg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// y = x^2 with backward `factor` * x * g; 2 is right.
class Square : public torch::autograd::Function<Square> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            double factor) {
    context->save_for_backward({x});
    context->saved_data["factor"] = factor;
    return x * x;
  }
  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const at::Tensor x = context->get_saved_variables()[0];
    return {gradients[0] * x * context->saved_data["factor"].toDouble(),
            at::Tensor()};
  }
};

// Identity whose backward reads the incoming gradient as if contiguous.
class StrideBlind : public torch::autograd::Function<StrideBlind> {
 public:
  static at::Tensor forward(AutogradContext*, const at::Tensor& x) {
    return x.clone(at::MemoryFormat::Contiguous);
  }
  static variable_list backward(AutogradContext*,
                                const variable_list& gradients) {
    const at::Tensor& g = gradients[0];
    // Expanded gradients have one element of storage: copy those.
    if (g.dim() == 0 || g.stride(-1) == 0) return {g.contiguous()};
    return {at::from_blob(g.data_ptr(), g.sizes(), g.options()).clone()};
  }
};

// Identity that has no gradient.
class NoGradient : public torch::autograd::Function<NoGradient> {
 public:
  static at::Tensor forward(AutogradContext*, const at::Tensor& x) {
    return x * 1.0;
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    return {at::Tensor()};
  }
};

at::Tensor Random(at::IntArrayRef sizes) {
  at::manual_seed(5);
  return at::randn(sizes, at::kDouble);
}

TEST(GradCheckTest, AcceptsTheRightGradient) {
  EXPECT_TRUE(
      GradCheck([](const auto& in) { return Square::apply(in[0], 2.0); },
                {Random({2, 3})}));
  EXPECT_TRUE(
      GradCheck([](const auto& in) { return at::matmul(in[0], in[1]).tanh(); },
                {Random({2, 3}), Random({3, 4})}));
}

TEST(GradCheckTest, CatchesAWrongGradientAndNamesTheElement) {
  const at::Tensor x = at::zeros({2, 2}, at::kDouble);
  x[1][0] = 3.0;  // only here do factor 2 and factor 1.5 differ
  const ::testing::AssertionResult result = GradCheck(
      [](const auto& in) { return in[0].sin() + Square::apply(in[1], 1.5); },
      {Random({2, 2}), x});
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("1 of 8 gradient elements differ"));
  EXPECT_THAT(result.message(), HasSubstr("input 1 index [1, 0] (value 3)"));
  EXPECT_THAT(result.message(), Not(HasSubstr("input 0")));
}

TEST(GradCheckTest, CatchesASmallError) {
  EXPECT_FALSE(
      GradCheck([](const auto& in) { return Square::apply(in[0], 2.001); },
                {Random({4})}));
}

TEST(GradCheckTest, KeepsTheStridesOfInputs) {
  const at::Tensor base = Random({4, 6});
  std::vector<int64_t> strides;
  EXPECT_TRUE(GradCheck(
      [&strides](const auto& in) {
        strides = in[0].strides().vec();
        return Square::apply(in[0], 2.0) * in[1];
      },
      {base.t().slice(0, 0, 6, 2), base.slice(0, 0, 3).slice(1, 0, 4)}));
  EXPECT_EQ(strides, (std::vector<int64_t>{2, 6}));
}

TEST(GradCheckTest, TreatsUndefinedGradientsAsZero) {
  EXPECT_TRUE(GradCheck([](const auto& in) { return in[0] * 2.0; },
                        {Random({3}), Random({2})}));  // second one not used
  EXPECT_TRUE(GradCheck([](const auto& in) { return in[0].detach().round(); },
                        {Random({3})}));
  const ::testing::AssertionResult result = GradCheck(
      [](const auto& in) { return NoGradient::apply(in[0]); }, {Random({3})});
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("analytic 0, numeric"));
}

TEST(GradCheckTest, CatchesABackwardThatIgnoresStrides) {
  const ::testing::AssertionResult result =
      GradCheck([](const auto& in) { return StrideBlind::apply(in[0]); },
                {Random({2, 3})});
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("transposed"));
}

TEST(GradCheckTest, HandsIntegersThrough) {
  const at::Tensor index = at::tensor({2, 0}, at::kLong);
  EXPECT_TRUE(GradCheck(
      [](const auto& in) { return in[0].index_select(0, in[1]).exp(); },
      {Random({3}), index}));
}

TEST(GradCheckTest, RefusesWhatItCannotCheck) {
  const auto identity = [](const std::vector<at::Tensor>& in) {
    return in[0] * 1.0;
  };
  EXPECT_THAT(GradCheck(identity, {at::ones({2}, at::kFloat)}).message(),
              HasSubstr("input 0 must be float64, got Float"));
  EXPECT_THAT(
      GradCheck(identity, {at::ones({1}, at::kDouble).expand({3})}).message(),
      HasSubstr("share memory"));
  EXPECT_THAT(GradCheck(identity, {at::Tensor()}).message(),
              HasSubstr("undefined"));
  EXPECT_THAT(GradCheck([](const auto& in) { return in[0].to(at::kFloat); },
                        {Random({2})})
                  .message(),
              HasSubstr("must return a float64 tensor, got Float"));
  int calls = 0;
  EXPECT_THAT(GradCheck([&calls](const auto& in) { return in[0] + calls++; },
                        {Random({2})})
                  .message(),
              HasSubstr("two calls"));
}

TEST(GradCheckTest, NanNeverPasses) {
  EXPECT_FALSE(GradCheck([](const auto& in) { return in[0].sqrt(); },
                         {at::zeros({2}, at::kDouble)}));
}

TEST(GradCheckTest, SecondDerivatives) {
  EXPECT_TRUE(
      GradGradCheck([](const auto& in) { return in[0].pow(3) * in[1].sin(); },
                    {Random({2, 3}), Random({2, 3})}));
  // The gradient of its gradient counts x as a constant where it is detached.
  const ::testing::AssertionResult result = GradGradCheck(
      [](const auto& in) { return in[0] * in[0].detach().exp() + in[0]; },
      {Random({3})});
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("gradient elements differ"));
}

TEST(GradCheckTest, AcceptsEmptyInputs) {
  EXPECT_TRUE(GradCheck([](const auto& in) { return in[0] * 2.0; },
                        {at::zeros({0, 3}, at::kDouble)}));
}

}  // namespace
}  // namespace seg
