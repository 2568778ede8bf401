#include "common/datasets/weizmann_horse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/datasets/transforms.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

constexpr int64_t kHeight = 8;
constexpr int64_t kWidth = 12;

// The release with one picture of 16 x 24 and one mask of 8 x 12 for all.
class WeizmannHorseTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteAs("rgb/horse001.jpg", Picture());
    WriteAs("gray/horse001.jpg", Grey());
    WriteAs("figure_ground/horse001.jpg", SoftMask());
    for (int i = 2; i <= 328; ++i) {
      for (const std::string kind : {"rgb", "figure_ground"}) {
        fs::copy_file(folder_.Path(kind + "/horse001.jpg"),
                      folder_.Path(kind + "/" + Id(i) + ".jpg"));
      }
    }
  }
  static std::string Id(int i) {
    return "horse" + std::to_string(1000 + i).substr(1);
  }
  // PNGs under the names of JPEGs: pictures are told apart by their bytes, and
  // these must keep theirs.
  void WriteAs(const std::string& name, const at::Tensor& rgb) const {
    folder_.WriteImageFile("picture.png", rgb);
    fs::create_directories(fs::path(folder_.Path(name)).parent_path());
    fs::rename(folder_.Path("picture.png"), folder_.Path(name));
  }
  static at::Tensor Picture() {
    return at::arange(3 * 4 * kHeight * kWidth, at::kLong)
        .mul(7)
        .remainder(256)
        .to(at::kByte)
        .view({3, 2 * kHeight, 2 * kWidth});
  }
  static at::Tensor Grey() {
    return at::arange(kHeight * kWidth, at::kByte)
        .view({kHeight, kWidth})
        .expand({3, -1, -1})
        .contiguous();
  }
  // Rows of 0, 36, 72, 108, 144, 180, 216, 252: horse from the fifth on.
  static at::Tensor SoftMask() {
    return at::arange(kHeight, at::kByte)
        .mul(36)
        .view({1, kHeight, 1})
        .expand({3, kHeight, kWidth})
        .contiguous();
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(
      const std::string& split, int64_t split_seed = -1) const {
    DataConfig config;
    config.pack = "weizmann_horse:" + folder_.folder();
    config.cache_mb = 0;
    config.split_seed = split_seed;
    return OpenDataset(config, "", split);
  }
  std::vector<std::string> Ids(const std::string& split,
                               int64_t split_seed = -1) const {
    const auto set = Open(split, split_seed);
    EXPECT_OK(set.status());
    std::vector<std::string> ids;
    for (int64_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      ids.push_back((*set)->id(i));
    }
    return ids;
  }
  PackFixture folder_;
};

TEST_F(WeizmannHorseTest, PictureInTheSizeOfItsMask) {
  ASSERT_OK_AND_ASSIGN(const auto all, Open("all"));
  ASSERT_EQ(all->size(), 328);
  EXPECT_EQ(all->id(0), "horse001");
  EXPECT_EQ(all->id(327), "horse328");
  EXPECT_THAT(all->info().class_names, ElementsAre("background", "horse"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, all->Get(327));
  EXPECT_EQ(sample.id, "horse328");
  EXPECT_EQ(sample.path, folder_.Path("rgb/horse328.jpg"));
  EXPECT_TRUE(sample.image.equal(ResizeImage(Picture(), kHeight, kWidth)));
  at::Tensor mask = at::zeros({kHeight, kWidth}, at::kByte);
  mask.slice(0, 4).fill_(1);
  EXPECT_TRUE(sample.mask.equal(mask));
  EXPECT_THAT(all->Get(328), StatusIs(absl::StatusCode::kOutOfRange,
                                      HasSubstr("there are 328")));
}

TEST_F(WeizmannHorseTest, DivisionOfThePapersSizes) {
  std::set<std::string> seen;
  for (const char* split : {"train", "val", "test"}) {
    const std::vector<std::string> ids = Ids(split);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    seen.insert(ids.begin(), ids.end());
  }
  EXPECT_EQ(Ids("train").size(), 150u);
  EXPECT_EQ(Ids("val").size(), 50u);
  EXPECT_EQ(Ids("test").size(), 128u);
  EXPECT_EQ(seen.size(), 328u);
  EXPECT_EQ(Ids("test")[0], "horse001");
  EXPECT_EQ(Ids("val")[0], "horse002");
  EXPECT_EQ(Ids("train")[0], "horse004");
}

TEST_F(WeizmannHorseTest, SplitSeedDividesTrainAndValAnew) {
  EXPECT_EQ(Ids("train", 1).size(), 150u);
  EXPECT_EQ(Ids("val", 1).size(), 50u);
  EXPECT_NE(Ids("val", 1), Ids("val"));
  EXPECT_NE(Ids("val", 1), Ids("val", 2));
  EXPECT_EQ(Ids("val", 1), Ids("val", 1));
  EXPECT_EQ(Ids("test", 1), Ids("test"));
}

// The division is that of the pack on which this repository's results are.
TEST_F(WeizmannHorseTest, DivisionIsThatOfThePack) {
  const char* root = std::getenv("SEG_DATA_ROOT");
  if (root == nullptr || *root == '\0') {
    GTEST_SKIP() << "SEG_DATA_ROOT is not set: no pack to compare with";
  }
  DataConfig config;
  config.pack = "weizmann_horse";
  for (const char* split : {"train", "val", "test"}) {
    ASSERT_OK_AND_ASSIGN(const auto pack, OpenDataset(config, root, split));
    std::vector<std::string> ids;
    for (int64_t i = 0; i < pack->size(); ++i) ids.push_back(pack->id(i));
    EXPECT_EQ(Ids(split), ids) << split;
  }
}

TEST_F(WeizmannHorseTest, BlackPictureIsReadInGrey) {
  at::Tensor black = at::zeros({3, 2 * kHeight, 2 * kWidth}, at::kByte);
  black[1][3] = 2;  // what JPEG makes of it
  WriteAs("rgb/horse001.jpg", black);
  ASSERT_OK_AND_ASSIGN(const auto all, Open("all"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, all->Get(0));
  EXPECT_EQ(sample.path, folder_.Path("gray/horse001.jpg"));
  EXPECT_TRUE(sample.image.equal(Grey()));
  fs::remove(folder_.Path("gray/horse001.jpg"));
  EXPECT_THAT(all->Get(0), StatusIs(kNotFound, HasSubstr("gray/horse001.jpg")));
}

TEST_F(WeizmannHorseTest, Errors) {
  const auto none = Open("trainval");
  EXPECT_THAT(
      none, StatusIs(kNotFound, HasSubstr("there are train, val, test, all")));
  EXPECT_TRUE(IsNoSuchSplit(none.status()));
  WriteAs("figure_ground/horse001.jpg",
          at::zeros({3, kHeight, kHeight}, at::kByte));
  WriteAs("figure_ground/horse002.jpg", Picture());
  folder_.WriteText("rgb/horse004.jpg", "no picture");
  ASSERT_OK_AND_ASSIGN(const auto all, Open("all"));
  EXPECT_THAT(all->Get(0),
              StatusIs(kInvalid, HasSubstr("horse001.jpg: 8x8, expected the "
                                           "proportions of")));
  EXPECT_THAT(all->Get(1), StatusIs(kInvalid, HasSubstr("is coloured")));
  EXPECT_THAT(all->Get(3), StatusIs(kInvalid, HasSubstr("rgb/horse004.jpg")));
  // horse003 is in val.
  fs::remove(folder_.Path("figure_ground/horse003.jpg"));
  EXPECT_OK(Open("train"));
  EXPECT_THAT(Open("val"),
              StatusIs(kNotFound, HasSubstr("figure_ground/horse003.jpg: not "
                                            "found; expected the folder with "
                                            "rgb")));
}

}  // namespace
}  // namespace seg
