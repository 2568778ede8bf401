#include "common/datasets/cub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/mat_builder.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

constexpr int64_t kHeight = 12;
constexpr int64_t kWidth = 20;

// Column x has the value 10 x, row y adds 1 to it.
at::Tensor Ramp() {
  const at::Tensor plane =
      at::arange(kWidth, at::kLong)
          .mul(10)
          .add(at::arange(kHeight, at::kLong).view({-1, 1}));
  return plane.to(at::kByte).expand({3, kHeight, kWidth}).contiguous();
}

class CubTest : public testing::Test {
 protected:
  // A grey PNG of three channels, as the readers take either.
  void WriteGrey(const std::string& name, const at::Tensor& grey) const {
    pack_.WriteImageFile(name, grey.expand({3, -1, -1}).contiguous());
  }
  // A PNG under the name of a JPEG: images are told apart by their bytes, and
  // these must keep theirs.
  void WriteBird(const std::string& root, const std::string& id) const {
    pack_.WriteImageFile("ramp.png", Ramp());
    const std::string to = pack_.Path(root + "images/" + id + ".jpg");
    std::filesystem::create_directories(
        std::filesystem::path(to).parent_path());
    std::filesystem::rename(pack_.Path("ramp.png"), to);
  }

  absl::StatusOr<std::shared_ptr<const Dataset>> Open(const std::string& format,
                                                      const std::string& split,
                                                      int64_t fold = 0) const {
    DataConfig config;
    config.pack = format + ":" + pack_.folder();
    config.fold = fold;
    config.cache_mb = 0;  // the tests change files
    return OpenDataset(config, "", split);
  }

  PackFixture pack_;
};

class Cub2011Test : public CubTest {
 protected:
  void SetUp() override {
    std::string images, splits, boxes;
    for (int i = 1; i <= 23; ++i) {
      const std::string n = std::to_string(i);
      const std::string id = Id(i);
      WriteBird("CUB_200_2011/", id);
      WriteGrey("segmentations/" + id + ".png", Grey());
      images += n + " " + id + ".jpg\n";
      // Numbers 21 to 23 are for testing; the lists are not in one order.
      splits = n + (i <= 20 ? " 1\n" : " 0\n") + splits;
      boxes += n + " 3.0 2.5 8.0 6.0\n";
    }
    pack_.WriteText("CUB_200_2011/images.txt", images);
    pack_.WriteText("CUB_200_2011/train_test_split.txt", splits);
    pack_.WriteText("CUB_200_2011/bounding_boxes.txt", boxes);
  }
  static std::string Id(int i) {
    return "00" + std::to_string(i % 3) + ".Bird/Bird_" + std::to_string(i);
  }
  // Votes of five annotators: 0, 51, .. 255.
  static at::Tensor Grey() {
    return at::arange(kHeight * kWidth, at::kLong)
        .remainder(6)
        .mul(51)
        .to(at::kByte)
        .view({kHeight, kWidth});
  }
};

TEST_F(Cub2011Test, CropsToTheBoxAndCutsTheVotesAtHalf) {
  ASSERT_OK_AND_ASSIGN(const auto test, Open("cub2011", "test"));
  ASSERT_EQ(test->size(), 3);
  EXPECT_EQ(test->id(0), Id(21));
  EXPECT_EQ(test->info().name, "cub2011");
  EXPECT_THAT(test->info().class_names, ElementsAre("background", "bird"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(1));
  EXPECT_EQ(sample.id, Id(22));
  // Columns 3 .. 10, rows 2 .. 8 (2.5 to 8.5).
  ASSERT_EQ(sample.image.sizes(), at::IntArrayRef({3, 7, 8}));
  EXPECT_EQ(sample.image[0][0][0].item<int>(), 32);
  EXPECT_EQ(sample.image[2][6][7].item<int>(), 108);
  const at::Tensor votes = Grey().slice(0, 2, 9).slice(1, 3, 11);
  EXPECT_TRUE(sample.mask.equal(votes.ge(153).to(at::kByte)));
  EXPECT_TRUE(sample.image.is_contiguous());
  // The folder itself opens too.
  DataConfig config;
  config.pack = "cub2011:" + pack_.Path("CUB_200_2011");
  EXPECT_OK(OpenDataset(config, "", "test"));
}

TEST_F(Cub2011Test, WholePicturesWithTheSplitOfRedo) {
  EXPECT_THAT(Open("cub_redo", "train"),
              StatusIs(kNotFound, HasSubstr("train_val_test_split.txt: not "
                                            "found; it is in datasplits/cub")));
  std::string split;
  for (int i = 1; i <= 23; ++i) {
    split += std::to_string(i) + (i % 5 == 0   ? " 2\n"
                                  : i % 7 == 0 ? " 1\n"
                                               : " 0\n");
  }
  const std::string list = "CUB_200_2011/train_val_test_split.txt";
  pack_.WriteText(list, split);
  ASSERT_OK_AND_ASSIGN(const auto train, Open("cub_redo", "train"));
  ASSERT_OK_AND_ASSIGN(const auto val, Open("cub_redo", "val"));
  ASSERT_OK_AND_ASSIGN(const auto test, Open("cub_redo", "test"));
  EXPECT_EQ(train->size(), 16);
  EXPECT_EQ(val->size(), 3);
  ASSERT_EQ(test->size(), 4);
  EXPECT_EQ(test->id(1), Id(10));
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(1));
  EXPECT_TRUE(sample.image.equal(Ramp()));
  EXPECT_TRUE(sample.mask.equal(Grey().ge(153).to(at::kByte)));
  EXPECT_THAT(Open("cub_redo", "trainval"),
              StatusIs(kNotFound, HasSubstr("there are train, val, test")));
  pack_.WriteText(list, split.substr(4));
  EXPECT_THAT(Open("cub_redo", "train"),
              StatusIs(kInvalid, HasSubstr("split.txt: lacks " + Id(1))));
  pack_.WriteText(list, "1 3\n");
  EXPECT_THAT(Open("cub_redo", "train"),
              StatusIs(kInvalid, HasSubstr("split.txt:1: '3', expected 0")));
  pack_.WriteText(list, "24 0\n");
  EXPECT_THAT(Open("cub_redo", "train"),
              StatusIs(kInvalid, HasSubstr("no image 24 in images.txt")));
}

TEST_F(Cub2011Test, FoldsPartTheTrainingList) {
  std::multiset<std::string> held_out;
  for (int64_t fold = 0; fold < kCubFolds; ++fold) {
    ASSERT_OK_AND_ASSIGN(const auto val, Open("cub2011", "val", fold));
    ASSERT_OK_AND_ASSIGN(const auto train, Open("cub2011", "train", fold));
    EXPECT_EQ(val->size(), 2);
    EXPECT_EQ(train->size(), 18);
    std::set<std::string> all;
    for (int64_t i = 0; i < val->size(); ++i) {
      held_out.insert(val->id(i));
      all.insert(val->id(i));
    }
    for (int64_t i = 0; i < train->size(); ++i) all.insert(train->id(i));
    EXPECT_EQ(all.size(), 20u);
  }
  EXPECT_EQ(std::set<std::string>(held_out.begin(), held_out.end()).size(),
            20u);
  ASSERT_OK_AND_ASSIGN(const auto trainval, Open("cub2011", "trainval"));
  EXPECT_EQ(trainval->size(), 20);
  EXPECT_EQ(trainval->id(0), Id(1));  // in the order of images.txt
  EXPECT_THAT(Open("cub2011", "val", 10),
              StatusIs(kInvalid, HasSubstr("data.fold: 10, expected 0 .. 9")));
}

TEST_F(Cub2011Test, NamesWhatIsWrong) {
  EXPECT_THAT(Open("cub2011", "all"),
              StatusIs(kNotFound, HasSubstr("train, val, trainval, test")));
  const std::string root = "CUB_200_2011/";
  // Contents of a sample.
  WriteGrey("segmentations/" + Id(21) + ".png", at::zeros({4, 4}, at::kByte));
  at::Tensor coloured = at::zeros({3, kHeight, kWidth}, at::kByte);
  coloured[1][3][4] = 9;
  pack_.WriteImageFile("segmentations/" + Id(22) + ".png", coloured);
  pack_.WriteText(root + "train_test_split.txt", [] {
    std::string text;
    for (int i = 1; i <= 23; ++i) text += std::to_string(i) + " 0\n";
    return text;
  }());
  pack_.WriteText(root + "bounding_boxes.txt", [] {
    std::string text;
    for (int i = 1; i <= 23; ++i) text += std::to_string(i) + " 30 2 8 6\n";
    return text;
  }());
  ASSERT_OK_AND_ASSIGN(const auto test, Open("cub2011", "test"));
  EXPECT_THAT(test->Get(20), StatusIs(kInvalid, HasSubstr(".png: 4x4")));
  EXPECT_THAT(test->Get(21), StatusIs(kInvalid, HasSubstr("is coloured")));
  EXPECT_THAT(test->Get(22),
              StatusIs(kInvalid, HasSubstr("covers no pixel of")));
  // Lists.
  pack_.WriteText(root + "bounding_boxes.txt", "1 2 3 4\n");
  EXPECT_THAT(Open("cub2011", "test"),
              StatusIs(kInvalid, HasSubstr("bounding_boxes.txt:1: 4 cells, "
                                           "expected NUMBER X Y")));
  pack_.WriteText(root + "bounding_boxes.txt", "1 2 3 4 nan\n");
  EXPECT_THAT(Open("cub2011", "test"), StatusIs(kInvalid, HasSubstr("'nan'")));
  pack_.WriteText(root + "bounding_boxes.txt", "1 2 3 4 5\n");
  EXPECT_THAT(Open("cub2011", "test"),
              StatusIs(kInvalid, HasSubstr("bounding_boxes.txt: lacks")));
  pack_.WriteText(root + "train_test_split.txt", "99 1\n");
  EXPECT_THAT(Open("cub2011", "test"),
              StatusIs(kInvalid, HasSubstr("no image 99 in images.txt")));
  pack_.WriteText(root + "train_test_split.txt", "1 2\n");
  EXPECT_THAT(Open("cub2011", "test"), StatusIs(kInvalid, HasSubstr("'2'")));
  pack_.WriteText(root + "images.txt", "1 a/b.jpg\n1 a/c.jpg\n");
  EXPECT_THAT(Open("cub2011", "test"),
              StatusIs(kInvalid, HasSubstr("images.txt:2: 1 a/c is there")));
  pack_.WriteText(root + "images.txt", "1 ../b.jpg\n");
  EXPECT_THAT(Open("cub2011", "test"), StatusIs(kInvalid, HasSubstr("'../b'")));
  pack_.WriteText(root + "images.txt", "1 a/b.gif\n");
  EXPECT_THAT(Open("cub2011", "test"),
              StatusIs(kInvalid, HasSubstr("expected SPECIES/NAME.jpg")));
  std::filesystem::remove(pack_.Path(root + "images.txt"));
  EXPECT_THAT(Open("cub2011", "test"),
              StatusIs(kNotFound, HasSubstr("found no images.txt")));
}

TEST_F(Cub2011Test, ListedFilesMustExist) {
  std::filesystem::remove(pack_.Path("segmentations/" + Id(21) + ".png"));
  EXPECT_THAT(Open("cub2011", "test"),
              StatusIs(kNotFound, HasSubstr(Id(21) + ".png: not found")));
  EXPECT_OK(Open("cub2011", "trainval"));
}

class Cub2010Test : public CubTest {
 protected:
  void SetUp() override {
    for (const char* id : {"001.A/a1", "001.A/a2", "002.B/b1"}) {
      WriteBird("", id);
      WriteAnnotation(id, {5, 3, 12, 9});
    }
    pack_.WriteText("lists/train.txt", "001.A/a1.jpg\n002.B/b1.jpg\n");
    pack_.WriteText("lists/test.txt", "001.A/a2.jpg\n");
  }
  // Columns 6 .. 12 of rows 4 .. 9 are bird, counted from 0.
  static at::Tensor Seg() {
    at::Tensor seg = at::zeros({kHeight, kWidth}, at::kByte);
    seg.slice(0, 4, 10).slice(1, 6, 13).fill_(1);
    return seg;
  }
  static std::string Double(double value) {
    std::string bytes(8, '\0');
    std::memcpy(&bytes[0], &value, 8);
    return bytes;
  }
  void WriteAnnotation(const std::string& id,
                       const std::vector<double>& box) const {
    const at::Tensor columns = Seg().t().contiguous();  // MATLAB's order
    const std::string seg(
        reinterpret_cast<const char*>(columns.data_ptr<uint8_t>()),
        columns.numel());
    const auto side = [&](size_t i) {
      return MatArray("", {1, 1}, 6, 9, Double(box[i]));
    };
    pack_.WriteText(
        "annotations-mat/" + id + ".mat",
        MatHeader() +
            MatStruct("bbox", {{"left", side(0)},
                               {"top", side(1)},
                               {"right", side(2)},
                               {"bottom", side(3)}}) +
            MatCompressed(MatArray("seg", {kHeight, kWidth}, 9, 2, seg, 2)));
  }
};

TEST_F(Cub2010Test, ReadsAnnotations) {
  ASSERT_OK_AND_ASSIGN(const auto test, Open("cub2010", "test"));
  ASSERT_EQ(test->size(), 1);
  EXPECT_EQ(test->info().name, "cub2010");
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(0));
  EXPECT_EQ(sample.id, "001.A/a2");
  // 5 .. 12 and 3 .. 9 counted from 1.
  ASSERT_EQ(sample.image.sizes(), at::IntArrayRef({3, 7, 8}));
  EXPECT_EQ(sample.image[0][0][0].item<int>(), 42);
  EXPECT_TRUE(sample.mask.equal(Seg().slice(0, 2, 9).slice(1, 4, 12)));
  ASSERT_OK_AND_ASSIGN(const auto trainval, Open("cub2010", "trainval"));
  EXPECT_EQ(trainval->size(), 2);
  // A box that hangs over is cut.
  WriteAnnotation("001.A/a2", {-3, 0, 900, 4.5});
  ASSERT_OK_AND_ASSIGN(const Sample cut, test->Get(0));
  EXPECT_EQ(cut.mask.sizes(), at::IntArrayRef({5, kWidth}));
}

TEST_F(Cub2010Test, FineMasksGoFirst) {
  at::Tensor fine = at::zeros({kHeight, kWidth}, at::kByte);
  fine[4][5] = 255;
  for (const char* id : {"001.A/a1", "002.B/b1"}) {
    WriteGrey(std::string("segmentations/") + id + ".png", fine);
  }
  ASSERT_OK_AND_ASSIGN(const auto train, Open("cub2010", "trainval"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, train->Get(0));
  EXPECT_EQ(sample.mask.sum().item<int64_t>(), 1);
  EXPECT_EQ(sample.mask[2][1].item<int>(), 1);
  EXPECT_THAT(Open("cub2010", "test"),
              StatusIs(kNotFound, HasSubstr("001.A/a2.png: not found")));
}

TEST_F(Cub2010Test, NamesWhatIsWrong) {
  pack_.WriteText("lists/test.txt", "001.A/a1.jpg\n001.A/a1.jpg\n");
  EXPECT_THAT(Open("cub2010", "test"),
              StatusIs(kInvalid, HasSubstr("test.txt:2: 001.A/a1 is there")));
  std::filesystem::remove(pack_.Path("lists/test.txt"));
  EXPECT_THAT(Open("cub2010", "test"),
              StatusIs(kNotFound, HasSubstr("expected the folder with images, "
                                            "lists and annotations-mat")));
  ASSERT_OK_AND_ASSIGN(const auto train, Open("cub2010", "trainval"));
  WriteAnnotation("001.A/a1", {5, 3, NAN, 9});
  EXPECT_THAT(train->Get(0),
              StatusIs(kInvalid, HasSubstr("a1.mat: bbox.right")));
  WriteAnnotation("001.A/a1", {25, 3, 30, 9});
  EXPECT_THAT(train->Get(0), StatusIs(kInvalid, HasSubstr("covers no pixel")));
  pack_.WriteText("annotations-mat/001.A/a1.mat",
                  MatHeader() + MatArray("seg", {1, 1}, 9, 2, "1"));
  EXPECT_THAT(train->Get(0), testing::Not(IsOk()));
}

}  // namespace
}  // namespace seg
