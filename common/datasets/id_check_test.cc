#include "common/datasets/id_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

TEST(CheckIdTest, NamesAFileBelowTheFolderOrSaysWhyNot) {
  for (const char* id : {"a", "a/b", "a b", "..a", "a..", "2007_000032"}) {
    EXPECT_OK(CheckId("list.txt:1", id)) << id;
  }
  const auto expect = [](const std::string& id, const std::string& reason) {
    EXPECT_THAT(
        CheckId("list.txt:1", id),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr("list.txt:1: the ID '" + id + "' " + reason)));
  };
  expect("", "is empty");
  expect("/a", "is an absolute path");
  expect("a/../../b", "contains '..'");
  expect("a//b", "has an empty or '.' folder");
  expect("a/", "has an empty or '.' folder");
  expect("./a", "has an empty or '.' folder");
  expect("a\\b", "contains a backslash");
  expect("a\tb", "contains a control character");
}

}  // namespace
}  // namespace seg
