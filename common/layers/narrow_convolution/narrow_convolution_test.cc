#include "common/layers/narrow_convolution/narrow_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/instruction_sets.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using torch::autograd::variable_list;

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

at::Tensor Plain(const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& bias, double slope) {
  return at::leaky_relu(at::conv2d(x, weight, bias, 1, 1), slope);
}

// x, weight, bias.
std::vector<at::Tensor> Inputs(int64_t n, int64_t in, int64_t out,
                               int64_t height, int64_t width,
                               at::ScalarType type = at::kDouble) {
  std::vector<at::Tensor> inputs = {Random({n, in, height, width}, 1),
                                    Random({out, in, 3, 3}, 2),
                                    Random({out}, 3)};
  for (at::Tensor& t : inputs) t = t.to(type).set_requires_grad(true);
  return inputs;
}

TEST(NarrowConvolutionTest, HandWorked) {
  // Ones: each output counts the pixels that its window shares with the map.
  const at::Tensor x = at::ones({1, 1, 3, 4}, at::kDouble);
  const at::Tensor weight = at::ones({1, 1, 3, 3}, at::kDouble);
  const at::Tensor bias = at::full({1}, -5.0, at::kDouble);
  EXPECT_THAT(Values(NarrowConvolution(x, weight, bias)),
              ElementsAre(-1, 1, 1, -1, 1, 4, 4, 1, -1, 1, 1, -1));
  EXPECT_THAT(Values(NarrowConvolution(x, weight, bias, 0.5)),
              ElementsAre(-0.5, 1, 1, -0.5, 1, 4, 4, 1, -0.5, 1, 1, -0.5));
  // One tap at the top left: the map moves down and to the right.
  at::Tensor tap = at::zeros({1, 1, 3, 3}, at::kDouble);
  tap[0][0][0][0] = 1;
  const at::Tensor counted = at::arange(1, 7, at::kDouble).view({1, 1, 2, 3});
  EXPECT_THAT(Values(NarrowConvolution(counted, tap, at::zeros_like(bias))),
              ElementsAre(0, 0, 0, 0, 1, 2));
}

// Outputs and gradients.
variable_list Forward(bool plain, const std::vector<at::Tensor>& inputs,
                      double slope) {
  const at::Tensor y =
      plain ? Plain(inputs[0], inputs[1], inputs[2], slope)
            : NarrowConvolution(inputs[0], inputs[1], inputs[2], slope);
  const at::Tensor cotangent = Random(y.sizes(), 9).to(inputs[0].scalar_type());
  variable_list result = {y};
  for (const at::Tensor& g : torch::autograd::grad({y}, inputs, {cotangent})) {
    result.push_back(g);
  }
  return result;
}

TEST(NarrowConvolutionTest, AgreesWithLibTorch) {
  // Channels below, at and above whole vectors and pairs of them; widths below
  // and above whole tiles; several chunks of rows.
  const std::vector<std::vector<int64_t>> sizes = {
      {2, 3, 12, 8, 8},  {1, 8, 16, 5, 40},  {2, 5, 5, 7, 13},
      {2, 16, 8, 9, 22}, {1, 32, 64, 6, 28}, {1, 12, 24, 40, 3},
      {3, 1, 1, 1, 1},   {1, 9, 33, 2, 25},  {1, 4, 10, 60, 60}};
  ForEachTarget([&](const char* name) {
    for (const auto& s : sizes) {
      for (const double slope : {1.0, 0.2, 0.0}) {
        for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
          const auto inputs = Inputs(s[0], s[1], s[2], s[3], s[4], type);
          const variable_list expected = Forward(/*plain=*/true, inputs, slope);
          const variable_list got = Forward(/*plain=*/false, inputs, slope);
          for (size_t i = 0; i < got.size(); ++i) {
            // Sums of up to 3600 products, relative to the largest.
            const double tolerance =
                (type == at::kDouble ? 1e-13 : 1e-5) *
                std::max(1.0, expected[i].abs().max().item<double>());
            EXPECT_LT(MaxDifference(got[i], expected[i]), tolerance)
                << name << " " << i << " of " << inputs[0].sizes() << " "
                << s[2] << " slope " << slope << " " << type;
          }
        }
      }
    }
  });
}

TEST(NarrowConvolutionTest, EveryLayout) {
  const auto inputs = Inputs(2, 5, 6, 4, 7);
  const at::Tensor x = inputs[0].detach(), weight = inputs[1].detach();
  const at::Tensor expected = NarrowConvolution(x, weight, inputs[2], 0.2);
  EXPECT_TRUE(expected.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (const at::Tensor& x_like : Layouts(x)) {
    for (const at::Tensor& weight_like : Layouts(weight)) {
      EXPECT_TRUE(at::equal(
          NarrowConvolution(x_like, weight_like, inputs[2], 0.2), expected));
    }
  }
}

TEST(NarrowConvolutionTest, GradientMatchesFiniteDifferences) {
  for (const double slope : {1.0, 0.2}) {
    const auto f = [&](const std::vector<at::Tensor>& in) {
      return NarrowConvolution(in[0], in[1], in[2], slope);
    };
    const std::vector<at::Tensor> inputs = {
        Random({2, 2, 3, 4}, 1), Random({3, 2, 3, 3}, 2), Random({3}, 3)};
    EXPECT_TRUE(GradCheck(f, inputs));
    EXPECT_TRUE(
        GradCheck(f, {Sparse(inputs[0]), Sparse(inputs[1]), inputs[2]}));
  }
}

TEST(NarrowConvolutionTest, SecondDerivatives) {
  for (const double slope : {1.0, 0.2}) {
    EXPECT_TRUE(GradGradCheck(
        [&](const auto& in) {
          return NarrowConvolution(in[0], in[1], in[2], slope).square();
        },
        {Random({1, 2, 3, 3}, 1), Random({2, 2, 3, 3}, 2), Random({2}, 3)}));
  }
}

// Gradients that nobody wants are not computed, those that are stay the same.
TEST(NarrowConvolutionTest, FrozenInputs) {
  const auto all = Inputs(2, 4, 6, 5, 5);
  const variable_list expected = Forward(/*plain=*/false, all, 0.2);
  const at::Tensor cotangent = Random({2, 6, 5, 5}, 9);
  for (size_t wanted = 0; wanted < 3; ++wanted) {
    std::vector<at::Tensor> inputs;
    for (size_t i = 0; i < 3; ++i) {
      inputs.push_back(all[i].detach().clone().set_requires_grad(i == wanted));
    }
    const auto g = torch::autograd::grad(
        {NarrowConvolution(inputs[0], inputs[1], inputs[2], 0.2)},
        {inputs[wanted]}, {cotangent});
    EXPECT_TRUE(at::equal(g[0], expected[1 + wanted])) << wanted;
  }
}

TEST(NarrowConvolutionTest, ThreadsChangeNothing) {
  const auto inputs = Inputs(5, 8, 16, 30, 30, at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const variable_list one = Forward(/*plain=*/false, inputs, 0.2);
  at::set_num_threads(2);
  const variable_list two = Forward(/*plain=*/false, inputs, 0.2);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(one[i], two[i])) << i;
  }
}

TEST(NarrowConvolutionTest, EmptyBatch) {
  const auto inputs = Inputs(0, 3, 4, 5, 5);
  const variable_list got = Forward(/*plain=*/false, inputs, 0.2);
  EXPECT_THAT(got[0].sizes(), ElementsAre(0, 4, 5, 5));
  EXPECT_THAT(got[1].sizes(), ElementsAre(0, 3, 5, 5));
  EXPECT_EQ(got[2].abs().max().item<double>(), 0);
  EXPECT_EQ(got[3].abs().max().item<double>(), 0);
}

// Few channels to many, as many and fewer.
TEST(Convolution3x3Test, GradientsAreRight) {
  const std::vector<std::vector<int64_t>> sizes = {
      {2, 8, 16, 9, 13}, {2, 8, 8, 9, 13}, {2, 16, 8, 9, 13}, {1, 3, 12, 5, 5}};
  for (const auto& s : sizes) {
    for (const double slope : {1.0, 0.2}) {
      for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
        const auto inputs = Inputs(s[0], s[1], s[2], s[3], s[4], type);
        const variable_list expected = Forward(/*plain=*/true, inputs, slope);
        const at::Tensor y =
            Convolution3x3(inputs[0], inputs[1], inputs[2], slope);
        const variable_list got =
            torch::autograd::grad({y}, inputs, {Random(y.sizes(), 9).to(type)});
        for (size_t i = 0; i < 3; ++i) {
          // Sums of up to 1000 products, relative to the largest.
          EXPECT_LT(
              MaxDifference(got[i], expected[1 + i]),
              (type == at::kDouble ? 1e-13 : 1e-5) *
                  std::max(1.0, expected[1 + i].abs().max().item<double>()))
              << i << " of " << inputs[0].sizes() << " " << s[2];
        }
      }
    }
  }
  const auto f = [](const auto& in) {
    return Convolution3x3(in[0], in[1], in[2], 0.2);
  };
  const std::vector<at::Tensor> inputs = {
      Random({2, 2, 3, 4}, 1), Random({5, 2, 3, 3}, 2), Random({5}, 3)};
  EXPECT_TRUE(GradCheck(f, inputs));
  EXPECT_TRUE(GradCheck(f, {Sparse(inputs[0]), Sparse(inputs[1]), inputs[2]}));
  EXPECT_TRUE(
      GradGradCheck([&](const auto& in) { return f(in).square(); }, inputs));
}

TEST(Convolution3x3Test, EmptyBatch) {
  const auto inputs = Inputs(0, 3, 12, 5, 5);
  const at::Tensor y = Convolution3x3(inputs[0], inputs[1], inputs[2], 0.2);
  EXPECT_THAT(y.sizes(), ElementsAre(0, 12, 5, 5));
  const auto got = torch::autograd::grad({y}, inputs, {at::zeros_like(y)});
  EXPECT_THAT(got[0].sizes(), ElementsAre(0, 3, 5, 5));
  EXPECT_EQ(got[1].abs().max().item<double>(), 0);
  EXPECT_EQ(got[2].abs().max().item<double>(), 0);
}

TEST(Convolution3x3Test, ManyChannelsAreLibTorchs) {
  for (const int64_t out : {8, 700}) {
    const auto inputs = Inputs(1, 5, out, 4, 4);
    for (const double slope : {1.0, 0.2}) {
      EXPECT_LT(
          MaxDifference(Convolution3x3(inputs[0], inputs[1], inputs[2], slope),
                        Plain(inputs[0], inputs[1], inputs[2], slope)),
          1e-12);
    }
  }
}

TEST(NarrowConvolutionTest, Errors) {
  const at::Tensor x = at::zeros({1, 3, 4, 4}),
                   weight = at::zeros({2, 3, 3, 3});
  const at::Tensor bias = at::zeros({2});
  ExpectError(
      [&] {
        NarrowConvolution(x, at::zeros({2, 3, 5, 5}), bias);
      },
      "weight must be [O,C,3,3], got [2, 3, 5, 5]");
  ExpectError(
      [&] {
        NarrowConvolution(at::zeros({1, 4, 4, 4}), weight, bias);
      },
      "x must be [N,3,H,W]");
  ExpectError([&] { NarrowConvolution(x, weight, at::zeros({3})); },
              "bias must be [2], got [3]");
  ExpectError([&] { NarrowConvolution(x.to(at::kHalf), weight, bias); },
              "x must be float32 or float64, got Half");
  ExpectError([&] { NarrowConvolution(x, weight.to(at::kDouble), bias); },
              "must be Float, as x, got Double and Float");
  ExpectError([&] { NarrowConvolution(x, weight, bias, 1.5); },
              "slope must be in [0,1], got 1.5");
}

}  // namespace
}  // namespace seg
