#include "common/base/hash.h"

#include <gtest/gtest.h>

namespace seg {
namespace {

// The values of http://www.isthe.com/chongo/tech/comp/fnv/ (FNV-1a, 64 bits).
TEST(HashTest, KnownValues) {
  EXPECT_EQ(HashText(Fnv1a("")), "cbf29ce484222325");
  EXPECT_EQ(HashText(Fnv1a("a")), "af63dc4c8601ec8c");
  EXPECT_EQ(HashText(Fnv1a("foobar")), "85944171f73967e8");
  EXPECT_EQ(HashText(5), "0000000000000005");
}

TEST(HashTest, GoesOn) {
  EXPECT_EQ(Fnv1a("bar", Fnv1a("foo")), Fnv1a("foobar"));
}

TEST(HashTest, TextsAreSeparated) {
  EXPECT_EQ(HashTexts({}), "cbf29ce484222325");
  EXPECT_EQ(HashTexts({"ab", "c"}), "0ab11b2f87ef04a1");
  EXPECT_EQ(HashTexts({"a", "bc"}), "cb31b5381b2a17ab");
}

}  // namespace
}  // namespace seg
