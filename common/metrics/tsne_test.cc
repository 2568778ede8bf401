#include "common/metrics/tsne.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

// 40 points each around three places of 10 features, 8 apart; deviation 1.
struct Blobs {
  at::Tensor points, labels;
};

Blobs ThreeBlobs() {
  Blobs blobs;
  blobs.labels = at::arange(3).repeat_interleave(40);
  at::Tensor centres = at::zeros({3, 10}, at::kDouble);
  for (int64_t c = 0; c < 3; ++c) centres[c][c] = 8 / std::sqrt(2.0);
  blobs.points = Random({120, 10}, 1) + centres.index_select(0, blobs.labels);
  return blobs;
}

TsneOptions Options(int64_t iterations) {
  TsneOptions options;
  options.iterations = iterations;
  return options;
}

TEST(TsneTest, KeepsThreeBlobsApart) {
  const Blobs blobs = ThreeBlobs();
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const at::Tensor y = Tsne(blobs.points.to(type), Options(500));
    ASSERT_EQ(y.sizes(), at::IntArrayRef({120, 2}));
    EXPECT_EQ(y.scalar_type(), type);
    EXPECT_GT(Silhouette(y, blobs.labels), 0.7);
    // Centred, but for rounding of positions of some tens.
    EXPECT_LT(y.mean(0).abs().max().item<double>(), 1e-3);
  }
}

TEST(TsneTest, FindsNoBlobsWhereThereAreNone) {
  const at::Tensor y = Tsne(Random({120, 10}, 3), Options(400));
  EXPECT_LT(Silhouette(y, ThreeBlobs().labels), 0.1);
}

TEST(TsneTest, IsRepeatable) {
  const Blobs blobs = ThreeBlobs();
  const at::Tensor y = Tsne(blobs.points, Options(60));
  EXPECT_TRUE(Tsne(blobs.points, Options(60)).equal(y));
  EXPECT_TRUE(Tsne(Sparse(blobs.points), Options(60)).equal(y));
  TsneOptions other = Options(60);
  other.seed = 2;
  EXPECT_FALSE(Tsne(blobs.points, other).equal(y));
}

TEST(TsneTest, LowersTheDivergence) {
  // One quantity that t-SNE minimises, from the definition: KL(P || Q).
  const at::Tensor x = ThreeBlobs().points;
  const auto divergence = [&x](int64_t iterations) {
    TsneOptions options = Options(iterations);
    options.perplexity = 10;
    const at::Tensor y = Tsne(x, options);
    // P by a plain bisection of each row.
    const int64_t n = x.size(0);
    at::Tensor p = at::zeros({n, n}, at::kDouble);
    for (int64_t i = 0; i < n; ++i) {
      const at::Tensor d = (x - x[i]).square().sum(1);
      double low = 0, high = 1e3;
      at::Tensor row;
      for (int step = 0; step < 80; ++step) {
        const double beta = (low + high) / 2;
        row = (d * -beta).exp();
        row[i] = 0;
        row = row / row.sum();
        const at::Tensor kept = row.masked_select(row.gt(0));
        const double entropy = -(kept * kept.log()).sum().item<double>();
        (entropy > std::log(10.0) ? low : high) = beta;
      }
      p[i] = row;
    }
    p = (p + p.t()) / (2.0 * static_cast<double>(n));
    at::Tensor q = 1 / (1 + (y.unsqueeze(0) - y.unsqueeze(1)).square().sum(2));
    q.fill_diagonal_(0);
    q = q / q.sum();
    const at::Tensor kept = p.gt(0) & q.gt(0);
    return (p * (p / q).log()).masked_select(kept).sum().item<double>();
  };
  EXPECT_LT(divergence(500), 0.5 * divergence(0));
}

TEST(TsneTest, SmallAndDegenerate) {
  TsneOptions options = Options(100);
  options.perplexity = 1;
  const at::Tensor two =
      Tsne(at::tensor({0.0, 1.0}, at::kDouble).view({2, 1}), options);
  EXPECT_TRUE(two.isfinite().all().item<bool>());
  options.perplexity = 5;
  // All points in one place, more of them than a block has rows.
  const at::Tensor same = Tsne(at::ones({70, 3}), options);
  EXPECT_TRUE(same.isfinite().all().item<bool>());
}

TEST(TsneTest, Errors) {
  ExpectError([] { Tsne(at::zeros({5})); },
              "x must be [N,D] with N >= 2, got sizes [5]");
  ExpectError(
      [] {
        Tsne(at::zeros({5, 2}, at::kLong));
      },
      "must be float32 or float64, got Long");
  ExpectError(
      [] {
        Tsne(at::zeros({30, 2}));
      },
      "below the number of points 30, got 30");
  ExpectError(
      [] {
        Tsne(at::full({40, 2}, std::nan("")));
      },
      "x must be finite");
}

TEST(SilhouetteTest, ByHand) {
  // On a line: 0 and 1 against 4 and 6.
  const at::Tensor x =
      at::tensor({0.0, 1.0, 4.0, 6.0}, at::kDouble).view({4, 1});
  const at::Tensor labels = at::tensor({7, 7, -1, -1});
  const double expected =
      ((5 - 1) / 5.0 + (4 - 1) / 4.0 + (3.5 - 2) / 3.5 + (5.5 - 2) / 5.5) / 4;
  EXPECT_NEAR(Silhouette(x, labels), expected, 1e-14);
  EXPECT_NEAR(Silhouette(x.to(at::kFloat), labels.to(at::kByte)), expected,
              1e-14);
  // A point alone counts as 0.
  EXPECT_NEAR(Silhouette(x.slice(0, 0, 3), at::tensor({0, 0, 1})),
              (3.0 / 4 + 2.0 / 3) / 3, 1e-14);
}

TEST(SilhouetteTest, AgreesWithALoop) {
  const at::Tensor x = Random({90, 3}, 2);
  at::manual_seed(4);
  const at::Tensor labels = at::randint(4, {90}, at::kLong);
  double sum = 0;
  for (int64_t i = 0; i < 90; ++i) {
    const at::Tensor distances = (x - x[i]).square().sum(1).sqrt();
    const int64_t own = labels[i].item<int64_t>();
    double within = 0, between = 1e9;
    for (int64_t c = 0; c < 4; ++c) {
      const at::Tensor other = distances.masked_select(labels.eq(c));
      if (c == own) {
        within =
            other.sum().item<double>() / static_cast<double>(other.numel() - 1);
      } else {
        between = std::min(between, other.mean().item<double>());
      }
    }
    sum += (between - within) / std::max(between, within);
  }
  EXPECT_NEAR(Silhouette(x, labels), sum / 90, 1e-12);
}

TEST(SilhouetteTest, DegenerateAndErrors) {
  const at::Tensor x = at::zeros({4, 2});
  EXPECT_TRUE(std::isnan(Silhouette(x, at::zeros({4}, at::kLong))));
  EXPECT_TRUE(
      std::isnan(Silhouette(at::zeros({0, 2}), at::zeros({0}, at::kLong))));
  EXPECT_EQ(Silhouette(x, at::tensor({0, 0, 1, 1})), 0.0);  // all in one place
  ExpectError([&] { Silhouette(x, at::zeros({3}, at::kLong)); },
              "labels must be integers [4], got Long [3]");
  ExpectError([&] { Silhouette(x.to(at::kLong), at::zeros({4}, at::kLong)); },
              "floating point, got Long");
}

}  // namespace
}  // namespace seg
