#include "common/datasets/nyu_depth_v2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/byte_order.h"
#include "common/io/hdf5_builder.h"
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

constexpr int64_t kPictures = 30;
constexpr int64_t kHeight = 4;
constexpr int64_t kWidth = 6;

// The name a is ground, b is ignored, all others are things.
constexpr char kTable[] =
    "title: test\nothers: things\nignore: [b]\n"
    "classes: [{name: ground, color: [1, 2, 3], of: [a]},"
    " {name: things, color: [4, 5, 6], of: []}]\n";

class NyuDepthV2Test : public testing::Test {
 protected:
  void SetUp() override {
    WriteLabelled(Images(), Labels(), Names());
    WriteLists(Range(1, 20), {30, 21, 25});
    folder_.WriteText("table.yaml", kTable);
  }
  // What MATLAB calls images(row, column, channel, picture): [H,W,3,N].
  static at::Tensor Images() {
    return at::arange(kHeight * kWidth * 3 * kPictures, at::kLong)
        .mul(7)
        .remainder(251)
        .to(at::kByte)
        .view({kHeight, kWidth, 3, kPictures});
  }
  // [H,W,N]: 0 and numbers of names, up to 300.
  static at::Tensor Labels() {
    return at::arange(kHeight * kWidth * kPictures, at::kLong)
        .mul(13)
        .remainder(301)
        .to(at::kInt)
        .view({kHeight, kWidth, kPictures});
  }
  // 300 names, n1, n2 .. but for b, label 2, and a, label 299.
  static std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (int i = 1; i <= 300; ++i) names.push_back("n" + std::to_string(i));
    names[1] = "b";
    names[298] = "a";
    return names;
  }
  std::string File() const { return folder_.Path("nyu_depth_v2_labeled.mat"); }
  // HDF5 has MATLAB's axes in reverse.
  void WriteLabelled(const at::Tensor& images, const at::Tensor& labels,
                     const std::vector<std::string>& names,
                     bool chunked = false) const {
    WriteHdf5(File(),
              {{"images", images.permute({3, 2, 1, 0})},
               {"labels", labels.permute({2, 1, 0})}},
              chunked);
    AddHdf5Texts(File(), "names", names);
  }
  static std::vector<double> Range(int first, int last) {
    std::vector<double> numbers;
    for (int i = first; i <= last; ++i) numbers.push_back(i);
    return numbers;
  }
  static std::string Column(const std::string& name,
                            const std::vector<double>& values) {
    std::string data;
    for (const double value : values) {
      uint64_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      AppendLittle(bits, 8, &data);
    }
    return MatArray(name, {static_cast<int32_t>(values.size()), 1}, 6, 9, data);
  }
  void WriteLists(const std::vector<double>& train,
                  const std::vector<double>& test) const {
    folder_.WriteText("splits.mat",
                      MatHeader() + MatCompressed(Column("testNdxs", test)) +
                          MatCompressed(Column("trainNdxs", train)));
  }
  DataConfig Config() const {
    DataConfig config;
    config.pack = "nyu_depth_v2:" + folder_.folder();
    config.class_table = "table.yaml";
    config.cache_mb = 0;
    return config;
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(const std::string& split,
                                                      int64_t fold = 0) const {
    DataConfig config = Config();
    config.fold = fold;
    return OpenDataset(config, "", split);
  }
  std::vector<std::string> Ids(const std::string& split,
                               int64_t fold = 0) const {
    const auto set = Open(split, fold);
    EXPECT_OK(set);
    std::vector<std::string> ids;
    for (int64_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      ids.push_back((*set)->id(i));
    }
    return ids;
  }
  PackFixture folder_;
};

TEST_F(NyuDepthV2Test, PicturesAndLabelsWithTheirAxesPutRight) {
  for (const bool chunked : {false, true}) {
    WriteLabelled(Images(), Labels(), Names(), chunked);
    ASSERT_OK_AND_ASSIGN(const auto test, Open("test"));
    ASSERT_EQ(test->size(), 3);
    EXPECT_EQ(test->info().name, "nyu_depth_v2");
    EXPECT_THAT(test->info().class_names, ElementsAre("ground", "things"));
    const int64_t numbers[] = {30, 21, 25};
    for (int64_t i = 0; i < 3; ++i) {
      const int64_t picture = numbers[i] - 1;
      ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(i));
      EXPECT_EQ(sample.id, "00" + std::to_string(numbers[i]));
      ASSERT_EQ(sample.image.sizes(), at::IntArrayRef({3, kHeight, kWidth}));
      ASSERT_EQ(sample.mask.sizes(), at::IntArrayRef({kHeight, kWidth}));
      EXPECT_TRUE(sample.image.is_contiguous());
      EXPECT_TRUE(sample.mask.is_contiguous());
      for (int64_t y = 0; y < kHeight; ++y) {
        for (int64_t x = 0; x < kWidth; ++x) {
          for (int64_t c = 0; c < 3; ++c) {
            EXPECT_EQ(sample.image[c][y][x].item<int>(),
                      Images()[y][x][c][picture].item<int>());
          }
          const int label = Labels()[y][x][picture].item<int>();
          const int expected = label == 0 || label == 2 ? 255
                               : label == 299           ? 0
                                                        : 1;
          EXPECT_EQ(sample.mask[y][x].item<int>(), expected) << label;
        }
      }
    }
    EXPECT_THAT(test->Get(3), StatusIs(absl::StatusCode::kOutOfRange,
                                       HasSubstr("there are 3")));
  }
}

TEST_F(NyuDepthV2Test, OfficialListsAndTenthsOfTheTrainingList) {
  EXPECT_THAT(Ids("test"), ElementsAre("0030", "0021", "0025"));
  const std::vector<std::string> all = Ids("trainval");
  ASSERT_EQ(all.size(), 20u);
  EXPECT_EQ(all.front(), "0001");
  EXPECT_EQ(all.back(), "0020");
  std::set<std::string> held_out;
  for (int64_t fold = 0; fold < kNyuFolds; ++fold) {
    const std::vector<std::string> val = Ids("val", fold);
    const std::vector<std::string> train = Ids("train", fold);
    EXPECT_EQ(val.size(), 2u);
    std::set<std::string> both(train.begin(), train.end());
    both.insert(val.begin(), val.end());
    EXPECT_EQ(both, std::set<std::string>(all.begin(), all.end()));
    held_out.insert(val.begin(), val.end());
  }
  EXPECT_EQ(held_out.size(), 20u);
}

TEST_F(NyuDepthV2Test, EmptySplit) {
  WriteLists({}, {1});
  ASSERT_OK_AND_ASSIGN(const auto all, Open("trainval"));
  EXPECT_EQ(all->size(), 0);
  EXPECT_THAT(OpenFilledDataset(Config(), "", "trainval", true),
              StatusIs(kInvalid, HasSubstr("the split 'trainval' is empty")));
  EXPECT_THAT(Ids("test"), ElementsAre("0001"));
}

// data.map goes on from the classes of the table.
TEST_F(NyuDepthV2Test, TableByPathByDefaultAndWithAMap) {
  DataConfig config = Config();
  const PackFixture elsewhere("tables");
  elsewhere.WriteText("own.yaml",
                      "title: own\nothers: ignore\nignore: []\n"
                      "classes: [{name: x, color: [1, 2, 3], of: [a]}]\n");
  config.class_table = elsewhere.Path("own.yaml");
  ASSERT_OK_AND_ASSIGN(const auto own, OpenDataset(config, "", "test"));
  EXPECT_THAT(own->info().class_names, ElementsAre("x"));
  config.class_table = "";
  ASSERT_OK_AND_ASSIGN(const auto five, OpenDataset(config, "", "test"));
  EXPECT_THAT(
      five->info().class_names,
      ElementsAre("ground", "vertical", "ceiling", "furniture", "objects"));
  config.map = {0, 1, 1, 255, 255};
  ASSERT_OK_AND_ASSIGN(const auto mapped, OpenDataset(config, "", "test"));
  EXPECT_THAT(mapped->info().class_names, ElementsAre("ground", "vertical"));
  config = Config();
  config.class_table = "none.yaml";
  EXPECT_THAT(OpenDataset(config, "", "test"),
              StatusIs(kNotFound, HasSubstr("none.yaml")));
  config.pack = "synthetic:scenes";
  EXPECT_THAT(OpenDataset(config, "", "test"),
              StatusIs(kInvalid, HasSubstr("data.class_table: none.yaml, but "
                                           "synthetic:scenes takes none")));
}

TEST_F(NyuDepthV2Test, WhatIsMissing) {
  const auto none = Open("all");
  EXPECT_THAT(
      none,
      StatusIs(kNotFound, HasSubstr("there are train, val, trainval, test")));
  EXPECT_TRUE(IsNoSuchSplit(none.status()));
  DataConfig config = Config();
  config.fold = kNyuFolds;
  EXPECT_THAT(OpenDataset(config, "", "val"),
              StatusIs(kInvalid, HasSubstr("data.fold: 10, expected 0 .. 9")));
  fs::remove(folder_.Path("splits.mat"));
  EXPECT_THAT(Open("test"),
              StatusIs(kNotFound, HasSubstr("splits.mat: not found; expected "
                                            "the folder with nyu_depth")));
  folder_.WriteText("splits.mat", MatHeader() + Column("testNdxs", {1}));
  EXPECT_THAT(Open("trainval"), StatusIs(kNotFound, HasSubstr("trainNdxs")));
  WriteHdf5(File(), {{"images", Images().permute({3, 2, 1, 0})},
                     {"labels", Labels().permute({2, 1, 0})}});
  EXPECT_THAT(Open("test"), StatusIs(kNotFound, HasSubstr("no array 'names'; "
                                                          "there are images, "
                                                          "labels")));
  fs::remove(File());
  EXPECT_THAT(Open("test"), StatusIs(kNotFound, HasSubstr("labeled.mat: not "
                                                          "found")));
}

TEST_F(NyuDepthV2Test, WrongShapesAndNumbers) {
  // As a reader that has put the axes right already would write it.
  WriteHdf5(File(), {{"images", Images().permute({3, 0, 1, 2})},
                     {"labels", Labels().permute({2, 1, 0})}});
  EXPECT_THAT(Open("test"),
              StatusIs(kInvalid, HasSubstr("images: expected [N,3,W,H] of 8 "
                                           "bits, got [30,4,6,3] of 8 bits")));
  WriteHdf5(File(), {{"images", Images().permute({3, 2, 1, 0})},
                     {"labels", Labels().permute({2, 0, 1})}});
  EXPECT_THAT(
      Open("test"),
      StatusIs(kInvalid, HasSubstr("labels: expected [N,W,H] as the "
                                   "images, of 16 bits, got [30,4,6]")));
  WriteHdf5(File(), {{"images", Images().permute({3, 2, 1, 0})},
                     {"labels", Labels().permute({2, 1, 0}).to(at::kByte)}});
  EXPECT_THAT(Open("test"),
              StatusIs(kInvalid, HasSubstr("got [30,6,4] of 8 bits")));
  WriteLabelled(Images(), Labels(), Names());
  WriteLists({1, 31}, {0});
  EXPECT_THAT(Open("trainval"),
              StatusIs(kInvalid, HasSubstr("trainNdxs[1] is 31, expected the "
                                           "number of a picture, 1 .. 30")));
  EXPECT_THAT(Open("test"), StatusIs(kInvalid, HasSubstr("testNdxs[0] is 0")));
}

TEST_F(NyuDepthV2Test, LabelBeyondTheNames) {
  at::Tensor labels = at::ones({kHeight, kWidth, kPictures}, at::kInt);
  labels[1][5][29] = 301;
  WriteLabelled(Images(), labels, Names());
  ASSERT_OK_AND_ASSIGN(const auto test, Open("test"));
  EXPECT_THAT(
      test->Get(0),
      StatusIs(kInvalid,
               AllOf(HasSubstr("labels: label 301 of picture 0030 at row 1, "
                               "column 5 is no number of a name, 1 .. 300"))));
  EXPECT_OK(test->Get(1));
}

// Cut anywhere, the file cannot be opened or a picture cannot be read.
TEST_F(NyuDepthV2Test, CutShort) {
  const auto size = fs::file_size(File());
  for (const int part : {1, 4, 7}) {
    WriteLabelled(Images(), Labels(), Names());
    fs::resize_file(File(), size * part / 8);
    const auto test = Open("test");
    if (!test.ok()) {
      EXPECT_THAT(test.status().message(), HasSubstr("labeled.mat"));
      continue;
    }
    bool all = true;
    for (int64_t i = 0; i < (*test)->size(); ++i) {
      const auto sample = (*test)->Get(i);
      if (sample.ok()) continue;
      all = false;
      EXPECT_EQ(sample.status().code(), absl::StatusCode::kDataLoss);
    }
    EXPECT_FALSE(all);
  }
}

}  // namespace
}  // namespace seg
