#include "common/datasets/cityscapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "ATen/ATen.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

constexpr int64_t kHeight = 5;
constexpr int64_t kWidth = 7;

// Every id: 0 .. 33 and the byte of -1.
at::Tensor AllIds() {
  at::Tensor ids = at::arange(kHeight * kWidth, at::kByte);
  ids[34] = 255;
  return ids.view({kHeight, kWidth});
}

class CityscapesTest : public testing::Test {
 protected:
  void WriteImage(const std::string& split, const std::string& id,
                  int64_t value) const {
    folder_.WriteImageFile(
        "leftImg8bit/" + split + "/" + id + "_leftImg8bit.png",
        at::full({3, kHeight, kWidth}, value, at::kByte));
  }
  void WriteLabels(const std::string& split, const std::string& id,
                   const at::Tensor& ids) const {
    folder_.WriteMaskFile("gtFine/" + split + "/" + id + "_gtFine_labelIds.png",
                          ids);
  }
  void WritePair(const std::string& split, const std::string& id,
                 int64_t value) const {
    WriteImage(split, id, value);
    WriteLabels(split, id, AllIds());
  }
  DataConfig Config() const {
    DataConfig config;
    config.pack = "cityscapes:" + folder_.folder();
    config.cache_mb = 0;
    return config;
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(
      const std::string& split) const {
    return OpenDataset(Config(), "", split);
  }
  PackFixture folder_;
};

// The table of cityscapesScripts, written out by hand.
TEST_F(CityscapesTest, IdsBecomeTrainIds) {
  WritePair("train", "aachen/aachen_000001_000019", 50);
  ASSERT_OK_AND_ASSIGN(const auto train, Open("train"));
  ASSERT_EQ(train->size(), 1);
  ASSERT_OK_AND_ASSIGN(const Sample sample, train->Get(0));
  EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, kHeight, kWidth}));
  EXPECT_EQ(sample.image[2][4][6].item<int>(), 50);
  constexpr int v = 255;
  const at::Tensor expected =
      at::tensor({v, v, v, v, v, v,  v,  0,  1,  v,  v,  2, 3, 4,  v,  v,  v, 5,
                  v, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, v, v, 16, 17, 18, v},
                 at::kInt)
          .to(at::kByte)
          .view({kHeight, kWidth});
  EXPECT_TRUE(sample.mask.equal(expected)) << sample.mask;
  const DatasetInfo& info = train->info();
  ASSERT_EQ(info.num_classes(), 19);
  EXPECT_EQ(info.ignore_label, 255);
  EXPECT_EQ(info.class_names[0], "road");
  EXPECT_EQ(info.class_names[10], "sky");
  EXPECT_EQ(info.class_names[18], "bicycle");
  EXPECT_THAT(info.palette[0], ElementsAre(128, 64, 128));
  EXPECT_THAT(info.palette[10], ElementsAre(70, 130, 180));
  EXPECT_THAT(info.palette[18], ElementsAre(119, 11, 32));
}

TEST_F(CityscapesTest, SplitsInTheOrderOfTheIds) {
  WritePair("train", "ulm/ulm_000002_000019", 3);
  WritePair("train", "aachen/aachen_000010_000019", 2);
  WritePair("train", "aachen/aachen_000001_000019", 1);
  WritePair("val", "lindau/lindau_000000_000019", 4);
  WriteImage("test", "berlin/berlin_000000_000019", 5);
  // Not a picture of the set.
  folder_.WriteImageFile("leftImg8bit/train/aachen/thumbnail.png",
                         at::zeros({3, 2, 2}, at::kByte));
  ASSERT_OK_AND_ASSIGN(const auto train, Open("train"));
  ASSERT_EQ(train->size(), 3);
  EXPECT_EQ(train->id(0), "aachen/aachen_000001_000019");
  EXPECT_EQ(train->id(1), "aachen/aachen_000010_000019");
  EXPECT_EQ(train->id(2), "ulm/ulm_000002_000019");
  for (int64_t i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sample sample, train->Get(i));
    EXPECT_EQ(sample.id, train->id(i));
    EXPECT_EQ(sample.image[0][0][0].item<int>(), i + 1);
  }
  ASSERT_OK_AND_ASSIGN(const auto val, Open("val"));
  EXPECT_EQ(val->size(), 1);
  EXPECT_TRUE(val->info().has_masks);
  ASSERT_OK_AND_ASSIGN(const auto test, Open("test"));
  EXPECT_FALSE(test->info().has_masks);
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(0));
  EXPECT_EQ(sample.image[0][0][0].item<int>(), 5);
  EXPECT_FALSE(sample.mask.defined());
}

// The archive has files for the test split too, all of them void.
TEST_F(CityscapesTest, MasksOfTestAreNotRead) {
  WritePair("test", "bonn/bonn_000000_000019", 5);
  ASSERT_OK_AND_ASSIGN(const auto test, Open("test"));
  EXPECT_FALSE(test->info().has_masks);
  EXPECT_THAT(OpenFilledDataset(Config(), "", "test", /*needs_masks=*/true),
              StatusIs(kInvalid, HasSubstr("the split 'test' has no masks")));
  EXPECT_OK(OpenFilledDataset(Config(), "", "test", false));
}

TEST_F(CityscapesTest, EmptySplit) {
  std::filesystem::create_directories(folder_.Path("leftImg8bit/val"));
  ASSERT_OK_AND_ASSIGN(const auto val, Open("val"));
  EXPECT_EQ(val->size(), 0);
  EXPECT_THAT(val->Get(0), StatusIs(absl::StatusCode::kOutOfRange,
                                    HasSubstr("there are 0")));
  EXPECT_THAT(OpenFilledDataset(Config(), "", "val", true),
              StatusIs(kInvalid, AllOf(HasSubstr(folder_.folder()),
                                       HasSubstr("the split 'val' is empty"))));
}

TEST_F(CityscapesTest, Errors) {
  const auto none = Open("train_extra");
  EXPECT_THAT(none,
              StatusIs(kNotFound, HasSubstr("there are train, val, test")));
  EXPECT_TRUE(IsNoSuchSplit(none.status()));
  EXPECT_THAT(
      Open("train"),
      StatusIs(kNotFound, HasSubstr("leftImg8bit/train: no such folder; "
                                    "expected the folder with "
                                    "leftImg8bit and gtFine")));
  WriteImage("train", "ulm/ulm_000000_000019", 1);
  EXPECT_THAT(
      Open("train"),
      StatusIs(kNotFound,
               AllOf(HasSubstr("gtFine/train/ulm/ulm_000000_000019_gtFine_"
                               "labelIds.png: not found, but there is"),
                     HasSubstr("ulm_000000_000019_leftImg8bit.png"))));
  at::Tensor ids = AllIds();
  ids[2][3] = 34;
  WriteLabels("train", "ulm/ulm_000000_000019", ids);
  ASSERT_OK_AND_ASSIGN(const auto train, Open("train"));
  EXPECT_THAT(train->Get(0),
              StatusIs(kInvalid, HasSubstr("label 34 at row 2, column 3 is no "
                                           "id of Cityscapes, 0 .. 33")));
  WriteLabels("train", "ulm/ulm_000000_000019",
              at::full({kHeight, kWidth - 1}, 7, at::kByte));
  EXPECT_THAT(train->Get(0), StatusIs(kInvalid, HasSubstr("6x5, expected the "
                                                          "size of its image, "
                                                          "7x5")));
  folder_.WriteText("gtFine/train/ulm/ulm_000000_000019_gtFine_labelIds.png",
                    "");
  EXPECT_THAT(train->Get(0),
              StatusIs(kInvalid, HasSubstr("_gtFine_labelIds.png")));
}

}  // namespace
}  // namespace seg
