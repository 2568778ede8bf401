// The packs under SEG_DATA_ROOT, where there are any.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/check.h"
#include "common/datasets/loader.h"
#include "common/datasets/open.h"
#include "common/datasets/pack.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

class RealPacksTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("SEG_DATA_ROOT");
    if (root == nullptr || *root == '\0') {
      GTEST_SKIP() << "SEG_DATA_ROOT is not set: no packs to look at";
    }
    root_ = root;
    for (const auto& entry : std::filesystem::directory_iterator(root_)) {
      if (std::filesystem::exists(entry.path() / "dataset.yaml")) {
        packs_.push_back(entry.path().filename().string());
      }
    }
    std::sort(packs_.begin(), packs_.end());
    ASSERT_FALSE(packs_.empty()) << root_ << " holds no pack";
  }

  std::string root_;
  std::vector<std::string> packs_;
};

TEST_F(RealPacksTest, CheckClean) {
  for (const std::string& pack : packs_) {
    const PackReport report = CheckPack(root_ + "/" + pack);
    EXPECT_THAT(report.problems, testing::IsEmpty()) << FormatReport(report);
    EXPECT_EQ(report.info.name, pack);
    EXPECT_GT(report.images, 0);
    EXPECT_EQ(report.masks, report.info.has_masks ? report.images : 0);
    // The three lists partition the images.
    int64_t listed = 0;
    for (const SplitSummary& split : report.splits) {
      listed += split.samples;
    }
    EXPECT_EQ(listed, report.images) << pack;
  }
}

TEST_F(RealPacksTest, EverySplitOpensAndTrains) {
  for (const std::string& pack : packs_) {
    DataConfig config;
    config.pack = pack;
    config.augment.crop_height = config.augment.crop_width = 96;
    config.augment.scale_min = 0.5;
    config.augment.scale_max = 1.5;
    config.augment.flip = true;
    for (const std::string split : {"train", "val", "test", "all"}) {
      ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, root_, split));
      if (set->size() == 0) continue;
      ASSERT_OK_AND_ASSIGN(
          auto loader,
          BatchLoader::Create(
              set, TrainingLoaderOptions(
                       config, std::min<int64_t>(4, set->size()), 1)));
      ASSERT_OK_AND_ASSIGN(const Batch batch, loader->Next());
      EXPECT_EQ(batch.images.size(3), 96);
      EXPECT_EQ(batch.masks.defined(), set->info().has_masks);
    }
  }
}

TEST_F(RealPacksTest, LandmarksOfFaces) {
  if (std::find(packs_.begin(), packs_.end(), "celebamask_hq_1k") ==
      packs_.end()) {
    GTEST_SKIP() << "no celebamask_hq_1k in " << root_;
  }
  DataConfig config;
  config.pack = "celebamask_hq_1k";
  config.landmarks = "landmarks_from_masks.txt";
  config.resize_height = config.resize_width = 64;
  ASSERT_OK_AND_ASSIGN(const auto test, OpenDataset(config, root_, "test"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(0));
  ASSERT_EQ(sample.points.sizes(), at::IntArrayRef({5, 3}));
  // The faces are aligned: the mouth lies below the middle, the eyes above.
  EXPECT_LT(sample.points[0][1].item<float>(), 36);
  EXPECT_GT(sample.points[3][1].item<float>(), 36);
}

}  // namespace
}  // namespace seg
