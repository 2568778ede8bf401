// Superpixel graphs, the two kinds of candidates, and their ranking.

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "common/testing/torch_errors.h"
#include "segnet_rerank/regions/merge_tree.h"
#include "segnet_rerank/regions/region_cuts.h"
#include "segnet_rerank/regions/region_ranking.h"
#include "segnet_rerank/regions/superpixel_image.h"

namespace seg {
namespace segnet_rerank {
namespace {

using ::testing::ElementsAre;

// Smooth blobs with a little noise: a stand-in for a photograph.
at::Tensor Blobs(int64_t height, int64_t width, int64_t seed = 5) {
  at::manual_seed(seed);
  const at::Tensor coarse = at::rand({1, 3, 6, 7}, at::kDouble);
  const at::Tensor fine = at::upsample_bicubic2d(coarse, {height, width}, true);
  const at::Tensor noise = at::randn({3, height, width}, at::kDouble);
  return (255.0 * fine[0] + 4.0 * noise).clamp(0, 255).to(at::kByte);
}

// Each pixel a superpixel.
SuperpixelImage Pixels(const at::Tensor& image) {
  RegionOptions options;
  options.superpixels = image.size(1) * image.size(2);
  return MakeSuperpixelImage(image, options);
}

// Grey values as an image of one row.
at::Tensor Row(std::vector<int64_t> values) {
  const at::Tensor row = at::tensor(values).to(at::kByte);
  return row.expand({3, 1, row.size(0)});
}

SuperpixelImage BlobImage() {
  RegionOptions options;
  options.superpixels = 60;
  return MakeSuperpixelImage(Blobs(48, 64), options);
}

TEST(SuperpixelImageTest, HandCase) {
  // Two boundaries of equal length, of contrast 0 and of 100 (black to white).
  const SuperpixelImage image = Pixels(Row({0, 0, 255}));
  ASSERT_EQ(image.size(), 3);
  EXPECT_THAT(image.centre[2], ElementsAre(0.0, 2.0));
  EXPECT_THAT(image.border[0], ElementsAre(1, 1, 1, 0));
  EXPECT_THAT(image.border[1], ElementsAre(1, 1, 0, 0));
  ASSERT_EQ(image.strength[1].size(), 2u);
  EXPECT_DOUBLE_EQ(image.strength[1][0], 0.0);
  EXPECT_DOUBLE_EQ(image.strength[1][1], 2.0);  // the mean is a half
  EXPECT_DOUBLE_EQ(image.strength[2][0], 2.0);
  const RegionOptions options;
  EXPECT_DOUBLE_EQ(image.weight[0][0], 1.0 + options.edge_offset);
  EXPECT_DOUBLE_EQ(image.weight[2][0],
                   std::exp(-1.0 / (options.edge_sigma * options.edge_sigma)) +
                       options.edge_offset);
}

TEST(SuperpixelImageTest, OneColourHasNoBoundary) {
  const SuperpixelImage image = Pixels(Row({9, 9, 9}));
  for (const auto& strengths : image.strength) {
    for (const double d : strengths) EXPECT_EQ(d, 0.0);
  }
}

TEST(ConnectedPiecesTest, HandCase) {
  // 0 1 2
  // 3 4 5
  const SuperpixelImage image = Pixels(Blobs(2, 3));
  EXPECT_THAT(ConnectedPieces(image.graph, {1, 0, 1, 0, 0, 1}),
              ElementsAre(SuperpixelSet{0}, SuperpixelSet{2, 5}));
  EXPECT_THAT(ConnectedPieces(image.graph, {1, 1, 1, 1, 0, 0}),
              ElementsAre(SuperpixelSet{0, 1, 2, 3}));
  EXPECT_TRUE(ConnectedPieces(image.graph, {0, 0, 0, 0, 0, 0}).empty());
}

TEST(LogSpacedTest, FixedFactors) {
  const std::vector<double> values = LogSpaced(0.5, 8.0, 4);
  ASSERT_EQ(values.size(), 4u);
  // 1e-12: the last digits of pow.
  for (int k = 0; k < 4; ++k) {
    EXPECT_NEAR(values[k], 0.5 * (1 << k), 1e-12);
  }
  EXPECT_THAT(LogSpaced(3.0, 100.0, 1), ElementsAre(3.0));
}

SeededCut RandomCut(const SuperpixelImage& image, int64_t seed) {
  at::manual_seed(seed);
  SeededCut cut;
  cut.seed = {static_cast<int32_t>(image.size() / 2)};
  for (int64_t s = 0; s < image.size(); ++s) {
    cut.foreground.push_back(2.0 * at::rand({}, at::kDouble).item<double>());
    cut.background.push_back(at::rand({}, at::kDouble).item<double>() /
                             static_cast<double>(image.size()));
  }
  return cut;
}

// The energy of region_cuts.h.
double Energy(const SuperpixelImage& image, const SeededCut& cut, double lambda,
              const std::vector<uint8_t>& inside) {
  double energy = 0.0;
  for (int64_t s = 0; s < image.size(); ++s) {
    const double share = image.graph.area[s] / image.pixels();
    energy +=
        inside[s] ? cut.background[s] : share * (cut.foreground[s] + lambda);
    for (size_t k = 0; k < image.weight[s].size(); ++k) {
      const SuperpixelNeighbour& n = image.graph.neighbours[s][k];
      if (n.label < s || inside[s] == inside[n.label]) continue;
      energy += static_cast<double>(n.boundary_length) /
                std::sqrt(image.pixels()) * image.weight[s][k];
    }
  }
  return energy;
}

TEST(SweepLambdaTest, AgreesWithBruteForce) {
  const std::vector<double> lambdas = {0.0, 0.3, 1.0, 3.0, 10.0};
  for (int64_t seed = 1; seed <= 6; ++seed) {
    const SuperpixelImage image = Pixels(Blobs(2, 5, seed));
    ASSERT_EQ(image.size(), 10);
    const SeededCut cut = RandomCut(image, seed);
    const auto foregrounds = SweepLambda(image, cut, lambdas);
    ASSERT_EQ(foregrounds.size(), lambdas.size());
    for (size_t k = 0; k < lambdas.size(); ++k) {
      double least = std::numeric_limits<double>::infinity();
      for (int bits = 0; bits < 1024; ++bits) {
        if (!(bits >> cut.seed[0] & 1)) continue;
        std::vector<uint8_t> inside(10);
        for (int s = 0; s < 10; ++s) inside[s] = bits >> s & 1;
        least = std::min(least, Energy(image, cut, lambdas[k], inside));
      }
      EXPECT_EQ(foregrounds[k][cut.seed[0]], 1);
      // 1e-9: costs are rounded to integers, and sums to doubles.
      EXPECT_NEAR(Energy(image, cut, lambdas[k], foregrounds[k]), least, 1e-9);
    }
  }
}

TEST(SweepLambdaTest, ForegroundsGrow) {
  const SuperpixelImage image = BlobImage();
  const std::vector<double> lambdas = LogSpaced(0.01, 1e5, 25);
  // Unaries as strong as the edges, or all superpixels change at once.
  SeededCut cut = RandomCut(image, 3);
  cut.foreground.assign(image.size(), 0.0);
  for (double& cost : cut.background) cost *= 100.0;
  const auto foregrounds = SweepLambda(image, cut, lambdas);
  int64_t changes = 0;
  for (size_t k = 1; k < foregrounds.size(); ++k) {
    for (int64_t s = 0; s < image.size(); ++s) {
      EXPECT_LE(foregrounds[k - 1][s], foregrounds[k][s]);
    }
    changes += foregrounds[k - 1] != foregrounds[k];
  }
  EXPECT_GE(changes, 3);
  EXPECT_THAT(foregrounds.back(), ::testing::Each(1));
}

TEST(SweepLambdaTest, SeedsAlone) {
  // Nothing speaks for the foreground.
  const SuperpixelImage image = BlobImage();
  SeededCut cut;
  cut.seed = {3, 17};
  cut.foreground.assign(image.size(), 0.0);
  cut.background.assign(image.size(), 1.0);
  const auto foregrounds = SweepLambda(image, cut, {0.0});
  EXPECT_EQ(std::count(foregrounds[0].begin(), foregrounds[0].end(), 1), 2);
  EXPECT_EQ(foregrounds[0][3] + foregrounds[0][17], 2);
}

TEST(SweepLambdaTest, RefusesWrongInput) {
  const SuperpixelImage image = Pixels(Row({1, 2, 3}));
  SeededCut cut = RandomCut(image, 1);
  ExpectError(
      [&] {
        SweepLambda(image, cut, {2.0, 1.0});
      },
      "lambdas must be >= 0 and ascending");
  ExpectError([&] { SweepLambda(image, cut, {-1.0}); }, "must be >= 0");
  cut.background.pop_back();
  ExpectError([&] { SweepLambda(image, cut, {1.0}); },
              "must have 3 values, got 3 and 2");
}

bool IsConnected(const SuperpixelImage& image, const SuperpixelSet& set) {
  std::vector<uint8_t> inside(image.size(), 0);
  for (const int32_t s : set) inside[s] = 1;
  const auto pieces = ConnectedPieces(image.graph, inside);
  return pieces.size() == 1 && pieces[0] == set;
}

TEST(CutRegionsTest, ConnectedAndEachOnce) {
  const SuperpixelImage image = BlobImage();
  const std::vector<SuperpixelSet> regions = CutRegions(image, RegionOptions());
  EXPECT_GT(regions.size(), 50u);
  for (size_t k = 0; k < regions.size(); ++k) {
    EXPECT_TRUE(IsConnected(image, regions[k]));
    if (k > 0) {
      EXPECT_LT(regions[k - 1], regions[k]);
    }
  }
}

TEST(MergeTreeTest, HandCase) {
  EXPECT_THAT(
      MergeTreeRegions(Pixels(Row({0, 10, 100, 130}))),
      ElementsAre(SuperpixelSet{0}, SuperpixelSet{1}, SuperpixelSet{2},
                  SuperpixelSet{3}, SuperpixelSet{0, 1}, SuperpixelSet{2, 3}));
  EXPECT_THAT(MergeTreeRegions(Pixels(Row({0, 10}))),
              ElementsAre(SuperpixelSet{0}, SuperpixelSet{1}));
  EXPECT_TRUE(MergeTreeRegions(Pixels(Row({7}))).empty());
}

TEST(MergeTreeTest, RegionsAreATree) {
  const SuperpixelImage image = BlobImage();
  const std::vector<SuperpixelSet> regions = MergeTreeRegions(image);
  ASSERT_EQ(static_cast<int64_t>(regions.size()), 2 * image.size() - 2);
  for (size_t a = 0; a < regions.size(); ++a) {
    EXPECT_TRUE(IsConnected(image, regions[a]));
    for (size_t b = 0; b < a; ++b) {
      SuperpixelSet common;
      std::set_intersection(regions[a].begin(), regions[a].end(),
                            regions[b].begin(), regions[b].end(),
                            std::back_inserter(common));
      // Apart, or the earlier one inside of the later.
      EXPECT_TRUE(common.empty() || common == regions[b]);
      EXPECT_NE(regions[a], regions[b]);
    }
  }
}

TEST(DescribeRegionTest, HandCase) {
  // 0  1  2  3     The first two rows and columns are white.
  // 4  5  6  7
  // 8  9 10 11
  // 12 13 14 15
  at::Tensor grey = at::zeros({4, 4}, at::kByte);
  grey.slice(0, 0, 2).slice(1, 0, 2).fill_(255);
  const SuperpixelImage image = Pixels(grey.expand({3, 4, 4}));
  const RegionFeatures f = DescribeRegion(image, {0, 1, 4, 5});
  EXPECT_DOUBLE_EQ(f.area, 0.25);
  EXPECT_DOUBLE_EQ(f.compactness, 1.0);
  EXPECT_DOUBLE_EQ(f.border, 0.5);
  EXPECT_DOUBLE_EQ(f.cut, image.weight[5][2]);  // 5 to 6
  EXPECT_LT(f.cut, 0.1);
  EXPECT_DOUBLE_EQ(f.inside, image.weight[0][0]);  // 0 to 1
  EXPECT_GT(f.inside, 1.0);
  EXPECT_NEAR(f.colour, 1.0, 2e-5);  // black to white, as exact as SrgbToLab
  EXPECT_DOUBLE_EQ(f.distance, 0.5);
  const RegionFeatures all = DescribeRegion(
      image, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  EXPECT_DOUBLE_EQ(all.area, 1.0);
  EXPECT_DOUBLE_EQ(all.border, 1.0);
  EXPECT_DOUBLE_EQ(all.cut, 0.0);
  EXPECT_DOUBLE_EQ(all.colour, 0.0);
  EXPECT_DOUBLE_EQ(all.distance, 0.0);
  ExpectError([&] { DescribeRegion(image, {}); }, "no members");
}

TEST(OverlapTest, HandCase) {
  const SuperpixelImage image = Pixels(Row({1, 2, 3, 4}));
  EXPECT_DOUBLE_EQ(Overlap(image, {0, 1}, {1, 2}), 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(Overlap(image, {0, 1}, {0, 1}), 1.0);
  EXPECT_DOUBLE_EQ(Overlap(image, {0, 1}, {2, 3}), 0.0);
  EXPECT_DOUBLE_EQ(Overlap(image, {}, {2}), 0.0);
  EXPECT_DOUBLE_EQ(Overlap(image, {}, {}), 0.0);
}

// Without filters.
RegionOptions TakeAll() {
  RegionOptions options;
  options.min_area = 0.0;
  options.max_area = 1.0;
  options.max_cut = 10.0;
  options.duplicate_overlap = 1.0;
  return options;
}

TEST(RankRegionsTest, MaximalMarginalRelevance) {
  // Areas 5, 4 and 1 of 10. By area {0..4} is first; {0..3} overlaps with it by
  // 0.8, {9} does not.
  const SuperpixelImage image = Pixels(Row({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  const std::vector<SuperpixelSet> candidates = {
      {9}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}, {9}, {}};
  RegionOptions options = TakeAll();
  const RegionScore area = [](const RegionFeatures& f) { return f.area; };
  auto ranked = RankRegions(image, candidates, options, area);
  ASSERT_EQ(ranked.size(), 3u);
  EXPECT_THAT(ranked[0].members, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(ranked[1].members, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(ranked[2].members, ElementsAre(9));
  EXPECT_DOUBLE_EQ(ranked[0].score, 0.75 * 0.5);
  EXPECT_DOUBLE_EQ(ranked[1].score, 0.75 * 0.4 - 0.25 * 0.8);
  EXPECT_DOUBLE_EQ(ranked[2].score, 0.75 * 0.1);

  options.overlap_weight = 0.5;  // 0.3 - 0.4 < 0.075
  ranked = RankRegions(image, candidates, options, area);
  EXPECT_THAT(ranked[1].members, ElementsAre(9));

  options.max_regions = 2;
  EXPECT_EQ(RankRegions(image, candidates, options, area).size(), 2u);
  EXPECT_TRUE(RankRegions(image, {}, options, area).empty());
  ExpectError(
      [&] {
        RankRegions(image, candidates, options,
                    [](const RegionFeatures&) { return std::nan(""); });
      },
      "the score of a region is nan");
}

TEST(RankRegionsTest, Filters) {
  const SuperpixelImage image = Pixels(Row({0, 0, 0, 0, 200, 200, 200, 200}));
  const std::vector<SuperpixelSet> candidates = {
      {0}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}, {0, 1, 2, 3, 4, 5, 6, 7}};
  RegionOptions options = TakeAll();
  EXPECT_EQ(RankRegions(image, candidates, options).size(), 4u);
  options.min_area = 0.2;
  EXPECT_EQ(RankRegions(image, candidates, options).size(), 3u);
  options.max_area = 0.9;
  EXPECT_EQ(RankRegions(image, candidates, options).size(), 2u);
  // 4 of 5 pixels: the one of higher score, with the strong boundary, stays.
  RegionOptions once = options;
  once.duplicate_overlap = 0.79;
  auto ranked = RankRegions(image, candidates, once);
  ASSERT_EQ(ranked.size(), 1u);
  EXPECT_THAT(ranked[0].members, ElementsAre(0, 1, 2, 3));
  options.max_cut = 0.5;
  ranked = RankRegions(image, candidates, options);
  ASSERT_EQ(ranked.size(), 1u);
  EXPECT_THAT(ranked[0].members, ElementsAre(0, 1, 2, 3));
}

TEST(RankRegionsTest, OrderOfCandidatesPlaysNoPart) {
  const SuperpixelImage image = BlobImage();
  std::vector<SuperpixelSet> candidates = MergeTreeRegions(image);
  const auto constant = [](const RegionFeatures&) { return 0.5; };
  const auto ranked = RankRegions(image, candidates, TakeAll(), constant);
  std::reverse(candidates.begin(), candidates.end());
  const auto again = RankRegions(image, candidates, TakeAll(), constant);
  ASSERT_EQ(ranked.size(), again.size());
  for (size_t k = 0; k < ranked.size(); ++k) {
    EXPECT_EQ(ranked[k].members, again[k].members);
  }
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
