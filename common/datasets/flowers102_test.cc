#include "common/datasets/flowers102.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/byte_order.h"
#include "common/io/mat_builder.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

constexpr int64_t kHeight = 6;
constexpr int64_t kWidth = 8;

class Flowers102Test : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 6; ++i) WriteFlower(i);
    WriteLists({1, 2}, {5}, {6, 3, 4});
  }
  static std::string Number(int i) { return "0000" + std::to_string(i); }
  // PNGs under the names of JPEGs: pictures are told apart by their bytes, and
  // these must keep theirs.
  void WriteAs(const std::string& name, const at::Tensor& rgb) const {
    folder_.WriteImageFile("picture.png", rgb);
    std::filesystem::create_directories(
        std::filesystem::path(folder_.Path(name)).parent_path());
    std::filesystem::rename(folder_.Path("picture.png"), folder_.Path(name));
  }
  void WriteFlower(int i) const {
    WriteAs("jpg/image_" + Number(i) + ".jpg",
            at::full({3, kHeight, kWidth}, 10 * i, at::kByte));
    // Blue, with a flower in the columns 2 .. i+1 and in it a pixel without
    // red, one without green and one whose blue is 254.
    at::Tensor mask = at::zeros({3, kHeight, kWidth}, at::kByte);
    mask[2].fill_(254);
    mask.slice(2, 2, i + 2).fill_(90);
    mask[0][0][2] = 0;
    mask[1][1][2] = 0;
    mask[2][2][2] = 254;
    WriteAs("segmim/segmim_" + Number(i) + ".jpg", mask);
  }
  static std::string Doubles(const std::string& name,
                             const std::vector<double>& values) {
    std::string data;
    for (const double value : values) {
      uint64_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      AppendLittle(bits, 8, &data);
    }
    return MatArray(name, {1, static_cast<int32_t>(values.size())}, 6, 9, data);
  }
  void WriteLists(const std::vector<double>& train,
                  const std::vector<double>& val,
                  const std::vector<double>& test) const {
    folder_.WriteText("setid.mat", MatHeader() + Doubles("trnid", train) +
                                       MatCompressed(Doubles("valid", val)) +
                                       Doubles("tstid", test));
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(
      const std::string& format, const std::string& split) const {
    DataConfig config;
    config.pack = format + ":" + folder_.folder();
    config.cache_mb = 0;
    return OpenDataset(config, "", split);
  }
  static std::vector<std::string> Ids(const Dataset& set) {
    std::vector<std::string> ids;
    for (int64_t i = 0; i < set.size(); ++i) ids.push_back(set.id(i));
    return ids;
  }
  PackFixture folder_;
};

TEST_F(Flowers102Test, OfficialSplitsAndThoseOfRedo) {
  ASSERT_OK_AND_ASSIGN(const auto train, Open("flowers102", "train"));
  EXPECT_THAT(Ids(*train), ElementsAre("image_00001", "image_00002"));
  ASSERT_OK_AND_ASSIGN(const auto val, Open("flowers102", "val"));
  EXPECT_THAT(Ids(*val), ElementsAre("image_00005"));
  ASSERT_OK_AND_ASSIGN(const auto test, Open("flowers102", "test"));
  EXPECT_THAT(Ids(*test),
              ElementsAre("image_00006", "image_00003", "image_00004"));
  ASSERT_OK_AND_ASSIGN(const auto redo, Open("flowers102_redo", "train"));
  EXPECT_EQ(Ids(*redo), Ids(*test));
  EXPECT_EQ(redo->info().name, "flowers102_redo");
  ASSERT_OK_AND_ASSIGN(const auto redo_test, Open("flowers102_redo", "test"));
  EXPECT_EQ(Ids(*redo_test), Ids(*train));
}

TEST_F(Flowers102Test, WhatIsNotBlueIsFlower) {
  ASSERT_OK_AND_ASSIGN(const auto test, Open("flowers102", "test"));
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(1));
  EXPECT_EQ(sample.image[1][0][0].item<int>(), 30);
  at::Tensor expected = at::zeros({kHeight, kWidth}, at::kByte);
  expected.slice(1, 2, 5).fill_(1);
  expected.select(1, 2).slice(0, 0, 3).fill_(0);
  EXPECT_TRUE(sample.mask.equal(expected));
  EXPECT_THAT(test->info().class_names, ElementsAre("background", "flower"));
}

TEST_F(Flowers102Test, Errors) {
  EXPECT_THAT(Open("flowers102", "all"),
              StatusIs(kNotFound, HasSubstr("there are train, val, test")));
  WriteLists({1, 9}, {5}, {6});
  EXPECT_THAT(Open("flowers102", "train"),
              StatusIs(kNotFound, HasSubstr("image_00009.jpg: not found")));
  WriteLists({1, 1.5}, {0}, {6, 6});
  EXPECT_THAT(Open("flowers102", "train"),
              StatusIs(kInvalid, HasSubstr("trnid[1] is 1.5")));
  EXPECT_THAT(Open("flowers102", "val"),
              StatusIs(kInvalid, HasSubstr("valid[0] is 0")));
  EXPECT_THAT(Open("flowers102", "test"),
              StatusIs(kInvalid, HasSubstr("picture 6 is there twice")));
  std::filesystem::remove(folder_.Path("setid.mat"));
  EXPECT_THAT(Open("flowers102", "train"),
              StatusIs(kNotFound, HasSubstr("setid.mat: not found; expected "
                                            "the folder with jpg")));
}

}  // namespace
}  // namespace seg
