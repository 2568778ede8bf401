#include "common/datasets/probabilities.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "common/datasets/augment.h"
#include "common/datasets/loader.h"
#include "common/datasets/transforms.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

class Coloured : public Dataset {
 public:
  Coloured() {
    info_.name = "coloured";
    info_.class_names = {"background", "left", "right"};
    info_.palette = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}};
    info_.flip_pairs = {{1, 2}};
  }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return 2; }
  std::string id(int64_t index) const override {
    return "s" + std::to_string(index);
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    Sample sample;
    sample.id = id(index);
    sample.image = at::full({3, 4, 6}, 10 * index, at::kByte);
    sample.mask = at::zeros({4, 6}, at::kByte);
    return sample;
  }

 private:
  DatasetInfo info_;
};

class ProbabilitiesTest : public testing::Test {
 protected:
  ProbabilitiesTest() : folder_(testing::TempDir() + "/probabilities") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    at::manual_seed(1);
    map_ = at::softmax(at::randn({3, 4, 6}), 0);
  }
  void Write(const std::string& name, const at::Tensor& map) {
    ASSERT_OK(WriteNpy(folder_ + "/" + name, map));
  }
  absl::StatusOr<Sample> Get() {
    return WithProbabilities(std::make_shared<Coloured>(), folder_)->Get(0);
  }
  std::string folder_;
  at::Tensor map_;
};

TEST_F(ProbabilitiesTest, AMapOfTheImagesSizeIsReadAsItIs) {
  Write("s0.npy", map_.to(at::kDouble));
  ASSERT_OK_AND_ASSIGN(const Sample sample, Get());
  EXPECT_EQ(sample.probabilities.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(sample.probabilities, map_));
}

TEST_F(ProbabilitiesTest, ASmallerMapIsEnlargedBilinearly) {
  Write("s0.npy", at::tensor({0.0f, 1.0f}).view({1, 1, 2}).expand({3, 2, 2}));
  ASSERT_OK_AND_ASSIGN(const Sample sample, Get());
  // Two columns to six: centres at (x + 1/2) / 3 - 1/2, clamped.
  const at::Tensor row =
      at::tensor({0.0, 0.0, 1.0 / 3, 2.0 / 3, 1.0, 1.0}).to(at::kFloat);
  EXPECT_TRUE(at::allclose(sample.probabilities[2][3], row, 1e-5, 1e-6));
}

TEST_F(ProbabilitiesTest, LabelsBecomeOneHot) {
  at::Tensor labels = at::zeros({4, 6}, at::kByte);
  labels[1][2] = 2;
  labels[3][3] = 255;
  ASSERT_OK(WriteMask(folder_ + "/s0.png", labels, {}));
  ASSERT_OK_AND_ASSIGN(const Sample sample, Get());
  EXPECT_EQ(sample.probabilities[2][1][2].item<float>(), 1.0f);
  EXPECT_EQ(sample.probabilities[0][1][2].item<float>(), 0.0f);
  EXPECT_FLOAT_EQ(sample.probabilities[1][3][3].item<float>(), 1.0f / 3);
  EXPECT_TRUE(at::allclose(sample.probabilities.sum(0), at::ones({4, 6})));
}

TEST_F(ProbabilitiesTest, WhatPredictWritesIsTakenBeforeItsLabels) {
  Write("s0_probabilities.npy", map_);
  ASSERT_OK(WriteMask(folder_ + "/s0.png", at::zeros({4, 6}, at::kByte),
                      Coloured().info().palette));
  ASSERT_OK_AND_ASSIGN(const Sample sample, Get());
  EXPECT_TRUE(sample.probabilities.equal(map_));
}

TEST_F(ProbabilitiesTest, ErrorsNameTheFile) {
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kNotFound,
                              HasSubstr("probabilities/s0.npy")));
  Write("s0.npy", at::zeros({2, 4, 6}));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("[3, height, width]")));
  map_[0][0][0] = NAN;
  Write("s0.npy", map_);
  EXPECT_THAT(
      Get(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("s0.npy")));
  Write("s0.npy", -at::ones({3, 4, 6}));
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("negative")));
}

TEST_F(ProbabilitiesTest, TheyFollowTheImage) {
  Write("s0.npy", map_);
  ASSERT_OK_AND_ASSIGN(const Sample sample, Get());
  // A mirror image swaps left and right, classes and columns.
  const Sample mirrored = FlipSample(sample, {{1, 2}});
  EXPECT_TRUE(at::allclose(mirrored.probabilities[1], map_[2].flip({1})));
  EXPECT_TRUE(at::equal(FlipSample(mirrored, {{1, 2}}).probabilities,
                        sample.probabilities));
  // A larger crop is background outside, and the map itself inside.
  AugmentOptions options;
  options.crop_height = 8;
  options.crop_width = 8;
  const Sample crop = Augment(sample, Coloured().info(), options, 5);
  const at::Tensor outside = crop.mask.eq(255);
  EXPECT_EQ(outside.sum().item<int64_t>(), 8 * 8 - 4 * 6);
  const at::Tensor background = at::tensor({1.0f, 0.0f, 0.0f}).view({3, 1, 1});
  EXPECT_TRUE(at::equal(crop.probabilities.masked_select(outside),
                        background.expand({3, 8, 8}).masked_select(outside)));
  EXPECT_TRUE(at::allclose(
      crop.probabilities.masked_select(outside.logical_not()), map_.flatten()));
  EXPECT_EQ(ResizeSample(sample, 2, 3).probabilities.sizes(),
            at::IntArrayRef({3, 2, 3}));
}

TEST_F(ProbabilitiesTest, BatchesCarryThem) {
  Write("s0.npy", map_);
  Write("s1.npy", map_.flip({2}));
  LoaderOptions options;
  options.batch_size = 2;
  options.shuffle = false;
  options.workers = 0;
  ASSERT_OK_AND_ASSIGN(
      const auto loader,
      BatchLoader::Create(
          WithProbabilities(std::make_shared<Coloured>(), folder_), options));
  ASSERT_OK_AND_ASSIGN(const Batch batch, loader->Next());
  EXPECT_TRUE(
      at::equal(batch.probabilities, at::stack({map_, map_.flip({2})})));
}

}  // namespace
}  // namespace seg
