#include "common/datasets/image_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ATen/ATen.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

class ImageFolderTest : public testing::Test {
 protected:
  void Write(const std::string& name, int64_t height, int64_t width) const {
    folder_.WriteImageFile(name,
                           at::full({3, height, width}, 7 + height, at::kByte));
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(
      const std::string& split) const {
    DataConfig config;
    config.pack = "images:" + folder_.folder();
    config.cache_mb = 0;
    return OpenDataset(config, "", split);
  }
  PackFixture folder_{"photos"};
};

TEST_F(ImageFolderTest, AllPicturesOfAnySize) {
  Write("b.png", 4, 6);
  Write("day1/a.png", 9, 2);
  folder_.WriteText("notes.md", "no picture");
  folder_.WriteText(".hidden.png", "nor this");
  ASSERT_OK_AND_ASSIGN(const auto all, Open("all"));
  ASSERT_EQ(all->size(), 2);
  EXPECT_EQ(all->id(0), "b");
  EXPECT_EQ(all->id(1), "day1/a");
  EXPECT_EQ(all->info().name, "photos");
  EXPECT_FALSE(all->info().has_masks);
  ASSERT_OK_AND_ASSIGN(const Sample sample, all->Get(1));
  EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, 9, 2}));
  EXPECT_EQ(sample.image[0][0][0].item<int>(), 16);
  EXPECT_FALSE(sample.mask.defined());
}

TEST_F(ImageFolderTest, DividesItselfOrGoesByItsLists) {
  for (int i = 0; i < 30; ++i) Write("p" + std::to_string(i) + ".png", 2, 2);
  std::set<std::string> seen;
  for (const char* split : {"train", "val", "test"}) {
    ASSERT_OK_AND_ASSIGN(const auto set, Open(split));
    EXPECT_EQ(set->size(), std::string(split) == "train" ? 24 : 3);
    for (int64_t i = 0; i < set->size(); ++i) {
      EXPECT_TRUE(seen.insert(set->id(i)).second);
    }
  }
  EXPECT_EQ(seen.size(), 30u);
  EXPECT_THAT(Open("mine"), StatusIs(kNotFound, HasSubstr("'train', 'val' or "
                                                          "'test'")));
  EXPECT_TRUE(IsNoSuchSplit(Open("mine").status()));
  folder_.WriteText("train.txt", "p3\np1 # the second\n");
  ASSERT_OK_AND_ASSIGN(const auto train, Open("train"));
  ASSERT_EQ(train->size(), 2);
  EXPECT_EQ(train->id(0), "p3");
  EXPECT_EQ(train->id(1), "p1");
  EXPECT_THAT(Open("val"),
              StatusIs(kNotFound, HasSubstr("val.txt: no such split")));
  folder_.WriteText("val.txt", "p99\n");
  EXPECT_THAT(Open("val"), StatusIs(kNotFound, HasSubstr("val.txt:1: ")));
}

TEST_F(ImageFolderTest, Errors) {
  EXPECT_THAT(Open("train"),
              StatusIs(kNotFound, HasSubstr("no .jpg, .jpeg or .png")));
  Write("a.png", 2, 2);
  folder_.WriteText("a.jpg", "another");
  ASSERT_OK_AND_ASSIGN(const auto all, Open("all"));
  ASSERT_EQ(all->size(), 1);
  EXPECT_THAT(all->Get(0), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("both exist for one ID")));
  DataConfig config;
  config.pack = "images:absent";
  EXPECT_THAT(OpenDataset(config, folder_.folder(), "train"),
              StatusIs(kNotFound, HasSubstr("no folder 'absent'")));
}

}  // namespace
}  // namespace seg
