#include "common/layers/mean_field/mean_field.h"

#include <cmath>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/io/safetensors.h"
#include "common/layers/mean_field/softmax_rows.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/naive_lattice.h"
#include "common/testing/gradcheck.h"
#include "common/testing/instruction_sets.h"
#include "common/testing/torch_errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace seg {
namespace {

using ::testing::HasSubstr;
using Norm = LatticeNormalization;

double MaxError(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Mean field with the kernels as dense matrices, [L,P] energies.
at::Tensor DenseMeanField(const at::Tensor& unary, const at::Tensor& kernel,
                          int64_t iterations) {
  at::Tensor q = at::softmax(-unary, 0);
  for (int64_t t = 0; t < iterations; ++t) {
    q = at::softmax(-unary + q.matmul(kernel.t()), 0);
  }
  return q;
}

// n K n of a non-negative matrix.
at::Tensor Symmetric(const at::Tensor& k) {
  const at::Tensor n = k.sum(1).rsqrt();
  return n.view({-1, 1}) * k * n.view({1, -1});
}

// Two areas of different colour and noisy energies.
struct Scene {
  explicit Scene(int64_t height, int64_t width, int64_t labels,
                 uint64_t seed = 1) {
    at::manual_seed(seed);
    const at::Tensor x = at::arange(width).view({1, 1, width});
    image = (at::where(x > width / 2, at::full({1}, 180.0), at::full({1}, 60.0))
                 .expand({3, height, width}) +
             at::randn({3, height, width}) * 8)
                .clamp(0, 255)
                .unsqueeze(0);
    unary = at::rand({1, labels, height, width}, at::kDouble) * 2;
  }
  at::Tensor image;  // [1,3,H,W] float
  at::Tensor unary;  // [1,L,H,W] double
};

TEST(SoftmaxRowsTest, EveryRowLengthAndInstructionSet) {
  at::manual_seed(1);
  for (int64_t row : {1, 2, 4, 8, 16, 24, 32}) {
    for (int64_t count : {0, 1, 7, 16, 37}) {
      const at::Tensor x = at::randn({count, row}, at::kDouble) * 20;
      const at::Tensor x32 = x.to(at::kFloat);
      const at::Tensor expected = at::softmax(x, 1);
      const at::Tensor expected32 = at::softmax(x32.to(at::kDouble), 1);
      ForEachTarget([&](const char* name) {
        const at::Tensor y = x.clone();
        mean_field::SoftmaxRows(count, row, y.data_ptr<double>());
        const at::Tensor z = x32.clone();
        mean_field::SoftmaxRows(count, row, z.data_ptr<float>());
        if (count == 0) return;
        EXPECT_LT(MaxError(y, expected), 1e-14) << name;
        // Differences of logits up to 100 are rounded to 8e-6.
        EXPECT_LT(MaxError(z, expected32), 5e-6) << name;
      });
    }
  }
}

TEST(SoftmaxRowsTest, RelativeErrorOfSmallProbabilities) {
  // p1 / p0 = exp(-k / 8): relative error of a few float roundings.
  std::vector<float> rows;
  for (int k = 0; k < 600; ++k) {
    rows.push_back(0);
    rows.push_back(static_cast<float>(-k) / 8);
  }
  mean_field::SoftmaxRows(600, 2, rows.data());
  for (int k = 0; k < 600; ++k) {
    const double e = std::exp(-k / 8.0);
    EXPECT_NEAR(rows[2 * k + 1] / (e / (1 + e)), 1, 4e-7) << k;
  }
}

TEST(SoftmaxRowsTest, NanStaysNan) {
  float two[] = {std::nanf(""), 1.0f};
  mean_field::SoftmaxRows(1, 2, two);
  EXPECT_TRUE(std::isnan(two[0]));
}

TEST(SoftmaxRowsTest, ExtremeLogits) {
  float two[] = {1e4f, -1e4f, -1e4f, 1e4f, 3.0f, 3.0f};
  mean_field::SoftmaxRows(3, 2, two);
  EXPECT_EQ(two[0], 1.0f);
  EXPECT_EQ(two[1], 0.0f);
  EXPECT_EQ(two[3], 1.0f);
  EXPECT_EQ(two[4], 0.5f);
  const float unused = static_cast<float>(mean_field::kUnusedLogit);
  float four[] = {-1e4f, -1e4f, -1e4f, unused};
  mean_field::SoftmaxRows(1, 4, four);
  EXPECT_FLOAT_EQ(four[0], 1.0f / 3);
  EXPECT_EQ(four[3], 0.0f);
}

TEST(MeanFieldTest, OnePixelByHand) {
  // One pixel: each normalised kernel is 1, so Q' = softmax(-U + (w_s + w_b)
  // Q).
  const at::Tensor unary =
      at::tensor({0.0, std::log(3.0)}, at::kDouble).view({1, 2, 1, 1});
  MeanFieldOptions options;
  options.iterations = 1;
  options.spatial_weight = 1.5;
  options.bilateral_weight = 0.5;
  const at::Tensor q = MeanField(unary, at::zeros({1, 3, 1, 1}), options);
  // Q^0 = (3/4, 1/4); logits (1.5, 0.5 - log 3).
  const double ratio = std::exp(0.5 - std::log(3.0) - 1.5);
  EXPECT_NEAR(q.flatten()[0].item<double>(), 1 / (1 + ratio), 1e-12);
  EXPECT_NEAR(q.flatten()[1].item<double>(), ratio / (1 + ratio), 1e-12);
}

TEST(MeanFieldTest, MatchesDenseMatricesOfTheLattice) {
  const Scene scene(7, 9, 3);
  MeanFieldOptions options;
  options.iterations = 4;
  options.bilateral_theta_position = 5;
  const at::Tensor k =
      options.spatial_weight *
          Symmetric(NaiveLattice(SpatialFeatures(7, 9, 3)).GaussianOperator()) +
      options.bilateral_weight *
          Symmetric(NaiveLattice(BilateralFeatures(scene.image[0], 5, 13))
                        .GaussianOperator());
  const at::Tensor expected = DenseMeanField(scene.unary[0].flatten(1), k, 4);
  const at::Tensor q = MeanField(scene.unary, scene.image, options);
  // Features and weights are float (6e-8), times energies of ten, iterated.
  EXPECT_LT(MaxError(q[0].flatten(1), expected), 2e-5);
}

TEST(MeanFieldTest, CloseToTheExactMeanField) {
  // Against O(P^2) sums of the true Gaussian.
  const Scene scene(14, 16, 3, 2);
  MeanFieldOptions options;
  options.iterations = 5;
  options.bilateral_theta_position = 10;
  options.bilateral_theta_colour = 20;
  options.spatial_weight = 1;
  options.bilateral_weight = 2;
  const auto gaussian = [](const at::Tensor& features) {
    const at::Tensor f = features.to(at::kDouble);
    return Symmetric((-0.5 * at::cdist(f, f).square()).exp());
  };
  const at::Tensor k = gaussian(SpatialFeatures(14, 16, 3)) +
                       2 * gaussian(BilateralFeatures(scene.image[0], 10, 20));
  const at::Tensor exact = DenseMeanField(scene.unary[0].flatten(1), k, 5);
  const at::Tensor q =
      MeanField(scene.unary, scene.image, options)[0].flatten(1);
  // The lattice's Gaussian is good to some per cent of the kernel's sum.
  EXPECT_LT((q - exact).abs().mean().item<double>(), 0.02);
  EXPECT_GT(
      (q.argmax(0) == exact.argmax(0)).to(at::kDouble).mean().item<double>(),
      0.97);
}

TEST(MeanFieldTest, AgreesWithPydensecrf) {
  const auto golden = ReadSafetensors(
      "common/layers/mean_field/testdata/pydensecrf.safetensors");
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  const at::Tensor image = golden->at("image").unsqueeze(0);
  const at::Tensor unary = golden->at("unary").unsqueeze(0);
  MeanFieldOptions options;
  options.iterations = 5;
  for (const auto& [name, pos, col] : {std::make_tuple("q_a", 80.0, 13.0),
                                       std::make_tuple("q_b", 160.0, 3.0)}) {
    options.bilateral_theta_position = pos;
    options.bilateral_theta_colour = col;
    const at::Tensor q = MeanField(unary, image, options)[0];
    // Both compute in float, in different orders; five iterations amplify it.
    EXPECT_LT(MaxError(q, golden->at(name)), 5e-4) << name;
    EXPECT_LT((q - golden->at(name)).abs().mean().item<double>(), 5e-6) << name;
  }
}

TEST(MeanFieldTest, FusedAndDifferentiablePathsAgree) {
  for (int64_t labels : {1, 2, 3, 4, 5, 21}) {
    const Scene scene(9, 8, labels);
    for (Norm norm :
         {Norm::kNone, Norm::kSymmetric, Norm::kBefore, Norm::kAfter}) {
      MeanFieldOptions options;
      options.iterations = 3;
      options.bilateral_theta_position = 6;
      options.normalization = norm;
      options.bilateral_weight = norm == Norm::kNone ? 0.02 : 3;
      options.spatial_weight = norm == Norm::kNone ? 0.01 : 2;
      const at::Tensor u = scene.unary.clone().set_requires_grad(true);
      const at::Tensor slow = MeanField(u, scene.image, options);
      const at::Tensor fast = MeanField(scene.unary, scene.image, options);
      EXPECT_TRUE(slow.requires_grad());
      EXPECT_FALSE(fast.requires_grad());
      EXPECT_LT(MaxError(fast, slow.detach()), 1e-11);
      EXPECT_LT(MaxError(fast.sum(1), at::ones({1, 9, 8}, at::kDouble)), 1e-12);
    }
  }
}

TEST(MeanFieldTest, GradCheck) {
  const Scene scene(4, 5, 3);
  MeanFieldOptions options;
  options.iterations = 3;
  options.bilateral_theta_position = 4;
  options.bilateral_weight = 2;
  EXPECT_TRUE(GradCheck(
      [&](const auto& in) { return MeanField(in[0], scene.image, options); },
      {scene.unary}));
}

TEST(MeanFieldTest, SmoothsALabellingWithinColours) {
  // A weak, noisy preference for the right label per half: the CRF cleans it.
  Scene scene(40, 40, 2, 5);
  scene.unary.select(1, 0).slice(2, 21) += 0.5;
  scene.unary.select(1, 1).slice(2, 0, 21) += 0.5;
  const at::Tensor truth =
      (at::arange(40) > 20).view({1, 1, 40}).expand({1, 40, 40}).to(at::kLong);
  const auto accuracy = [&](const at::Tensor& q) {
    return (q.argmax(1) == truth).to(at::kDouble).mean().item<double>();
  };
  EXPECT_LT(accuracy(-scene.unary), 0.8);
  EXPECT_GT(accuracy(MeanField(scene.unary, scene.image)), 0.99);
}

TEST(MeanFieldTest, OptionsThatLeaveKernelsOut) {
  const Scene scene(6, 7, 3);
  MeanFieldOptions options;
  options.spatial_weight = 0;
  options.bilateral_weight = 0;
  const at::Tensor q = MeanField(scene.unary, scene.image, options);
  EXPECT_LT(MaxError(q, at::softmax(-scene.unary, 1)), 1e-14);
  options.spatial_weight = 2;
  options.iterations = 0;
  EXPECT_TRUE(MeanField(scene.unary, scene.image, options).equal(q));
  options.iterations = 2;
  const LatticeVector spatial = BuildSpatialLattices(1, 6, 7, 3);
  EXPECT_TRUE(MeanField(scene.unary, scene.image, options)
                  .equal(MeanField(scene.unary, spatial, {}, options)));
}

TEST(MeanFieldTest, LayoutsBatchesAndTypes) {
  const Scene a(9, 11, 5, 1);
  const Scene b(9, 11, 5, 2);
  const at::Tensor unary = at::cat({a.unary, b.unary, a.unary});
  const at::Tensor images = at::cat({a.image, b.image, a.image});
  MeanFieldOptions options;
  options.iterations = 4;
  const at::Tensor q = MeanField(unary, images, options);
  EXPECT_TRUE(q.is_contiguous());
  EXPECT_TRUE(q[0].equal(MeanField(a.unary, a.image, options)[0]));
  EXPECT_TRUE(q[1].equal(MeanField(b.unary, b.image, options)[0]));
  EXPECT_TRUE(q[2].equal(q[0]));
  EXPECT_TRUE(MeanField(unary.contiguous(at::MemoryFormat::ChannelsLast),
                        images.contiguous(at::MemoryFormat::ChannelsLast),
                        options)
                  .equal(q));
  EXPECT_TRUE(MeanField(unary.transpose(2, 3).contiguous().transpose(2, 3),
                        images, options)
                  .equal(q));
  // Four iterations of energies of ten in float.
  EXPECT_LT(MaxError(MeanField(unary.to(at::kFloat), images, options), q),
            1e-4);
  EXPECT_EQ(MeanField(unary.slice(0, 0, 0), images.slice(0, 0, 0)).sizes(),
            at::IntArrayRef({0, 5, 9, 11}));
  const at::Tensor one_label = MeanField(a.unary.slice(1, 0, 1), a.image);
  EXPECT_TRUE(one_label.equal(at::ones_like(one_label)));
  EXPECT_EQ(MeanField(at::zeros({1, 3, 0, 4}), at::zeros({1, 3, 0, 4})).sizes(),
            at::IntArrayRef({1, 3, 0, 4}));
}

TEST(MeanFieldTest, TheNumberOfThreadsChangesNothing) {
  const Scene scene(100, 95, 5);
  const int threads = at::get_num_threads();
  MeanFieldOptions options;
  options.iterations = 3;
  const auto run = [&](int n, at::ScalarType type) {
    at::set_num_threads(n);
    return MeanField(scene.unary.to(type), scene.image, options);
  };
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor one = run(1, type);
    EXPECT_TRUE(run(2, type).equal(one));
    EXPECT_TRUE(run(5, type).equal(one));
  }
  at::set_num_threads(threads);
}

TEST(MeanFieldTest, Errors) {
  const Scene scene(6, 7, 3);
  EXPECT_THAT(ErrorOf([&] { MeanField(scene.unary[0], scene.image); }),
              HasSubstr("MeanField: unary must be [N,L,H,W] with L >= 1"));
  EXPECT_THAT(
      ErrorOf([&] { MeanField(scene.unary.to(at::kLong), scene.image); }),
      HasSubstr("float32 or float64, got Long"));
  EXPECT_THAT(
      ErrorOf([&] { MeanField(scene.unary.to(at::kMeta), scene.image); }),
      HasSubstr("MeanField: unary must be on the CPU or a GPU, got meta"));
  EXPECT_THAT(
      ErrorOf([&] { MeanField(scene.unary, scene.image.to(at::kMeta)); }),
      HasSubstr("images must be on the device of unary, cpu, got meta"));
  EXPECT_THAT(
      ErrorOf([&] { MeanField(scene.unary, scene.image.slice(2, 0, 5)); }),
      HasSubstr("images must be [1,3,6,7], got [1, 3, 5, 7]"));
  MeanFieldOptions options;
  options.iterations = -1;
  EXPECT_THAT(ErrorOf([&] { MeanField(scene.unary, scene.image, options); }),
              HasSubstr("iterations must be >= 0, got -1"));
  options.iterations = 1;
  options.bilateral_theta_colour = 0;
  EXPECT_THAT(ErrorOf([&] { MeanField(scene.unary, scene.image, options); }),
              HasSubstr("must be > 0"));
  EXPECT_THAT(ErrorOf([&] {
                MeanField(scene.unary, BuildSpatialLattices(2, 6, 7, 3), {},
                          MeanFieldOptions());
              }),
              HasSubstr("spatial must have 1 lattices, one an image, got 2"));
  EXPECT_THAT(ErrorOf([&] {
                MeanField(scene.unary, {}, BuildSpatialLattices(1, 5, 7, 3),
                          MeanFieldOptions());
              }),
              HasSubstr("bilateral lattices must have 42 points, got 35"));
}

}  // namespace
}  // namespace seg
