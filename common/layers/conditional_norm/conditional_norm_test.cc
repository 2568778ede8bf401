#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/layers/conditional_norm/adain.h"
#include "common/layers/conditional_norm/kaiming.h"
#include "common/layers/conditional_norm/modulated_norm.h"
#include "common/layers/conditional_norm/spade.h"
#include "common/testing/gradcheck.h"
#include "common/testing/instruction_sets.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using torch::autograd::variable_list;

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

int64_t ParameterCount(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

std::vector<std::string> StateNames(const torch::nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& item : module.named_parameters())
    names.push_back(item.key());
  for (const auto& item : module.named_buffers()) names.push_back(item.key());
  return names;
}

// Parameters and running statistics, all of the size of a trained network's,
// double.
template <typename M>
M Randomised(M module) {
  module->to(at::kDouble);
  const at::NoGradGuard no_grad;
  at::manual_seed(11);
  for (at::Tensor& p : module->parameters()) p.normal_(0, 0.3);
  for (auto& item : module->named_buffers()) {
    item.value().normal_(0.2, 0.5);
    if (item.key().find("var") != std::string::npos) {
      item.value().abs_().add_(0.3);
    }
  }
  return module;
}

at::Tensor Parameter(const torch::nn::Module& module, const std::string& name) {
  return module.named_parameters()[name];
}

// --- ModulatedNorm ----------------------------------------------------------

TEST(ModulatedNormTest, HandWorked) {
  ModulatedNorm norm(1);
  // Mean 3, variance 5 (biased), 20/3 (unbiased).
  const at::Tensor x =
      at::tensor({0.0, 2.0, 4.0, 6.0}, at::kDouble).view({1, 1, 2, 2});
  const at::Tensor modulation =
      at::tensor({1.0, 0.5}, at::kDouble).view({1, 2});
  const std::vector<double> y =
      Values(norm->forward(x, {{modulation, 0.2}})[0]);
  const double r = 1 / std::sqrt(5.0 + 1e-5);
  EXPECT_NEAR(y[0], 0.2 * (2 * -3 * r + 0.5), 1e-15);
  EXPECT_NEAR(y[1], 0.2 * (2 * -1 * r + 0.5), 1e-15);
  EXPECT_NEAR(y[2], 2 * 1 * r + 0.5, 1e-15);
  EXPECT_NEAR(y[3], 2 * 3 * r + 0.5, 1e-15);
  EXPECT_NEAR(norm->named_buffers()["running_mean"].item<double>(), 0.3, 1e-7);
  EXPECT_NEAR(norm->named_buffers()["running_var"].item<double>(),
              0.9 + 0.1 * 20 / 3, 1e-7);
  norm->to(at::kDouble);
  norm->eval();
  const at::Tensor one = norm->forward(x, {{modulation}})[0].select(2, 1);
  EXPECT_NEAR(one[0][0][0].item<double>(),
              2 * (4 - 0.3) / std::sqrt(0.9 + 2.0 / 3 + 1e-5) + 0.5, 1e-6);
}

struct Case {
  int64_t images, channels, height, width;
  bool by_pixel, training;
  int count;
};

// Outputs and gradients of x and the modulations, one list.
variable_list Forward(bool composite, const Case& c, at::ScalarType type,
                      ModulatedNorm* norm_out = nullptr) {
  ModulatedNorm norm = Randomised(ModulatedNorm(c.channels));
  norm->to(type);
  norm->train(c.training);
  const std::vector<int64_t> sizes = {c.images, c.channels, c.height, c.width};
  std::vector<int64_t> outer = {c.images, 2 * c.channels};
  if (c.by_pixel) outer.insert(outer.end(), {c.height, c.width});
  variable_list inputs = {
      (Random(sizes, 1) * 2 + 5).to(type).set_requires_grad(true)};
  std::vector<Modulation> modulations;
  for (int j = 0; j < c.count; ++j) {
    inputs.push_back(Random(outer, 2 + j).to(type).set_requires_grad(true));
    modulations.push_back({inputs.back(), j == 0 ? 0.2 : 1.0});
  }
  variable_list y = composite ? norm->Composite(inputs[0], modulations)
                              : norm->forward(inputs[0], modulations);
  variable_list cotangents;
  for (int j = 0; j < c.count; ++j) {
    cotangents.push_back(Random(sizes, 7 + j).to(type));
  }
  for (const at::Tensor& g : torch::autograd::grad(y, inputs, cotangents)) {
    y.push_back(g);
  }
  for (const auto& item : norm->named_buffers()) y.push_back(item.value());
  if (norm_out != nullptr) *norm_out = norm;
  return y;
}

TEST(ModulatedNormTest, AgreesWithLibTorch) {
  std::vector<Case> cases;
  for (const bool by_pixel : {false, true}) {
    for (const bool training : {false, true}) {
      for (const int count : {1, 2}) {
        // Fewer and more channels than a vector has, several blocks of pixels.
        for (const int64_t channels : {1, 5, 8, 16, 33}) {
          cases.push_back({2, channels, 5, 7, by_pixel, training, count});
        }
        cases.push_back({3, 3, 17, 19, by_pixel, training, count});
        cases.push_back({1, 2, 1, 2, by_pixel, training, count});
      }
    }
  }
  ForEachTarget([&](const char* name) {
    for (const Case& c : cases) {
      for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
        const variable_list expected = Forward(/*composite=*/true, c, type);
        const variable_list got = Forward(/*composite=*/false, c, type);
        ASSERT_EQ(expected.size(), got.size());
        for (size_t i = 0; i < got.size(); ++i) {
          // Sums of up to 700 values of order 1, relative to the largest.
          const double tolerance =
              (type == at::kDouble ? 1e-13 : 1e-5) *
              std::max(1.0, expected[i].abs().max().item<double>());
          EXPECT_LT(MaxDifference(got[i], expected[i]), tolerance)
              << name << " " << i << ": " << c.channels << " channels, "
              << c.by_pixel << c.training << c.count << " " << type;
        }
      }
    }
  });
}

TEST(ModulatedNormTest, FarFromZeroNothingIsLost) {
  // Mean 1000 and standard deviation 1: sums of squares in float would keep
  // two digits of the variance.
  ModulatedNorm norm(3);
  const at::Tensor x = Random({2, 3, 20, 20}) + 1000;
  const at::Tensor zero = at::zeros({2, 6});
  const at::Tensor y = norm->forward(x.to(at::kFloat), {{zero}})[0];
  const at::Tensor rounded = x.to(at::kFloat).to(at::kDouble);
  const at::Tensor mean = rounded.mean(at::IntArrayRef{0, 2, 3}, true);
  const at::Tensor variance =
      (rounded - mean).square().mean(at::IntArrayRef{0, 2, 3}, true);
  const at::Tensor expected = (rounded - mean) / (variance + 1e-5).sqrt();
  // The mean is rounded to float: 3e-5.
  EXPECT_LT(MaxDifference(y.to(at::kDouble), expected), 1e-4);
}

TEST(ModulatedNormTest, EveryLayout) {
  ModulatedNorm norm = Randomised(ModulatedNorm(5));
  const at::Tensor x = Random({2, 5, 4, 6}, 1), t = Random({2, 10, 4, 6}, 2);
  const at::Tensor expected = norm->forward(x, {{t}})[0];
  EXPECT_TRUE(expected.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (const at::Tensor& x_like : Layouts(x)) {
    for (const at::Tensor& t_like : Layouts(t)) {
      EXPECT_EQ(MaxDifference(norm->forward(x_like, {{t_like}})[0], expected),
                0);
    }
  }
}

TEST(ModulatedNormTest, GradientMatchesFiniteDifferences) {
  for (const bool training : {false, true}) {
    ModulatedNorm norm = Randomised(ModulatedNorm(3));
    norm->train(training);
    const auto f = [&](const std::vector<at::Tensor>& in) {
      const auto y = norm->forward(in[0], {{in[1], 0.2}, {in[2]}});
      return y[0] + 2 * y[1];
    };
    const at::Tensor x = Random({2, 3, 2, 3}, 1);
    EXPECT_TRUE(
        GradCheck(f, {x, Random({2, 6, 2, 3}, 2), Random({2, 6, 2, 3}, 3)}));
    EXPECT_TRUE(
        GradCheck(f, {Sparse(x), Random({2, 6}, 2), Random({2, 6}, 3)}));
  }
}

TEST(ModulatedNormTest, OneOutputUnused) {
  ModulatedNorm norm(3);
  norm->to(at::kDouble);
  const at::Tensor x = Random({2, 3, 4, 4}).set_requires_grad(true);
  const at::Tensor a = Random({2, 6, 4, 4}, 1).set_requires_grad(true);
  const at::Tensor b = Random({2, 6, 4, 4}, 2).set_requires_grad(true);
  const auto y = norm->forward(x, {{a, 0.2}, {b}});
  const auto of_both =
      torch::autograd::grad({y[1].square().sum()}, {x, a, b}, {},
                            /*retain_graph=*/{}, /*create_graph=*/false,
                            /*allow_unused=*/true);
  const auto alone = torch::autograd::grad(
      {norm->forward(x, {{b}})[0].square().sum()}, {x, b});
  EXPECT_LT(MaxDifference(of_both[0], alone[0]), 1e-13);
  EXPECT_EQ(of_both[1].abs().max().item<double>(), 0);
  EXPECT_LT(MaxDifference(of_both[2], alone[1]), 1e-13);
}

TEST(ModulatedNormTest, ThreadsChangeNothing) {
  const Case c = {4, 24, 30, 30, true, true, 2};
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const variable_list one = Forward(/*composite=*/false, c, at::kFloat);
  at::set_num_threads(2);
  const variable_list two = Forward(/*composite=*/false, c, at::kFloat);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(one[i], two[i])) << i;
  }
}

TEST(ModulatedNormTest, EmptyBatchInEvaluation) {
  ModulatedNorm norm(3);
  norm->eval();
  EXPECT_THAT(
      norm->forward(at::zeros({0, 3, 4, 4}), {{at::zeros({0, 6, 4, 4})}})[0]
          .sizes(),
      ElementsAre(0, 3, 4, 4));
}

TEST(ModulatedNormTest, Errors) {
  ModulatedNorm norm(3);
  const at::Tensor x = at::zeros({2, 3, 4, 4});
  ExpectError(
      [&] {
        norm->forward(at::zeros({2, 4, 4, 4}), {{x}});
      },
      "x must be [N,3,H,W], got [2, 4, 4, 4]");
  ExpectError([&] { norm->forward(x, {}); }, "1 to 2 modulations, got 0");
  ExpectError([&] { norm->forward(x, {{x}}); },
              "must be [2,6,4,4] or [2,6], got [2, 3, 4, 4]");
  ExpectError(
      [&] {
        norm->forward(x, {{at::zeros({2, 6})}, {at::zeros({2, 6, 4, 4})}});
      },
      "all be [N,2C], got [2, 6] and [2, 6, 4, 4]");
  ExpectError(
      [&] {
        norm->forward(x, {{at::zeros({2, 6}, at::kDouble)}});
      },
      "must be Float");
  ExpectError(
      [&] {
        norm->forward(x, {{at::zeros({2, 6}), 2.0}});
      },
      "slope must be in [0,1], got 2");
  ExpectError(
      [&] {
        norm->forward(at::zeros({1, 3, 1, 1}), {{at::zeros({1, 6})}});
      },
      "at least two values a channel");
  ExpectError([&] { ModulatedNorm(0); }, "channels must be at least 1, got 0");
}

TEST(ModulatedNormTest, SecondDerivativesAreRefused) {
  ModulatedNorm norm(2);
  const at::Tensor x = at::rand({1, 2, 3, 3}).set_requires_grad(true);
  const at::Tensor y = norm->forward(x, {{at::rand({1, 4})}})[0];
  const at::Tensor g = torch::autograd::grad({y.square().sum()}, {x}, {},
                                             /*retain_graph=*/true,
                                             /*create_graph=*/true)[0];
  ExpectError([&] { g.square().sum().backward(); },
              "ModulatedNorm: second derivatives are not supported");
}

// --- Kaiming ----------------------------------------------------------------

TEST(KaimingTest, KeepsTheSecondMomentAndSetsBiasesToZero) {
  at::manual_seed(3);
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(64, 128, 3));
  InitializeKaiming(conv.get());
  // 1.387 / sqrt(fan-in) for slope 0.2.
  EXPECT_NEAR(conv->weight.std().item<double>() * std::sqrt(64.0 * 9), 1.387,
              0.01);
  EXPECT_EQ(conv->bias.abs().max().item<double>(), 0);
  torch::nn::BatchNorm2d other(4);
  InitializeKaiming(other.get());
  EXPECT_TRUE(at::equal(other->weight, at::ones({4})));
}

// --- SPADE ------------------------------------------------------------------

TEST(SpadeTest, ZeroConvolutionsAreABatchNorm) {
  Spade spade(SpadeOptions(5, 3).hidden_channels(4));
  for (at::Tensor& p : spade->parameters()) p.data().zero_();
  const at::Tensor x = Random({2, 5, 6, 4}).to(at::kFloat);
  const at::Tensor style = Random({2, 3, 6, 4}, 4).to(at::kFloat);
  torch::nn::BatchNorm2d plain(torch::nn::BatchNorm2dOptions(5).affine(false));
  EXPECT_LT(MaxDifference(spade->forward(x, style), plain->forward(x)), 1e-6);
  spade->eval();
  plain->eval();
  EXPECT_LT(MaxDifference(spade->forward(x, style), plain->forward(x)), 1e-6);
}

TEST(SpadeTest, ParametersAndNames) {
  Spade spade(SpadeOptions(64, 64));
  // 64 -> 128 (73,856) and twice 128 -> 64.
  EXPECT_EQ(ParameterCount(*spade), 73856 + 2 * (128 * 64 * 9 + 64));
  EXPECT_THAT(StateNames(*spade),
              ElementsAre("modulation.hidden.weight", "modulation.hidden.bias",
                          "modulation.affine.weight", "modulation.affine.bias",
                          "norm.running_mean", "norm.running_var"));
  SpadeResBlock equal(SpadeResBlockOptions(8, 8, 3));
  EXPECT_EQ(equal->named_children().size(), 6);
  SpadeResBlock other(SpadeResBlockOptions(8, 5, 3));
  EXPECT_EQ(other->named_children().size(), 8);
}

at::Tensor Conv(const torch::nn::Module& module, const std::string& name,
                const at::Tensor& x) {
  return at::conv2d(x, Parameter(module, name + ".weight"),
                    Parameter(module, name + ".bias"), 1, 1);
}

// The definition, step by step.
at::Tensor SpadeByHand(const torch::nn::Module& module, const std::string& name,
                       const at::Tensor& x, const at::Tensor& style) {
  const at::Tensor h =
      at::leaky_relu(Conv(module, name + ".hidden", style), 0.2);
  const at::Tensor both = Conv(module, name + ".affine", h);
  const at::Tensor normal =
      at::batch_norm(x, {}, {}, {}, {}, true, 0.1, 1e-5, false);
  const int64_t c = x.size(1);
  return (1 + both.narrow(1, 0, c)) * normal + both.narrow(1, c, c);
}

at::Tensor ResBlockByHand(const torch::nn::Module& module, const at::Tensor& x,
                          const at::Tensor& style, bool shortcut) {
  const at::Tensor a =
      at::leaky_relu(SpadeByHand(module, "modulation0", x, style), 0.2);
  const at::Tensor b = Conv(module, "conv0", a);
  const at::Tensor c =
      at::leaky_relu(SpadeByHand(module, "modulation1", b, style), 0.2);
  const at::Tensor side =
      shortcut ? Conv(module, "conv_shortcut",
                      SpadeByHand(module, "modulation_shortcut", x, style))
               : x;
  return Conv(module, "conv1", c) + side;
}

TEST(SpadeResBlockTest, AgreesWithItsDefinition) {
  for (const auto& [in, out] : std::vector<std::pair<int64_t, int64_t>>{
           {6, 4}, {4, 6}, {5, 5}, {1, 3}}) {
    SpadeResBlock block = Randomised(
        SpadeResBlock(SpadeResBlockOptions(in, out, 3).hidden_channels(7)));
    const at::Tensor x = Random({2, in, 6, 5}, 1).set_requires_grad(true);
    const at::Tensor style = Random({2, 3, 6, 5}, 2).set_requires_grad(true);
    const at::Tensor got = block->forward(x, style);
    const at::Tensor expected = ResBlockByHand(*block, x, style, in != out);
    EXPECT_LT(MaxDifference(got, expected), 1e-12);
    variable_list inputs = block->parameters();
    inputs.insert(inputs.end(), {x, style});
    const at::Tensor cotangent = Random({2, out, 6, 5}, 3);
    const variable_list ours =
        torch::autograd::grad({got}, inputs, {cotangent});
    const variable_list theirs =
        torch::autograd::grad({expected}, inputs, {cotangent});
    for (size_t i = 0; i < inputs.size(); ++i) {
      const double scale = std::max(1.0, theirs[i].abs().max().item<double>());
      EXPECT_LT(MaxDifference(ours[i], theirs[i]), 1e-12 * scale) << i;
    }
  }
}

TEST(SpadeResBlockTest, GradientMatchesFiniteDifferences) {
  SpadeResBlock block = Randomised(
      SpadeResBlock(SpadeResBlockOptions(3, 2, 2).hidden_channels(3)));
  EXPECT_TRUE(
      GradCheck([&](const auto& in) { return block->forward(in[0], in[1]); },
                {Random({2, 3, 4, 3}, 1), Random({2, 2, 4, 3}, 2)}));
}

TEST(SpadeResBlockTest, DoubleAgreesWithFloat) {
  SpadeResBlock block = Randomised(
      SpadeResBlock(SpadeResBlockOptions(16, 8, 4).hidden_channels(8)));
  const at::Tensor x = Random({2, 16, 9, 9}, 1),
                   style = Random({2, 4, 9, 9}, 2);
  const at::Tensor expected = block->forward(x, style);
  block->to(at::kFloat);
  const at::Tensor got = block->forward(x.to(at::kFloat), style.to(at::kFloat));
  // Sums of up to 144 products through four layers.
  EXPECT_LT(MaxDifference(got.to(at::kDouble), expected),
            1e-5 * expected.abs().max().item<double>());
}

// Pixels from the border within which a and b differ; 0 for none.
int64_t BorderOfDifference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor different = (a - b).abs().amax({0, 1}) > 1e-12;
  int64_t depth = 0;
  for (int64_t i = 0; 2 * i < different.size(0); ++i) {
    const int64_t n = different.size(0) - 2 * i;
    const at::Tensor ring = different.narrow(0, i, n).narrow(1, i, n);
    if (!ring.any().item<bool>()) break;
    depth = i + 1;
  }
  return depth;
}

at::Tensor CropBy(const at::Tensor& x, int64_t margin) {
  const int64_t n = x.size(2) - 2 * margin;
  return x.narrow(2, margin, n).narrow(3, margin, n);
}

// x with other values in its `depth` outermost pixels.
at::Tensor SpoilBorder(const at::Tensor& x, int64_t depth) {
  at::Tensor y = x + 1;
  CropBy(y, depth).copy_(CropBy(x, depth));
  return y;
}

TEST(SpadeResBlockTest, BorderSpoiledByZeroPadding) {
  SpadeResBlock block = Randomised(
      SpadeResBlock(SpadeResBlockOptions(4, 3, 2).hidden_channels(5)));
  block->eval();
  const at::Tensor x = Random({1, 4, 28, 28}, 1),
                   style = Random({1, 2, 28, 28}, 2);
  for (const int64_t spoiled : {0, 1, 2, 3, 4}) {
    // A larger map's middle is what no border has touched.
    const at::Tensor whole = CropBy(block->forward(x, style), 4);
    const at::Tensor part =
        block->forward(SpoilBorder(CropBy(x, 4), spoiled), CropBy(style, 4));
    // 8 of the 28 pixels are the larger map's own border.
    EXPECT_EQ(BorderOfDifference(whole, part),
              std::max<int64_t>(spoiled, 2) + 2)
        << spoiled;
  }
}

// --- AdaIN ------------------------------------------------------------------

TEST(AdainTest, ZeroNetworkIsABatchNorm) {
  Adain adain(AdainOptions(5, 3).hidden_size(4));
  for (at::Tensor& p : adain->parameters()) p.data().zero_();
  const at::Tensor x = Random({2, 5, 6, 4}).to(at::kFloat);
  const at::Tensor style = Random({2, 3}, 4).to(at::kFloat);
  torch::nn::BatchNorm2d plain(torch::nn::BatchNorm2dOptions(5).affine(false));
  EXPECT_LT(MaxDifference(adain->forward(x, style), plain->forward(x)), 1e-6);
}

TEST(AdainConvBlockTest, AgreesWithItsDefinition) {
  AdainConvBlock block =
      Randomised(AdainConvBlock(AdainConvBlockOptions(4, 6, 3).hidden_size(5)));
  const at::Tensor x = Random({2, 4, 5, 5}, 1).set_requires_grad(true);
  const at::Tensor style = Random({2, 3}, 2).set_requires_grad(true);
  const at::Tensor got = block->forward(x, style);
  const auto linear = [&](const std::string& name, const at::Tensor& v) {
    return at::linear(v, Parameter(*block, name + ".weight"),
                      Parameter(*block, name + ".bias"));
  };
  const at::Tensor both =
      linear("adain.affine", at::leaky_relu(linear("adain.hidden", style), 0.2))
          .view({2, 8, 1, 1});
  const at::Tensor normal =
      at::batch_norm(x, {}, {}, {}, {}, true, 0.1, 1e-5, false);
  const at::Tensor expected = Conv(
      *block, "conv",
      at::leaky_relu((1 + both.narrow(1, 0, 4)) * normal + both.narrow(1, 4, 4),
                     0.2));
  EXPECT_LT(MaxDifference(got, expected), 1e-12);
  variable_list inputs = block->parameters();
  inputs.insert(inputs.end(), {x, style});
  const at::Tensor cotangent = Random({2, 6, 5, 5}, 3);
  const variable_list ours = torch::autograd::grad({got}, inputs, {cotangent});
  const variable_list theirs =
      torch::autograd::grad({expected}, inputs, {cotangent});
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_LT(MaxDifference(ours[i], theirs[i]), 1e-11) << i;
  }
  EXPECT_TRUE(
      GradCheck([&](const auto& in) { return block->forward(in[0], in[1]); },
                {Random({2, 4, 3, 3}, 1), Random({2, 3}, 2)}));
}

TEST(AdainConvBlockTest, BorderSpoiledByZeroPadding) {
  AdainConvBlock block =
      Randomised(AdainConvBlock(AdainConvBlockOptions(4, 3, 2).hidden_size(5)));
  block->eval();
  const at::Tensor x = Random({1, 4, 24, 24}, 1), style = Random({1, 2}, 2);
  for (const int64_t spoiled : {0, 1, 3}) {
    const at::Tensor whole = CropBy(block->forward(x, style), 4);
    const at::Tensor part =
        block->forward(SpoilBorder(CropBy(x, 4), spoiled), style);
    EXPECT_EQ(BorderOfDifference(whole, part), spoiled + 1);
  }
}

TEST(AdainTest, ParametersAndNames) {
  AdainConvBlock block(AdainConvBlockOptions(512, 256, 64));
  EXPECT_EQ(ParameterCount(*block),
            64 * 128 + 128 + 128 * 1024 + 1024 + 512 * 256 * 9 + 256);
  EXPECT_THAT(StateNames(*block),
              ElementsAre("adain.hidden.weight", "adain.hidden.bias",
                          "adain.affine.weight", "adain.affine.bias",
                          "conv.weight", "conv.bias", "adain.norm.running_mean",
                          "adain.norm.running_var"));
}

TEST(ConditionalNormTest, Errors) {
  ExpectError([] { Spade(SpadeOptions(0, 3)); }, "got 0, 3 and 128");
  ExpectError([] { Adain(AdainOptions(4, 0)); }, "got 4, 0 and 128");
}

}  // namespace
}  // namespace seg
