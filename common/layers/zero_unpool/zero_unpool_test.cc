#include "common/layers/zero_unpool/zero_unpool.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <vector>

#include "common/layers/zero_unpool/zero_unpool_conv2d.h"
#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using zero_unpool_internal::AsPixelShuffle;
using zero_unpool_internal::AsTransposedConvolution;

// The definition, as the library's convolution of the unpooled map.
at::Tensor Plain(const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& bias) {
  const int64_t p = (weight.size(2) - 1) / 2;
  const std::array<int64_t, 2> stride = {1, 1}, padding = {p, p};
  return at::conv2d(ZeroUnpool2d(x), weight, bias, stride, padding);
}

TEST(ZeroUnpoolTest, HandWorked) {
  const at::Tensor x = at::tensor({1.0, 2.0, 3.0, 4.0}).view({1, 1, 2, 2});
  EXPECT_THAT(Values(ZeroUnpool2d(x)), ElementsAre(1, 0, 2, 0,  //
                                                   0, 0, 0, 0,  //
                                                   3, 0, 4, 0,  //
                                                   0, 0, 0, 0));
}

TEST(ZeroUnpoolTest, AgreesWithLoopsInEveryLayout) {
  const at::Tensor x = Random({2, 3, 4, 5});
  const at::Tensor y = ZeroUnpool2d(x);
  ASSERT_THAT(y.sizes(), ElementsAre(2, 3, 8, 10));
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t column = i % 10, row = i / 10 % 8;
    const double expected = row % 2 == 0 && column % 2 == 0
                                ? x.flatten(0, 1)
                                      .select(0, i / 80)
                                      .select(0, row / 2)
                                      .select(0, column / 2)
                                      .item<double>()
                                : 0.0;
    ASSERT_EQ(y.flatten()[i].item<double>(), expected) << i;
  }
  for (const at::Tensor& other : Layouts(x)) {
    EXPECT_TRUE(at::equal(ZeroUnpool2d(other), y));
  }
  EXPECT_TRUE(ZeroUnpool2d(ChannelsLast(x))
                  .is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::equal(ZeroUnpool2d(x.to(at::kFloat)).to(at::kDouble),
                        ZeroUnpool2d(x.to(at::kFloat).to(at::kDouble))));
}

TEST(ZeroUnpoolTest, CommutesWithReluAndUndoesPoolingOfNonNegativeMaps) {
  const at::Tensor x = Random({1, 2, 3, 4});
  EXPECT_TRUE(at::equal(ZeroUnpool2d(x.relu()), ZeroUnpool2d(x).relu()));
  EXPECT_TRUE(
      at::equal(at::max_pool2d(ZeroUnpool2d(x.relu()), {2, 2}), x.relu()));
}

TEST(ZeroUnpoolTest, GradientMatchesFiniteDifferences) {
  const auto unpool = [](const std::vector<at::Tensor>& in) {
    return ZeroUnpool2d(in[0]);
  };
  const at::Tensor x = Random({2, 2, 3, 2});
  EXPECT_TRUE(GradCheck(unpool, {x}));
  for (const at::Tensor& other : Layouts(x)) {
    EXPECT_TRUE(GradCheck(unpool, {other}));
  }
}

TEST(ZeroUnpoolConvolutionTest, HandWorked) {
  // x = (1 2): unpooled (1 0 2 0) over a row of zeros.
  const at::Tensor x = at::tensor({1.0, 2.0}, at::kDouble).view({1, 1, 1, 2});
  const at::Tensor weight =
      at::arange(1, 10, at::kDouble).view({1, 1, 3, 3});  // 1 2 3; 4 5 6; 7 8 9
  const at::Tensor bias = at::tensor({0.5}, at::kDouble);
  // Row 0 sees it through (4 5 6), row 1 through (1 2 3).
  const auto expected = ElementsAre(5.5, 16.5, 10.5, 8.5,  //
                                    2.5, 7.5, 4.5, 2.5);
  EXPECT_THAT(Values(AsTransposedConvolution(x, weight, bias)), expected);
  EXPECT_THAT(Values(AsPixelShuffle(x, weight, bias)), expected);
  EXPECT_THAT(Values(Plain(x, weight, bias)), expected);
}

TEST(ZeroUnpoolConvolutionTest, BothFormsEqualTheDefinition) {
  for (int64_t k : {1, 3, 5, 7, 9, 11}) {
    for (int64_t out : {1, 2, 4, 8, 9, 20}) {
      for (bool with_bias : {false, true}) {
        const at::Tensor x = Random({2, 3, 6, 5}).set_requires_grad(true);
        const at::Tensor weight =
            Random({out, 3, k, k}, 4).set_requires_grad(true);
        const at::Tensor bias =
            with_bias ? Random({out}, 5).set_requires_grad(true) : at::Tensor();
        std::vector<at::Tensor> inputs = {x, weight};
        if (with_bias) inputs.push_back(bias);
        const at::Tensor expected = Plain(x, weight, bias);
        const at::Tensor g = Random(expected.sizes(), 6);
        const auto expected_gradients =
            torch::autograd::grad({expected}, inputs, {g});
        for (auto* form : {&AsTransposedConvolution, &AsPixelShuffle,
                           &ZeroUnpoolConvolution}) {
          const at::Tensor y = form(x, weight, bias);
          // Sums of up to 363 terms of size 1, in another order.
          EXPECT_TRUE(at::allclose(y, expected, 0.0, 1e-11)) << k << " " << out;
          const auto gradients = torch::autograd::grad({y}, inputs, {g});
          for (size_t i = 0; i < inputs.size(); ++i) {
            EXPECT_TRUE(
                at::allclose(gradients[i], expected_gradients[i], 0.0, 1e-10))
                << k << " " << out << " input " << i;
          }
        }
      }
    }
  }
}

TEST(ZeroUnpoolConvolutionTest, FloatAgreesWithDoubleInEveryLayout) {
  for (int64_t out : {2, 48}) {
    const at::Tensor x = Random({2, 16, 8, 12});
    const at::Tensor weight = Random({out, 16, 5, 5}, 4);
    const at::Tensor bias = Random({out}, 5);
    const at::Tensor expected = Plain(x, weight, bias);
    std::vector<at::Tensor> layouts = Layouts(x);
    layouts.push_back(x);
    for (const at::Tensor& other : layouts) {
      const at::Tensor y = ZeroUnpoolConvolution(
          other.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat));
      // 400 / 4 terms of size 1 in float.
      EXPECT_TRUE(at::allclose(y.to(at::kDouble), expected, 1e-5, 1e-4));
    }
  }
}

TEST(ZeroUnpoolConvolutionTest, GradientMatchesFiniteDifferences) {
  for (auto* form : {&AsTransposedConvolution, &AsPixelShuffle}) {
    const auto run = [form](const std::vector<at::Tensor>& in) {
      return form(in[0], in[1], in[2]);
    };
    for (int64_t k : {3, 5}) {
      const at::Tensor x = Random({2, 2, 3, 2});
      const at::Tensor weight = Random({2, 2, k, k}, 4), bias = Random({2}, 5);
      EXPECT_TRUE(GradCheck(run, {x, weight, bias}));
      const std::vector<at::Tensor> xs = Layouts(x), ws = Layouts(weight);
      for (size_t i = 0; i < xs.size(); ++i) {
        EXPECT_TRUE(GradCheck(run, {xs[i], ws[i], bias}));
      }
    }
  }
}

TEST(ZeroUnpoolConvolutionTest, CanBeDifferentiatedTwice) {
  for (int64_t out : {2, 9}) {
    std::vector<at::Tensor> results[2];
    for (bool fused : {false, true}) {
      const at::Tensor x = Random({1, 2, 3, 3}).set_requires_grad(true);
      const at::Tensor weight =
          Random({out, 2, 3, 3}, 4).set_requires_grad(true);
      const at::Tensor y =
          (fused ? ZeroUnpoolConvolution : Plain)(x, weight, at::Tensor());
      const at::Tensor gradient =
          torch::autograd::grad({y.pow(3).sum()}, {x}, {},
                                /*retain_graph=*/true,
                                /*create_graph=*/true)[0];
      results[fused] =
          torch::autograd::grad({gradient.square().sum()}, {x, weight});
    }
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(at::allclose(results[1][i], results[0][i], 1e-10, 1e-8));
    }
  }
}

TEST(ZeroUnpoolConvolutionTest, EmptyAndBatchOfOne) {
  for (int64_t out : {2, 9}) {
    const at::Tensor weight = Random({out, 3, 5, 5}, 4);
    EXPECT_THAT(
        ZeroUnpoolConvolution(at::zeros({0, 3, 4, 6}, at::kDouble), weight, {})
            .sizes(),
        ElementsAre(0, out, 8, 12));
    const at::Tensor x = Random({3, 3, 4, 6});
    const at::Tensor all = ZeroUnpoolConvolution(x, weight, {});
    for (int64_t n = 0; n < 3; ++n) {
      EXPECT_TRUE(
          at::allclose(ZeroUnpoolConvolution(x.slice(0, n, n + 1), weight, {}),
                       all.slice(0, n, n + 1), 0.0, 1e-12));
    }
    // A single pixel.
    EXPECT_TRUE(at::allclose(
        ZeroUnpoolConvolution(x.slice(2, 0, 1).slice(3, 0, 1), weight, {}),
        Plain(x.slice(2, 0, 1).slice(3, 0, 1), weight, {}), 0.0, 1e-12));
  }
  EXPECT_THAT(ZeroUnpool2d(at::zeros({0, 3, 4, 6})).sizes(),
              ElementsAre(0, 3, 8, 12));
  EXPECT_THAT(ZeroUnpool2d(at::zeros({1, 3, 0, 6})).sizes(),
              ElementsAre(1, 3, 0, 12));
}

TEST(ZeroUnpoolConv2dTest, ParametersDoNotDependOnFused) {
  for (bool with_bias : {false, true}) {
    ZeroUnpoolConv2d fused(ZeroUnpoolConv2dOptions(4, 3, 5).bias(with_bias));
    ZeroUnpoolConv2d plain(
        ZeroUnpoolConv2dOptions(4, 3, 5).bias(with_bias).fused(false));
    const auto parameters = fused->named_parameters();
    ASSERT_EQ(parameters.size(), with_bias ? 2u : 1u);
    EXPECT_THAT(parameters["weight"].sizes(), ElementsAre(3, 4, 5, 5));
    {
      const c10::NoGradGuard no_grad;
      for (const auto& item : plain->named_parameters()) {
        item.value().copy_(parameters[item.key()]);
      }
    }
    const at::Tensor x = Random({2, 4, 6, 6}).to(at::kFloat);
    const at::Tensor y = fused->forward(x);
    EXPECT_THAT(y.sizes(), ElementsAre(2, 3, 12, 12));
    // Sums of 100 products, of size 1 together, in float.
    EXPECT_TRUE(at::allclose(y, plain->forward(x), 1e-5, 1e-5));
    y.square().sum().backward();
    plain->forward(x).square().sum().backward();
    for (const auto& item : plain->named_parameters()) {
      const at::Tensor expected = item.value().grad();
      EXPECT_TRUE(at::allclose(parameters[item.key()].grad(), expected, 1e-4,
                               1e-5 * expected.abs().max().item<double>()))
          << item.key();
    }
  }
}

TEST(ZeroUnpoolTest, Errors) {
  const at::Tensor x = at::zeros({1, 2, 4, 4});
  const at::Tensor weight = at::zeros({3, 2, 3, 3});
  ExpectError([&] { ZeroUnpool2d(x[0]); },
              "x must be [N, C, H, W], got [2, 4, 4]");
  ExpectError([&] { ZeroUnpool2d(x.to(at::kLong)); },
              "floating type, got Long");
  ExpectError([&] { ZeroUnpoolConvolution(x[0], weight, {}); },
              "x must be [N, C_in, H, W], got [2, 4, 4]");
  ExpectError(
      [&] {
        ZeroUnpoolConvolution(x, at::zeros({3, 2, 4, 4}), {});
      },
      "k odd, got sizes [3, 2, 4, 4]");
  ExpectError(
      [&] {
        ZeroUnpoolConvolution(x, at::zeros({3, 5, 3, 3}), {});
      },
      "weight takes 5 channels, x has 2");
  ExpectError([&] { ZeroUnpoolConvolution(x, weight, at::zeros({2})); },
              "bias must be [3], got [2]");
  ExpectError([&] { ZeroUnpoolConvolution(x, weight.to(at::kDouble), {}); },
              "weight must have the type of x, Float, got Double");
  ExpectError(
      [&] { ZeroUnpoolConvolution(x.to(at::kInt), weight.to(at::kInt), {}); },
      "x must have a floating type, got Int");
  ExpectError([&] { ZeroUnpoolConv2d(ZeroUnpoolConv2dOptions(2, 3, 4)); },
              "kernel_size must be odd, got 4");
  ExpectError([&] { ZeroUnpoolConv2d(ZeroUnpoolConv2dOptions(0, 3, 3)); },
              "at least 1, got 0 and 3");
}

}  // namespace
}  // namespace seg
