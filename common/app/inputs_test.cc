#include "common/app/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

MATCHER_P2(File, path, name, "") {
  return arg.path == path && arg.name == name;
}

class InputsTest : public ::testing::Test {
 protected:
  InputsTest()
      : root_((fs::path(::testing::TempDir()) / "inputs_test").string() + "/") {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }

  void Make(const std::string& name) const {
    fs::create_directories(fs::path(root_ + name).parent_path());
    ASSERT_OK(WriteFileAtomically(root_ + name, "x"));
  }

  const std::string root_;
};

TEST_F(InputsTest, AFileAFolderOrAGlob) {
  for (const char* name : {"b2.PNG", "a1.jpg", "a3.JPEG.Png", "notes.txt"}) {
    Make(name);
  }
  const auto a1 = File(root_ + "a1.jpg", "a1");
  const auto a3 = File(root_ + "a3.JPEG.Png", "a3.JPEG");
  const auto b2 = File(root_ + "b2.PNG", "b2");
  EXPECT_THAT(ListInputs(root_, "out").value(), ElementsAre(a1, a3, b2));
  EXPECT_THAT(ListInputs(root_ + "a1.jpg", "out").value(), ElementsAre(a1));
  // A file is taken whatever it is called.
  EXPECT_THAT(ListInputs(root_ + "notes.txt", "out").value(),
              ElementsAre(File(root_ + "notes.txt", "notes")));
  EXPECT_THAT(ListInputs(root_ + "a[0-9].*", "out").value(),
              ElementsAre(a1, a3));
  EXPECT_THAT(ListInputs(root_ + "*", "out").value(), ElementsAre(a1, a3, b2));
}

TEST_F(InputsTest, FoldersAreFollowedAndHiddenNamesPassedOver) {
  for (const char* name :
       {"in/a.png", "in/._a.png", "in/.cache/b.png", "in/x/a.png",
        "in/y/deep/a.jpg", "in/y/.a.jpg", "in/labels/a.png"}) {
    Make(name);
  }
  fs::create_directory_symlink(root_ + "in", root_ + "in/y/loop");
  Make("elsewhere/c.png");
  fs::create_directory_symlink(root_ + "elsewhere", root_ + "in/z");
  // Not what an earlier run wrote there.
  EXPECT_THAT(ListInputs(root_ + "in", root_ + "in/labels").value(),
              ElementsAre(File(root_ + "in/a.png", "a"),
                          File(root_ + "in/x/a.png", "x/a"),
                          File(root_ + "in/y/deep/a.jpg", "y/deep/a"),
                          File(root_ + "in/z/c.png", "z/c")));
  // Names of a glob begin behind the last plain folder.
  EXPECT_THAT(ListInputs(root_ + "in/[xz]/*", "out").value(),
              ElementsAre(File(root_ + "in/x/a.png", "x/a"),
                          File(root_ + "in/z/c.png", "z/c")));
  EXPECT_THAT(
      ListInputs(root_ + "in/y*", "out").value(),
      ElementsAre(File(root_ + "in/y/deep/a.jpg", "y/deep/a"),
                  File(root_ + "in/y/loop/a.png", "y/loop/a"),
                  File(root_ + "in/y/loop/labels/a.png", "y/loop/labels/a"),
                  File(root_ + "in/y/loop/x/a.png", "y/loop/x/a"),
                  File(root_ + "in/y/loop/z/c.png", "y/loop/z/c")));
}

TEST_F(InputsTest, NothingThere) {
  Make("in/notes.txt");
  Make("in/._a.png");
  EXPECT_THAT(ListInputs("", "out"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("--input: no image there")));
  for (const char* name : {"in", "no_such.png", "in/*.png", "in/*"}) {
    EXPECT_THAT(ListInputs(root_ + name, "out"),
                StatusIs(absl::StatusCode::kNotFound,
                         AllOf(HasSubstr(root_ + name),
                               HasSubstr("a folder with .jpg"))));
  }
}

TEST_F(InputsTest, ClashesAreFound) {
  const auto invalid = [](const char* text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_OK(CheckOutputs({{"x/a.jpg", "x/a"}, {"y/a.jpg", "y/a"}}, "out",
                         {".png", "_overlay.png"}));
  EXPECT_THAT(
      CheckOutputs({{"a.jpg", "a"}, {"a.png", "a"}}, "out", {".png"}),
      invalid("a.png: would be written to out/a.png as a.jpg is, which has "
              "the same name"));
  EXPECT_THAT(CheckOutputs({{"a.jpg", "a"}, {"a_state-3.jpg", "a_state-3"}},
                           "out", {".png", "_state-3.png"}),
              invalid("out/a_state-3.png"));
  Make("in/a.jpg");
  Make("in/b.png");
  EXPECT_OK(CheckOutputs({{root_ + "in/a.jpg", "a"}}, root_ + "in", {".png"}));
  fs::create_directory_symlink(root_ + "in", root_ + "link");
  EXPECT_THAT(
      CheckOutputs({{root_ + "in/b.png", "b"}}, root_ + "link", {".png"}),
      invalid("would be overwritten"));
}

}  // namespace
}  // namespace seg
