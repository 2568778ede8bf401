#include "common/datasets/taichi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::HasSubstr;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

class TaichiTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"train/v1/0000.png", "train/v1/0001.png", "train/v2/0000.png"}) {
      Write(name, 50);
    }
    for (const char* part : {"train", "test"}) {
      const std::string images =
          std::string("eval_images/taichi-256/") + part + "/";
      Write(images + "a.png", 60);
      Write(images + "b.png", 70);
      folder_.WriteText(std::string("landmark/taichi_") + part + "_gt.csv",
                        "file_name,x0,y0,x1,y1\n"
                        "b.png,1,2,-1,-1\n"
                        "a.png,3.5,4,5,6\n");
    }
    // 254 is no person: the rule of the paper.
    at::Tensor mask = at::zeros({3, 4, 6}, at::kByte);
    mask.slice(2, 0, 2).fill_(255);
    mask.slice(2, 2, 4).fill_(254);
    folder_.WriteImageFile("taichi-test-masks/a.png", mask);
    folder_.WriteImageFile("taichi-test-masks/b.png", mask);
  }
  void Write(const std::string& name, int64_t value) const {
    folder_.WriteImageFile(name, at::full({3, 4, 6}, value, at::kByte));
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(
      const std::string& split) const {
    DataConfig config;
    config.pack = "taichi:" + folder_.folder();
    config.cache_mb = 0;
    return OpenDataset(config, "", split);
  }
  PackFixture folder_;
};

TEST_F(TaichiTest, FramesLandmarksAndMasks) {
  ASSERT_OK_AND_ASSIGN(const auto train, Open("train"));
  ASSERT_EQ(train->size(), 3);
  EXPECT_EQ(train->id(2), "v2/0000");
  EXPECT_FALSE(train->info().has_masks);
  EXPECT_FALSE(train->info().has_points);
  ASSERT_OK_AND_ASSIGN(const Sample frame, train->Get(2));
  EXPECT_EQ(frame.image[0][0][0].item<int>(), 50);
  EXPECT_FALSE(frame.points.defined());

  ASSERT_OK_AND_ASSIGN(const auto val, Open("val"));
  ASSERT_EQ(val->size(), 2);
  EXPECT_FALSE(val->info().has_masks);
  EXPECT_TRUE(val->info().has_points);
  ASSERT_OK_AND_ASSIGN(const Sample marked, val->Get(1));
  EXPECT_EQ(marked.id, "b.png");
  EXPECT_EQ(marked.image[0][0][0].item<int>(), 70);
  EXPECT_TRUE(marked.points.equal(
      at::tensor({1, 2, 1, -1, -1, 0}).to(at::kFloat).view({2, 3})));
  EXPECT_FALSE(marked.mask.defined());

  ASSERT_OK_AND_ASSIGN(const auto test, Open("test"));
  EXPECT_TRUE(test->info().has_masks);
  EXPECT_TRUE(test->info().has_points);
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(0));
  EXPECT_EQ(sample.points[0][0].item<float>(), 3.5f);
  EXPECT_EQ(sample.mask.sum().item<int64_t>(), 8);
  EXPECT_EQ(sample.mask.slice(1, 0, 2).sum().item<int64_t>(), 8);
}

TEST_F(TaichiTest, Errors) {
  EXPECT_THAT(Open("all"), StatusIs(kNotFound, HasSubstr("no split 'all'")));
  std::filesystem::remove(folder_.Path("taichi-test-masks/b.png"));
  EXPECT_THAT(Open("test"),
              StatusIs(kNotFound, HasSubstr("taichi-test-masks/b.png: not "
                                            "found, but")));
  std::filesystem::remove(folder_.Path("landmark/taichi_train_gt.csv"));
  EXPECT_THAT(Open("val"),
              StatusIs(kNotFound, HasSubstr("taichi_train_gt.csv: not found")));
  std::filesystem::remove_all(folder_.Path("train"));
  EXPECT_THAT(Open("train"), StatusIs(absl::StatusCode::kUnavailable,
                                      HasSubstr("cannot list the folder")));
}

}  // namespace
}  // namespace seg
