#include "common/datasets/class_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/base/runfiles.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class ClassTableTest : public testing::Test {
 protected:
  absl::StatusOr<ClassTable> Read(const std::string& text) const {
    folder_.WriteText("table.yaml", text);
    return ReadClassTable(folder_.Path("table.yaml"));
  }
  // A table with these classes, or with other lines before them.
  static std::string Table(const std::string& classes, const std::string& head =
                                                           "title: two\n"
                                                           "others: things\n"
                                                           "ignore: [mist]\n") {
    return head + "classes: " + classes + "\n";
  }
  PackFixture folder_;
};

constexpr char kTwo[] =
    "[{name: ground, color: [1, 2, 3], of: [floor, \"bath mat\"]},"
    " {name: things, color: [4, 5, 6], of: [lamp]}]";

TEST_F(ClassTableTest, NamesBecomeClasses) {
  ASSERT_OK_AND_ASSIGN(const ClassTable table, Read(Table(kTwo)));
  EXPECT_EQ(table.info.title, "two");
  EXPECT_THAT(table.info.class_names, ElementsAre("ground", "things"));
  EXPECT_THAT(table.info.palette[1], ElementsAre(4, 5, 6));
  EXPECT_THAT(NewIds(table, {"cup", "bath mat", "mist", "lamp", "floor"}),
              ElementsAre(1, 0, 255, 1, 0));
  EXPECT_TRUE(NewIds(table, {}).empty());
  ASSERT_OK_AND_ASSIGN(
      const ClassTable strict,
      Read(Table(kTwo, "title: two\nothers: ignore\nignore: []\n")));
  EXPECT_THAT(NewIds(strict, {"cup", "lamp"}), ElementsAre(255, 1));
}

TEST_F(ClassTableTest, WarnsOfNamesThatTheDataDoNotHave) {
  ASSERT_OK_AND_ASSIGN(const ClassTable table, Read(Table(kTwo)));
  testing::internal::CaptureStderr();
  NewIds(table, {"floor"});
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("table.yaml: of the names in the table"),
                    HasSubstr("bath mat, lamp, mist")));
  testing::internal::CaptureStderr();
  NewIds(table, {"floor", "bath mat", "lamp", "mist"});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ClassTableTest, Errors) {
  EXPECT_THAT(ReadClassTable(folder_.Path("none.yaml")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.yaml")));
  const auto fails = [&](const std::string& text, const std::string& with) {
    EXPECT_THAT(Read(text), StatusIs(kInvalid, AllOf(HasSubstr("table.yaml"),
                                                     HasSubstr(with))))
        << text;
  };
  fails("[1", "table.yaml");
  fails("3", "expected keys and values");
  fails("title: x\n", "others: missing");
  fails(Table("[]"), "classes: expected 1 to 255, got 0");
  fails(Table(kTwo) + "extra: 1\n", "extra");
  fails(Table("[{name: a, color: [1, 2], of: []}]"),
        "classes[0]: color: expected [R, G, B]");
  fails(Table("[{name: a, color: [1, 2, 256], of: []}]"),
        "classes[0]: color: expected [R, G, B]");
  fails(Table("[{name: a, color: [1, 2, 3]}]"), "classes[0]: of: missing");
  fails(Table("[{name: a, color: [1, 2, 3], of: []},"
              " {name: a, color: [1, 2, 3], of: []}]"),
        "classes[1]: name: 'a' is taken");
  fails(Table("[{name: ignore, color: [1, 2, 3], of: []}]"),
        "classes[0]: name: 'ignore' is taken");
  fails(Table("[{name: things, color: [1, 2, 3], of: [cup, cup]}]"),
        "classes[0]: of: 'cup' is in the table twice");
  fails(Table("[{name: things, color: [1, 2, 3], of: [mist]}]"),
        "classes[0]: of: 'mist' is in the table twice");
  fails(Table("[{name: a, color: [1, 2, 3], of: []}]"),
        "others: 'things', expected a or ignore");
  std::string many = "[";
  for (int i = 0; i < 256; ++i) {
    many += "{name: n" + std::to_string(i) + ", color: [0, 0, 0], of: []},";
  }
  fails(Table(many + "]"), "classes: expected 1 to 255, got 256");
}

TEST(NyuDepthV2FiveTest, FiveClasses) {
  ASSERT_OK_AND_ASSIGN(
      const ClassTable table,
      ReadClassTable(Runfile("common/datasets/nyu_depth_v2_5.yaml")));
  EXPECT_THAT(
      table.info.class_names,
      ElementsAre("ground", "vertical", "ceiling", "furniture", "objects"));
  EXPECT_EQ(table.others, 4);
  testing::internal::CaptureStderr();  // most names of the table are missing
  EXPECT_THAT(NewIds(table, {"floor", "wall", "ceiling", "bed", "book",
                             "unknown", "door  window  reflection"}),
              ElementsAre(0, 1, 2, 3, 4, 255, 1));
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace seg
