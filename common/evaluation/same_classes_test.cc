#include "common/evaluation/same_classes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

DatasetInfo Info(const std::string& name,
                 const std::vector<std::string>& classes) {
  DatasetInfo info;
  info.name = name;
  info.class_names = classes;
  return info;
}

const std::vector<std::string> kModel = {"ground", "sky", "sea"};

absl::Status Check(const std::vector<std::string>& classes,
                   const std::string& compare = "by_name",
                   const std::vector<int64_t>& map = {}) {
  return CheckSameClasses(Info("run", kModel), Info("set", classes), map,
                          compare);
}

auto Refused(const std::string& text) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
}

TEST(CheckSameClassesTest, TheSameClassesAgree) {
  EXPECT_OK(Check(kModel));
  EXPECT_OK(Check(kModel, "by_order"));
}

TEST(CheckSameClassesTest, AnotherNumberIsRefusedHoweverTheyAreCompared) {
  for (const char* compare : {"by_name", "by_order"}) {
    EXPECT_THAT(Check({"ground", "sky"}, compare),
                Refused("set: has 2 classes, the model was trained on 3; map "
                        "them by data.map and data.class_names"));
    EXPECT_THAT(Check({"ground", "sky", "sea", "sun"}, compare),
                Refused("has 4 classes"));
  }
}

TEST(CheckSameClassesTest, AnotherOrderIsRefusedWithTheMapThatPutsItRight) {
  EXPECT_THAT(Check({"sky", "sea", "ground"}),
              Refused("set: class 0 is 'sky', the model was trained on "
                      "'ground' there; set data.map=[1,2,0], or set "
                      "eval.classes=by_order"));
  // Where there is a map, the remedy is not to put another in its place.
  EXPECT_THAT(Check({"sky", "sea", "ground"}, "by_name", {0, 1, 2, 0}),
              Refused("put the classes into its order by data.map"));
  EXPECT_OK(Check({"sky", "sea", "ground"}, "by_order"));
}

TEST(CheckSameClassesTest, OtherNamesAreRefused) {
  EXPECT_THAT(Check({"ground", "sky", "lake"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("class 2 is 'lake', the model was "
                                       "trained on 'sea' there; name the "
                                       "classes alike"),
                             Not(HasSubstr("data.map=")))));
  EXPECT_OK(Check({"ground", "sky", "lake"}, "by_order"));
}

}  // namespace
}  // namespace seg
