// The lattice itself: keys, weights, neighbours, taps, limits and errors.
#include "common/layers/permutohedral/lattice.h"

#include <cmath>
#include <limits>
#include <thread>

#include "ATen/ATen.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/naive_lattice.h"
#include "common/layers/permutohedral/taps.h"
#include "common/testing/torch_errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Keys = PermutohedralLattice::Keys;

at::Tensor RandomFeatures(int64_t points, int64_t dim, double spread,
                          uint64_t seed = 1) {
  at::manual_seed(seed);
  return at::randn({points, dim}, at::kDouble) * spread;
}

// The naive lattice's number of each vertex (they count in different orders);
// throws when it has no such key. One extra entry for "missing" (M to -1).
std::vector<int64_t> NaiveNumbers(const PermutohedralLattice& lattice,
                                  const NaiveLattice& naive) {
  std::vector<int64_t> number;
  for (int64_t v = 0; v < lattice.num_vertices(); ++v) {
    number.push_back(naive.IndexOf(lattice.VertexCoordinates(v)));
  }
  number.push_back(-1);
  return number;
}

TEST(TapsTest, CountsAndInverse) {
  EXPECT_EQ(PermutohedralTaps(1, 1), 3);
  EXPECT_EQ(PermutohedralTaps(2, 1), 7);
  EXPECT_EQ(PermutohedralTaps(5, 1), 63);
  EXPECT_EQ(PermutohedralTaps(5, 2), 665);
  for (int64_t d : {1, 2, 3, 5}) {
    for (int64_t s : {1, 2, 3}) {
      EXPECT_EQ(PermutohedralSupport(d, PermutohedralTaps(d, s)), s);
      EXPECT_EQ(PermutohedralOffsets(d, s).size(),
                static_cast<size_t>(PermutohedralTaps(d, s)));
    }
  }
}

TEST(TapsTest, OrderIsLexicographicWithAxisZeroSlowest) {
  const auto offsets = PermutohedralOffsets(5, 1);
  for (size_t i = 0; i < offsets.size(); ++i) {
    int64_t binary = 0;
    for (int64_t n : offsets[i]) binary = 2 * binary + n;
    EXPECT_EQ(binary, static_cast<int64_t>(i));
  }
  EXPECT_THAT(
      PermutohedralOffsets(1, 2),
      ElementsAre(ElementsAre(0, 0), ElementsAre(0, 1), ElementsAre(0, 2),
                  ElementsAre(1, 0), ElementsAre(2, 0)));
}

TEST(TapsTest, Reflection) {
  const auto reflection = PermutohedralReflection(5, 1);
  EXPECT_EQ(reflection[0], 0);
  for (int64_t o = 1; o < 63; ++o) EXPECT_EQ(reflection[o], 63 - o);
  const auto wide = PermutohedralReflection(2, 3);
  for (size_t o = 0; o < wide.size(); ++o) {
    EXPECT_EQ(wide[wide[o]], static_cast<int64_t>(o));
  }
}

TEST(TapsTest, GaussianValues) {
  const at::Tensor taps = PermutohedralGaussianTaps(5, 1);
  const auto offsets = PermutohedralOffsets(5, 1);
  const double by_ones[] = {1,        17.0 / 33, 10.0 / 33,
                            8.0 / 33, 10.0 / 33, 17.0 / 33};
  double sum = 0;
  for (int64_t o = 0; o < 63; ++o) {
    int64_t ones = 0;
    for (int64_t n : offsets[o]) ones += n;
    EXPECT_DOUBLE_EQ(taps[o].item<double>(), by_ones[ones]);
    sum += taps[o].item<double>();
  }
  EXPECT_NEAR(sum, 697.0 / 33, 1e-12);
}

TEST(LatticeTest, OneDimensionByHand) {
  // d=1: c = f 2/sqrt(3), and the lattice is the integers on the c axis with
  // linear interpolation.
  const double unit = std::sqrt(3.0) / 2;
  const auto lattice = PermutohedralLattice::Build(
      at::tensor({0.25 * unit, 0.5 * unit, 1.75 * unit}, at::kDouble)
          .view({3, 1}));
  ASSERT_EQ(lattice->num_vertices(), 3);  // 0, 1, 2
  EXPECT_EQ(lattice->num_points(), 3);
  const double* w = lattice->weights<double>();
  const double position[] = {0.25, 0.5, 1.75};
  for (int64_t p = 0; p < 3; ++p) {
    double mean = 0;
    for (int64_t r = 0; r < 2; ++r) {
      mean += w[2 * p + r] *
              lattice->VertexCoordinates(lattice->vertices()[2 * p + r])[0];
    }
    EXPECT_NEAR(mean, position[p], 1e-14);
  }
}

TEST(LatticeTest, MatchesTheNaiveLattice) {
  for (int64_t d : {1, 2, 3, 4, 5, 6, 8, 12}) {
    for (double spread : {0.3, 3.0}) {
      const at::Tensor f = RandomFeatures(77, d, spread, 10 + d);
      const NaiveLattice naive(f);
      for (Keys keys : {Keys::kAuto, Keys::kWide}) {
        const auto lattice = PermutohedralLattice::Build(f, keys);
        ASSERT_EQ(lattice->num_vertices(), naive.num_vertices());
        EXPECT_EQ(lattice->packed_keys(), keys == Keys::kAuto && d <= 8);
        const auto number = NaiveNumbers(*lattice, naive);
        at::Tensor splat = at::zeros_like(naive.splat());
        auto s = splat.accessor<double, 2>();
        for (int64_t p = 0; p < 77; ++p) {
          for (int64_t i = p * (d + 1); i < (p + 1) * (d + 1); ++i) {
            s[number[lattice->vertices()[i]]][p] +=
                lattice->weights<double>()[i];
          }
        }
        // Two orders of a handful of roundings of numbers below 100.
        EXPECT_LT((splat - naive.splat()).abs().max().item<double>(), 1e-12);
      }
    }
  }
}

TEST(LatticeTest, WeightsSumToOneAndAreNotNegative) {
  for (int64_t d : {1, 2, 3, 5, 8, 16}) {
    const at::Tensor f = RandomFeatures(500, d, 5.0);
    const auto lattice = PermutohedralLattice::Build(f);
    const auto single = PermutohedralLattice::Build(f.to(at::kFloat));
    for (int64_t p = 0; p < 500; ++p) {
      double sum = 0;
      float sum_single = 0;
      for (int64_t i = p * (d + 1); i < (p + 1) * (d + 1); ++i) {
        EXPECT_GE(lattice->weights<double>()[i], -1e-13);
        EXPECT_GE(single->weights<float>()[i], -2e-5f);
        sum += lattice->weights<double>()[i];
        sum_single += single->weights<float>()[i];
      }
      EXPECT_NEAR(sum, 1.0, 1e-13);
      EXPECT_NEAR(sum_single, 1.0, 2e-6);  // 17 terms of float rounding
    }
  }
}

TEST(LatticeTest, NeighborsAreDirectLookUps) {
  for (int64_t d : {1, 2, 3, 5}) {
    for (int64_t s : {1, 2}) {
      if (d == 5 && s == 2) continue;  // 665 maps: covered by d=3
      const at::Tensor f = RandomFeatures(60, d, 1.0, d);
      const NaiveLattice naive(f);
      const auto offsets = PermutohedralOffsets(d, s);
      for (Keys keys : {Keys::kPacked, Keys::kWide}) {
        const auto lattice = PermutohedralLattice::Build(f, keys);
        const auto table = lattice->FindNeighbors(s);
        const int64_t m = lattice->num_vertices();
        const auto number = NaiveNumbers(*lattice, naive);
        for (size_t o = 0; o < offsets.size(); ++o) {
          const auto expected = naive.Neighbors(offsets[o]);
          for (int64_t v = 0; v < m; ++v) {
            const int32_t found = table[o * m + v];
            ASSERT_EQ(found < 0 ? -1 : number[found], expected[number[v]]);
          }
        }
        // The rule book holds the same pairs.
        const auto& pairs = lattice->tap_pairs(s);
        int64_t found = 0;
        for (int32_t n : table) found += n >= 0;
        ASSERT_EQ(pairs.begin.back(), found);
        for (int64_t t = 0; t < pairs.tiles; ++t) {
          for (int64_t o = 0; o < pairs.taps; ++o) {
            const int64_t* range = &pairs.begin[t * pairs.taps + o];
            for (int64_t i = range[0]; i < range[1]; ++i) {
              const int64_t v = t * pairs.kTile + pairs.target[i];
              EXPECT_EQ(table[o * m + v], pairs.source[i]);
            }
          }
        }
      }
    }
  }
}

TEST(LatticeTest, FarOffsetsInPackedKeys) {
  // Beyond ten steps the packed look-up checks the range of each coordinate.
  const at::Tensor f = RandomFeatures(40, 1, 4.0);
  const NaiveLattice naive(f);
  const auto lattice = PermutohedralLattice::Build(f, Keys::kPacked);
  const auto number = NaiveNumbers(*lattice, naive);
  const auto table = lattice->FindNeighbors(40);
  const auto offsets = PermutohedralOffsets(1, 40);
  const int64_t m = lattice->num_vertices();
  for (size_t o = 0; o < offsets.size(); ++o) {
    const auto expected = naive.Neighbors(offsets[o]);
    for (int64_t v = 0; v < m; ++v) {
      const int32_t found = table[o * m + v];
      ASSERT_EQ(found < 0 ? -1 : number[found], expected[number[v]]);
    }
  }
}

TEST(LatticeTest, AxisNeighborsAndPointListsAgreeWithTheNaiveOnes) {
  const at::Tensor f = RandomFeatures(80, 3, 1.0);
  const NaiveLattice naive(f);
  const auto lattice = PermutohedralLattice::Build(f);
  const int64_t m = lattice->num_vertices();
  const auto number = NaiveNumbers(*lattice, naive);
  for (int64_t axis = 0; axis < 4; ++axis) {
    std::vector<int64_t> step(4, 0);
    step[axis] = 1;
    const auto next = naive.Neighbors(step);
    std::vector<int64_t> previous(m, -1);
    for (int64_t v = 0; v < m; ++v) {
      if (next[v] >= 0) previous[next[v]] = v;
    }
    const int32_t* pairs = &lattice->axis_neighbors().pairs[2 * axis * m];
    for (int64_t v = 0; v < m; ++v) {
      EXPECT_EQ(number[pairs[2 * v]], previous[number[v]]);
      EXPECT_EQ(number[pairs[2 * v + 1]], next[number[v]]);
    }
  }
  const auto& lists = lattice->point_lists();
  ASSERT_EQ(lists.begin[m], 80 * 4);
  for (int64_t v = 0; v < m; ++v) {
    for (int64_t i = lists.begin[v]; i < lists.begin[v + 1]; ++i) {
      EXPECT_EQ(lattice->vertices()[lists.slot[i]], v);
      EXPECT_EQ(lists.slot[i] / 4, lists.point[i]);
      if (i > lists.begin[v]) {
        EXPECT_GT(lists.point[i], lists.point[i - 1]);
      }
    }
  }
}

TEST(LatticeTest, ScaleLimits) {
  at::manual_seed(3);
  const at::Tensor image = at::randint(256, {3, 6, 7}, at::kByte);
  // A huge theta puts all points in one simplex (the origin is a vertex, so
  // move away from it).
  const at::Tensor away = at::tensor({0.1f, 0.2f, 0.3f, 0.15f, 0.05f});
  const auto one =
      PermutohedralLattice::Build(BilateralFeatures(image, 1e6, 1e6) + away);
  EXPECT_EQ(one->num_vertices(), 6);
  // A tiny theta isolates them: no two share a vertex or have a neighbour other
  // than within their own simplex.
  const auto isolated =
      PermutohedralLattice::Build(BilateralFeatures(image, 0.05, 0.05));
  EXPECT_EQ(isolated->num_vertices(), 6 * 42);
  EXPECT_EQ(isolated->tap_pairs(1).begin.back(), 6 * 6 * 42);
}

TEST(LatticeTest, KeysOverflow) {
  const at::Tensor f = RandomFeatures(30, 5, 3e4);
  EXPECT_THAT(ErrorOf([&] { PermutohedralLattice::Build(f, Keys::kPacked); }),
              HasSubstr("keys overflow one 64-bit word: d=5 leaves 12 bits"));
  const auto lattice = PermutohedralLattice::Build(f);
  EXPECT_FALSE(lattice->packed_keys());
  EXPECT_EQ(lattice->num_vertices(), 180);
  EXPECT_THAT(ErrorOf([&] { PermutohedralLattice::Build(f * 1e6); }),
              HasSubstr("within 2^22 lattice cells"));
}

// Far from the origin float32 rounds the features' elevation to parts of a
// cell: there it is done in float64, and the weights are those of the same
// features in float64.
TEST(LatticeTest, WeightsOfFarFloatFeatures) {
  for (int64_t d : {1, 2, 5}) {
    for (double spread : {10.0, 1e3, 3e5}) {
      const at::Tensor f =
          RandomFeatures(300, d, spread, 30 + d).to(at::kFloat);
      const auto single = PermutohedralLattice::Build(f);
      const auto exact = PermutohedralLattice::Build(f.to(at::kDouble));
      const int64_t count = 300 * (d + 1);
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_GE(single->weights<float>()[i], -1e-4f);
      }
      if (spread < 1e5) continue;
      ASSERT_EQ(single->num_vertices(), exact->num_vertices());
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(single->vertices()[i], exact->vertices()[i]);
        ASSERT_EQ(single->weights<double>()[i], exact->weights<double>()[i]);
      }
    }
  }
}

// Refused before anything is built: the features are 40 bytes.
TEST(LatticeTest, RefusesMorePointsThanIndicesOf32BitsHold) {
  ExpectError(
      [] {
        PermutohedralLattice::Build(at::zeros({1, 5}).expand({1 << 29, 5}));
      },
      "P (d+1) must be below 2^31, got P=536870912, d=5");
}

TEST(LatticeTest, RejectsBadFeatures) {
  EXPECT_THAT(ErrorOf([] { PermutohedralLattice::Build(at::zeros({4})); }),
              HasSubstr("features must be [P,d] with 1 <= d <= 64, got [4]"));
  EXPECT_THAT(ErrorOf([] {
                PermutohedralLattice::Build(at::zeros({4, 2}, at::kLong));
              }),
              HasSubstr("float32 or float64, got Long"));
  EXPECT_THAT(ErrorOf([] {
                PermutohedralLattice::Build(at::zeros({4, 2}).to(at::kMeta));
              }),
              HasSubstr("features must be on the CPU or a GPU, got meta"));
  EXPECT_THAT(ErrorOf([] {
                BilateralFeatures(at::zeros({3, 4, 5}).to(at::kMeta), 1, 1);
              }),
              HasSubstr("image must be on the CPU or a GPU, got meta"));
  EXPECT_THAT(ErrorOf([] {
                BilateralFeatures(at::zeros({4, 4, 5}), 1, 1);
              }),
              HasSubstr("image must be [3,H,W], got [4, 4, 5]"));
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    at::Tensor f = at::zeros({40, 2});
    f[37][1] = bad;
    EXPECT_THAT(ErrorOf([&] { PermutohedralLattice::Build(f); }),
                HasSubstr("features must be finite"));
  }
}

TEST(LatticeTest, EmptyAndStrided) {
  const auto empty = PermutohedralLattice::Build(at::zeros({0, 5}));
  EXPECT_EQ(empty->num_vertices(), 0);
  EXPECT_EQ(empty->tap_pairs(1).begin.back(), 0);
  const at::Tensor f = RandomFeatures(50, 3, 2.0);
  const auto a = PermutohedralLattice::Build(f);
  const auto b = PermutohedralLattice::Build(f.t().contiguous().t());
  ASSERT_EQ(a->num_vertices(), b->num_vertices());
  for (int64_t i = 0; i < 200; ++i) {
    EXPECT_EQ(a->vertices()[i], b->vertices()[i]);
    EXPECT_EQ(a->weights<double>()[i], b->weights<double>()[i]);
  }
}

TEST(LatticeTest, TiesGoToTheLowerAxis) {
  // The origin: all coordinates tie. Vertex r is (r,..,r) with d+1 taken from
  // the last r axes; all the weight is on vertex 0.
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    const auto lattice = PermutohedralLattice::Build(at::zeros({1, 3}, type));
    EXPECT_THAT(lattice->VertexCoordinates(lattice->vertices()[0]),
                ElementsAre(0, 0, 0, 0));
    EXPECT_THAT(lattice->VertexCoordinates(lattice->vertices()[1]),
                ElementsAre(1, 1, 1, -3));
    EXPECT_THAT(lattice->VertexCoordinates(lattice->vertices()[3]),
                ElementsAre(3, -1, -1, -1));
    EXPECT_EQ(lattice->weights<double>()[0], 1.0);
  }
}

TEST(LatticeTest, LazyPartsAreThreadSafe) {
  const at::Tensor f = RandomFeatures(300, 3, 2.0);
  const auto shared = PermutohedralLattice::Build(f);
  const auto alone = PermutohedralLattice::Build(f);
  std::vector<std::thread> threads;
  std::vector<double> seen(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      seen[t] = shared->Normalizer<double>(LatticeNormalization::kSymmetric,
                                           t % 3)[17] +
                shared->weights<float>()[3] + shared->point_lists().begin[1];
    });
  }
  for (std::thread& t : threads) t.join();
  for (int t = 0; t < 8; ++t) {
    EXPECT_EQ(
        seen[t],
        alone->Normalizer<double>(LatticeNormalization::kSymmetric, t % 3)[17] +
            alone->weights<float>()[3] + alone->point_lists().begin[1]);
  }
}

TEST(FeaturesTest, OrderAndScale) {
  at::Tensor image = at::zeros({3, 2, 3}, at::kByte);
  image[0][1][2] = 30;   // R
  image[1][1][2] = 60;   // G
  image[2][1][2] = 255;  // B
  const at::Tensor f = BilateralFeatures(image, 2, 30);
  EXPECT_EQ(f.sizes(), at::IntArrayRef({6, 5}));
  EXPECT_TRUE(f[5].equal(at::tensor({1.0f, 0.5f, 1.0f, 2.0f, 8.5f})));
  const at::Tensor g = BilateralFeatures(image, 2, 30, BilateralOrder::kYXBGR);
  EXPECT_TRUE(g[5].equal(at::tensor({0.5f, 1.0f, 8.5f, 2.0f, 1.0f})));
  EXPECT_TRUE(BilateralFeatures(image.to(at::kDouble), 2, 30).equal(f));
  EXPECT_TRUE(SpatialFeatures(2, 3, 2)[5].equal(at::tensor({1.0f, 0.5f})));
  EXPECT_THAT(ErrorOf([&] { BilateralFeatures(image, 0, 1); }),
              HasSubstr("must be > 0"));
  EXPECT_THAT(ErrorOf([&] { BilateralFeatures(image[0], 1, 1); }),
              HasSubstr("image must be [3,H,W], got [2, 3]"));
  EXPECT_THAT(ErrorOf([&] { BuildBilateralLattices(image, 1, 1); }),
              HasSubstr("images must be [N,3,H,W]"));
}

TEST(FeaturesTest, BatchesOfLattices) {
  at::manual_seed(5);
  const at::Tensor images = at::rand({3, 3, 5, 4}) * 255;
  const LatticeVector lattices = BuildBilateralLattices(images, 4, 20);
  ASSERT_EQ(lattices.size(), 3u);
  for (int64_t n = 0; n < 3; ++n) {
    const auto alone =
        PermutohedralLattice::Build(BilateralFeatures(images[n], 4, 20));
    EXPECT_EQ(lattices[n]->num_vertices(), alone->num_vertices());
  }
  EXPECT_TRUE(BuildBilateralLattices(images.slice(0, 0, 0), 4, 20).empty());
  const LatticeVector spatial = BuildSpatialLattices(2, 5, 4, 3);
  EXPECT_EQ(spatial[0], spatial[1]);
}

}  // namespace
}  // namespace seg
