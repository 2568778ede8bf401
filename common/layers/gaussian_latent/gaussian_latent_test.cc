#include "common/layers/gaussian_latent/gaussian_latent.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "common/layers/gaussian_latent/gaussian_head.h"
#include "common/metrics/likelihood.h"
#include "common/testing/gradcheck.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;

// mean and log-variance of size 1.
DiagonalGaussian RandomGaussian(at::IntArrayRef sizes, int64_t seed) {
  return {Random(sizes, seed), Random(sizes, seed + 100)};
}

at::Tensor Column(std::vector<double> values) {
  return at::tensor(values, at::kDouble).view({-1, 1});
}

double LogNormal(double z, double mean, double log_variance) {
  return -0.5 * (std::log(2.0 * M_PI) + log_variance +
                 (z - mean) * (z - mean) * std::exp(-log_variance));
}

TEST(GaussianLatentTest, HandWorked) {
  // q = N(1, 1), p = N(0, 4): 1/2 (log 4 + (1 + 1) / 4 - 1).
  const DiagonalGaussian q = {Column({1.0}), Column({0.0})};
  const DiagonalGaussian p = {Column({0.0}), Column({std::log(4.0)})};
  EXPECT_NEAR(KlDivergence(q, p).item<double>(), 0.5 * (std::log(4.0) - 0.5),
              1e-15);
  // The other way: 1/2 (-log 4 + 4 + 1 - 1).
  EXPECT_NEAR(KlDivergence(p, q).item<double>(), 0.5 * (4.0 - std::log(4.0)),
              1e-15);
  // sigma is 2, not 4 and not log 4.
  EXPECT_NEAR(SampleGaussian(p, Column({1.5})).item<double>(), 3.0, 1e-15);
  EXPECT_NEAR(LogDensity(p, Column({2.0})).item<double>(),
              -0.5 * std::log(2.0 * M_PI) - std::log(2.0) - 0.5, 1e-15);
}

TEST(GaussianLatentTest, AgreesWithLoops) {
  const std::vector<int64_t> sizes = {3, 2, 2, 4};
  const DiagonalGaussian q = RandomGaussian(sizes, 1);
  const DiagonalGaussian p = RandomGaussian(sizes, 2);
  const at::Tensor z = Random(sizes, 5);
  const at::Tensor kl = KlDivergence(q, p), density = LogDensity(q, z);
  const at::Tensor sample = SampleGaussian(q, z);
  ASSERT_THAT(kl.sizes(), ElementsAre(3));
  ASSERT_THAT(density.sizes(), ElementsAre(3));
  for (int64_t n = 0; n < 3; ++n) {
    const std::vector<double> mq = Values(q.mean[n]), mp = Values(p.mean[n]);
    const std::vector<double> sq = Values(q.log_variance[n]);
    const std::vector<double> sp = Values(p.log_variance[n]);
    const std::vector<double> x = Values(z[n]), drawn = Values(sample[n]);
    double expected_kl = 0.0, expected_density = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double vq = std::exp(sq[i]), vp = std::exp(sp[i]);
      const double distance = mq[i] - mp[i];
      expected_kl +=
          0.5 * (std::log(vp / vq) + (vq + distance * distance) / vp - 1.0);
      expected_density += LogNormal(x[i], mq[i], sq[i]);
      EXPECT_NEAR(drawn[i], mq[i] + std::sqrt(vq) * x[i], 1e-14);
    }
    EXPECT_NEAR(kl[n].item<double>(), expected_kl, 1e-12);
    EXPECT_NEAR(density[n].item<double>(), expected_density, 1e-12);
  }
}

TEST(GaussianLatentTest, KlIsTheMeanOfTheLogRatio) {
  const DiagonalGaussian q = RandomGaussian({1, 4}, 1);
  const DiagonalGaussian p = RandomGaussian({1, 4}, 2);
  const int64_t samples = 20000;
  const auto repeated = [samples](const DiagonalGaussian& gaussian) {
    return DiagonalGaussian{gaussian.mean.expand({samples, 4}),
                            gaussian.log_variance.expand({samples, 4})};
  };
  const at::Tensor z = SampleGaussian(repeated(q), Random({samples, 4}, 9));
  const at::Tensor ratio =
      LogDensity(repeated(q), z) - LogDensity(repeated(p), z);
  const double error =
      (ratio.var() / static_cast<double>(samples)).sqrt().item<double>();
  EXPECT_NEAR(ratio.mean().item<double>(), KlDivergence(q, p).item<double>(),
              4.0 * error);
}

TEST(GaussianLatentTest, KlIsZeroForEqualAndNeverNegative) {
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    const DiagonalGaussian q = {Random({5, 100}, 1).to(type),
                                Random({5, 100}, 2).to(type)};
    EXPECT_EQ(KlDivergence(q, q).abs().max().item<double>(), 0.0);
    // Close to each other: 1e-4 apart, the divergence is about 1e-8 each.
    const DiagonalGaussian p = {q.mean + 1e-4, q.log_variance - 1e-4};
    const at::Tensor kl = KlDivergence(q, p);
    EXPECT_GT(kl.min().item<double>(), 0.0);
  }
  const DiagonalGaussian q = RandomGaussian({50, 3}, 1);
  EXPECT_GT(KlDivergence(q, RandomGaussian({50, 3}, 7)).min().item<double>(),
            0.0);
}

TEST(GaussianLatentTest, ClampKeepsExtremesFinite) {
  const at::Tensor raw =
      Column({-1e4, -30.0, 0.5, 20.0, 1e4}).set_requires_grad(true);
  const DiagonalGaussian q = MakeDiagonalGaussian(at::zeros_like(raw), raw);
  EXPECT_THAT(Values(q.log_variance.detach()),
              ElementsAre(-30.0, -30.0, 0.5, 20.0, 20.0));
  const DiagonalGaussian p = MakeDiagonalGaussian(at::zeros_like(raw), -raw);
  const at::Tensor loss =
      KlDivergence(q, p).sum() + SampleGaussian(q, at::ones_like(raw)).sum();
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
  const at::Tensor gradient = torch::autograd::grad({loss}, {raw})[0];
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  EXPECT_EQ(gradient[0].item<double>(), 0.0);
  EXPECT_NE(gradient[2].item<double>(), 0.0);
  EXPECT_EQ(gradient[4].item<double>(), 0.0);
}

// y | z ~ N(a z + b, s^2) and z ~ N(m, v) in one dimension: p(y) is known in
// closed form and by integration; both estimators agree with it, and the one
// that draws from near the posterior needs fewer samples.
TEST(GaussianLatentTest, ImportanceSamplingAgreesWithExactIntegration) {
  const double a = 1.7, b = -0.3, variance = 0.04, y = 1.9;
  const DiagonalGaussian prior = {Column({0.2}), Column({std::log(0.8)})};
  const auto log_p_y_given_z = [=](const at::Tensor& z) {
    return -0.5 * (std::log(2.0 * M_PI * variance) +
                   (y - b - a * z.flatten()).square() / variance);
  };
  // Trapezoids over 12 standard deviations: exact to rounding.
  const at::Tensor grid = at::linspace(-10.0, 10.0, 200001, at::kDouble);
  const auto repeated = [](const DiagonalGaussian& gaussian, int64_t n) {
    return DiagonalGaussian{gaussian.mean.expand({n, 1}),
                            gaussian.log_variance.expand({n, 1})};
  };
  const at::Tensor joint =
      LogDensity(repeated(prior, grid.numel()), grid.view({-1, 1})) +
      log_p_y_given_z(grid);
  const double exact = std::log(1e-4 * joint.exp().sum().item<double>());
  EXPECT_NEAR(exact,
              LogNormal(y, a * 0.2 + b, std::log(a * a * 0.8 + variance)),
              1e-12);

  // Not the posterior, N(1.282, 0.0136), but wider and off.
  const DiagonalGaussian proposal = {Column({1.2}), Column({std::log(0.03)})};
  const int64_t samples = 4000;
  const at::Tensor noise = Random({samples, 1}, 21);
  const at::Tensor z = SampleGaussian(repeated(proposal, samples), noise);
  const LikelihoodEstimate importance = EstimateLogLikelihood(
      Values(log_p_y_given_z(z) + LogDensity(repeated(prior, samples), z) -
             LogDensity(repeated(proposal, samples), z)));
  const LikelihoodEstimate monte_carlo = EstimateLogLikelihood(
      Values(log_p_y_given_z(SampleGaussian(repeated(prior, samples), noise))));
  EXPECT_NEAR(importance.log_likelihood, exact,
              4.0 * importance.standard_error);
  EXPECT_NEAR(monte_carlo.log_likelihood, exact,
              4.0 * monte_carlo.standard_error);
  EXPECT_LT(importance.standard_error, 0.02);
  EXPECT_LT(importance.standard_error, 0.5 * monte_carlo.standard_error);
  EXPECT_GT(importance.effective_samples, 2.0 * monte_carlo.effective_samples);
  EXPECT_LT(importance.effective_samples, 4000.0);
}

TEST(GaussianLatentTest, GradientMatchesFiniteDifferences) {
  const std::vector<int64_t> sizes = {2, 3, 2};
  const auto kl = [](const std::vector<at::Tensor>& in) {
    return KlDivergence(MakeDiagonalGaussian(in[0], in[1]),
                        MakeDiagonalGaussian(in[2], in[3]));
  };
  const auto density = [](const std::vector<at::Tensor>& in) {
    return LogDensity({in[0], in[1]}, in[2]);
  };
  const auto sample = [](const std::vector<at::Tensor>& in) {
    return SampleGaussian({in[0], in[1]}, in[2]);
  };
  const std::vector<at::Tensor> plain = {Random(sizes, 1), Random(sizes, 2),
                                         Random(sizes, 3), Random(sizes, 4)};
  std::vector<std::vector<at::Tensor>> inputs = {plain};
  for (size_t layout = 0; layout < 3; ++layout) {
    inputs.emplace_back();
    for (const at::Tensor& x : plain) {
      inputs.back().push_back(Layouts(x)[layout]);
    }
  }
  for (const std::vector<at::Tensor>& in : inputs) {
    EXPECT_TRUE(GradCheck(kl, in));
    EXPECT_TRUE(GradCheck(density, {in[0], in[1], in[2]}));
    EXPECT_TRUE(GradCheck(sample, {in[0], in[1], in[2]}));
    EXPECT_TRUE(
        at::equal(KlDivergence({in[0], in[1]}, {in[2], in[3]}),
                  KlDivergence({plain[0], plain[1]}, {plain[2], plain[3]})));
  }
}

TEST(GaussianLatentTest, FloatAgreesWithDouble) {
  const std::vector<int64_t> sizes = {2, 32, 8, 8};
  const DiagonalGaussian q = RandomGaussian(sizes, 1);
  const DiagonalGaussian p = RandomGaussian(sizes, 2);
  const auto single = [](const DiagonalGaussian& gaussian) {
    return DiagonalGaussian{gaussian.mean.to(at::kFloat),
                            gaussian.log_variance.to(at::kFloat)};
  };
  const at::Tensor kl = KlDivergence(single(q), single(p));
  EXPECT_EQ(kl.scalar_type(), at::kFloat);
  // Sums of about 5000 over 2048 components, in float.
  EXPECT_TRUE(at::allclose(kl.to(at::kDouble), KlDivergence(q, p), 1e-5, 0.0));
  const at::Tensor z = Random(sizes, 3);
  const at::Tensor density = LogDensity(single(q), z.to(at::kFloat));
  EXPECT_EQ(density.scalar_type(), at::kDouble);
  // Only the inputs are rounded.
  EXPECT_TRUE(at::allclose(density, LogDensity(q, z), 1e-6, 0.0));
}

TEST(GaussianLatentTest, EmptyOneImageAndOneComponent) {
  const DiagonalGaussian none = {at::zeros({0, 2, 3}), at::zeros({0, 2, 3})};
  EXPECT_THAT(KlDivergence(none, none).sizes(), ElementsAre(0));
  EXPECT_THAT(LogDensity(none, none.mean).sizes(), ElementsAre(0));
  EXPECT_THAT(SampleGaussian(none, none.mean).sizes(), ElementsAre(0, 2, 3));
  const DiagonalGaussian no_component = {at::zeros({2, 0}), at::zeros({2, 0})};
  EXPECT_THAT(Values(KlDivergence(no_component, no_component)),
              ElementsAre(0.0, 0.0));
  // [N]: one component each.
  const DiagonalGaussian q = RandomGaussian({4}, 1), p = RandomGaussian({4}, 2);
  EXPECT_TRUE(at::equal(
      KlDivergence(q, p),
      KlDivergence({q.mean.view({4, 1}), q.log_variance.view({4, 1})},
                   {p.mean.view({4, 1}), p.log_variance.view({4, 1})})));
  // One image is a row of the batch.
  const DiagonalGaussian a = RandomGaussian({3, 5}, 1);
  const DiagonalGaussian b = RandomGaussian({3, 5}, 2);
  const at::Tensor all = KlDivergence(a, b);
  for (int64_t n = 0; n < 3; ++n) {
    const auto row = [n](const DiagonalGaussian& gaussian) {
      return DiagonalGaussian{gaussian.mean.slice(0, n, n + 1),
                              gaussian.log_variance.slice(0, n, n + 1)};
    };
    EXPECT_NEAR(KlDivergence(row(a), row(b)).item<double>(),
                all[n].item<double>(), 1e-13);
  }
}

TEST(GaussianHeadTest, StartsWithUnitVarianceAndHasTheseParameters) {
  GaussianHead head(GaussianHeadOptions(6, 4, 3));
  const auto parameters = head->named_parameters();
  ASSERT_EQ(parameters.size(), 4u);
  EXPECT_THAT(parameters["mean.weight"].sizes(), ElementsAre(4, 6, 3, 3));
  EXPECT_THAT(parameters["mean.bias"].sizes(), ElementsAre(4));
  EXPECT_THAT(parameters["log_variance.weight"].sizes(),
              ElementsAre(4, 6, 3, 3));
  EXPECT_THAT(parameters["log_variance.bias"].sizes(), ElementsAre(4));
  const at::Tensor x = Random({2, 6, 5, 7}).to(at::kFloat);
  const DiagonalGaussian gaussian = head->forward(x);
  EXPECT_THAT(gaussian.mean.sizes(), ElementsAre(2, 4, 5, 7));
  EXPECT_GT(gaussian.mean.abs().max().item<float>(), 0.0f);
  EXPECT_THAT(gaussian.log_variance.sizes(), ElementsAre(2, 4, 5, 7));
  EXPECT_EQ(gaussian.log_variance.abs().max().item<float>(), 0.0f);
  // It learns all the same.
  SampleGaussian(gaussian, at::ones_like(gaussian.mean)).sum().backward();
  EXPECT_GT(parameters["log_variance.weight"].grad().abs().max().item<float>(),
            0.0f);
  {
    const c10::NoGradGuard no_grad;
    parameters["log_variance.weight"].fill_(100.0);
  }
  EXPECT_EQ(head->forward(x.abs()).log_variance.max().item<float>(), 20.0f);
  EXPECT_TRUE(at::equal(head->Mean(x), gaussian.mean));
}

TEST(GaussianLatentTest, Errors) {
  const at::Tensor x = at::zeros({2, 3});
  ExpectError(
      [&] {
        MakeDiagonalGaussian(x, at::zeros({2, 4}));
      },
      "log_variance must have the sizes of mean, [2, 3], got [2, 4]");
  ExpectError([&] { MakeDiagonalGaussian(x.to(at::kInt), x); },
              "mean must be float32 or float64, got Int");
  ExpectError([&] { MakeDiagonalGaussian(at::zeros({}), at::zeros({})); },
              "mean must be [N, ...], got []");
  ExpectError(
      [&] {
        SampleGaussian({x, x}, at::zeros({3}));
      },
      "noise must have the sizes of mean, [2, 3], got [3]");
  ExpectError(
      [&] {
        SampleGaussian({x, at::Tensor()}, x);
      },
      "log_variance must be float32 or float64, got nothing");
  ExpectError(
      [&] {
        LogDensity({x, x}, x.to(at::kDouble));
      },
      "z must have the type of mean, Float, got Double");
  ExpectError(
      [&] {
        KlDivergence({x, x}, {at::zeros({3}), at::zeros({3})});
      },
      "mean of p must have the sizes of that of q, [2, 3], got [3]");
  ExpectError([&] { GaussianHead(GaussianHeadOptions(3, 2, 4)); },
              "kernel_size must be odd, got 4");
  ExpectError([&] { GaussianHead(GaussianHeadOptions(0, 2, 3)); },
              "at least 1, got 0 and 2");
}

}  // namespace
}  // namespace seg
