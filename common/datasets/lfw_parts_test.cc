#include "common/datasets/lfw_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

absl::StatusOr<std::shared_ptr<const Dataset>> Open(const std::string& pack,
                                                    const std::string& split,
                                                    int64_t fold = 0) {
  DataConfig config;
  config.pack = pack;
  config.fold = fold;
  config.cache_mb = 0;  // the tests change files
  return OpenDataset(config, "", split);
}

class LfwPartsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* id : {"Ann_Lee_0001", "Bo_0012", "Cy_0003"}) {
      const std::string name(id, std::string(id).rfind('_'));
      pack_.WriteImageFile("lfw_funneled/" + name + "/" + id + ".jpg",
                           at::full({3, 2, 4}, 90, at::kByte));
      WriteSuperpixels(name, id, "0 0 1 1\r\n2 3 3 4 \n");
      WriteLabels(name, id, "5\n0\n2\n1\n-1\n0\n");
    }
    pack_.WriteText("parts_train.txt", "Ann_Lee 1\nBo 12\n");
    pack_.WriteText("parts_validation.txt", "Cy 3\n");
    pack_.WriteText("parts_test.txt", "");
  }
  void WriteSuperpixels(const std::string& name, const std::string& id,
                        const std::string& text) const {
    pack_.WriteText(
        "parts_lfw_funneled_superpixels_mat/" + name + "/" + id + ".dat", text);
  }
  void WriteLabels(const std::string& name, const std::string& id,
                   const std::string& text) const {
    pack_.WriteText("parts_lfw_funneled_gt/" + name + "/" + id + ".dat", text);
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> OpenParts(
      const std::string& split) const {
    return Open("lfw_parts:" + pack_.folder(), split);
  }

  PackFixture pack_;
};

TEST_F(LfwPartsTest, SpreadsLabelsOverSuperpixels) {
  ASSERT_OK_AND_ASSIGN(const auto train, OpenParts("train"));
  ASSERT_EQ(train->size(), 2);
  EXPECT_EQ(train->id(0), "Ann_Lee_0001");
  EXPECT_EQ(train->id(1), "Bo_0012");
  EXPECT_EQ(train->info().name, "lfw_parts");
  EXPECT_THAT(train->info().class_names,
              ElementsAre("background", "skin", "hair"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, train->Get(1));
  const at::Tensor expected =
      at::tensor({0, 0, 2, 2, 1, 255, 255, 0}, at::kByte).view({2, 4});
  EXPECT_TRUE(sample.mask.equal(expected)) << sample.mask;
  EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, 2, 4}));
  // A superpixel beyond the labels has none; commas part numbers too.
  WriteSuperpixels("Bo", "Bo_0012", "0,0,1,1,2,5,6,2");
  ASSERT_OK_AND_ASSIGN(const Sample beyond, train->Get(1));
  const at::Tensor void_pixels = beyond.mask.eq(255);
  EXPECT_EQ(void_pixels.sum().item<int64_t>(), 2);
  ASSERT_OK_AND_ASSIGN(const auto val, OpenParts("val"));
  EXPECT_EQ(val->id(0), "Cy_0003");
  ASSERT_OK_AND_ASSIGN(const auto test, OpenParts("test"));
  EXPECT_EQ(test->size(), 0);
}

TEST_F(LfwPartsTest, NamesWhatIsWrong) {
  EXPECT_THAT(OpenParts("all"),
              StatusIs(kNotFound, HasSubstr("val (parts_validation.txt)")));
  ASSERT_OK_AND_ASSIGN(const auto val, OpenParts("val"));
  const auto superpixels = [&](const std::string& text) {
    WriteSuperpixels("Cy", "Cy_0003", text);
  };
  const auto labels = [&](const std::string& text) {
    WriteLabels("Cy", "Cy_0003", text);
  };
  labels("5 0 2 1 0");
  EXPECT_THAT(val->Get(0),
              StatusIs(kInvalid, HasSubstr("4 labels after the number 5")));
  labels("");
  EXPECT_THAT(val->Get(0), StatusIs(kInvalid, HasSubstr("0 labels")));
  labels("5 0 2 3 0 0");
  EXPECT_THAT(val->Get(0),
              StatusIs(kInvalid, HasSubstr("label 3 of superpixel 2")));
  labels("5 0 2 1 0 0");
  superpixels("0 0 1 1 2 3 3");
  EXPECT_THAT(val->Get(0),
              StatusIs(kInvalid, HasSubstr("7 numbers, expected one a pixel")));
  superpixels("0 0 1 1\n2 3 3 -4");
  EXPECT_THAT(val->Get(0), StatusIs(kInvalid, HasSubstr("superpixel -4")));
  for (const char* text :
       {"0 0 1 1\n2 x", "0 1.5", "0 -", "99999999999999999999", "3-4"}) {
    superpixels(text);
    EXPECT_THAT(val->Get(0),
                StatusIs(kInvalid, HasSubstr("expected whole numbers")))
        << text;
  }
  pack_.WriteText("parts_test.txt", "Dan 1\n");
  EXPECT_THAT(OpenParts("test"),
              StatusIs(kNotFound, HasSubstr("Dan_0001.jpg: not found")));
  pack_.WriteText("parts_test.txt", "Cy 3\n\nCy 3\n");
  EXPECT_THAT(OpenParts("test"),
              StatusIs(kInvalid,
                       HasSubstr("parts_test.txt:3: Cy_0003 is there twice")));
  pack_.WriteText("parts_test.txt", "Cy\n");
  EXPECT_THAT(OpenParts("test"),
              StatusIs(kInvalid, HasSubstr("expected NAME NUMBER")));
  for (const char* line : {"../Cy 3", "Cy -3", "Cy 3x", "a/b 3"}) {
    pack_.WriteText("parts_test.txt", line);
    EXPECT_THAT(OpenParts("test"),
                StatusIs(kInvalid, HasSubstr("parts_test.txt:1: ")))
        << line;
  }
  std::filesystem::remove(pack_.Path("parts_test.txt"));
  EXPECT_THAT(OpenParts("test"),
              StatusIs(kNotFound, HasSubstr("parts_test.txt: not found")));
}

class Lfw4Test : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 20; ++i) {
      const std::string name = "face_" + std::to_string(100 + i);
      pack_.WriteImageFile(name + ".jpg", at::full({3, 2, 4}, 90, at::kByte));
      pack_.WriteImageFile(name + "_label.png", Label());
    }
  }
  // The eight colours.
  static at::Tensor Label() {
    const at::Tensor code = at::arange(8, at::kLong).view({2, 4});
    return at::stack({code.bitwise_and(1), code.div(2, "floor").bitwise_and(1),
                      code.div(4, "floor")})
        .mul(255)
        .to(at::kByte);
  }
  std::string Pack() const { return "lfw4:" + pack_.folder(); }

  PackFixture pack_;
};

TEST_F(Lfw4Test, ReadsColourBits) {
  ASSERT_OK_AND_ASSIGN(const auto all, Open(Pack(), "all"));
  ASSERT_EQ(all->size(), 20);
  EXPECT_EQ(all->id(3), "face_103");
  EXPECT_THAT(all->info().class_names,
              ElementsAre("background", "face", "clothes", "hair"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, all->Get(3));
  EXPECT_EQ(sample.id, "face_103");
  const at::Tensor expected =
      at::tensor({0, 255, 255, 1, 2, 255, 255, 3}, at::kByte).view({2, 4});
  EXPECT_TRUE(sample.mask.equal(expected)) << sample.mask;
}

TEST_F(Lfw4Test, SplitsPartThePairs) {
  std::set<std::string> first_val;
  for (int64_t fold = 0; fold < kLfw4Splits; ++fold) {
    std::set<std::string> ids;
    for (const auto& [split, size] :
         std::vector<std::pair<std::string, int64_t>>{
             {"train", 8}, {"val", 2}, {"test", 10}}) {
      ASSERT_OK_AND_ASSIGN(const auto set, Open(Pack(), split, fold));
      EXPECT_EQ(set->size(), size) << split;
      for (int64_t i = 0; i < set->size(); ++i) ids.insert(set->id(i));
      if (split == "val") first_val.insert(set->id(0));
    }
    EXPECT_EQ(ids.size(), 20u);
  }
  EXPECT_GT(first_val.size(), 1u);  // the divisions differ
  EXPECT_THAT(Open(Pack(), "val", 5),
              StatusIs(kInvalid, HasSubstr("data.fold: 5, expected 0 .. 4")));
}

TEST_F(Lfw4Test, NamesWhatIsWrong) {
  EXPECT_THAT(Open(Pack(), "trainval"),
              StatusIs(kNotFound, HasSubstr("train, val, test")));
  pack_.WriteImageFile("face_119_label.png", at::zeros({3, 5, 5}, at::kByte));
  ASSERT_OK_AND_ASSIGN(const auto all, Open(Pack(), "all"));
  EXPECT_THAT(all->Get(19),
              StatusIs(kInvalid, HasSubstr("face_119_label.png: 5x5")));
  pack_.WriteText("zz.txt", "");
  EXPECT_THAT(Open(Pack(), "all"),
              StatusIs(kInvalid, HasSubstr("zz.txt: nothing follows")));
  std::filesystem::remove(pack_.Path("face_104_label.png"));
  EXPECT_THAT(Open(Pack(), "all"),
              StatusIs(kInvalid, HasSubstr("face_104.jpg: 'face_105.jpg' "
                                           "follows, expected pairs")));
  const PackFixture empty("empty");
  EXPECT_THAT(Open("lfw4:" + empty.folder(), "all"),
              StatusIs(kNotFound, HasSubstr("no file in it")));
}

}  // namespace
}  // namespace seg
