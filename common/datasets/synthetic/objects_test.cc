#include "common/datasets/synthetic/objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/synthetic/hash_bytes.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::HasSubstr;

constexpr int64_t kClasses = 21;

ObjectsOptions Size(int64_t height, int64_t width, int64_t border = 1) {
  ObjectsOptions options;
  options.height = height;
  options.width = width;
  options.border = border;
  return options;
}

// Pixels by label.
std::array<int64_t, 256> Count(const at::Tensor& mask) {
  std::array<int64_t, 256> count{};
  const uint8_t* p = mask.data_ptr<uint8_t>();
  for (int64_t i = 0; i < mask.numel(); ++i) ++count[p[i]];
  return count;
}

int64_t ClassOf(const std::string& name) {
  const std::vector<std::string> names = ObjectsInfo().class_names;
  const auto found = std::find(names.begin(), names.end(), name);
  EXPECT_NE(found, names.end()) << name;
  return found - names.begin();
}

TEST(ObjectsTest, GoldenHash) {
  // Integer arithmetic only: these bytes are the same on every machine. A
  // change of this number changes every result on these data.
  EXPECT_EQ(
      HashSamples(20, [](int64_t i) { return MakeObjects(Size(96, 128), i); }),
      3820351253687952996ULL);
}

TEST(ObjectsTest, IsAFunctionOfSeedAndIndex) {
  const Sample a = MakeObjects(Size(48, 64), 5);
  const Sample b = MakeObjects(Size(48, 64), 5);
  EXPECT_TRUE(a.image.equal(b.image));
  EXPECT_TRUE(a.mask.equal(b.mask));
  EXPECT_FALSE(a.image.equal(MakeObjects(Size(48, 64), 6).image));
  ObjectsOptions other = Size(48, 64);
  other.seed = 2;
  EXPECT_FALSE(a.image.equal(MakeObjects(other, 5).image));
  EXPECT_EQ(a.id, "objects5");
  EXPECT_EQ(a.path, "objects:1:5");
}

TEST(ObjectsTest, SharesAndSizesOfTheClasses) {
  constexpr int64_t kPictures = 600;
  std::array<double, 256> pixels{};
  std::array<int64_t, 256> pictures{};
  for (int64_t i = 0; i < kPictures; ++i) {
    const auto count = Count(MakeObjects(Size(96, 128), i).mask);
    for (int64_t c = 0; c < 256; ++c) {
      pixels[c] += static_cast<double>(count[c]) / (96 * 128);
      pictures[c] += count[c] > 0;
    }
  }
  // About VOC's own: three quarters background, some hundredths void.
  EXPECT_GT(pixels[0] / kPictures, 0.65);
  EXPECT_LT(pixels[0] / kPictures, 0.85);
  EXPECT_GT(pixels[255] / kPictures, 0.02);
  EXPECT_LT(pixels[255] / kPictures, 0.07);
  EXPECT_EQ(pictures[0], kPictures);
  // A twentieth of 2.2 things a picture, less repetitions.
  for (int64_t c = 1; c < kClasses; ++c) {
    EXPECT_GT(pictures[c], kPictures * 6 / 100) << c;
    EXPECT_LT(pictures[c], kPictures * 16 / 100) << c;
  }
  for (int64_t c = kClasses; c < 255; ++c) EXPECT_EQ(pixels[c], 0) << c;
  // Some classes are small, some large.
  const auto size = [&](const std::string& name) {
    const int64_t c = ClassOf(name);
    return pixels[c] / static_cast<double>(pictures[c]);
  };
  EXPECT_GT(size("crate"), 8 * size("beetle"));
  EXPECT_GT(size("tent"), 3 * size("die"));
  EXPECT_GT(size("melon"), 2 * size("ball"));
}

TEST(ObjectsTest, ClassesKeepCompany) {
  const std::vector<std::vector<std::string>> themes = {
      {"ball", "buoy", "starfish", "sail"},
      {"book", "die", "pill", "badge"},
      {"melon", "donut", "slice", "tile"},
      {"beetle", "daisy", "hoop", "crate"},
      {"tent", "hat", "star", "tyre"}};
  std::array<int64_t, kClasses> theme_of{};
  std::set<int64_t> seen;
  for (size_t t = 0; t < themes.size(); ++t) {
    for (const std::string& name : themes[t]) {
      theme_of[ClassOf(name)] = static_cast<int64_t>(t);
      seen.insert(ClassOf(name));
    }
  }
  EXPECT_EQ(seen.size(), 20u);
  double together = 0, apart = 0;  // pictures of a pair of classes
  std::array<int64_t, 5> classes_of_picture{};
  for (int64_t i = 0; i < 1500; ++i) {
    const auto count = Count(MakeObjects(Size(32, 40, /*border=*/0), i).mask);
    int64_t present = 0;
    for (int64_t a = 1; a < kClasses; ++a) {
      present += count[a] > 0;
      for (int64_t b = 1; b < a; ++b) {
        if (count[a] == 0 || count[b] == 0) continue;
        (theme_of[a] == theme_of[b] ? together : apart) += 1;
      }
    }
    ASSERT_GE(present, 1);
    ASSERT_LE(present, 4);
    ++classes_of_picture[present];
  }
  // 30 pairs share a theme, 160 do not.
  EXPECT_GT(together / 30, 4 * apart / 160);
  EXPECT_GT(apart, 100);
  for (int64_t n = 1; n <= 4; ++n) EXPECT_GT(classes_of_picture[n], 30) << n;
}

TEST(ObjectsTest, ClassesHaveTheirHeights) {
  double star = 0, starfish = 0;
  int64_t stars = 0, all_starfish = 0;
  for (int64_t i = 0; i < 500; ++i) {
    const at::Tensor mask = MakeObjects(Size(64, 64), i).mask;
    const auto middle = [&](const std::string& name, double* sum,
                            int64_t* number) {
      const at::Tensor places = mask.eq(ClassOf(name)).nonzero();
      if (places.size(0) == 0) return;
      *sum += places.select(1, 0).to(at::kDouble).mean().item<double>() / 64;
      ++*number;
    };
    middle("star", &star, &stars);
    middle("starfish", &starfish, &all_starfish);
  }
  EXPECT_NEAR(star / static_cast<double>(stars), 0.23, 0.06);
  EXPECT_NEAR(starfish / static_cast<double>(all_starfish), 0.7, 0.06);
}

TEST(ObjectsTest, TheRimSeparatesThingsAndIsAnOption) {
  for (int64_t i = 0; i < 30; ++i) {
    const Sample with = MakeObjects(Size(96, 128), i);
    const Sample without = MakeObjects(Size(96, 128, 0), i);
    EXPECT_TRUE(with.image.equal(without.image));
    EXPECT_FALSE(without.mask.eq(255).any().item<bool>());
    // Elsewhere the labels are the same, and no two of them touch.
    const at::Tensor rim = with.mask.eq(255);
    EXPECT_TRUE(with.mask.eq(without.mask).logical_or(rim).all().item<bool>());
    for (const int64_t axis : {0, 1}) {
      const int64_t length = with.mask.size(axis);
      const at::Tensor a = with.mask.slice(axis, 0, length - 1);
      const at::Tensor b = with.mask.slice(axis, 1, length);
      EXPECT_TRUE(a.eq(b)
                      .logical_or(a.eq(255))
                      .logical_or(b.eq(255))
                      .all()
                      .item<bool>());
    }
  }
}

TEST(ObjectsTest, ColourAloneTellsNoClass) {
  // The class of the nearest mean colour is mostly wrong.
  std::vector<std::vector<at::Tensor>> colours(kClasses);
  for (int64_t i = 0; i < 400; ++i) {
    const Sample sample = MakeObjects(Size(64, 64), i);
    const auto count = Count(sample.mask);
    for (int64_t c = 1; c < kClasses; ++c) {
      if (count[c] == 0) continue;
      const at::Tensor pixels =
          sample.image.to(at::kDouble)
              .masked_select(
                  sample.mask.eq(c).unsqueeze(0).expand({3, 64, 64}));
      colours[c].push_back(pixels.view({3, -1}).mean(1));
    }
  }
  at::Tensor centres = at::empty({kClasses - 1, 3}, at::kDouble);
  for (int64_t c = 1; c < kClasses; ++c) {
    centres[c - 1] = at::stack(colours[c]).mean(0);
  }
  int64_t right = 0, all = 0;
  for (int64_t c = 1; c < kClasses; ++c) {
    for (const at::Tensor& colour : colours[c]) {
      const at::Tensor distance = (centres - colour).square().sum(1);
      right += distance.argmin().item<int64_t>() == c - 1;
      ++all;
    }
  }
  // By chance 5 %; the centres were fitted to these very things.
  EXPECT_LT(static_cast<double>(right) / static_cast<double>(all), 0.2);
}

TEST(ObjectsTest, AnySizeWorks) {
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {16, 16}, {16, 900}, {321, 17}, {4096, 16}}) {
    SCOPED_TRACE(testing::Message() << h << " x " << w);
    for (const int64_t border : {0, 16}) {
      const Sample sample = MakeObjects(Size(h, w, border), 3);
      EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, h, w}));
      EXPECT_EQ(sample.mask.sizes(), at::IntArrayRef({h, w}));
      EXPECT_TRUE(sample.mask.lt(kClasses)
                      .logical_or(sample.mask.eq(255))
                      .all()
                      .item<bool>());
    }
    EXPECT_TRUE(MakeObjects(Size(h, w, 0), 3).mask.ne(0).any().item<bool>());
  }
}

TEST(ObjectsDatasetTest, OpensByName) {
  DataConfig config;
  config.pack = "synthetic:objects";
  config.synthetic.train = 4;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  EXPECT_EQ(set->size(), 4);
  EXPECT_EQ(set->info().num_classes(), kClasses);
  EXPECT_EQ(set->info().palette.size(), 21u);
  EXPECT_EQ(set->info().ignore_label, 255);
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(3));
  EXPECT_EQ(sample.id, "objects3");
  EXPECT_TRUE(sample.mask.equal(MakeObjects(Size(96, 128), 3).mask));
  // Splits have pictures of their own.
  for (const char* split : {"val", "test"}) {
    ASSERT_OK_AND_ASSIGN(const auto others, OpenDataset(config, "", split));
    ASSERT_OK_AND_ASSIGN(const Sample other, others->Get(3));
    EXPECT_FALSE(other.image.equal(sample.image));
  }
  config.synthetic.border = 0;
  ASSERT_OK_AND_ASSIGN(const auto plain, OpenDataset(config, "", "train"));
  ASSERT_OK_AND_ASSIGN(const Sample same, plain->Get(3));
  EXPECT_TRUE(same.image.equal(sample.image));
  EXPECT_FALSE(same.mask.eq(255).any().item<bool>());
  config.synthetic.border = 17;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("border: 17, expected 0 .. 16")));
  config.synthetic.border = 1;
  config.synthetic.width = 8;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("expected 16 .. 4096")));
}

}  // namespace
}  // namespace seg
