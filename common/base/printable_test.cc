#include "common/base/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace seg {
namespace {

TEST(PrintableTest, TextStaysAsItIs) {
  for (const char* text : {"", "a b 'c' \"d\" \\e", "stra\xC3\x9F\x65",
                           "\xE2\x82\xAC", "\xF0\x9F\x90\x8E", "\xC2\xA0"}) {
    EXPECT_EQ(Printable(text), text);
    EXPECT_EQ(PrintableLines(text), text);
  }
}

TEST(PrintableTest, BytesThatAreNoTextAreEscaped) {
  EXPECT_EQ(Printable("caf\xE9.jpg"), "caf\\xe9.jpg");  // Latin-1
  EXPECT_EQ(Printable("\xC3"), "\\xc3");                // cut
  EXPECT_EQ(Printable("\xE2\x82"), "\\xe2\\x82");
  EXPECT_EQ(Printable("\xFF\xFE"
                      "a"),
            "\\xff\\xfea");
  EXPECT_EQ(Printable("\xC0\xAF"), "\\xc0\\xaf");  // overlong
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Printable("\x1B[31mred\x7F"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "2J"),
            "\\xc2\\x9b2J");  // C1: CSI
}

TEST(PrintableTest, LineEnds) {
  EXPECT_EQ(Printable("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(PrintableLines("a\nb\tc\r"), "a\nb\tc\\r");
}

}  // namespace
}  // namespace seg
