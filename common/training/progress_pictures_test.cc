#include "common/training/progress_pictures.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

ReportPicture Grey(int64_t value) {
  return {"", "", "", {{"", at::full({3, 2, 3}, value, at::kByte)}}};
}

TEST(ProgressPictures, FirstAndLastAreAmongThoseChosen) {
  const std::string run = testing::TempDir() + "/chosen";
  for (const int64_t step : {100, 200, 300, 900, 1000, 2000}) {
    ASSERT_OK(SaveProgressPictures(run, step, {Grey(step / 10)}));
  }
  ASSERT_OK_AND_ASSIGN(const auto pictures, ReadProgressPictures(run, 3, 1000));
  ASSERT_EQ(pictures.size(), 3u);
  EXPECT_EQ(pictures[0].title, "after 100 updates");
  EXPECT_EQ(pictures[1].title, "after 300 updates");
  EXPECT_EQ(pictures[2].title, "after 1000 updates");
  EXPECT_TRUE(at::equal(pictures[2].panels[0].rgb, Grey(100).panels[0].rgb));
}

TEST(ProgressPictures, EveryPictureOfAMomentIsKept) {
  const std::string run = testing::TempDir() + "/all";
  ASSERT_OK(SaveProgressPictures(run, 5, {Grey(1), Grey(2)}));
  ASSERT_OK_AND_ASSIGN(const auto pictures, ReadProgressPictures(run, 4, 5));
  ASSERT_EQ(pictures.size(), 2u);
  EXPECT_EQ(pictures[1].panels[0].rgb[0][0][0].item<int64_t>(), 2);
}

TEST(ProgressPictures, RunWithoutPictures) {
  const std::string run = testing::TempDir() + "/none";
  ASSERT_OK(SaveProgressPictures(run, 5, {}));
  ASSERT_OK_AND_ASSIGN(const auto pictures, ReadProgressPictures(run, 4, 5));
  EXPECT_TRUE(pictures.empty());
}

}  // namespace
}  // namespace seg
