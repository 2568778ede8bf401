// The two filters: values, adjoints, gradients, layouts and errors.
#include "common/layers/permutohedral/permutohedral.h"

#include <cmath>
#include <functional>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "c10/core/GradMode.h"
#include "common/layers/permutohedral/naive_lattice.h"
#include "common/testing/gradcheck.h"
#include "common/testing/instruction_sets.h"
#include "common/testing/torch_errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "torch/csrc/autograd/autograd.h"

namespace seg {
namespace {

using ::testing::HasSubstr;
using Norm = LatticeNormalization;

constexpr Norm kNorms[] = {Norm::kNone, Norm::kSymmetric, Norm::kBefore,
                           Norm::kAfter};

at::Tensor Features(int64_t points, int64_t dim, double spread,
                    uint64_t seed = 1) {
  at::manual_seed(seed);
  return at::randn({points, dim}, at::kDouble) * spread;
}

double MaxError(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// The [P L_out, P L_in] matrix of an operator, from unit vectors.
at::Tensor Explicit(const std::function<at::Tensor(const at::Tensor&)>& op,
                    int64_t points, int64_t labels) {
  // All unit vectors would need a lattice each; run them one at a time.
  std::vector<at::Tensor> columns;
  for (int64_t p = 0; p < points; ++p) {
    for (int64_t m = 0; m < labels; ++m) {
      at::Tensor unit = at::zeros({1, labels, points}, at::kDouble);
      unit[0][m][p] = 1;
      columns.push_back(op(unit)[0].t().reshape(-1));
    }
  }
  return at::stack(columns, 1);
}

// diag(after) K diag(before) of a [P L, P L] matrix, from the ones response.
at::Tensor Normalized(const at::Tensor& k, const at::Tensor& ones, Norm norm,
                      int64_t labels_out, int64_t labels_in) {
  const at::Tensor n =
      norm == Norm::kSymmetric ? (ones + 1e-20).rsqrt() : 1 / (ones + 1e-20);
  at::Tensor result = k;
  if (norm == Norm::kSymmetric || norm == Norm::kAfter) {
    result = result * n.repeat_interleave(labels_out).view({-1, 1});
  }
  if (norm == Norm::kSymmetric || norm == Norm::kBefore) {
    result = result * n.repeat_interleave(labels_in).view({1, -1});
  }
  return result;
}

TEST(PermutohedralGaussianTest, OneDimensionByHand) {
  // Points at 0.25 and 0.5 between the vertices 0 and 1 (see lattice_test).
  const double unit = std::sqrt(3.0) / 2;
  const LatticeVector lattices = {PermutohedralLattice::Build(
      at::tensor({0.25 * unit, 0.5 * unit}, at::kDouble).view({2, 1}))};
  const at::Tensor x = at::tensor({4.0, 2.0}, at::kDouble).view({1, 1, 2});
  // Splat: U = (0.75*4 + 0.5*2, 0.25*4 + 0.5*2) = (4, 2). Two blurs: (5, 4),
  // (7, 6.5). Slice and factor 1 / (1 + 1/2).
  const at::Tensor y = PermutohedralGaussian(x, lattices, Norm::kNone);
  EXPECT_NEAR(y[0][0][0].item<double>(), (0.75 * 7 + 0.25 * 6.5) / 1.5, 1e-14);
  EXPECT_NEAR(y[0][0][1].item<double>(), (0.5 * 7 + 0.5 * 6.5) / 1.5, 1e-14);
}

TEST(PermutohedralFilterTest, OneDimensionByHand) {
  const double unit = std::sqrt(3.0) / 2;
  const LatticeVector lattices = {PermutohedralLattice::Build(
      at::tensor({0.25 * unit, 0.5 * unit}, at::kDouble).view({2, 1}))};
  const at::Tensor x = at::tensor({4.0, 2.0}, at::kDouble).view({1, 1, 2});
  // Taps: centre, one step down, one step up. U = (4, 2) as above:
  // Y0 = 10*4 + 1000*2, Y1 = 10*2 + 100*4.
  const at::Tensor f =
      at::tensor({10.0, 100.0, 1000.0}, at::kDouble).view({1, 1, 3});
  const at::Tensor y = PermutohedralFilter(x, f, lattices, Norm::kNone);
  EXPECT_NEAR(y[0][0][0].item<double>(), 0.75 * 2040 + 0.25 * 420, 1e-11);
  EXPECT_NEAR(y[0][0][1].item<double>(), 0.5 * 2040 + 0.5 * 420, 1e-11);
}

TEST(PermutohedralGaussianTest, MatchesTheDenseMatrix) {
  for (int64_t d : {1, 2, 3, 5}) {
    const at::Tensor f = Features(30, d, 1.0, d);
    const LatticeVector lattices = {PermutohedralLattice::Build(f)};
    const NaiveLattice naive(f);
    for (bool reverse : {false, true}) {
      for (Norm norm : kNorms) {
        const at::Tensor k = Explicit(
            [&](const at::Tensor& x) {
              return PermutohedralGaussian(x, lattices, norm, reverse);
            },
            30, 1);
        const at::Tensor plain = naive.GaussianOperator(reverse);
        // The normaliser is that of the forward order in both.
        const at::Tensor ones = naive.GaussianOperator().sum(1);
        const at::Tensor expected =
            norm == Norm::kNone ? plain : Normalized(plain, ones, norm, 1, 1);
        EXPECT_LT(MaxError(k, expected),
                  1e-12 * (1 + expected.max().item<double>()));
      }
    }
  }
}

TEST(PermutohedralFilterTest, MatchesTheDenseMatrix) {
  for (int64_t d : {1, 2, 3, 5}) {
    for (int64_t s : {1, 2}) {
      if (d == 5 && s == 2) continue;  // see SupportTwoInFiveDimensions
      const at::Tensor f = Features(24, d, 0.7, d);
      const LatticeVector lattices = {PermutohedralLattice::Build(f)};
      const NaiveLattice naive(f);
      const at::Tensor filter =
          at::randn({3, 2, PermutohedralTaps(d, s)}, at::kDouble);
      const at::Tensor plain = naive.TapOperator(filter, s);
      const at::Tensor ones =
          naive.TapOperator(PermutohedralGaussianTaps(d, s).view({1, 1, -1}), s)
              .sum(1);
      for (Norm norm : kNorms) {
        const at::Tensor k = Explicit(
            [&](const at::Tensor& x) {
              return PermutohedralFilter(x, filter, lattices, norm);
            },
            24, 2);
        const at::Tensor expected =
            norm == Norm::kNone ? plain : Normalized(plain, ones, norm, 3, 2);
        // Sums of a few hundred terms of order one.
        EXPECT_LT(MaxError(k, expected), 1e-11);
      }
    }
  }
}

TEST(PermutohedralFilterTest, SupportTwoInFiveDimensions) {
  const at::Tensor f = Features(5, 5, 0.5);
  const LatticeVector lattices = {PermutohedralLattice::Build(f)};
  const at::Tensor filter = at::randn({1, 1, 665}, at::kDouble);
  const at::Tensor k = Explicit(
      [&](const at::Tensor& x) {
        return PermutohedralFilter(x, filter, lattices, Norm::kNone);
      },
      5, 1);
  EXPECT_LT(MaxError(k, NaiveLattice(f).TapOperator(filter, 2)), 1e-12);
}

TEST(PermutohedralFilterTest, TiedFilterGivesASymmetricOperator) {
  for (int64_t d : {2, 3, 5}) {
    const int64_t points = 32;
    const at::Tensor f = Features(points, d, 1.0, 20 + d);
    const LatticeVector lattices = {PermutohedralLattice::Build(f)};
    at::manual_seed(d);
    const at::Tensor filter = TiedPermutohedralFilter(
        at::randn({2, 2, PermutohedralTaps(d, 1)}, at::kDouble), d);
    const at::Tensor k = Explicit(
        [&](const at::Tensor& x) {
          return PermutohedralFilter(x, filter, lattices);
        },
        points, 2);
    EXPECT_LT(MaxError(k, k.t()), 1e-12);
    EXPECT_GT(k.abs().max().item<double>(), 0.01);
    // Finding neighbours by walking over existing vertices breaks this: the
    // reason for direct look-ups.
    const at::Tensor walked = NaiveLattice(f).TapOperator(filter, 1, true);
    EXPECT_GT(MaxError(walked, walked.t()), 0.01);
  }
}

TEST(PermutohedralGaussianTest, ApproximatesTheGaussianSum) {
  // Pixels of a small plane: dense points, so hardly any vertex is missing. The
  // lattice's kernel has the Gaussian's shape up to one constant (below 1,
  // depending on d; densecrf has it too), which every normalisation but kNone
  // cancels.
  const at::Tensor f = SpatialFeatures(24, 24, 3.0).to(at::kDouble);
  const LatticeVector lattices = {PermutohedralLattice::Build(f)};
  at::manual_seed(2);
  const at::Tensor x = at::rand({1, 2, 576}, at::kDouble);
  const at::Tensor k = (-0.5 * at::cdist(f, f).square()).exp();
  const at::Tensor exact = at::matmul(x, k);
  const at::Tensor y = PermutohedralGaussian(x, lattices, Norm::kNone);
  const double constant =
      ((y * exact).sum() / exact.square().sum()).item<double>();
  EXPECT_NEAR(constant, 0.874, 0.01);
  const at::Tensor fitted = y / constant;
  EXPECT_LT((fitted / exact - 1).abs().mean().item<double>(), 0.05);
  EXPECT_LT(((fitted - exact).norm() / exact.norm()).item<double>(), 0.02);
  // After normalisation, as weighted means, no constant is left.
  const at::Tensor mean = exact / k.sum(0);
  const at::Tensor z = PermutohedralGaussian(x, lattices, Norm::kAfter);
  EXPECT_LT(((z - mean).norm() / mean.norm()).item<double>(), 0.01);
}

TEST(PermutohedralGaussianTest, ApproximatesTheBilateralSum) {
  // A smooth picture with noise in five dimensions, normalised.
  at::manual_seed(4);
  const at::Tensor ramp =
      at::linspace(0, 255, 20).view({1, 1, 20}).expand({3, 20, 20});
  const at::Tensor image = ramp + at::randn({3, 20, 20}) * 4;
  const at::Tensor f = BilateralFeatures(image, 8, 20).to(at::kDouble);
  const LatticeVector lattices = {PermutohedralLattice::Build(f)};
  const at::Tensor x = at::rand({1, 2, 400}, at::kDouble);
  const at::Tensor k = (-0.5 * at::cdist(f, f).square()).exp();
  const at::Tensor mean = at::matmul(x, k) / k.sum(0);
  const at::Tensor y = PermutohedralGaussian(x, lattices, Norm::kAfter);
  EXPECT_LT(((y - mean).norm() / mean.norm()).item<double>(), 0.05);
}

TEST(PermutohedralGaussianTest, AdjointRunsTheAxesInReverse) {
  for (int64_t d : {2, 5}) {
    const LatticeVector lattices = {
        PermutohedralLattice::Build(Features(50, d, 1.5))};
    const at::Tensor q = at::randn({1, 3, 50}, at::kDouble);
    const at::Tensor p = at::randn({1, 3, 50}, at::kDouble);
    for (Norm norm : {Norm::kNone, Norm::kSymmetric}) {
      const double left =
          (PermutohedralGaussian(q, lattices, norm) * p).sum().item<double>();
      const double right = (q * PermutohedralGaussian(p, lattices, norm, true))
                               .sum()
                               .item<double>();
      EXPECT_NEAR(left, right, 1e-12 * (1 + std::abs(left)));
      // Not so in the forward order: blurs do not commute on a sparse lattice.
      const double same =
          (q * PermutohedralGaussian(p, lattices, norm)).sum().item<double>();
      EXPECT_GT(std::abs(left - same), 1e-6);
    }
  }
}

TEST(PermutohedralFilterTest, NormalizedOnesStayNearOne) {
  // With the Gaussian taps as the filter, kAfter maps ones to ones exactly.
  for (int64_t s : {1, 2}) {
    const LatticeVector lattices = {
        PermutohedralLattice::Build(Features(40, 3, 1.0))};
    const at::Tensor filter = PermutohedralGaussianTaps(3, s).view({1, 1, -1});
    const at::Tensor ones = at::ones({1, 1, 40}, at::kDouble);
    EXPECT_LT(
        MaxError(PermutohedralFilter(ones, filter, lattices, Norm::kAfter),
                 ones),
        1e-13);
  }
  const LatticeVector lattices = {
      PermutohedralLattice::Build(Features(40, 5, 1.0))};
  const at::Tensor ones = at::ones({1, 1, 40}, at::kDouble);
  EXPECT_LT(MaxError(PermutohedralGaussian(ones, lattices, Norm::kAfter), ones),
            1e-13);
}

TEST(PermutohedralGaussianTest, IsolatedPointsAndOneSimplex) {
  at::manual_seed(6);
  const at::Tensor image = at::randint(256, {3, 5, 5}, at::kByte);
  const at::Tensor x = at::rand({1, 3, 5, 5}, at::kDouble);
  // Tiny thetas: every pixel sees itself only; normalised, the identity.
  const LatticeVector isolated =
      BuildBilateralLattices(image.unsqueeze(0), 0.05, 0.05);
  EXPECT_LT(MaxError(PermutohedralGaussian(x, isolated, Norm::kSymmetric), x),
            1e-12);
  // Huge thetas: all pixels share a simplex; the result hardly varies.
  const LatticeVector one =
      BuildBilateralLattices(image.unsqueeze(0), 1e7, 1e7);
  const at::Tensor y = PermutohedralGaussian(x, one, Norm::kAfter);
  EXPECT_LT(MaxError(y, x.mean({2, 3}, true).expand_as(y)), 1e-4);
}

TEST(PermutohedralTest, GradCheckValues) {
  for (int64_t d : {1, 2, 3, 5}) {
    const LatticeVector lattices = {
        PermutohedralLattice::Build(Features(9, d, 1.0, d)),
        PermutohedralLattice::Build(Features(9, d, 0.3, d + 9))};
    at::manual_seed(7);
    const at::Tensor q = at::randn({2, 3, 9}, at::kDouble);
    for (Norm norm : kNorms) {
      EXPECT_TRUE(GradCheck(
          [&](const auto& in) {
            return PermutohedralGaussian(in[0], lattices, norm);
          },
          {q}));
    }
    // Strided, as [N,L,H,W], and in reverse.
    const at::Tensor strided =
        at::randn({2, 3, 3, 3}, at::kDouble).permute({0, 2, 3, 1});
    EXPECT_TRUE(GradCheck(
        [&](const auto& in) {
          return PermutohedralGaussian(in[0], lattices, Norm::kSymmetric, true);
        },
        {strided}));
  }
}

TEST(PermutohedralTest, GradCheckFilter) {
  for (int64_t d : {1, 2, 3, 5}) {
    for (int64_t s : {1, 2}) {
      if (d == 5 && s == 2) continue;  // below, with one label
      const LatticeVector lattices = {
          PermutohedralLattice::Build(Features(8, d, 0.6, d)),
          PermutohedralLattice::Build(Features(8, d, 0.3, d + 9))};
      at::manual_seed(8);
      const at::Tensor q = at::randn({2, 2, 8}, at::kDouble);
      const at::Tensor f =
          at::randn({PermutohedralTaps(d, s), 2, 3}, at::kDouble)
              .permute({2, 1, 0});
      for (Norm norm :
           {Norm::kSymmetric, s == 1 ? Norm::kBefore : Norm::kAfter}) {
        EXPECT_TRUE(GradCheck(
            [&](const auto& in) {
              return PermutohedralFilter(in[0], in[1], lattices, norm);
            },
            {q, f}));
      }
    }
  }
  const LatticeVector lattices = {
      PermutohedralLattice::Build(Features(6, 5, 0.4))};
  EXPECT_TRUE(GradCheck(
      [&](const auto& in) {
        return PermutohedralFilter(in[0], in[1], lattices);
      },
      {at::randn({1, 1, 6}, at::kDouble),
       at::randn({1, 1, 665}, at::kDouble)}));
}

TEST(PermutohedralTest, GradCheckTiedFilter) {
  const LatticeVector lattices = {
      PermutohedralLattice::Build(Features(10, 2, 0.8))};
  EXPECT_TRUE(GradCheck(
      [&](const auto& in) {
        return PermutohedralFilter(in[0], TiedPermutohedralFilter(in[1], 2),
                                   lattices);
      },
      {at::randn({1, 2, 10}, at::kDouble), at::randn({2, 2, 7}, at::kDouble)}));
}

TEST(PermutohedralTest, FilterGradientOfManyPairs) {
  // More than one block of pairs and one tile of vertices, and a width of
  // labels with a whole and a partial vector.
  const at::Tensor f = Features(400, 2, 8.0);
  const LatticeVector lattices = {PermutohedralLattice::Build(f)};
  ASSERT_GT(lattices[0]->num_vertices(), 256);
  at::manual_seed(9);
  const at::Tensor q = at::randn({1, 21, 400}, at::kDouble);
  at::Tensor filter =
      at::randn({5, 21, 7}, at::kDouble).set_requires_grad(true);
  const at::Tensor a = at::randn({1, 5, 400}, at::kDouble);
  (PermutohedralFilter(q, filter, lattices, Norm::kNone) * a).sum().backward();
  // Linear in each tap: dF[l,m,o] = <a_l, K_o q_m> with K_o the unit tap o.
  for (int64_t o = 0; o < 7; ++o) {
    at::Tensor unit = at::zeros({1, 1, 7}, at::kDouble);
    unit[0][0][o] = 1;
    const at::Tensor k = NaiveLattice(f).TapOperator(unit, 1);
    const at::Tensor expected = a[0].matmul(k).matmul(q[0].t());
    EXPECT_LT(MaxError(filter.grad().select(2, o), expected), 1e-10);
  }
}

TEST(PermutohedralTest, SecondDerivatives) {
  const LatticeVector lattices = {
      PermutohedralLattice::Build(Features(6, 2, 0.5))};
  at::Tensor q = at::randn({1, 2, 6}, at::kDouble).set_requires_grad(true);
  // The Gaussian is linear: grad of |K q|^2 / 2 is K^T K q, whose gradient
  // along u is K^T K u.
  const at::Tensor y = PermutohedralGaussian(q, lattices);
  const at::Tensor g =
      torch::autograd::grad({y.square().sum() / 2}, {q}, {}, true, true)[0];
  const at::Tensor u = at::randn({1, 2, 6}, at::kDouble);
  const at::Tensor h = torch::autograd::grad({(g * u).sum()}, {q})[0];
  const at::Tensor expected = PermutohedralGaussian(
      PermutohedralGaussian(u, lattices), lattices, Norm::kSymmetric, true);
  EXPECT_LT(MaxError(h, expected), 1e-12);

  at::Tensor f = at::randn({2, 2, 7}, at::kDouble).set_requires_grad(true);
  const at::Tensor z = PermutohedralFilter(q, f, lattices);
  const at::Tensor dz =
      torch::autograd::grad({z.square().sum()}, {q}, {}, true, true)[0];
  ExpectError([&] { dz.sum().backward(); },
              "PermutohedralFilter: second derivatives are not supported");
}

TEST(PermutohedralTest, ChangingAnInputBeforeTheBackwardPassIsAnError) {
  const LatticeVector lattices = {
      PermutohedralLattice::Build(Features(6, 2, 0.5))};
  for (size_t changed : {0, 1}) {
    const std::vector<at::Tensor> in = {
        at::randn({1, 2, 6}, at::kDouble).set_requires_grad(true),
        at::randn({2, 2, 7}, at::kDouble).set_requires_grad(true)};
    const at::Tensor loss = PermutohedralFilter(in[0], in[1], lattices).sum();
    {
      const c10::NoGradGuard no_grad;
      in[changed].add_(1);
    }
    ExpectError([&] { torch::autograd::grad({loss}, in); },
                "modified by an inplace operation");
  }
}

TEST(PermutohedralTest, LayoutsAndBatches) {
  at::manual_seed(10);
  const at::Tensor images = at::rand({3, 3, 6, 5}) * 255;
  const LatticeVector lattices = BuildBilateralLattices(images, 5, 60);
  const at::Tensor q = at::rand({3, 4, 6, 5}, at::kDouble);
  const at::Tensor f = at::randn({2, 4, 63}, at::kDouble);
  const at::Tensor y = PermutohedralGaussian(q, lattices);
  const at::Tensor z = PermutohedralFilter(q, f, lattices);
  EXPECT_TRUE(y.is_contiguous());
  EXPECT_EQ(z.sizes(), at::IntArrayRef({3, 2, 6, 5}));
  const at::Tensor layouts[] = {
      q.contiguous(at::MemoryFormat::ChannelsLast),
      q.transpose(2, 3).contiguous().transpose(2, 3),
      at::cat({q, q}, 1).slice(1, 0, 4),
      at::stack({q, q}, 4).select(4, 1),
  };
  for (const at::Tensor& x : layouts) {
    EXPECT_TRUE(PermutohedralGaussian(x, lattices).equal(y));
    EXPECT_TRUE(PermutohedralFilter(x, f, lattices).equal(z));
  }
  EXPECT_TRUE(
      PermutohedralFilter(
          q, f.permute({2, 0, 1}).contiguous().permute({1, 2, 0}), lattices)
          .equal(z));
  EXPECT_TRUE(
      PermutohedralGaussian(q.flatten(2), lattices).view_as(y).equal(y));
  for (int64_t n = 0; n < 3; ++n) {
    EXPECT_TRUE(PermutohedralGaussian(q.slice(0, n, n + 1), {lattices[n]})
                    .equal(y.slice(0, n, n + 1)));
  }
}

TEST(PermutohedralTest, EveryNumberOfLabels) {
  const LatticeVector lattices = {
      PermutohedralLattice::Build(Features(40, 3, 1.0))};
  at::manual_seed(11);
  for (int64_t labels : {1, 2, 3, 4, 5, 8, 9, 16, 17, 21, 24, 33}) {
    for (at::ScalarType type : {at::kDouble, at::kFloat}) {
      const at::Tensor q = at::rand({1, labels, 40}, type);
      const at::Tensor y = PermutohedralGaussian(q, lattices);
      const at::Tensor f = at::randn({labels, labels, 15}, type);
      const at::Tensor z = PermutohedralFilter(q, f, lattices);
      at::Tensor z_sum = at::zeros_like(z);
      for (int64_t m = 0; m < labels; ++m) {
        const at::Tensor one = q.slice(1, m, m + 1);
        EXPECT_TRUE(PermutohedralGaussian(one, lattices)
                        .allclose(y.slice(1, m, m + 1), 1e-6, 1e-6));
        z_sum += PermutohedralFilter(one, f.slice(1, m, m + 1), lattices);
      }
      const double tolerance = type == at::kFloat ? 1e-4 : 1e-12;
      EXPECT_TRUE(z_sum.allclose(z, tolerance, tolerance));
    }
  }
}

TEST(PermutohedralTest, FloatAgainstDouble) {
  at::manual_seed(12);
  const at::Tensor images = at::rand({1, 3, 20, 20}) * 255;
  const LatticeVector lattices = BuildBilateralLattices(images, 10, 40);
  const at::Tensor q = at::rand({1, 6, 20, 20}, at::kDouble);
  // Some hundred roundings of 6e-8 each on values of order one.
  EXPECT_LT(MaxError(PermutohedralGaussian(q.to(at::kFloat), lattices),
                     PermutohedralGaussian(q, lattices)),
            1e-5);
  at::Tensor f = at::randn({6, 6, 63}, at::kDouble);
  at::Tensor f32 = f.to(at::kFloat);
  f.set_requires_grad(true);
  f32.set_requires_grad(true);
  const at::Tensor y = PermutohedralFilter(q, f, lattices);
  const at::Tensor y32 = PermutohedralFilter(q.to(at::kFloat), f32, lattices);
  EXPECT_LT(MaxError(y32, y), 2e-5 * y.abs().max().item<double>());
  y.sum().backward();
  y32.sum().backward();
  EXPECT_LT(MaxError(f32.grad(), f.grad()),
            2e-5 * f.grad().abs().max().item<double>());
}

TEST(PermutohedralTest, TheNumberOfThreadsChangesNothing) {
  at::manual_seed(13);
  const at::Tensor images = at::rand({2, 3, 110, 90}) * 255;
  const int threads = at::get_num_threads();
  const auto run = [&](int n, int64_t labels) {
    at::set_num_threads(n);
    at::manual_seed(14);
    const LatticeVector lattices =
        BuildBilateralLattices(images.slice(0, 0, labels == 3 ? 1 : 2), 20, 60);
    const int64_t batch = static_cast<int64_t>(lattices.size());
    at::Tensor q = at::rand({batch, labels, 110, 90}).set_requires_grad(true);
    at::Tensor f = at::randn({labels, labels, 63}).set_requires_grad(true);
    const at::Tensor y = PermutohedralFilter(q, f, lattices) +
                         PermutohedralGaussian(q, lattices);
    y.square().sum().backward();
    return std::vector<at::Tensor>{y.detach(), q.grad(), f.grad()};
  };
  for (int64_t labels : {2, 3, 9}) {
    const auto one = run(1, labels);
    for (int n : {2, 5}) {
      const auto several = run(n, labels);
      for (size_t i = 0; i < one.size(); ++i) {
        EXPECT_TRUE(one[i].equal(several[i])) << n << " threads, result " << i;
      }
    }
  }
  at::set_num_threads(threads);
}

// Whole rounds of images run one a thread, the rest with all threads on each; a
// lattice that images share makes its lazy parts in either.
TEST(PermutohedralTest, ThreadsOnImagesAndWithinThem) {
  at::manual_seed(16);
  const int threads = at::get_num_threads();
  const int64_t batch = 5;
  const at::Tensor images = at::rand({batch, 3, 100, 90}) * 255;
  const at::Tensor q0 = at::rand({batch, 3, 100, 90});
  const at::Tensor f0 = at::randn({3, 3, 63});
  const at::Tensor s0 = at::randn({3, 3, 7});
  const auto run = [&](int count) {
    at::set_num_threads(count);
    const LatticeVector own = BuildBilateralLattices(images, 20, 60);
    const LatticeVector shared = BuildSpatialLattices(batch, 100, 90, 4);
    at::Tensor q = q0.clone().set_requires_grad(true);
    at::Tensor f = f0.clone().set_requires_grad(true);
    at::Tensor s = s0.clone().set_requires_grad(true);
    const at::Tensor y =
        PermutohedralFilter(q, f, own) + PermutohedralFilter(q, s, shared) +
        PermutohedralGaussian(q, shared) + PermutohedralGaussian(q, own);
    y.square().sum().backward();
    return std::vector<at::Tensor>{y.detach(), q.grad(), f.grad(), s.grad()};
  };
  const auto one = run(1);
  for (int count : {2, 3, 4, 5}) {
    const auto several = run(count);
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_TRUE(one[i].equal(several[i]))
          << count << " threads, result " << i;
    }
  }
  at::set_num_threads(threads);
}

TEST(PermutohedralTest, WideKeysGiveTheSameValues) {
  const at::Tensor features = Features(60, 3, 1.0, 17);
  at::manual_seed(18);
  const at::Tensor q = at::rand({1, 3, 60}, at::kDouble);
  const at::Tensor f = at::randn({2, 3, 15}, at::kDouble);
  const at::Tensor g = at::randn({1, 2, 60}, at::kDouble);
  std::vector<at::Tensor> results[2];
  for (int wide : {0, 1}) {
    const LatticeVector lattices = {PermutohedralLattice::Build(
        features, wide ? PermutohedralLattice::Keys::kWide
                       : PermutohedralLattice::Keys::kPacked)};
    at::Tensor x = q.clone().set_requires_grad(true);
    at::Tensor w = f.clone().set_requires_grad(true);
    const at::Tensor y = PermutohedralFilter(x, w, lattices);
    y.backward(g);
    results[wide] = {y.detach(), x.grad(), w.grad(),
                     PermutohedralGaussian(q, lattices)};
  }
  // Vertices are numbered in another order, and their sums run in it.
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_LT(MaxError(results[0][i], results[1][i]), 1e-13) << i;
  }
}

// The error that permutohedral.h states: float32 sums over the points of a
// vertex, worst where all weights are equal.
TEST(PermutohedralTest, ErrorOfFloatSumsWithManyPointsOnAVertex) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  for (int64_t points : {1000, 200000}) {
    // One place: d + 1 vertices with all points on each.
    const at::Tensor features =
        at::tensor({0.1f, 0.2f}).expand({points, 2}).contiguous();
    const LatticeVector lattices = {PermutohedralLattice::Build(features)};
    ASSERT_EQ(lattices[0]->num_vertices(), 3);
    const at::Tensor ones = at::ones({1, 1, points});
    const at::Tensor y = PermutohedralGaussian(ones, lattices, Norm::kNone);
    const at::Tensor exact =
        PermutohedralGaussian(ones.to(at::kDouble), lattices, Norm::kNone);
    const double error = ((y - exact) / exact).abs().max().item<double>();
    EXPECT_LE(error, static_cast<double>(points) * std::pow(2.0, -24));
  }
  at::set_num_threads(threads);
}

TEST(PermutohedralTest, EveryInstructionSet) {
  at::manual_seed(15);
  const at::Tensor images = at::rand({1, 3, 9, 13}) * 255;
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor features =
        BilateralFeatures(images[0], 6, 40).to(type).contiguous();
    for (int64_t labels : {1, 2, 3, 8, 21, 40}) {
      const at::Tensor q = at::rand({1, labels, 9, 13}, type);
      const at::Tensor f = at::randn({labels, labels, 63}, type);
      const at::Tensor g = at::randn({1, labels, 9, 13}, type);
      std::vector<at::Tensor> first;
      LatticePtr first_lattice;
      ForEachTarget([&](const char* name) {
        // Elevation uses no fused operation: the lattice is the same exactly.
        const LatticePtr lattice = PermutohedralLattice::Build(features);
        if (first_lattice == nullptr) first_lattice = lattice;
        ASSERT_EQ(lattice->num_vertices(), first_lattice->num_vertices());
        for (int64_t i = 0; i < 6 * 117; ++i) {
          ASSERT_EQ(lattice->vertices()[i], first_lattice->vertices()[i]);
          ASSERT_EQ(lattice->weights<double>()[i],
                    first_lattice->weights<double>()[i]);
        }
        at::Tensor x = q.clone().set_requires_grad(true);
        at::Tensor w = f.clone().set_requires_grad(true);
        const at::Tensor y = PermutohedralFilter(x, w, {lattice});
        y.backward(g);
        const std::vector<at::Tensor> now = {
            y.detach(), x.grad(), w.grad(),
            PermutohedralGaussian(q, {lattice})};
        if (first.empty()) first = now;
        for (size_t i = 0; i < now.size(); ++i) {
          const double tolerance = type == at::kFloat ? 2e-5 : 1e-13;
          EXPECT_LT(MaxError(now[i], first[i]),
                    tolerance * (1 + first[i].abs().max().item<double>()))
              << name << ", result " << i;
        }
      });
    }
  }
}

TEST(PermutohedralTest, EmptyBatchAndNoPoints) {
  const at::Tensor f = at::randn({2, 3, 63}).set_requires_grad(true);
  at::Tensor q = at::rand({0, 3, 4, 4}).set_requires_grad(true);
  EXPECT_EQ(PermutohedralGaussian(q, {}).sizes(), q.sizes());
  const at::Tensor y = PermutohedralFilter(q, f, {});
  EXPECT_EQ(y.sizes(), at::IntArrayRef({0, 2, 4, 4}));
  y.sum().backward();
  EXPECT_EQ(f.grad().abs().sum().item<float>(), 0);
  const LatticeVector none = {PermutohedralLattice::Build(at::zeros({0, 5}))};
  EXPECT_EQ(PermutohedralGaussian(at::rand({1, 3, 0, 4}), none).numel(), 0);
  EXPECT_EQ(PermutohedralFilter(at::rand({1, 3, 0}), f, none).numel(), 0);
}

TEST(PermutohedralTest, Errors) {
  const LatticeVector lattices = {
      PermutohedralLattice::Build(at::zeros({6, 5}))};
  const at::Tensor q = at::rand({1, 2, 2, 3});
  const at::Tensor f = at::rand({2, 2, 63});
  EXPECT_THAT(ErrorOf([&] { PermutohedralGaussian(q[0][0], lattices); }),
              HasSubstr("PermutohedralGaussian: values must be [N,L,H,W]"));
  EXPECT_THAT(
      ErrorOf([&] { PermutohedralGaussian(q.to(at::kHalf), lattices); }),
      HasSubstr("float32 or float64, got Half"));
  EXPECT_THAT(
      ErrorOf([&] { PermutohedralGaussian(q.to(at::kMeta), lattices); }),
      HasSubstr("PermutohedralGaussian: values must be on the CPU, as the "
                "lattices, got meta"));
  EXPECT_THAT(
      ErrorOf([&] { PermutohedralFilter(q.to(at::kMeta), f, lattices); }),
      HasSubstr("PermutohedralFilter: values must be on the CPU, as the "
                "lattices, got meta"));
  EXPECT_THAT(
      ErrorOf([&] { PermutohedralFilter(q, f.to(at::kMeta), lattices); }),
      HasSubstr("and device cpu, got Float on meta"));
  EXPECT_THAT(ErrorOf([&] { PermutohedralGaussian(q, {}); }),
              HasSubstr("values of batch 1 need as many lattices, got 0"));
  EXPECT_THAT(ErrorOf([&] { PermutohedralGaussian(q, {nullptr}); }),
              HasSubstr("lattice 0 is null"));
  EXPECT_THAT(ErrorOf([&] {
                PermutohedralGaussian(at::rand({1, 2, 7}), lattices);
              }),
              HasSubstr("as many points as values have pixels (7), got 6"));
  EXPECT_THAT(ErrorOf([&] {
                PermutohedralGaussian(at::rand({1, 0, 6}), lattices);
              }),
              HasSubstr("at least one label"));
  EXPECT_THAT(
      ErrorOf([&] {
        PermutohedralFilter(q, at::rand({2, 3, 63}), lattices);
      }),
      HasSubstr("filter must be [L_out,L,taps] with L=2, got [2, 3, 63]"));
  EXPECT_THAT(ErrorOf([&] {
                PermutohedralFilter(q, at::rand({2, 2, 64}), lattices);
              }),
              HasSubstr("no support has 64 taps in dimension 5 (s=1 has 63)"));
  EXPECT_THAT(
      ErrorOf([&] { PermutohedralFilter(q, f.to(at::kDouble), lattices); }),
      HasSubstr("filter must match values' dtype"));
  EXPECT_THAT(ErrorOf([&] { TiedPermutohedralFilter(f[0], 5); }),
              HasSubstr("filter must be [L,L,taps]"));
}

}  // namespace
}  // namespace seg
