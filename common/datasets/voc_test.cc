#include "common/datasets/voc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/image.h"
#include "common/io/mat_builder.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

// VOCdevkit/VOC2012 and SBD's dataset of a few pictures, 4 rows, 6 columns.
class VocTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* id : {"a1", "a2", "v1", "v2"}) {
      WriteJpeg(Voc(std::string("JPEGImages/") + id + ".jpg"));
      pack_.WriteMaskFile(Voc(std::string("SegmentationClass/") + id + ".png"),
                          VocMask());
    }
    for (const char* id : {"b1", "b2"}) {
      WriteJpeg(Voc(std::string("JPEGImages/") + id + ".jpg"));
    }
    pack_.WriteText(Voc("ImageSets/Segmentation/train.txt"), "a1\na2\n");
    pack_.WriteText(Voc("ImageSets/Segmentation/val.txt"), "v1\nv2\n");
    pack_.WriteText(Voc("ImageSets/Segmentation/trainval.txt"),
                    "a1\na2\nv1\nv2\n");
    for (const char* id : {"a2", "b1", "b2", "v2"}) {
      WriteJpeg(std::string("sbd/img/") + id + ".jpg");
      WriteSbdMask(id, SbdMask());
    }
    pack_.WriteText("sbd/train.txt", "a2\nb2\n");
    pack_.WriteText("sbd/val.txt", "v2\nb1\n");
  }

  static std::string Voc(const std::string& name) {
    return "VOCdevkit/VOC2012/" + name;
  }
  static at::Tensor VocMask() {
    at::Tensor mask = at::arange(24, at::kByte).remainder(21).view({4, 6});
    mask[0][0] = 255;
    return mask;
  }
  static at::Tensor SbdMask() {
    return at::arange(24, at::kByte).mul(2).remainder(21).view({4, 6});
  }

  void WriteJpeg(const std::string& name) const {
    pack_.WriteImageFile(name,
                         at::arange(72, at::kByte).mul(3).view({3, 4, 6}));
  }
  void WriteSbdMask(const std::string& id, const at::Tensor& mask) const {
    const at::Tensor columns = mask.t().contiguous();
    const std::string bytes(
        reinterpret_cast<const char*>(columns.data_ptr<uint8_t>()),
        columns.numel());
    pack_.WriteText(
        "sbd/cls/" + id + ".mat",
        MatHeader() +
            MatCompressed(MatStruct(
                "GTcls",
                {{"Boundaries", MatElement(14, "")},
                 {"Segmentation", MatArray("",
                                           {static_cast<int32_t>(mask.size(0)),
                                            static_cast<int32_t>(mask.size(1))},
                                           9, 2, bytes)}})));
  }

  absl::StatusOr<std::shared_ptr<const Dataset>> Open(
      const std::string& pack, const std::string& split) const {
    DataConfig config;
    config.pack = pack;
    return OpenDataset(config, pack_.folder(), split);
  }
  static std::vector<std::string> Ids(const Dataset& set) {
    std::vector<std::string> ids;
    for (int64_t i = 0; i < set.size(); ++i) ids.push_back(set.id(i));
    return ids;
  }

  PackFixture pack_;
};

TEST(VocInfoTest, HasTheClassesAndColoursOfTheDevkit) {
  const DatasetInfo info = VocInfo("voc2012");
  EXPECT_EQ(info.num_classes(), 21);
  EXPECT_EQ(info.class_names[0], "background");
  EXPECT_EQ(info.class_names[15], "person");
  EXPECT_EQ(info.class_names[20], "tvmonitor");
  EXPECT_EQ(info.ignore_label, 255);
  EXPECT_THAT(info.palette[1], ElementsAre(128, 0, 0));
  EXPECT_THAT(info.palette[15], ElementsAre(192, 128, 128));
  EXPECT_THAT(info.palette[20], ElementsAre(0, 64, 128));
}

TEST_F(VocTest, OpensByEachFolder) {
  const std::string root = pack_.folder();
  for (const char* pack : {"voc2012:VOCdevkit/VOC2012", "voc2012:VOCdevkit"}) {
    ASSERT_OK_AND_ASSIGN(const auto set, Open(pack, "train"));
    EXPECT_THAT(Ids(*set), ElementsAre("a1", "a2"));
  }
  for (const std::string& folder :
       {root, root + "/VOCdevkit", root + "/VOCdevkit/VOC2012/"}) {
    ASSERT_OK_AND_ASSIGN(const auto set, Open("voc2012:" + folder, "val"));
    EXPECT_THAT(Ids(*set), ElementsAre("v1", "v2"));
  }
  ASSERT_OK_AND_ASSIGN(const auto set, Open("voc2012:VOCdevkit", "trainval"));
  EXPECT_EQ(set->size(), 4);
  EXPECT_EQ(set->info().name, "voc2012");
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(2));
  EXPECT_EQ(sample.id, "v1");
  EXPECT_THAT(sample.path, testing::EndsWith("JPEGImages/v1.jpg"));
  EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, 4, 6}));
  EXPECT_TRUE(sample.mask.equal(VocMask()));
  EXPECT_THAT(set->Get(4), StatusIs(absl::StatusCode::kOutOfRange,
                                    HasSubstr("there are 4")));
}

TEST_F(VocTest, OpensSbd) {
  ASSERT_OK_AND_ASSIGN(const auto set, Open("sbd:sbd", "train"));
  EXPECT_THAT(Ids(*set), ElementsAre("a2", "b2"));
  EXPECT_EQ(set->info().name, "sbd");
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(1));
  EXPECT_TRUE(sample.mask.equal(SbdMask()));
  EXPECT_THAT(sample.path, testing::EndsWith("sbd/img/b2.jpg"));
  fs::create_directories(pack_.Path("outer"));
  fs::rename(pack_.Path("sbd"), pack_.Path("outer/dataset"));
  ASSERT_OK_AND_ASSIGN(const auto outer, Open("sbd:outer", "val"));
  EXPECT_THAT(Ids(*outer), ElementsAre("v2", "b1"));
}

TEST_F(VocTest, TrainAugIsTheUnionWithoutVal) {
  ASSERT_OK_AND_ASSIGN(const auto set,
                       Open("voc2012:VOCdevkit+sbd", "train_aug"));
  EXPECT_THAT(Ids(*set), ElementsAre("a1", "a2", "b1", "b2"));
  // VOC's own mask goes before SBD's.
  ASSERT_OK_AND_ASSIGN(const Sample a2, set->Get(1));
  EXPECT_TRUE(a2.mask.equal(VocMask()));
  ASSERT_OK_AND_ASSIGN(const Sample b1, set->Get(2));
  EXPECT_TRUE(b1.mask.equal(SbdMask()));
  EXPECT_THAT(b1.path, testing::EndsWith("JPEGImages/b1.jpg"));
  // The other splits are VOC's.
  ASSERT_OK_AND_ASSIGN(const auto val, Open("voc2012:VOCdevkit+sbd", "val"));
  EXPECT_THAT(Ids(*val), ElementsAre("v1", "v2"));
}

TEST_F(VocTest, TrainAugFollowsAListWhereThereIsOne) {
  pack_.WriteText(Voc("ImageSets/Segmentation/train_aug.txt"), "b2\na1\n");
  ASSERT_OK_AND_ASSIGN(const auto set,
                       Open("voc2012:VOCdevkit+sbd", "train_aug"));
  EXPECT_THAT(Ids(*set), ElementsAre("b2", "a1"));
  EXPECT_THAT(Open("voc2012:VOCdevkit", "train_aug"),
              StatusIs(kNotFound, AllOf(HasSubstr("SegmentationClass/b2.png"),
                                        HasSubstr("voc2012:VOC+SBD"))));
}

TEST_F(VocTest, ATestListHasNoMasks) {
  EXPECT_THAT(Open("voc2012:VOCdevkit", "test"),
              StatusIs(kNotFound,
                       AllOf(HasSubstr("Segmentation/test.txt: no such split"),
                             HasSubstr("there is train, trainval, val"))));
  pack_.WriteText(Voc("ImageSets/Segmentation/test.txt"), "b1\nb2\n");
  ASSERT_OK_AND_ASSIGN(const auto set, Open("voc2012:VOCdevkit", "test"));
  EXPECT_FALSE(set->info().has_masks);
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(0));
  EXPECT_FALSE(sample.mask.defined());
}

TEST_F(VocTest, NamesWhatIsMissing) {
  EXPECT_THAT(Open("voc2012:nothing", "train"),
              StatusIs(kNotFound, HasSubstr("no folder 'nothing' in ")));
  EXPECT_THAT(Open("voc2012:VOCdevkit+nothing", "train"),
              StatusIs(kNotFound, HasSubstr("no folder 'nothing' in ")));
  EXPECT_THAT(Open("voc2012:sbd", "train"),
              StatusIs(kNotFound, HasSubstr("no folder JPEGImages in it")));
  EXPECT_THAT(Open("sbd:VOCdevkit", "train"),
              StatusIs(kNotFound, HasSubstr("no folder cls in it")));
  EXPECT_THAT(Open("sbd:", "train"), StatusIs(kNotFound, HasSubstr("''")));
  EXPECT_THAT(Open("voc2012:VOCdevkit", "train_aug"),
              StatusIs(kNotFound, HasSubstr("both data.pack=voc2012:VOC+SBD")));
  EXPECT_THAT(Open("voc2012:VOCdevkit", "../Main/train"),
              StatusIs(kNotFound, HasSubstr("no such split")));
  fs::remove(pack_.Path(Voc("JPEGImages/v2.jpg")));
  EXPECT_THAT(Open("voc2012:VOCdevkit", "val"),
              StatusIs(kNotFound, AllOf(HasSubstr("JPEGImages/v2.jpg"),
                                        HasSubstr("'val' lists v2"))));
  pack_.WriteText(Voc("ImageSets/Segmentation/twice.txt"), "a1\na1\n");
  EXPECT_THAT(Open("voc2012:VOCdevkit", "twice"),
              StatusIs(kInvalid, HasSubstr("twice.txt:2: the ID 'a1'")));
}

TEST_F(VocTest, ChecksMasks) {
  pack_.WriteMaskFile(Voc("SegmentationClass/a1.png"),
                      at::full({4, 6}, 21, at::kByte));
  pack_.WriteMaskFile(Voc("SegmentationClass/a2.png"),
                      at::zeros({6, 4}, at::kByte));
  ASSERT_OK_AND_ASSIGN(const auto train, Open("voc2012:VOCdevkit", "train"));
  EXPECT_THAT(train->Get(0),
              StatusIs(kInvalid, HasSubstr("a1.png: label 21 at row 0")));
  EXPECT_THAT(train->Get(1),
              StatusIs(kInvalid, HasSubstr("a2.png: 4x6, expected the size")));
  WriteSbdMask("a2", at::zeros({6, 4}, at::kByte));
  pack_.WriteText(
      "sbd/cls/b2.mat",
      MatHeader() + MatStruct("GTcls", {{"Segmentation", MatElement(14, "")}}));
  ASSERT_OK_AND_ASSIGN(const auto sbd, Open("sbd:sbd", "train"));
  EXPECT_THAT(sbd->Get(0), StatusIs(kInvalid, HasSubstr("a2.mat: 4x6")));
  EXPECT_THAT(sbd->Get(1),
              StatusIs(kInvalid, AllOf(HasSubstr("b2.mat: GTcls.Segmentation"),
                                       HasSubstr("expected uint8 of 2"))));
}

// Four genuine files, put into VOC's folders by links.
TEST(RealVocTest, ReadsGenuineFiles) {
  const char* root = std::getenv("SEG_DATA_ROOT");
  const fs::path pack =
      fs::path(root == nullptr ? "" : root) / "voc2012_samples";
  if (root == nullptr || !fs::exists(pack)) {
    GTEST_SKIP() << "no voc2012_samples under SEG_DATA_ROOT";
  }
  const PackFixture voc;
  fs::create_directories(voc.Path("ImageSets/Segmentation"));
  fs::create_directory_symlink(pack / "images", voc.Path("JPEGImages"));
  fs::create_directory_symlink(pack / "masks", voc.Path("SegmentationClass"));
  for (const char* list : {"train.txt", "val.txt"}) {
    fs::create_symlink(pack / list,
                       voc.Path(std::string("ImageSets/Segmentation/") + list));
  }
  DataConfig config;
  config.pack = "voc2012:" + voc.folder();
  for (const char* split : {"train", "val"}) {
    ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", split));
    ASSERT_EQ(set->size(), 2);
    for (int64_t i = 0; i < 2; ++i) {
      ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(i));
      EXPECT_EQ(std::max(sample.image.size(1), sample.image.size(2)), 500);
      EXPECT_GT(sample.mask.eq(255).sum().item<int64_t>(), 100);  // borders
      EXPECT_GT(sample.mask.gt(0).sum().item<int64_t>(), 1000);
    }
  }
}

}  // namespace
}  // namespace seg
