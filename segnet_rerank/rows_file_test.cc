#include "segnet_rerank/rows_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "common/testing/status_matchers.h"

namespace seg {
namespace segnet_rerank {
namespace {

TEST(RowsFileTest, GivesWhatItGotAndLeavesNothing) {
  at::manual_seed(1);
  const std::string path = testing::TempDir() + "/rows.part";
  const at::Tensor all = at::randn({7, 3});
  at::Tensor mapped;
  {
    RowsFile file(path, at::kFloat, {3});
    ASSERT_OK(file.Add(all.narrow(0, 0, 4)));
    ASSERT_OK(file.Add(all.t().contiguous().t().narrow(0, 4, 3)));
    ASSERT_OK_AND_ASSIGN(mapped, file.Map());
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(mapped.is_contiguous());
  EXPECT_TRUE(at::equal(mapped, all));
}

TEST(RowsFileTest, RowsOfAnySizesAndNone) {
  const std::string path = testing::TempDir() + "/rows.part";
  const at::Tensor all = at::arange(24, at::kInt).view({4, 2, 3});
  RowsFile file(path, at::kInt, {2, 3});
  for (int64_t i = 0; i < 4; ++i) ASSERT_OK(file.Add(all.narrow(0, i, 1)));
  ASSERT_OK_AND_ASSIGN(const at::Tensor mapped, file.Map());
  EXPECT_TRUE(at::equal(mapped, all));
  RowsFile empty(path + "2", at::kFloat, {5});
  ASSERT_OK_AND_ASSIGN(const at::Tensor none, empty.Map());
  EXPECT_EQ(none.sizes(), at::IntArrayRef({0, 5}));
  EXPECT_THROW((void)empty.Add(at::zeros({1, 4})), c10::Error);
}

TEST(RowsFileTest, ErrorsNameTheFile) {
  RowsFile file(testing::TempDir() + "/nowhere/rows.part", at::kInt, {1});
  EXPECT_THAT(file.Add(at::zeros({1, 1}, at::kInt)),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::HasSubstr("nowhere/rows.part: ")));
  EXPECT_THAT(file.Map().status(),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::HasSubstr("nowhere/rows.part: ")));
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
