#include "common/layers/simplex_projection/simplex_projection.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "common/testing/autocast.h"
#include "common/testing/counting_allocator.h"
#include "common/testing/gradcheck.h"
#include "common/testing/instruction_sets.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// One pixel with these labels.
at::Tensor Pixel(std::vector<double> values) {
  return at::tensor(values, at::kDouble).view({1, -1});
}

// min |y - x|^2 over the simplex by enumerating the support: for each non-empty
// set A the best point of the face's plane, if it is in the face.
std::vector<double> BruteForce(const std::vector<double>& x) {
  const int labels = static_cast<int>(x.size());
  double best = kInfinity;
  std::vector<double> best_y;
  for (int set = 1; set < (1 << labels); ++set) {
    double sum = 0.0;
    int count = 0;
    for (int l = 0; l < labels; ++l) {
      if (set >> l & 1) {
        sum += x[l];
        ++count;
      }
    }
    const double tau = (sum - 1.0) / count;
    double distance = 0.0;
    bool feasible = true;
    std::vector<double> y(labels, 0.0);
    for (int l = 0; l < labels; ++l) {
      if (set >> l & 1) y[l] = x[l] - tau;
      feasible = feasible && y[l] >= 0.0;
      distance += (y[l] - x[l]) * (y[l] - x[l]);
    }
    if (feasible && distance < best) {
      best = distance;
      best_y = y;
    }
  }
  return best_y;
}

// tau by the sorted form of the paper.
double SortedTau(std::vector<double> x) {
  std::sort(x.begin(), x.end(), std::greater<double>());
  double sum = 0.0, tau = 0.0;
  for (size_t r = 1; r <= x.size(); ++r) {
    sum += x[r - 1];
    if (x[r - 1] > (sum - 1.0) / static_cast<double>(r)) {
      tau = (sum - 1.0) / static_cast<double>(r);
    }
  }
  return tau;
}

at::Tensor SortedForm(const at::Tensor& x, double leak) {
  const at::Tensor rows = x.movedim(1, -1).contiguous();
  at::Tensor y = at::empty_like(rows);
  const int64_t labels = x.size(1);
  const double* from = rows.const_data_ptr<double>();
  double* to = y.mutable_data_ptr<double>();
  for (int64_t i = 0; i < rows.numel(); i += labels) {
    const double tau =
        SortedTau(std::vector<double>(from + i, from + i + labels));
    for (int64_t l = i; l < i + labels; ++l) {
      to[l] = (from[l] > tau ? 1.0 : leak) * (from[l] - tau);
    }
  }
  return y.movedim(-1, 1);
}

TEST(SimplexProjectionTest, HandWorked) {
  // tau = (0.5 + 1.0 - 1) / 2 = 0.25 for the two active labels.
  EXPECT_THAT(Values(SimplexProjection(Pixel({0.5, -0.25, 1.0}))),
              ::testing::ElementsAre(0.25, 0.0, 0.75));
  EXPECT_THAT(Values(SimplexProjection(Pixel({0.5, -0.25, 1.0}), 0.5)),
              ::testing::ElementsAre(0.25, -0.25, 0.75));
  // Two labels: difference 0.5 inside, 3 outside the band of width 1.
  EXPECT_THAT(Values(SimplexProjection(Pixel({0.5, 1.0}))),
              ::testing::ElementsAre(0.25, 0.75));
  EXPECT_THAT(Values(SimplexProjection(Pixel({-1.0, 2.0}))),
              ::testing::ElementsAre(0.0, 1.0));
  EXPECT_THAT(Values(SimplexProjection(Pixel({-1.0, 2.0}), 0.25)),
              ::testing::ElementsAre(-0.5, 1.0));
}

TEST(SimplexProjectionTest, MatchesTheQuadraticProgram) {
  for (int64_t labels = 1; labels <= 4; ++labels) {
    for (double scale : {0.1, 1.0, 5.0}) {
      const at::Tensor x = scale * Random({200, labels}, 10 + labels);
      const at::Tensor y = SimplexProjection(x);
      for (int64_t i = 0; i < x.size(0); ++i) {
        const std::vector<double> expected = BruteForce(Values(x[i]));
        const std::vector<double> actual = Values(y[i]);
        for (int64_t l = 0; l < labels; ++l) {
          ASSERT_NEAR(actual[l], expected[l], 1e-14 * (1 + scale));
        }
      }
    }
  }
}

TEST(SimplexProjectionTest, MatchesTheSortedFormForAnyNumberOfLabels) {
  for (int64_t labels : {1, 2, 3, 5, 8, 17, 21, 64, 300}) {
    for (double leak : {0.0, 0.3, 1.0}) {
      const at::Tensor x = 0.7 * Random({2, labels, 7, 11}, labels);
      // Rounding of sums of at most 300 terms of size 1.
      EXPECT_TRUE(at::allclose(SimplexProjection(x, leak), SortedForm(x, leak),
                               0.0, 1e-13))
          << labels << " labels, leak " << leak;
    }
  }
}

TEST(SimplexProjectionTest, ResultIsOnTheSimplex) {
  const at::Tensor y = SimplexProjection(3.0 * Random({2, 21, 40, 30}));
  EXPECT_GE(y.min().item<double>(), 0.0);
  EXPECT_TRUE(
      at::allclose(y.sum(1), at::ones({2, 40, 30}, at::kDouble), 0.0, 1e-14));
}

TEST(SimplexProjectionTest, IsIdempotentAndAnyPixelIndependent) {
  const at::Tensor x = Random({1, 5, 9, 13});
  const at::Tensor y = SimplexProjection(x);
  EXPECT_TRUE(at::allclose(SimplexProjection(y), y, 0.0, 1e-15));
  // The place of a pixel in its vector does not change a bit of it.
  for (int64_t w = 0; w < 13; ++w) {
    EXPECT_TRUE(at::equal(SimplexProjection(x.slice(3, w)), y.slice(3, w)));
  }
}

TEST(SimplexProjectionTest, InvariantToAConstantPerPixel) {
  const at::Tensor x = Random({2, 6, 5, 5});
  const at::Tensor shift = 10.0 * Random({2, 1, 5, 5}, 8);
  for (double leak : {0.0, 0.5}) {
    EXPECT_TRUE(at::allclose(SimplexProjection(x + shift, leak),
                             SimplexProjection(x, leak), 0.0, 1e-13));
  }
}

TEST(SimplexProjectionTest, EquivariantToLabelPermutation) {
  const at::Tensor x = Random({2, 6, 5, 5});
  EXPECT_TRUE(at::allclose(SimplexProjection(x.flip(1)),
                           SimplexProjection(x).flip(1), 0.0, 1e-15));
}

TEST(SimplexProjectionTest, OneActiveAllEqualTiesAndOneLabel) {
  EXPECT_THAT(Values(SimplexProjection(Pixel({9.0, 1.0, -3.0}))),
              ::testing::ElementsAre(1.0, 0.0, 0.0));
  EXPECT_THAT(Values(SimplexProjection(Pixel({2.0, 2.0, 2.0, 2.0}))),
              ::testing::ElementsAre(0.25, 0.25, 0.25, 0.25));
  // Both largest share; the third equals tau exactly and is inactive.
  EXPECT_THAT(Values(SimplexProjection(Pixel({0.5, 0.5, 0.0}))),
              ::testing::ElementsAre(0.5, 0.5, 0.0));
  EXPECT_THAT(Values(SimplexProjection(Pixel({-7.0}))),
              ::testing::ElementsAre(1.0));
  EXPECT_THAT(Values(SimplexProjection(Pixel({1.0, 0.0}))),
              ::testing::ElementsAre(1.0, 0.0));
}

TEST(SimplexProjectionTest, LargeValuesKeepTheSumExact) {
  // float at 1e4 has steps of about 1e-3: the differences are exact, so the
  // sum is 1 to float rounding.
  at::manual_seed(4);
  for (double offset : {1e4, -1e4}) {
    const at::Tensor x = at::randn({1, 21, 8, 8}) + offset;
    const at::Tensor y = SimplexProjection(x);
    EXPECT_TRUE(at::allclose(y.sum(1), at::ones({1, 8, 8}), 0.0, 1e-6));
  }
  const at::Tensor x = 1e4 * at::randn({1, 21, 8, 8});
  const at::Tensor y = SimplexProjection(x);
  EXPECT_TRUE(at::allclose(y.sum(1), at::ones({1, 8, 8}), 0.0, 1e-6));
  EXPECT_TRUE(at::equal(y.argmax(1), x.argmax(1)));
  const at::Tensor extreme = at::tensor({1e4, -1e4, 1e4, -1e4}).view({1, 4});
  EXPECT_THAT(Values(SimplexProjection(extreme)),
              ::testing::ElementsAre(0.5, 0.0, 0.5, 0.0));
  EXPECT_THAT(Values(SimplexProjection(extreme, 0.5)),
              ::testing::ElementsAre(0.5, -9999.75, 0.5, -9999.75));
}

TEST(SimplexProjectionTest, NanAndInfinityStayInTheirPixel) {
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (int64_t labels : {1, 2, 3, 21}) {
      const at::Tensor x = Random({1, labels, 37}).to(type);
      const at::Tensor bad = x.clone();
      bad[0][labels - 1][5] = kNan;
      bad[0][0][17] = kNan;
      bad[0][0][33] = kInfinity;
      bad[0].select(1, 36).fill_(-kInfinity);
      for (double leak : {0.0, 0.5}) {
        const at::Tensor leaf = bad.clone().set_requires_grad(true);
        const at::Tensor y = SimplexProjection(leaf, leak);
        const at::Tensor gradient =
            torch::autograd::grad({y}, {leaf}, {at::ones_like(y)})[0];
        const at::Tensor expected = SimplexProjection(x, leak);
        for (int64_t p = 0; p < 37; ++p) {
          const bool is_bad = p == 5 || p == 17 || p == 33 || p == 36;
          if (is_bad) {
            EXPECT_TRUE(y[0].select(1, p).isnan().all().item<bool>()) << p;
            EXPECT_TRUE(gradient[0].select(1, p).isnan().all().item<bool>());
          } else {
            EXPECT_TRUE(at::equal(y[0].select(1, p), expected[0].select(1, p)));
            EXPECT_FALSE(gradient[0].select(1, p).isnan().any().item<bool>());
          }
        }
      }
    }
  }
  // A label that is ruled out.
  EXPECT_THAT(Values(SimplexProjection(Pixel({-kInfinity, 1.0, 0.5}))),
              ::testing::ElementsAre(0.0, 0.75, 0.25));
  EXPECT_THAT(Values(SimplexProjection(Pixel({-kInfinity, 1.5, 0.5}), 0.5)),
              ::testing::ElementsAre(-kInfinity, 1.0, 0.0));
}

TEST(SimplexProjectionTest, JacobianIsTheCorrectedEquation) {
  // Labels 0 and 2 are active, K = 2.
  const std::vector<double> x = {0.5, -0.25, 1.0};
  const std::vector<bool> active = {true, false, true};
  for (double leak : {0.0, 0.5, 1.0}) {
    const at::Tensor leaf = Pixel(x).set_requires_grad(true);
    const at::Tensor y = SimplexProjection(leaf, leak);
    for (int l = 0; l < 3; ++l) {
      at::Tensor unit = at::zeros({1, 3}, at::kDouble);
      unit[0][l] = 1.0;
      const std::vector<double> row = Values(
          torch::autograd::grad({y}, {leaf}, {unit}, /*retain_graph=*/true)[0]);
      const double s = active[l] ? 1.0 : leak;
      for (int m = 0; m < 3; ++m) {
        EXPECT_DOUBLE_EQ(row[m],
                         s * ((l == m ? 1.0 : 0.0) - (active[m] ? 0.5 : 0.0)))
            << "leak " << leak << " dy_" << l << "/dx_" << m;
      }
    }
  }
}

TEST(SimplexProjectionTest, GradientAtATieIsTheForwardActiveSets) {
  const at::Tensor leaf = Pixel({0.5, 0.5, 0.0}).set_requires_grad(true);
  const at::Tensor y = SimplexProjection(leaf, 0.5);
  EXPECT_THAT(
      Values(torch::autograd::grad({y}, {leaf}, {Pixel({1.0, 0.0, 2.0})})[0]),
      ::testing::ElementsAre(0.0, -1.0, 1.0));  // K = 2, mean (1 + 1) / 2
}

TEST(SimplexProjectionTest, GradientMatchesFiniteDifferences) {
  for (int64_t labels : {1, 2, 3, 5, 21}) {
    for (double leak : {0.0, 0.5, 1.0}) {
      const at::Tensor x = 0.5 * Random({2, labels, 3, 7}, 20 + labels);
      const auto project = [leak](const std::vector<at::Tensor>& in) {
        return SimplexProjection(in[0], leak);
      };
      EXPECT_TRUE(GradCheck(project, {x})) << labels << " " << leak;
      for (const at::Tensor& other : Layouts(x)) {
        EXPECT_TRUE(GradCheck(project, {other}));
      }
    }
  }
  EXPECT_TRUE(
      GradCheck([](const auto& in) { return SimplexProjection(in[0], 0.5); },
                {Random({5, 4})}));
  // Far from the origin; 1e4 leaves 1e-12 of double for the difference
  // quotient, hence the larger step and tolerance.
  for (double offset : {1e4, -1e4}) {
    EXPECT_TRUE(
        GradCheck([](const auto& in) { return SimplexProjection(in[0], 0.5); },
                  {0.5 * Random({1, 5, 2, 3}) + offset}, 1e-5, 1e-5, 1e-6));
  }
}

TEST(SimplexProjectionTest, StepEqualsProjectionOfTheStep) {
  for (int64_t labels : {1, 2, 3, 21}) {
    const at::Tensor q = SimplexProjection(Random({2, labels, 5, 9}));
    const at::Tensor g = Random({2, labels, 5, 9}, 6);
    for (double leak : {0.0, 0.5}) {
      const at::Tensor expected = SimplexProjection(q - 0.3 * g, leak);
      for (const at::Tensor& gradient : {g, ChannelsLast(g), Sparse(g)}) {
        // A fused multiply-add rounds once less.
        EXPECT_TRUE(at::allclose(SimplexProjectionStep(q, gradient, 0.3, leak),
                                 expected, 0.0, 1e-14));
        EXPECT_TRUE(at::allclose(
            SimplexProjectionStep(ChannelsLast(q), gradient, 0.3, leak),
            expected, 0.0, 1e-14));
      }
      const auto step = [leak](const std::vector<at::Tensor>& in) {
        return SimplexProjectionStep(in[0], in[1], 0.3, leak);
      };
      // Away from the kinks that q itself sits on.
      const at::Tensor inner = 0.4 * Random({2, labels, 2, 3}, 7);
      const at::Tensor slope = g.slice(2, 0, 2).slice(3, 0, 3);
      EXPECT_TRUE(GradCheck(step, {inner, slope}));
      EXPECT_TRUE(GradCheck(step, {ChannelsLast(inner), slope}));
    }
  }
}

TEST(SimplexProjectionTest, SecondDerivatives) {
  for (int64_t labels : {1, 2, 3, 21}) {
    for (double leak : {0.0, 0.3, 1.0}) {
      const at::Tensor x = 0.4 * Random({2, labels, 2, 3}, 7);
      // A curved function of y, so that the second derivative is not zero.
      EXPECT_TRUE(GradGradCheck(
          [leak](const auto& in) {
            return SimplexProjection(in[0], leak).sin();
          },
          {x}));
      EXPECT_TRUE(GradGradCheck(
          [leak](const auto& in) {
            return SimplexProjectionStep(in[0], in[1], 0.3, leak).sin();
          },
          {ChannelsLast(x), Random({2, labels, 2, 3}, 8)}));
    }
  }
}

TEST(SimplexProjectionTest, SecondDerivativeOfANanPixelIsNan) {
  at::Tensor x = Random({1, 3, 4});
  x[0][1][2] = kNan;
  x.set_requires_grad(true);
  const at::Tensor y = SimplexProjection(x, 0.5);
  const at::Tensor g = at::ones_like(y).set_requires_grad(true);
  const at::Tensor r =
      torch::autograd::grad({y}, {x}, {g}, /*retain_graph=*/true,
                            /*create_graph=*/true)[0];
  const at::Tensor second =
      torch::autograd::grad({r}, {g}, {at::ones_like(r)})[0];
  EXPECT_TRUE(at::equal(second.isnan().all(1), second.isnan().any(1)));
  EXPECT_THAT(Values(second.isnan().any(1)),
              ::testing::ElementsAre(0, 0, 1, 0));
}

TEST(SimplexProjectionTest, StepSkipsTheGradientNobodyNeeds) {
  const at::Tensor q = Random({1, 3, 4000}).set_requires_grad(true);
  const at::Tensor g = Random({1, 3, 4000}, 2).set_requires_grad(true);
  const at::Tensor ones = at::ones_like(q);
  const auto bytes = [&](const std::vector<at::Tensor>& wanted) {
    const at::Tensor y = SimplexProjectionStep(q, g, 0.5);
    return CountAllocations([&] { torch::autograd::grad({y}, wanted, {ones}); })
        .bytes;
  };
  const int64_t one = 3 * 4000 * sizeof(double);
  EXPECT_LE(bytes({q}) + one, bytes({q, g}));
}

TEST(SimplexProjectionTest, FloatAgreesWithDouble) {
  for (int64_t labels : {2, 5, 21}) {
    const at::Tensor x = Random({2, labels, 31, 17});
    const at::Tensor x32 = x.to(at::kFloat);
    // Entries of size about 4: a few float roundings of 2.4e-7.
    EXPECT_TRUE(at::allclose(SimplexProjection(x32, 0.5).to(at::kDouble),
                             SimplexProjection(x32.to(at::kDouble), 0.5), 0.0,
                             1e-6));
  }
}

TEST(SimplexProjectionTest, AnyStridesGiveTheSame) {
  for (int64_t labels : {2, 3, 21}) {
    const at::Tensor x = Random({3, labels, 19, 23});
    const at::Tensor y = SimplexProjection(x, 0.5);
    for (const at::Tensor& other : Layouts(x)) {
      EXPECT_TRUE(at::equal(SimplexProjection(other, 0.5), y));
    }
    EXPECT_EQ(SimplexProjection(ChannelsLast(x), 0.5).strides(),
              ChannelsLast(x).strides());
    const at::Tensor shared = x.slice(0, 0, 1).expand({3, labels, 19, 23});
    EXPECT_TRUE(at::equal(SimplexProjection(shared, 0.5)[2], y[0]));
    EXPECT_TRUE(at::equal(SimplexProjection(x.flatten(2), 0.5), y.flatten(2)));
  }
}

TEST(SimplexProjectionTest, NumberOfThreadsDoesNotChangeABit) {
  const int threads = at::get_num_threads();
  for (bool channels_last : {false, true}) {
    const auto layout = [&](const at::Tensor& x) {
      return (channels_last ? ChannelsLast(x) : x).to(at::kFloat);
    };
    const at::Tensor x =
        layout(Random({2, 21, 60, 61})).set_requires_grad(true);
    const at::Tensor g =
        layout(Random({2, 21, 60, 61}, 4)).set_requires_grad(true);
    const auto run = [&](int count) {
      at::set_num_threads(count);
      const at::Tensor y = SimplexProjectionStep(x, g, 0.3, 0.5);
      std::vector<at::Tensor> result =
          torch::autograd::grad({y}, {x, g}, {g.detach()});
      result.push_back(y.detach());
      result.push_back(SimplexProjection(x.detach()));
      return result;
    };
    const std::vector<at::Tensor> one = run(1);
    for (int count : {2, 3, 5}) {
      const std::vector<at::Tensor> several = run(count);
      for (size_t i = 0; i < one.size(); ++i) {
        EXPECT_TRUE(at::equal(several[i], one[i]))
            << count << " threads, result " << i;
      }
    }
  }
  at::set_num_threads(threads);
}

TEST(SimplexProjectionTest, EveryInstructionSetAgrees) {
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (int64_t labels : {2, 3, 21}) {
      const at::Tensor x =
          Random({2, labels, 5, 15}).to(type).set_requires_grad(true);
      const at::Tensor g = Random({2, labels, 5, 15}, 6).to(type);
      const auto run = [&] {
        const at::Tensor y = SimplexProjectionStep(x, g, 0.3, 0.5);
        std::vector<at::Tensor> result = torch::autograd::grad({y}, {x}, {g});
        result.push_back(y.detach());
        result.push_back(SimplexProjection(ChannelsLast(g)));
        return result;
      };
      const std::vector<at::Tensor> expected = run();
      ForEachTarget([&](const char* name) {
        const std::vector<at::Tensor> actual = run();
        // Different order of sums and no fused multiply-add.
        const double tolerance = type == at::kFloat ? 1e-5 : 1e-13;
        for (size_t i = 0; i < actual.size(); ++i) {
          EXPECT_TRUE(at::allclose(actual[i], expected[i], 0.0, tolerance))
              << name << " " << labels << " labels, result " << i;
        }
      });
    }
  }
}

TEST(SimplexProjectionTest, EmptyAndSmallSizes) {
  EXPECT_EQ(SimplexProjection(at::zeros({0, 3, 4, 4})).sizes(),
            (std::vector<int64_t>{0, 3, 4, 4}));
  EXPECT_EQ(SimplexProjection(at::zeros({2, 3, 0, 4})).sizes(),
            (std::vector<int64_t>{2, 3, 0, 4}));
  EXPECT_EQ(SimplexProjection(at::zeros({2, 1, 1, 1})).sum().item<float>(),
            2.0f);
  const at::Tensor leaf = at::zeros({0, 3, 4}).set_requires_grad(true);
  EXPECT_EQ(
      torch::autograd::grad({SimplexProjection(leaf).sum()}, {leaf})[0].sizes(),
      leaf.sizes());
}

TEST(SimplexProjectionTest, ChangingTheOutputBeforeTheBackwardPassIsAnError) {
  const at::Tensor x = Random({1, 3, 4}).set_requires_grad(true);
  at::Tensor y = SimplexProjection(x);
  const at::Tensor loss = y.square().sum();
  {
    const c10::NoGradGuard no_grad;
    y.add_(1);
  }
  ExpectError([&] { torch::autograd::grad({loss}, {x}); },
              "modified by an inplace operation");
}

TEST(SimplexProjectionTest, AutocastTakesHalfTypesInFloat32) {
  for (at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor x =
        Random({2, 5, 3, 4}).to(type).detach().set_requires_grad(true);
    const at::Tensor g = Random({2, 5, 3, 4}, 8).to(at::kFloat);
    at::Tensor y, step, exact;
    {
      const ScopedAutocast autocast(type);
      y = SimplexProjection(x);
      step = SimplexProjectionStep(x, g, 0.3, 0.5);
      exact = SimplexProjection(x.to(at::kDouble));
    }
    const at::Tensor full = x.detach().to(at::kFloat);
    EXPECT_EQ(y.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(y, SimplexProjection(full)));
    EXPECT_TRUE(at::equal(step, SimplexProjectionStep(full, g, 0.3, 0.5)));
    EXPECT_EQ(exact.scalar_type(), at::kDouble);
    EXPECT_EQ(torch::autograd::grad({y.square().sum()}, {x})[0].scalar_type(),
              type);
    // Without it a half type stays refused.
    ExpectError([&] { SimplexProjection(x); }, "float32 or float64, got ");
  }
}

TEST(SimplexProjectionTest, MetaGivesSizesAndStrides) {
  const at::Tensor x = Random({2, 3, 4, 5});
  std::vector<at::Tensor> layouts = Layouts(x);
  layouts.push_back(x.slice(0, 0, 1).expand({4, 3, 4, 5}));
  layouts.push_back(x.permute({2, 1, 0, 3}));
  for (const at::Tensor& layout : layouts) {
    const at::Tensor meta =
        at::empty_strided(layout.sizes(), layout.strides(),
                          layout.options().device(at::kMeta))
            .set_requires_grad(true);
    const at::Tensor real = SimplexProjection(layout);
    const at::Tensor y = SimplexProjection(meta);
    EXPECT_TRUE(y.is_meta());
    EXPECT_EQ(y.sizes(), real.sizes());
    EXPECT_EQ(y.strides(), real.strides());
    EXPECT_EQ(
        torch::autograd::grad({y}, {meta}, {at::empty_like(y)})[0].sizes(),
        layout.sizes());
  }
}

TEST(SimplexProjectionTest, ABuildWithoutCudaSaysSo) {
  if (c10::Dispatcher::singleton()
          .findSchemaOrThrow("segpapers::simplex_projection_forward", "")
          .hasKernelForDispatchKey(c10::DispatchKey::CUDA)) {
    GTEST_SKIP() << "this build has CUDA";
  }
  ExpectError(
      [] {
        SimplexProjection(OnCuda({2, 3}));
      },
      "SimplexProjection: built without CUDA; use --config=cuda");
  ExpectError(
      [] {
        SimplexProjectionStep(OnCuda({2, 3}), OnCuda({2, 3}), 0.5);
      },
      "SimplexProjectionStep: built without CUDA");
}

TEST(SimplexProjectionTest, Errors) {
  ExpectError([] { SimplexProjection(at::zeros({3})); },
              "x must be [N, L, ...], got sizes [3]");
  ExpectError(
      [] {
        SimplexProjection(at::zeros({2, 0, 3}));
      },
      "at least one label");
  ExpectError(
      [] {
        SimplexProjection(at::zeros({2, 2}, at::kInt));
      },
      "float32 or float64, got Int");
  const at::Tensor elsewhere =
      at::zeros({2, 2}, at::TensorOptions().device(at::kMeta));
  ExpectError(
      [&] {
        SimplexProjectionStep(at::zeros({2, 2}), elsewhere, 1.0);
      },
      "gradient must be on the device of q, cpu, got meta");
  ExpectError(
      [] {
        SimplexProjection(at::zeros({2, 2}), 1.5);
      },
      "leak must be in [0, 1], got 1.5");
  ExpectError([] { SimplexProjection(at::zeros({2, 2}), kNan); }, "leak");
  ExpectError(
      [] {
        SimplexProjectionStep(at::zeros({2, 2}), at::zeros({2, 3}), 1.0);
      },
      "gradient must match q [2, 2], got [2, 3]");
  ExpectError(
      [] {
        SimplexProjectionStep(at::zeros({2, 2}), at::zeros({2, 2}, at::kDouble),
                              1.0);
      },
      "gradient must have the type of q");
}

}  // namespace
}  // namespace seg
