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
    RowsFile file(path);
    ASSERT_OK(file.Add(all.narrow(0, 0, 4)));
    ASSERT_OK(file.Add(all.t().contiguous().t().narrow(0, 4, 3)));
    ASSERT_OK_AND_ASSIGN(mapped, file.Map(3));
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(mapped.is_contiguous());
  EXPECT_TRUE(at::equal(mapped, all));
}

TEST(RowsFileTest, ErrorsNameTheFile) {
  RowsFile file(testing::TempDir() + "/nowhere/rows.part");
  EXPECT_THAT(file.Add(at::zeros({1, 1})),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::HasSubstr("nowhere/rows.part: ")));
  EXPECT_THAT(file.Map(1).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::HasSubstr("nowhere/rows.part: ")));
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
