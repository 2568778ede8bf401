#include "common/datasets/synthetic/faces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/synthetic/hash_bytes.h"
#include "common/datasets/transforms.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr int kClasses = 11;

FacesOptions Size(int64_t height, int64_t width, uint64_t seed = 1) {
  FacesOptions options;
  options.height = height;
  options.width = width;
  options.seed = seed;
  return options;
}

// Pixels of each class.
std::array<int64_t, 256> Count(const at::Tensor& mask) {
  std::array<int64_t, 256> count{};
  const uint8_t* p = mask.data_ptr<uint8_t>();
  for (int64_t i = 0; i < mask.numel(); ++i) ++count[p[i]];
  return count;
}

// Mean row and column of a class.
std::pair<double, double> Centre(const at::Tensor& mask, int label) {
  const at::Tensor where = mask.eq(label).nonzero().to(at::kDouble);
  const at::Tensor mean = where.mean(0);
  return {mean[0].item<double>(), mean[1].item<double>()};
}

TEST(FacesTest, GoldenHash) {
  // Integer arithmetic only: these bytes are the same on every machine. A
  // change of this number changes every result on synthetic faces.
  EXPECT_EQ(
      HashSamples(8, [](int64_t i) { return MakeFace(Size(128, 128), i); }),
      10972801920968312744ULL);
}

TEST(FacesTest, IsAFunctionOfSeedAndIndex) {
  const Sample a = MakeFace(Size(48, 64), 5);
  const Sample b = MakeFace(Size(48, 64), 5);
  EXPECT_TRUE(a.image.equal(b.image));
  EXPECT_TRUE(a.mask.equal(b.mask));
  EXPECT_FALSE(a.image.equal(MakeFace(Size(48, 64), 6).image));
  EXPECT_FALSE(a.image.equal(MakeFace(Size(48, 64, 2), 5).image));
  EXPECT_EQ(a.id, "face5");
  EXPECT_EQ(a.path, "faces:1:5");
}

TEST(FacesTest, HasTheLabelsOfHelen) {
  const DatasetInfo info = FacesInfo();
  EXPECT_THAT(info.class_names,
              ElementsAre("background", "face skin", "left brow", "right brow",
                          "left eye", "right eye", "nose", "upper lip",
                          "inner mouth", "lower lip", "hair"));
  EXPECT_EQ(info.palette.size(), static_cast<size_t>(kClasses));
  EXPECT_THAT(info.flip_pairs, ElementsAre(Pair(2, 3), Pair(4, 5)));
}

TEST(FacesTest, ClassesOccurInUsefulShares) {
  std::array<double, kClasses> share{};
  std::array<int, kClasses> pictures{};
  constexpr int kCount = 200;
  for (int64_t i = 0; i < kCount; ++i) {
    const auto count = Count(MakeFace(Size(128, 128), i).mask);
    int64_t known = 0;
    for (int c = 0; c < kClasses; ++c) {
      known += count[c];
      share[c] += static_cast<double>(count[c]) / (128.0 * 128 * kCount);
      pictures[c] += count[c] > 0;
    }
    ASSERT_EQ(known, 128 * 128) << i;
  }
  EXPECT_GT(share[0], 0.5);  // background, neck, clothes
  EXPECT_LT(share[0], 0.85);
  EXPECT_GT(share[1], 0.07);
  EXPECT_GT(share[10], 0.08);
  // Brows, eyes and lips are small, as in HELEN (brows 0.5 %, lips 0.4 %).
  for (int c = 2; c <= 9; ++c) {
    EXPECT_GT(share[c], 0.001) << c;
    EXPECT_LT(share[c], 0.02) << c;
  }
  for (const int always : {0, 1, 4, 5, 6, 7, 9, 10}) {
    EXPECT_EQ(pictures[always], kCount) << always;
  }
  // A fringe of hair may hide a brow; a closed mouth has no inside.
  EXPECT_GT(pictures[2], kCount * 95 / 100);
  EXPECT_GT(pictures[3], kCount * 95 / 100);
  EXPECT_GT(pictures[8], kCount * 45 / 100);
  EXPECT_LT(pictures[8], kCount * 75 / 100);
}

TEST(FacesTest, PartsLieAsInAFace) {
  for (int64_t i = 0; i < 40; ++i) {
    const at::Tensor mask = MakeFace(Size(128, 128), i).mask;
    const auto left_eye = Centre(mask, 4);
    const auto right_eye = Centre(mask, 5);
    EXPECT_LT(left_eye.second + 8, right_eye.second) << i;
    EXPECT_LT(Centre(mask, 2).second, Centre(mask, 3).second) << i;
    EXPECT_LT(Centre(mask, 2).first, left_eye.first) << i;
    EXPECT_LT(Centre(mask, 3).first, right_eye.first) << i;
    const double nose = Centre(mask, 6).first;
    EXPECT_GT(nose, (left_eye.first + right_eye.first) / 2) << i;
    EXPECT_GT(Centre(mask, 7).first, nose) << i;
    EXPECT_GT(Centre(mask, 9).first, Centre(mask, 7).first) << i;
  }
}

TEST(FacesTest, BrowsAndLipsAreThin) {
  // The widest place of a part: how often a 3x3 erosion empties it. Brows and
  // lips go after two (at most four pixels wide) in nearly all faces.
  int emptied = 0;
  int parts = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const at::Tensor mask = MakeFace(Size(128, 128), i).mask;
    for (const int c : {2, 3, 7, 9}) {
      const at::Tensor part =
          mask.eq(c).to(at::kFloat).unsqueeze(0).unsqueeze(0);
      if (part.sum().item<double>() == 0) continue;
      const at::Tensor eroded = 1 - at::max_pool2d(1 - part, 5, 1, 2);
      ++parts;
      emptied += eroded.sum().item<double>() == 0;
    }
  }
  EXPECT_GT(emptied, parts * 85 / 100);
}

TEST(FacesTest, HairHasStrands) {
  // Hair pixels that an opening by 3x3 takes away: single strands.
  double all = 0;
  double kept = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const at::Tensor hair = MakeFace(Size(128, 128), i)
                                .mask.eq(10)
                                .to(at::kFloat)
                                .unsqueeze(0)
                                .unsqueeze(0);
    const at::Tensor eroded = 1 - at::max_pool2d(1 - hair, 3, 1, 1);
    all += hair.sum().item<double>();
    kept += at::max_pool2d(eroded, 3, 1, 1).sum().item<double>();
  }
  EXPECT_LT(kept, 0.97 * all);
  EXPECT_GT(kept, 0.75 * all);
}

TEST(FacesTest, ColourAloneTellsNoClass) {
  // Cells of 16 levels a channel, pooled over pictures: the best class for each
  // cell names far fewer pixels of the foreground than there are.
  constexpr int kCells = 16 * 16 * 16;
  std::vector<std::array<int64_t, kClasses>> table(kCells);
  const auto cells = [](const Sample& sample) {
    const at::Tensor c = sample.image.to(at::kLong).div(16, "floor");
    return c[0].mul(256).add(c[1].mul(16)).add(c[2]).contiguous();
  };
  for (int64_t i = 0; i < 60; ++i) {
    const Sample sample = MakeFace(Size(64, 64), i);
    const at::Tensor cell = cells(sample);
    for (int64_t k = 0; k < cell.numel(); ++k) {
      ++table[cell.data_ptr<int64_t>()[k]][sample.mask.data_ptr<uint8_t>()[k]];
    }
  }
  int64_t right = 0;
  int64_t all = 0;
  for (const auto& counts : table) {
    int best = 0;
    for (int c = 1; c < kClasses; ++c) {
      if (counts[c] > counts[best]) best = c;
      all += counts[c];
    }
    if (best > 0) right += counts[best];
  }
  EXPECT_LT(right, all * 65 / 100);
}

TEST(FacesTest, AnySizeWorks) {
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {32, 32}, {33, 200}, {321, 64}}) {
    const Sample sample = MakeFace(Size(h, w), 3);
    EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, h, w}));
    EXPECT_EQ(sample.mask.sizes(), at::IntArrayRef({h, w}));
    EXPECT_LT(sample.mask.max().item<int>(), kClasses);
    EXPECT_GT(Count(sample.mask)[1], 0);
  }
}

TEST(FacesDatasetTest, OpensByName) {
  DataConfig config;
  config.pack = "synthetic:faces";
  config.synthetic.height = config.synthetic.width = 48;
  config.synthetic.val = 3;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "val"));
  EXPECT_EQ(set->size(), 3);
  EXPECT_EQ(set->info().num_classes(), kClasses);
  ASSERT_OK_AND_ASSIGN(const auto train, OpenDataset(config, "", "train"));
  ASSERT_OK_AND_ASSIGN(const Sample a, set->Get(0));
  ASSERT_OK_AND_ASSIGN(const Sample b, train->Get(0));
  EXPECT_FALSE(a.image.equal(b.image));
  EXPECT_TRUE(b.image.equal(MakeFace(Size(48, 48), 0).image));
  config.synthetic.width = 31;
  EXPECT_THAT(OpenDataset(config, "", "val"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("48, 31, expected 32 .. 4096")));
  EXPECT_THAT(
      MakeFacesDataset(Size(32, 32), 0, 2)->Get(2),
      StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("there are 2")));
}

}  // namespace
}  // namespace seg
