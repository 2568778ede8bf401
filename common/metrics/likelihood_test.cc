#include "common/metrics/likelihood.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace seg {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(LikelihoodTest, HandWorked) {
  // Weights 1 and 3: mean 2, standard deviation sqrt(2), error of the mean 1.
  const LikelihoodEstimate estimate =
      EstimateLogLikelihood({0.0, std::log(3.0)});
  EXPECT_EQ(estimate.samples, 2);
  EXPECT_NEAR(estimate.log_likelihood, std::log(2.0), 1e-15);
  EXPECT_NEAR(estimate.standard_error, 0.5, 1e-15);
  EXPECT_NEAR(estimate.effective_samples, 1.6, 1e-15);  // 16 / 10
}

TEST(LikelihoodTest, AFactorOnAllWeightsIsAShift) {
  std::vector<double> log_weights = {0.3, -1.0, 0.9, -0.2};
  const LikelihoodEstimate at_zero = EstimateLogLikelihood(log_weights);
  for (double shift : {-1e4, 1e4}) {  // exp would be 0 or infinity
    std::vector<double> shifted = log_weights;
    for (double& value : shifted) value += shift;
    const LikelihoodEstimate estimate = EstimateLogLikelihood(shifted);
    // 1e4 has a spacing of 2e-12.
    EXPECT_NEAR(estimate.log_likelihood - shift, at_zero.log_likelihood, 1e-11);
    EXPECT_NEAR(estimate.standard_error, at_zero.standard_error, 1e-11);
    EXPECT_NEAR(estimate.effective_samples, at_zero.effective_samples, 1e-11);
  }
}

TEST(LikelihoodTest, EqualWeightsAndOneThatDecides) {
  const LikelihoodEstimate equal =
      EstimateLogLikelihood(std::vector<double>(50, -800.0));
  EXPECT_NEAR(equal.log_likelihood, -800.0, 1e-12);
  EXPECT_NEAR(equal.effective_samples, 50.0, 1e-10);
  EXPECT_NEAR(equal.standard_error, 0.0, 1e-12);

  std::vector<double> one(50, -kInfinity);
  one[7] = 2.0;
  const LikelihoodEstimate alone = EstimateLogLikelihood(one);
  EXPECT_NEAR(alone.log_likelihood, 2.0 - std::log(50.0), 1e-14);
  EXPECT_NEAR(alone.effective_samples, 1.0, 1e-14);
  EXPECT_NEAR(alone.standard_error, 1.0, 1e-14);
}

TEST(LikelihoodTest, OneSampleAndNoWeight) {
  const LikelihoodEstimate single = EstimateLogLikelihood({-3.0});
  EXPECT_EQ(single.log_likelihood, -3.0);
  EXPECT_EQ(single.effective_samples, 1.0);
  EXPECT_TRUE(std::isnan(single.standard_error));

  const LikelihoodEstimate nothing =
      EstimateLogLikelihood({-kInfinity, -kInfinity});
  EXPECT_EQ(nothing.log_likelihood, -kInfinity);
  EXPECT_EQ(nothing.effective_samples, 0.0);
  EXPECT_EQ(nothing.samples, 2);
  EXPECT_TRUE(std::isnan(nothing.standard_error));
}

// The stated error is the spread of repeated estimates.
TEST(LikelihoodTest, StandardErrorIsTheSpreadOfEstimates) {
  std::mt19937_64 generator(11);
  std::normal_distribution<double> normal(-500.0, 0.5);
  const int repeats = 2000, samples = 200;
  double sum = 0.0, squares = 0.0, variance = 0.0;
  for (int i = 0; i < repeats; ++i) {
    std::vector<double> log_weights(samples);
    for (double& value : log_weights) value = normal(generator);
    const LikelihoodEstimate estimate = EstimateLogLikelihood(log_weights);
    // E[w] = exp(-500 + 0.5^2 / 2).
    const double error = estimate.log_likelihood + 500.0 - 0.125;
    sum += error;
    squares += error * error;
    variance += estimate.standard_error * estimate.standard_error;
  }
  // 2000 estimates know their variance to 3 %, one standard deviation.
  EXPECT_NEAR(squares / variance, 1.0, 0.13);
  // Their mean, -SE^2 / 2 = -0.0007, to 0.0008.
  EXPECT_NEAR(sum / repeats, -0.5 * variance / repeats, 0.0033);
}

TEST(LikelihoodTest, Errors) {
  EXPECT_THROW(EstimateLogLikelihood({}), c10::Error);
  EXPECT_THROW(EstimateLogLikelihood({0.0, kInfinity}), c10::Error);
  EXPECT_THROW(EstimateLogLikelihood({std::nan(""), 0.0}), c10::Error);
}

}  // namespace
}  // namespace seg
