#include "common/datasets/celeba_wild.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

// Ten pictures of 10 x 20; the face of number i covers 20 i pixels, so those
// from 3 on are large enough.
class CelebaWildTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string landmarks = "10\nlefteye_x lefteye_y and so on\n";
    std::string boxes = "10\nimage_id x_1 y_1 width height\n";
    for (int i = 1; i <= 10; ++i) {
      folder_.WriteImageFile("picture.png",
                             at::full({3, 10, 20}, i, at::kByte));
      std::filesystem::create_directories(folder_.Path("Img/img_celeba"));
      std::filesystem::rename(folder_.Path("picture.png"),
                              folder_.Path("Img/img_celeba/" + Name(i)));
      landmarks +=
          Name(i) + "  " + std::to_string(i) + " 2 8 3  5 4  3 6   9 -1\n";
      boxes += Name(i) + "    2   1  10    " + std::to_string(2 * i) + "\n";
    }
    folder_.WriteText("Anno/list_landmarks_celeba.txt", landmarks);
    folder_.WriteText("Anno/list_bbox_celeba.txt", boxes);
    folder_.WriteText("MAFL/training.txt", Name(9) + "\n" + Name(2) + "\n");
    folder_.WriteText("MAFL/testing.txt", Name(5) + "\r\n" + Name(4) + "\r\n");
  }
  static std::string Name(int i) {
    return std::string(i < 10 ? "00000" : "0000") + std::to_string(i) + ".jpg";
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(
      const std::string& split) const {
    DataConfig config;
    config.pack = "celeba_wild:" + folder_.folder();
    config.cache_mb = 0;
    return OpenDataset(config, "", split);
  }
  std::vector<std::string> Ids(const std::string& split) const {
    std::vector<std::string> ids;
    const auto set = Open(split);
    EXPECT_OK(set);
    if (!set.ok()) return ids;
    for (int64_t i = 0; i < (*set)->size(); ++i) ids.push_back((*set)->id(i));
    return ids;
  }
  PackFixture folder_;
};

TEST_F(CelebaWildTest, LargeFacesOfEachList) {
  EXPECT_THAT(Ids("train"),
              ElementsAre(Name(3), Name(6), Name(7), Name(8), Name(10)));
  EXPECT_THAT(Ids("val"), ElementsAre(Name(9)));
  EXPECT_THAT(Ids("test"), ElementsAre(Name(5), Name(4)));
  folder_.WriteText("MAFL/celebA_training.txt",
                    Name(8) + "\n" + Name(1) + "\n" + Name(3) + "\n");
  EXPECT_THAT(Ids("train"), ElementsAre(Name(8), Name(3)));
  // Sizes from a list, where there is one: a picture that is said to be large.
  folder_.WriteText("list_imsize_celeba.txt",
                    "image_id height width\n" + Name(3) + " 100 20\n");
  EXPECT_THAT(Ids("train"), ElementsAre(Name(8)));
}

TEST_F(CelebaWildTest, PointsAndNoMasks) {
  ASSERT_OK_AND_ASSIGN(const auto test, Open("test"));
  EXPECT_FALSE(test->info().has_masks);
  EXPECT_TRUE(test->info().has_points);
  EXPECT_THAT(test->info().point_flip_pairs,
              ElementsAre(Pair(0, 1), Pair(3, 4)));
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(1));
  EXPECT_EQ(sample.image[0][0][0].item<int>(), 4);
  EXPECT_FALSE(sample.mask.defined());
  const at::Tensor expected =
      at::tensor({4, 2, 1, 8, 3, 1, 5, 4, 1, 3, 6, 1, 9, -1, 1})
          .to(at::kFloat)
          .view({5, 3});
  EXPECT_TRUE(sample.points.equal(expected));
}

TEST_F(CelebaWildTest, Errors) {
  EXPECT_THAT(Open("all"), StatusIs(kNotFound, HasSubstr("no split 'all'")));
  folder_.WriteText("MAFL/testing.txt", Name(5) + "\n" + Name(5) + "\n");
  EXPECT_THAT(Open("test"),
              StatusIs(kInvalid, HasSubstr("the test list has 000005.jpg "
                                           "twice")));
  folder_.WriteText("MAFL/testing.txt", "000011.jpg\n");
  EXPECT_THAT(Open("test"),
              StatusIs(kInvalid, HasSubstr("list_landmarks_celeba.txt: no line "
                                           "for 000011.jpg")));
  folder_.WriteText("MAFL/testing.txt", "../000001.jpg\n");
  EXPECT_THAT(Open("test"), StatusIs(kInvalid, HasSubstr("the ID")));
  std::filesystem::remove(folder_.Path("MAFL/testing.txt"));
  EXPECT_THAT(Open("test"),
              StatusIs(kNotFound, HasSubstr("testing.txt: not found, nor in "
                                            "MAFL")));
  EXPECT_THAT(Open("train"), StatusIs(kNotFound, HasSubstr("testing.txt")));
  folder_.WriteText("Anno/list_bbox_celeba.txt", "nothing\n");
  EXPECT_THAT(Open("val"),
              StatusIs(kInvalid, HasSubstr("no line of a name and 4 numbers")));
}

}  // namespace
}  // namespace seg
