#include "common/layers/mean_field/crf_rnn.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "common/layers/mean_field/mean_field.h"
#include "common/layers/permutohedral/features.h"
#include "common/testing/gradcheck.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Norm = LatticeNormalization;

double MaxError(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Images of noise, logits and weights that are no multiples of the identity, in
// double.
struct Case {
  Case(int64_t batch, int64_t labels, int64_t height, int64_t width) {
    at::manual_seed(5);
    images = at::rand({batch, 3, height, width}) * 40 + 100;
    logits = at::randn({batch, labels, height, width}, at::kDouble);
    const auto matrix = [&](double diagonal) {
      return at::eye(labels, at::kDouble) * diagonal +
             0.3 * at::randn({labels, labels}, at::kDouble);
    };
    weights = {matrix(2), matrix(3), matrix(1)};
  }
  at::Tensor Run(int64_t iterations, Norm norm = Norm::kAfter) const {
    return Run(logits, weights, iterations, norm);
  }
  at::Tensor Run(const at::Tensor& u, const CrfRnnWeights& w,
                 int64_t iterations, Norm norm = Norm::kAfter) const {
    return CrfRnnInference(u, Spatial(), Bilateral(), w, iterations, norm);
  }
  LatticeVector Spatial() const {
    return BuildSpatialLattices(images.size(0), images.size(2), images.size(3),
                                2);
  }
  LatticeVector Bilateral() const {
    return BuildBilateralLattices(images, 4, 15);
  }

  at::Tensor images;
  at::Tensor logits;
  CrfRnnWeights weights;
};

TEST(CrfRnnTest, OneIterationOnTwoPixelsByHand) {
  // So wide a spatial kernel that each pixel gets the mean of both, and colours
  // so far apart that the bilateral one leaves a pixel to itself.
  const LatticeVector spatial = BuildSpatialLattices(1, 1, 2, 1e6);
  at::Tensor image = at::zeros({1, 3, 1, 2});
  image.select(3, 1).fill_(255);
  const LatticeVector bilateral = BuildBilateralLattices(image, 1, 1);
  const double u[2][2] = {{0.5, -1}, {0.2, 1.5}};  // label, pixel
  const double ws[2][2] = {{1, 0.5}, {-0.25, 2}};
  const double wb[2][2] = {{3, -0.5}, {0.75, 1}};
  const double c[2][2] = {{1, -0.2}, {0.4, 0.9}};
  const auto tensor = [](const double(&m)[2][2]) {
    return at::tensor({m[0][0], m[0][1], m[1][0], m[1][1]}, at::kDouble)
        .view({2, 2});
  };
  const at::Tensor log_q =
      CrfRnnInference(tensor(u).view({1, 2, 1, 2}), spatial, bilateral,
                      {tensor(ws), tensor(wb), tensor(c)}, 1, Norm::kAfter);

  double q[2][2];
  for (int p = 0; p < 2; ++p) {
    const double e0 = std::exp(u[0][p]), e1 = std::exp(u[1][p]);
    q[0][p] = e0 / (e0 + e1);
    q[1][p] = e1 / (e0 + e1);
  }
  for (int p = 0; p < 2; ++p) {
    double message[2], score[2];
    for (int l = 0; l < 2; ++l) {
      message[l] = 0;
      for (int m = 0; m < 2; ++m) {
        message[l] += ws[l][m] * (q[m][0] + q[m][1]) / 2 + wb[l][m] * q[m][p];
      }
    }
    for (int l = 0; l < 2; ++l) {
      score[l] = u[l][p] + c[l][0] * message[0] + c[l][1] * message[1];
    }
    const double log_sum = std::log(std::exp(score[0]) + std::exp(score[1]));
    for (int l = 0; l < 2; ++l) {
      // The two pixels are 1e-6 apart for the spatial kernel.
      EXPECT_NEAR(log_q[0][l][0][p].item<double>(), score[l] - log_sum, 1e-5)
          << "pixel " << p << ", label " << l;
    }
  }
}

TEST(CrfRnnTest, EqualsTheDenseCrfForPottsAndEqualWeights) {
  const Case c(2, 4, 9, 11);
  const at::Tensor eye = at::eye(4, at::kDouble);
  // mu[l,m] = [l != m] as the paper writes Potts, and the start of the layer.
  for (const at::Tensor& compatibility : {eye, eye - 1}) {
    for (const Norm norm : {Norm::kSymmetric, Norm::kAfter}) {
      MeanFieldOptions options;
      options.iterations = 4;
      options.spatial_weight = 1.5;
      options.bilateral_weight = 2.5;
      options.normalization = norm;
      const at::Tensor expected =
          MeanField(-c.logits, c.Spatial(), c.Bilateral(), options);
      const at::Tensor log_q =
          c.Run(c.logits, {1.5 * eye, 2.5 * eye, compatibility}, 4, norm);
      EXPECT_LT(MaxError(log_q.exp(), expected), 1e-11);
      // It does something.
      EXPECT_GT(MaxError(log_q, at::log_softmax(c.logits, 1)), 0.1);
    }
  }
}

TEST(CrfRnnTest, TheModuleStartsAsTheDenseCrf) {
  const Case c(1, 3, 8, 10);
  CrfRnn layer(CrfRnnOptions(3).theta_position(5).theta_colour(20));
  layer->to(at::kDouble);
  MeanFieldOptions options;
  options.spatial_theta = 3;
  options.spatial_weight = 3;
  options.bilateral_theta_position = 5;
  options.bilateral_theta_colour = 20;
  options.bilateral_weight = 5;
  options.normalization = Norm::kAfter;
  for (const bool training : {true, false}) {
    layer->train(training);
    options.iterations = training ? 5 : 10;
    EXPECT_LT(MaxError(layer->forward(c.logits, c.images).exp(),
                       MeanField(-c.logits, c.images, options)),
              1e-11);
  }
}

// The names of the published PyTorch form.
TEST(CrfRnnTest, ParameterNames) {
  CrfRnn layer(CrfRnnOptions(21));
  std::vector<std::string> names;
  for (const auto& item : layer->named_parameters()) {
    names.push_back(item.key());
    EXPECT_EQ(item.value().sizes(), at::IntArrayRef({21, 21}));
    EXPECT_TRUE(item.value().requires_grad());
  }
  EXPECT_THAT(names, ElementsAre("spatial_ker_weights", "bilateral_ker_weights",
                                 "compatibility_matrix"));
}

TEST(CrfRnnTest, GradCheck) {
  const Case c(2, 3, 3, 4);
  const LatticeVector spatial = c.Spatial();
  const LatticeVector bilateral = c.Bilateral();
  for (const Norm norm : {Norm::kAfter, Norm::kSymmetric}) {
    for (const int64_t iterations : {0, 1, 3}) {
      EXPECT_TRUE(GradCheck(
          [&](const auto& in) {
            return CrfRnnInference(in[0], spatial, bilateral,
                                   {in[1], in[2], in[3]}, iterations, norm);
          },
          {c.logits, c.weights.spatial, c.weights.bilateral,
           c.weights.compatibility}))
          << iterations;
    }
  }
}

TEST(CrfRnnTest, GradGradCheck) {
  const Case c(1, 2, 2, 3);
  const LatticeVector spatial = c.Spatial();
  const LatticeVector bilateral = c.Bilateral();
  EXPECT_TRUE(GradGradCheck(
      [&](const auto& in) {
        return CrfRnnInference(in[0], spatial, bilateral, {in[1], in[2], in[3]},
                               2, Norm::kAfter);
      },
      {c.logits, c.weights.spatial, c.weights.bilateral,
       c.weights.compatibility}));
}

TEST(CrfRnnTest, AConstantOfAPixelChangesNothing) {
  const Case c(1, 3, 6, 7);
  const at::Tensor constant = 50 * at::randn({1, 1, 6, 7}, at::kDouble);
  EXPECT_LT(MaxError(c.Run(c.logits + constant, c.weights, 4), c.Run(4)),
            1e-10);
}

TEST(CrfRnnTest, SumsAreOneForExtremeLogits) {
  const Case c(1, 3, 6, 7);
  const at::Tensor q = c.Run(1e4 * c.logits, c.weights, 3).exp();
  EXPECT_TRUE(at::isfinite(q).all().item<bool>());
  EXPECT_LT(MaxError(q.sum(1), at::ones({1, 6, 7}, at::kDouble)), 1e-12);
}

TEST(CrfRnnTest, FloatIsCloseToDouble) {
  const Case c(1, 5, 12, 14);
  const auto in_float = [](const at::Tensor& x) { return x.to(at::kFloat); };
  const at::Tensor log_q =
      c.Run(in_float(c.logits),
            {in_float(c.weights.spatial), in_float(c.weights.bilateral),
             in_float(c.weights.compatibility)},
            4);
  EXPECT_EQ(log_q.scalar_type(), at::kFloat);
  // Scores of about ten in float, iterated.
  EXPECT_LT(MaxError(log_q.exp().to(at::kDouble), c.Run(4).exp()), 1e-4);
}

TEST(CrfRnnTest, BatchesAndLayouts) {
  const Case c(3, 3, 6, 7);
  const at::Tensor all = c.Run(4);
  for (int64_t n = 0; n < 3; ++n) {
    Case one = c;
    one.images = c.images.narrow(0, n, 1);
    one.logits = c.logits.narrow(0, n, 1);
    // Products of matrices may add up in another order.
    EXPECT_LT(MaxError(one.Run(4)[0], all[n]), 1e-12) << n;
  }
  EXPECT_LT(MaxError(c.Run(c.logits.contiguous(at::MemoryFormat::ChannelsLast),
                           c.weights, 4),
                     all),
            1e-12);
  Case none = c;
  none.images = c.images.narrow(0, 0, 0);
  none.logits = c.logits.narrow(0, 0, 0);
  EXPECT_EQ(none.Run(4).sizes(), at::IntArrayRef({0, 3, 6, 7}));
}

TEST(CrfRnnTest, OneLabelAndAnEmptyBatchThroughTheModule) {
  CrfRnn one(CrfRnnOptions(1));
  const at::Tensor log_q =
      one->forward(at::randn({1, 1, 4, 5}), at::zeros({1, 3, 4, 5}));
  EXPECT_TRUE(log_q.equal(at::zeros_like(log_q)));
  CrfRnn layer(CrfRnnOptions(2));
  const at::Tensor empty =
      layer->forward(at::zeros({0, 2, 4, 5}), at::zeros({0, 3, 4, 5}));
  EXPECT_EQ(empty.sizes(), at::IntArrayRef({0, 2, 4, 5}));
  empty.sum().backward();
  for (const at::Tensor& p : layer->parameters()) {
    EXPECT_TRUE(p.grad().equal(at::zeros({2, 2})));
  }
}

// One update of the three matrices lowers the loss: their gradients have the
// right sign.
TEST(CrfRnnTest, LearnsWhichClassesLieTogether) {
  const Case c(1, 3, 10, 10);
  CrfRnn layer(CrfRnnOptions(3).theta_position(5).theta_colour(20));
  const at::Tensor logits = c.logits.to(at::kFloat);
  const at::Tensor target = at::randint(0, 3, {1, 10, 10}, at::kLong);
  const auto loss = [&] {
    return at::nll_loss2d(layer->forward(logits, c.images), target);
  };
  const at::Tensor before = loss();
  before.backward();
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& p : layer->parameters()) {
      EXPECT_GT(p.grad().abs().max().item<double>(), 0);
      p.sub_(0.05 * p.grad() / p.grad().norm());
    }
  }
  EXPECT_LT(loss().item<double>(), before.item<double>());
}

TEST(CrfRnnTest, Errors) {
  const Case c(1, 3, 4, 5);
  EXPECT_THAT(ErrorOf([&] { c.Run(c.logits[0], c.weights, 1); }),
              HasSubstr("CrfRnn: logits must be [N,L,H,W] with L >= 1"));
  EXPECT_THAT(ErrorOf([&] { c.Run(c.logits.to(at::kLong), c.weights, 1); }),
              HasSubstr("logits must be float32 or float64, got Long"));
  EXPECT_THAT(ErrorOf([&] { c.Run(c.logits.to(at::kFloat), c.weights, 1); }),
              HasSubstr("type of the spatial weights, Double, got Float"));
  EXPECT_THAT(ErrorOf([&] { c.Run(-1); }),
              HasSubstr("iterations must be >= 0, got -1"));
  CrfRnnWeights weights = c.weights;
  weights.compatibility = at::eye(2, at::kDouble);
  EXPECT_THAT(ErrorOf([&] { c.Run(c.logits, weights, 1); }),
              HasSubstr("the compatibility must be [3,3], a row and a column "
                        "for each class of the logits, got [2, 2]"));
  EXPECT_THAT(ErrorOf([&] {
                CrfRnnInference(c.logits, c.Spatial(),
                                BuildSpatialLattices(1, 3, 5, 1), c.weights, 1,
                                Norm::kAfter);
              }),
              HasSubstr("as many points as values have pixels"));
  EXPECT_THAT(ErrorOf([&] { CrfRnn layer(CrfRnnOptions(0)); }),
              HasSubstr("labels must be at least 1, got 0"));
  EXPECT_THAT(ErrorOf([&] { CrfRnn layer(CrfRnnOptions(2).iterations(-1)); }),
              HasSubstr("iterations must be >= 0, got -1 and 10"));
  CrfRnn layer(CrfRnnOptions(3));
  const at::Tensor logits = c.logits.to(at::kFloat);
  EXPECT_THAT(
      ErrorOf([&] { layer->forward(logits, c.images.narrow(2, 0, 3)); }),
      HasSubstr("images must be [1,3,4,5], got [1, 3, 3, 5]"));
  EXPECT_THAT(
      ErrorOf([&] { layer->forward(logits, c.images.to(at::kMeta)); }),
      HasSubstr("images must be on the device of logits, cpu, got meta"));
}

}  // namespace
}  // namespace seg
