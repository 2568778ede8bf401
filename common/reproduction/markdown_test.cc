#include "common/reproduction/markdown.h"

#include <gtest/gtest.h>

namespace seg {
namespace {

TEST(MarkdownTest, NumbersHaveTheirSignsAndNoMinusBeforeAZero) {
  EXPECT_EQ(Fixed(-1.25, 1), "−1.2");
  EXPECT_EQ(Fixed(-0.04, 1), "0.0");
  EXPECT_EQ(Signed(2, 1), "+2.0");
  EXPECT_EQ(Signed(0.04, 1), "0.0");
  EXPECT_EQ(Signed(-2, 0), "−2");
  EXPECT_EQ(MeanAndSd({1, 2, 3}, 1), "2.0 ± 1.0");
  EXPECT_EQ(MeanAndSd({3}, 0, true), "+3");
  EXPECT_EQ(MeanAndSd({}, 0), "–");
}

TEST(MarkdownTest, EscapesWhatWouldBreakATable) {
  EXPECT_EQ(Escape("a|b\nc<d"), "a\\|b c&lt;d");
}

TEST(MarkdownTest, TablesHaveAHeadAndARule) {
  MarkdownTable table;
  table.AddColumn("Name", false);
  table.AddColumn("x");
  EXPECT_TRUE(table.empty());
  table.AddRow({"a", "1"});
  table.AddRow({"", "2"});
  EXPECT_EQ(table.Text(), "| Name | x |\n| --- | ---: |\n| a | 1 |\n| | 2 |\n");
}

TEST(FootnotesTest, TheSameTextIsToldOnce) {
  Footnotes notes;
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(notes.Mark("one"), " [1]");
  EXPECT_EQ(notes.Mark("two"), " [2]");
  EXPECT_EQ(notes.Mark("one"), " [1]");
  EXPECT_EQ(notes.List(), "1. one\n2. two\n");
}

}  // namespace
}  // namespace seg
