#include "common/datasets/hdf5_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ATen/ATen.h"
#include "common/datasets/no_such_split.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/hdf5_builder.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

at::Tensor Images(int64_t count, int64_t salt = 0) {
  return at::arange(count * 3 * 4 * 5, at::kLong)
      .add(salt)
      .remainder(256)
      .to(at::kByte)
      .view({count, 3, 4, 5});
}

absl::StatusOr<std::shared_ptr<const Dataset>> Open(const std::string& path,
                                                    const std::string& split) {
  DataConfig config;
  config.pack = "hdf5:" + path;
  config.cache_mb = 0;
  return OpenDataset(config, "", split);
}

TEST(Hdf5DatasetTest, PicturesWithMasks) {
  const PackFixture folder;
  const at::Tensor masks = at::arange(7 * 4 * 5, at::kLong)
                               .remainder(3)
                               .to(at::kByte)
                               .view({7, 4, 5});
  WriteHdf5(folder.Path("cub.h5"), {{"train_img", Images(3)},
                                    {"test_img", Images(7, 9)},
                                    {"test_seg", masks}});
  ASSERT_OK_AND_ASSIGN(const auto test, Open(folder.Path("cub.h5"), "test"));
  ASSERT_EQ(test->size(), 7);
  EXPECT_EQ(test->id(6), "test_000006");
  EXPECT_EQ(test->info().name, "cub");
  EXPECT_TRUE(test->info().has_masks);
  ASSERT_OK_AND_ASSIGN(const Sample sample, test->Get(6));
  EXPECT_TRUE(sample.image.equal(Images(7, 9)[6]));
  EXPECT_TRUE(sample.mask.equal(masks[6].ne(0).to(at::kByte)));
  EXPECT_FALSE(sample.points.defined());
  EXPECT_THAT(test->Get(7), StatusIs(absl::StatusCode::kOutOfRange,
                                     HasSubstr("row 7 asked for")));
  ASSERT_OK_AND_ASSIGN(const auto train, Open(folder.Path("cub.h5"), "train"));
  EXPECT_FALSE(train->info().has_masks);
  const auto val = Open(folder.Path("cub.h5"), "val");
  EXPECT_THAT(val, StatusIs(kNotFound, HasSubstr("no array val_img for the "
                                                 "split 'val'; the file has "
                                                 "test, train")));
  EXPECT_TRUE(IsNoSuchSplit(val.status()));
  // By its name under the data root.
  DataConfig config;
  config.pack = "hdf5:cub.h5";
  EXPECT_OK(OpenDataset(config, folder.folder(), "train"));
}

TEST(Hdf5DatasetTest, FacesWithLandmarks) {
  const PackFixture folder;
  const std::string path = folder.Path("celeba_wild.h5");
  const at::Tensor marks = at::arange(2 * 5 * 2, at::kFloat).view({2, 5, 2});
  WriteHdf5(path, {{"train_img", Images(1)},
                   {"mafl_train_img", Images(2)},
                   {"mafl_train_landmark", marks},
                   {"mafl_test_img", Images(1, 5)}});
  ASSERT_OK_AND_ASSIGN(const auto val, Open(path, "val"));
  EXPECT_EQ(val->id(1), "mafl_train_000001");
  EXPECT_TRUE(val->info().has_points);
  EXPECT_THAT(val->info().point_flip_pairs,
              ElementsAre(Pair(0, 1), Pair(3, 4)));
  ASSERT_OK_AND_ASSIGN(const Sample sample, val->Get(1));
  // Rows and columns in the file, x and y in a sample.
  EXPECT_EQ(sample.points[0][0].item<float>(), 11.0f);
  EXPECT_EQ(sample.points[0][1].item<float>(), 10.0f);
  EXPECT_EQ(sample.points[4][2].item<float>(), 1.0f);
  ASSERT_OK_AND_ASSIGN(const auto same, Open(path, "mafl_train"));
  EXPECT_EQ(same->id(1), val->id(1));
  ASSERT_OK_AND_ASSIGN(const auto test, Open(path, "test"));
  EXPECT_EQ(test->id(0), "mafl_test_000000");
}

TEST(Hdf5DatasetTest, Errors) {
  const PackFixture folder;
  const std::string path = folder.Path("bad.h5");
  EXPECT_THAT(Open(path, "train"),
              StatusIs(kNotFound, HasSubstr("no file '" + path)));
  WriteHdf5(path, {{"train_img", Images(2)},
                   {"train_seg", at::zeros({2, 5, 4}, at::kByte)},
                   {"val_img", Images(2).slice(1, 0, 1)},
                   {"test_img", Images(2)},
                   {"test_landmark", at::zeros({2, 5}, at::kFloat)},
                   {"more_img", at::zeros({1, 3, 2, 2}, at::kFloat)}});
  EXPECT_THAT(Open(path, "train"),
              StatusIs(kInvalid, HasSubstr("train_seg: expected [N,H,W] as the "
                                           "images, got [2,5,4]")));
  EXPECT_THAT(Open(path, "val"),
              StatusIs(kInvalid, HasSubstr("val_img: expected [N,3,H,W], got "
                                           "[2,1,4,5]")));
  EXPECT_THAT(Open(path, "test"),
              StatusIs(kInvalid, HasSubstr("test_landmark: expected [N,P,2], "
                                           "got [2,5]")));
  EXPECT_THAT(Open(path, "more"),
              StatusIs(kInvalid, HasSubstr("more_img: expected bytes")));
}

}  // namespace
}  // namespace seg
