#include "common/layers/label_convolution/label_convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "common/layers/label_convolution/label_convolution_layer.h"
#include "common/testing/counting_allocator.h"
#include "common/testing/gradcheck.h"
#include "common/testing/instruction_sets.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;

// The definition, one term after the other.
at::Tensor BruteForce(const at::Tensor& q_any, const at::Tensor& weight_any) {
  const at::Tensor q = q_any.contiguous(), weight = weight_any.contiguous();
  const auto from = q.accessor<double, 4>(), w = weight.accessor<double, 4>();
  at::Tensor out =
      at::zeros({q.size(0), weight.size(0), q.size(2), q.size(3)}, at::kDouble);
  auto to = out.accessor<double, 4>();
  const int64_t sy = weight.size(2) / 2, sx = weight.size(3) / 2;
  for (int64_t n = 0; n < out.size(0); ++n)
    for (int64_t l = 0; l < out.size(1); ++l)
      for (int64_t y = 0; y < out.size(2); ++y)
        for (int64_t x = 0; x < out.size(3); ++x)
          for (int64_t m = 0; m < q.size(1); ++m)
            for (int64_t dy = -sy; dy <= sy; ++dy)
              for (int64_t dx = -sx; dx <= sx; ++dx) {
                if (y + dy < 0 || y + dy >= q.size(2) || x + dx < 0 ||
                    x + dx >= q.size(3)) {
                  continue;
                }
                to[n][l][y][x] +=
                    w[l][m][sy + dy][sx + dx] * from[n][m][y + dy][x + dx];
              }
  return out;
}

TEST(LabelConvolutionTest, HandWorked) {
  // One row, two labels; label 0 takes label 1 from its right neighbour.
  const at::Tensor q =
      at::tensor({1.0, 2.0, 3.0, 10.0, 20.0, 30.0}).view({1, 2, 1, 3});
  at::Tensor weight = at::zeros({2, 2, 3, 3}, at::kDouble);
  weight[0][1][1][2] = 1.0;  // dy = 0, dx = +1
  weight[1][1][1][1] = 0.5;
  EXPECT_THAT(Values(LabelConvolution(q.to(at::kDouble), weight)),
              ElementsAre(20.0, 30.0, 0.0, 5.0, 10.0, 15.0));
}

TEST(LabelConvolutionTest, MatchesBruteForce) {
  struct Case {
    int64_t images, in, out, height, width, kernel_height, kernel_width;
  };
  for (const Case& c : std::vector<Case>{
           {2, 2, 2, 11, 13, 9, 9},   // usual
           {1, 3, 3, 5, 70, 3, 3},    // more than one tile of pixels
           {1, 2, 2, 1, 20, 9, 9},    // 1 x N
           {1, 2, 2, 20, 1, 9, 9},    // N x 1
           {1, 2, 3, 3, 2, 9, 9},     // image smaller than the kernel
           {1, 5, 4, 6, 17, 1, 1},    // one tap
           {1, 3, 7, 4, 33, 5, 11},   // not square, odd label tiles
           {2, 21, 21, 9, 10, 3, 3},  // many labels
           {1, 1, 1, 7, 129, 7, 5},   // one label
           {3, 4, 13, 2, 16, 13, 3},  // out != in
       }) {
    const at::Tensor q = Random({c.images, c.in, c.height, c.width});
    const at::Tensor weight =
        Random({c.out, c.in, c.kernel_height, c.kernel_width}, 4);
    const at::Tensor expected = BruteForce(q, weight);
    EXPECT_TRUE(at::allclose(LabelConvolution(q, weight), expected, 0.0, 1e-12))
        << q.sizes() << weight.sizes();
    EXPECT_TRUE(at::allclose(LabelConvolution(ChannelsLast(q), weight),
                             expected, 0.0, 1e-12));
    EXPECT_TRUE(at::allclose(
        LabelConvolution(
            q, weight.permute({3, 2, 1, 0}).contiguous().permute({3, 2, 1, 0})),
        expected, 0.0, 1e-12));
  }
}

TEST(LabelConvolutionTest, AgreesWithConv2dAndItsGradients) {
  // Odd sizes; widths on both sides of whole tiles.
  for (int64_t width : {15, 32, 33, 64, 100}) {
    for (int64_t labels : {1, 2, 3, 7}) {
      const at::Tensor q =
          Random({2, labels, 19, width}).set_requires_grad(true);
      const at::Tensor weight =
          Random({labels, labels, 9, 9}, 4).set_requires_grad(true);
      const at::Tensor g = Random({2, labels, 19, width}, 5);
      const at::Tensor ours = LabelConvolution(q, weight);
      const at::Tensor theirs = at::conv2d(
          q, weight, {}, at::IntArrayRef({1, 1}), at::IntArrayRef({4, 4}));
      EXPECT_TRUE(at::allclose(ours, theirs, 0.0, 1e-11));
      const auto a = torch::autograd::grad({ours}, {q, weight}, {g});
      const auto b = torch::autograd::grad({theirs}, {q, weight}, {g});
      EXPECT_TRUE(at::allclose(a[0], b[0], 0.0, 1e-11));
      EXPECT_TRUE(at::allclose(a[1], b[1], 0.0, 1e-10)) << labels << width;
    }
  }
}

TEST(LabelConvolutionTest, TransposedKernelIsTheTransposedOperator) {
  const at::Tensor q = Random({1, 3, 7, 12}), p = Random({1, 2, 7, 12}, 4);
  const at::Tensor weight = Random({2, 3, 5, 3}, 5);
  EXPECT_NEAR(
      (LabelConvolution(q, weight) * p).sum().item<double>(),
      (q * LabelConvolution(p, TransposedKernel(weight))).sum().item<double>(),
      1e-11);
}

TEST(LabelConvolutionTest, TiedKernelGivesASymmetricOperator) {
  const at::Tensor tied = TiedKernel(Random({3, 3, 5, 5}));
  EXPECT_TRUE(at::equal(TransposedKernel(tied), tied));
  // The matrix of K on a 4 x 5 image, column by column.
  const int64_t size = 3 * 4 * 5;
  const at::Tensor units = at::eye(size, at::kDouble).view({size, 3, 4, 5});
  const at::Tensor matrix = LabelConvolution(units, tied).view({size, size});
  EXPECT_TRUE(at::allclose(matrix, matrix.t(), 0.0, 1e-15));
  // q^T K q sees only the symmetric part.
  const at::Tensor weight = Random({3, 3, 5, 5}), q = Random({1, 3, 4, 5}, 9);
  EXPECT_NEAR(
      (q * LabelConvolution(q, weight)).sum().item<double>(),
      (q * LabelConvolution(q, TiedKernel(weight))).sum().item<double>(),
      1e-11);
}

TEST(LabelConvolutionTest, ZeroCentreMeansNoSelfTerm) {
  const at::Tensor weight = WithoutCentre(Random({2, 2, 3, 3}));
  EXPECT_EQ(weight.select(2, 1).select(2, 1).abs().sum().item<double>(), 0.0);
  // A pixel's output does not change with its own input.
  const at::Tensor q = Random({1, 2, 5, 5});
  const at::Tensor changed = q.clone();
  changed.slice(2, 2, 3).slice(3, 2, 3).add_(100.0);
  const at::Tensor difference =
      LabelConvolution(changed, weight) - LabelConvolution(q, weight);
  EXPECT_EQ(difference.slice(2, 2, 3).slice(3, 2, 3).abs().max().item<double>(),
            0.0);
  EXPECT_GT(difference.abs().max().item<double>(), 1.0);
}

TEST(LabelConvolutionTest, GradientMatchesFiniteDifferences) {
  const auto convolve = [](const std::vector<at::Tensor>& in) {
    return LabelConvolution(in[0], in[1]);
  };
  EXPECT_TRUE(
      GradCheck(convolve, {Random({2, 2, 4, 5}), Random({2, 2, 3, 3}, 4)}));
  EXPECT_TRUE(
      GradCheck(convolve, {Random({1, 1, 2, 3}), Random({3, 1, 5, 1}, 4)}));
  const std::vector<at::Tensor> q = Layouts(Random({1, 3, 3, 4}));
  const std::vector<at::Tensor> weight = Layouts(Random({2, 3, 3, 3}, 4));
  for (size_t i = 0; i < q.size(); ++i) {
    EXPECT_TRUE(GradCheck(convolve, {q[i], weight[i]}));
  }
  EXPECT_TRUE(GradCheck(
      [](const std::vector<at::Tensor>& in) {
        return LabelConvolution(in[0], WithoutCentre(TiedKernel(in[1])));
      },
      {Random({1, 2, 4, 3}), Random({2, 2, 3, 3}, 4)}));
}

TEST(LabelConvolutionTest, SecondDerivatives) {
  // Linear in each argument: the derivatives in both, and along the cotangent.
  const auto convolve = [](const std::vector<at::Tensor>& in) {
    return LabelConvolution(in[0], in[1]);
  };
  EXPECT_TRUE(
      GradGradCheck(convolve, {Random({2, 2, 4, 5}), Random({3, 2, 3, 5}, 4)}));
  EXPECT_TRUE(GradGradCheck(convolve, {ChannelsLast(Random({1, 3, 3, 4})),
                                       Sparse(Random({2, 3, 3, 3}, 4))}));
  EXPECT_TRUE(GradGradCheck(
      [](const std::vector<at::Tensor>& in) {
        return LabelConvolution(in[0], TiedKernel(in[1])).sin();
      },
      {Random({1, 2, 4, 3}), Random({2, 2, 3, 3}, 4)}));
}

TEST(LabelConvolutionTest, RecordingAGraphChangesNoBitOfTheGradient) {
  const at::Tensor q = Random({2, 3, 9, 20}).to(at::kFloat);
  const at::Tensor weight = Random({4, 3, 3, 5}, 4).to(at::kFloat);
  std::vector<at::Tensor> gradients[2];
  for (bool graph : {false, true}) {
    const at::Tensor x = q.clone().set_requires_grad(true);
    const at::Tensor w = weight.clone().set_requires_grad(true);
    const at::Tensor y = LabelConvolution(x, w);
    gradients[graph] =
        torch::autograd::grad({y}, {x, w}, {y.detach()}, true, graph);
  }
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(at::equal(gradients[0][i], gradients[1][i]));
    EXPECT_TRUE(gradients[1][i].requires_grad());
  }
}

// Sixteen float64 copies of this kernel are 233 MB.
TEST(LabelConvolutionTest, WeightGradientOfManyLabelsTakesBoundedMemory) {
  const at::Tensor q = Random({1, 150, 4, 3}).to(at::kFloat);
  const at::Tensor weight = at::zeros({150, 150, 9, 9}).set_requires_grad(true);
  const at::Tensor y = LabelConvolution(q, weight);
  at::Tensor gradient;
  const Allocations allocations = CountAllocations(
      [&] { gradient = torch::autograd::grad({y}, {weight}, {q})[0]; });
  // The parts, their sum in float64 (15 MB) and float32 (7 MB), small things.
  EXPECT_LT(allocations.bytes, int64_t{64 + 15 + 7 + 2} << 20);
  // dW[l,m,4,4] = sum over pixels of g_l q_m.
  const at::Tensor flat = q[0].flatten(1);
  EXPECT_TRUE(at::allclose(gradient.select(2, 4).select(2, 4),
                           flat.matmul(flat.t()), 1e-5, 1e-4));
}

TEST(LabelConvolutionTest, GradientsThatNobodyNeedsAreSkipped) {
  const at::Tensor q = Random({1, 2, 64, 64}).set_requires_grad(true);
  const at::Tensor weight = Random({2, 2, 3, 3}, 4).set_requires_grad(true);
  const at::Tensor ones = at::ones_like(q);
  const auto bytes = [&](const std::vector<at::Tensor>& wanted) {
    const at::Tensor y = LabelConvolution(q, weight);
    return CountAllocations([&] { torch::autograd::grad({y}, wanted, {ones}); })
        .bytes;
  };
  const int64_t of_q = 2 * 64 * 64 * sizeof(double);
  EXPECT_LE(bytes({weight}) + of_q, bytes({q, weight}));
  EXPECT_LT(bytes({q}), bytes({q, weight}));
}

TEST(LabelConvolutionTest, FloatAgreesWithDouble) {
  const at::Tensor q = Random({1, 5, 40, 70}), weight = Random({5, 5, 9, 9}, 4);
  // 405 terms of size 1 in float.
  EXPECT_TRUE(at::allclose(
      LabelConvolution(q.to(at::kFloat), weight.to(at::kFloat)).to(at::kDouble),
      LabelConvolution(q, weight), 1e-5, 1e-4));
  const at::Tensor q32 = q.to(at::kFloat).set_requires_grad(false);
  const at::Tensor w32 = weight.to(at::kFloat).set_requires_grad(true);
  const at::Tensor w64 = weight.clone().set_requires_grad(true);
  const at::Tensor g32 =
      torch::autograd::grad({LabelConvolution(q32, w32)}, {w32}, {q32})[0];
  const at::Tensor g64 =
      torch::autograd::grad({LabelConvolution(q, w64)}, {w64}, {q})[0];
  // 2800 terms of size 1, 560 a float sum.
  EXPECT_TRUE(at::allclose(g32.to(at::kDouble), g64, 1e-5, 1e-3));
}

TEST(LabelConvolutionTest, AnyLayoutGivesTheSame) {
  const at::Tensor q = Random({2, 3, 9, 20}), weight = Random({4, 3, 3, 5}, 4);
  const at::Tensor y = LabelConvolution(q, weight);
  for (const at::Tensor& other : Layouts(q)) {
    EXPECT_TRUE(at::equal(LabelConvolution(other, weight), y));
  }
  for (const at::Tensor& other : Layouts(weight)) {
    EXPECT_TRUE(at::equal(LabelConvolution(q, other), y));
  }
}

TEST(LabelConvolutionTest, NumberOfThreadsDoesNotChangeABit) {
  const int threads = at::get_num_threads();
  const at::Tensor q =
      Random({2, 3, 50, 40}).to(at::kFloat).set_requires_grad(true);
  const at::Tensor w =
      Random({3, 3, 5, 5}, 4).to(at::kFloat).set_requires_grad(true);
  std::vector<at::Tensor> results[2];
  for (int i = 0; i < 2; ++i) {
    at::set_num_threads(i + 1);
    const at::Tensor y = LabelConvolution(q, w);
    results[i] = torch::autograd::grad({y}, {q, w}, {y.detach()});
    results[i].push_back(y.detach());
  }
  at::set_num_threads(threads);
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_TRUE(at::equal(results[0][k], results[1][k]));
  }
}

TEST(LabelConvolutionTest, EveryInstructionSetAgrees) {
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (int64_t labels : {1, 2, 3, 8}) {
      const at::Tensor q =
          Random({2, labels, 6, 35}).to(type).set_requires_grad(true);
      const at::Tensor weight =
          Random({labels, labels, 5, 11}, 4).to(type).set_requires_grad(true);
      const auto run = [&] {
        const at::Tensor y = LabelConvolution(q, weight);
        std::vector<at::Tensor> result =
            torch::autograd::grad({y}, {q, weight}, {q.detach()});
        result.push_back(y.detach());
        return result;
      };
      const std::vector<at::Tensor> expected = run();
      ForEachTarget([&](const char* name) {
        const std::vector<at::Tensor> actual = run();
        // Sums of up to 440 terms of size 1 in another order.
        const double tolerance = type == at::kFloat ? 2e-4 : 1e-12;
        for (size_t i = 0; i < actual.size(); ++i) {
          EXPECT_TRUE(at::allclose(actual[i], expected[i], 1e-5, tolerance))
              << name << " " << labels << " labels, result " << i;
        }
      });
    }
  }
}

TEST(LabelConvolutionTest, EmptySizes) {
  const at::Tensor q =
      at::zeros({0, 2, 4, 4}, at::kDouble).set_requires_grad(true);
  const at::Tensor weight = Random({3, 2, 3, 3}).set_requires_grad(true);
  const at::Tensor y = LabelConvolution(q, weight);
  EXPECT_EQ(y.sizes(), (std::vector<int64_t>{0, 3, 4, 4}));
  const auto gradients = torch::autograd::grad({y.sum()}, {q, weight});
  EXPECT_EQ(gradients[0].sizes(), q.sizes());
  EXPECT_EQ(gradients[1].abs().max().item<double>(), 0.0);
  // No rows, no columns, no labels in and no labels out.
  const auto sizes_of = [](at::IntArrayRef q, at::IntArrayRef weight) {
    return LabelConvolution(at::ones(q), at::ones(weight)).sizes().vec();
  };
  EXPECT_THAT(sizes_of({1, 2, 0, 4}, {3, 2, 3, 3}), ElementsAre(1, 3, 0, 4));
  EXPECT_THAT(sizes_of({1, 2, 4, 0}, {3, 2, 3, 3}), ElementsAre(1, 3, 4, 0));
  EXPECT_THAT(sizes_of({1, 2, 4, 4}, {0, 2, 3, 3}), ElementsAre(1, 0, 4, 4));
  EXPECT_EQ(LabelConvolution(at::ones({1, 0, 4, 4}), at::ones({3, 0, 3, 3}))
                .abs()
                .sum()
                .item<float>(),
            0.0f);
}

TEST(LabelConvolutionTest, BatchOfOneIsARowOfTheBatch) {
  const at::Tensor q = Random({3, 2, 7, 9}), weight = Random({4, 2, 5, 5}, 4);
  const at::Tensor all = LabelConvolution(q, weight);
  for (int64_t n = 0; n < 3; ++n) {
    EXPECT_TRUE(at::equal(LabelConvolution(q.slice(0, n, n + 1), weight),
                          all.slice(0, n, n + 1)));
  }
}

TEST(GaussianPottsTest, CostFormIsZeroForEqualLabels) {
  at::Tensor kernel = at::empty({3, 3, 5, 5}, at::kDouble);
  GaussianPottsOptions options;
  options.theta = 2.0;
  options.weight = 0.7;
  FillGaussianPotts(kernel, options);
  for (int64_t l = 0; l < 3; ++l) {
    for (int64_t m = 0; m < 3; ++m) {
      EXPECT_NEAR(kernel[l][m].sum().item<double>(), l == m ? 0.0 : 0.7, 1e-14);
    }
  }
  EXPECT_EQ(kernel[0][1][2][2].item<double>(), 0.0);
  EXPECT_NEAR(
      kernel[0][1][2][3].item<double>() / kernel[0][1][3][3].item<double>(),
      std::exp(1.0 / 8.0), 1e-14);
  EXPECT_TRUE(at::equal(TransposedKernel(kernel), kernel));
}

TEST(GaussianPottsTest, DiagonalFormWithCentreAndWithoutNormalisation) {
  at::Tensor kernel = at::empty({2, 2, 3, 3}, at::kDouble);
  GaussianPottsOptions options;
  options.theta = 1.0;
  options.weight = 0.5;
  options.form = PottsForm::kDiagonal;
  options.normalize = false;
  options.mask_centre = false;
  FillGaussianPotts(kernel, options);
  EXPECT_EQ(kernel[0][1].abs().max().item<double>(), 0.0);
  EXPECT_DOUBLE_EQ(kernel[1][1][1][1].item<double>(), -0.5);
  EXPECT_DOUBLE_EQ(kernel[1][1][0][1].item<double>(), -0.5 * std::exp(-0.5));
}

TEST(GaussianPottsTest, FormsDifferByATermEqualForAllLabels) {
  at::Tensor cost = at::empty({3, 3, 5, 5}, at::kDouble);
  at::Tensor diagonal = at::empty({3, 3, 5, 5}, at::kDouble);
  GaussianPottsOptions options;
  FillGaussianPotts(cost, options);
  options.form = PottsForm::kDiagonal;
  FillGaussianPotts(diagonal, options);
  const at::Tensor q = at::softmax(Random({1, 3, 6, 7}), 1);
  const at::Tensor difference =
      LabelConvolution(q, cost) - LabelConvolution(q, diagonal);
  EXPECT_TRUE(at::allclose(
      difference, difference.slice(1, 0, 1).expand_as(difference), 0.0, 1e-14));
}

TEST(LabelConvolutionLayerTest, StartsAtZeroWithOneParameter) {
  LabelConvolutionLayer layer(LabelConvolutionLayerOptions(3));
  ASSERT_EQ(layer->named_parameters().size(), 1u);
  EXPECT_EQ(layer->named_parameters()["weight"].sizes(),
            (std::vector<int64_t>{3, 3, 9, 9}));
  const at::Tensor q = at::rand({1, 3, 8, 8});
  EXPECT_EQ(layer->forward(q).abs().max().item<float>(), 0.0f);
}

TEST(LabelConvolutionLayerTest, MaskedCentreIsZeroInOutputAndGradient) {
  for (bool tied : {false, true}) {
    LabelConvolutionLayer layer(
        LabelConvolutionLayerOptions(2).radius(1).tied(tied));
    {
      c10::NoGradGuard no_grad;
      layer->weight().fill_(1.0);  // also at the centre
    }
    const at::Tensor q = at::rand({1, 2, 6, 6});
    layer->forward(q).square().sum().backward();
    const at::Tensor gradient = layer->weight().grad();
    EXPECT_EQ(gradient.select(2, 1).select(2, 1).abs().max().item<float>(),
              0.0f);
    EXPECT_GT(gradient.abs().max().item<float>(), 0.0f);
    const at::Tensor kernel = layer->kernel();
    EXPECT_EQ(kernel.select(2, 1).select(2, 1).abs().max().item<float>(), 0.0f);
  }
  LabelConvolutionLayer released(
      LabelConvolutionLayerOptions(2).radius(1).mask_centre(false));
  EXPECT_TRUE(at::equal(released->kernel(), released->weight()));
}

TEST(LabelConvolutionLayerTest, TiedKernelStaysTied) {
  LabelConvolutionLayer layer(
      LabelConvolutionLayerOptions(3).radius(2).tied(true));
  {
    c10::NoGradGuard no_grad;
    layer->weight().copy_(Random({3, 3, 5, 5}));
  }
  EXPECT_TRUE(at::equal(layer->kernel(), TransposedKernel(layer->kernel())));
}

TEST(LabelConvolutionTest, ChangingAnInputBeforeTheBackwardPassIsAnError) {
  for (size_t changed : {0, 1}) {
    const std::vector<at::Tensor> in = {
        Random({1, 2, 4, 5}).set_requires_grad(true),
        Random({2, 2, 3, 3}, 4).set_requires_grad(true)};
    const at::Tensor loss = LabelConvolution(in[0], in[1]).sum();
    {
      const c10::NoGradGuard no_grad;
      in[changed].add_(1);
    }
    ExpectError([&] { torch::autograd::grad({loss}, in); },
                "modified by an inplace operation");
  }
}

TEST(LabelConvolutionTest, Errors) {
  const at::Tensor q = at::zeros({1, 2, 4, 4});
  ExpectError(
      [&] {
        LabelConvolution(q[0], at::zeros({2, 2, 3, 3}));
      },
      "q must be [N, L, H, W], got [2, 4, 4]");
  ExpectError(
      [&] {
        LabelConvolution(q, at::zeros({2, 2, 4, 3}));
      },
      "odd height and width, got sizes [2, 2, 4, 3]");
  ExpectError(
      [&] {
        LabelConvolution(q, at::zeros({2, 3, 3, 3}));
      },
      "weight takes 3 labels, q has 2");
  ExpectError(
      [&] {
        LabelConvolution(q, at::zeros({2, 2, 3, 3}, at::kDouble));
      },
      "weight must have the type of q");
  ExpectError(
      [&] {
        LabelConvolution(q.to(at::kInt), at::zeros({2, 2, 3, 3}, at::kInt));
      },
      "float32 or float64, got Int");
  ExpectError(
      [&] {
        LabelConvolution(q.to(at::kMeta), at::zeros({2, 2, 3, 3}));
      },
      "must be on one device, got meta and cpu");
  ExpectError(
      [&] {
        LabelConvolution(q, at::zeros({2, 2, 3, 3}).to(at::kMeta));
      },
      "must be on one device, got cpu and meta");
  ExpectError(
      [&] {
        TiedKernel(at::zeros({2, 3, 3, 3}));
      },
      "as many output as input labels");
  ExpectError(
      [&] {
        GaussianPottsOptions options;
        options.theta = 0.0;
        FillGaussianPotts(at::zeros({2, 2, 3, 3}), options);
      },
      "theta must be positive, got 0");
  ExpectError([&] { LabelConvolutionLayer(LabelConvolutionLayerOptions(0)); },
              "labels must be at least 1, got 0");
}

}  // namespace
}  // namespace seg
