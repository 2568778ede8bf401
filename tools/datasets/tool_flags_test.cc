#include "tools/datasets/tool_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "common/testing/status_matchers.h"

ABSL_FLAG(std::string, word, "", "any word");
ABSL_FLAG(int64_t, number, 0, "any number");
ABSL_FLAG(bool, quick, false, "either");
ABSL_FLAG(std::string, hidden, "", "not one of the tool's");

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<ToolArgs> Parse(std::vector<std::string> words) {
  absl::SetFlag(&FLAGS_word, "");
  absl::SetFlag(&FLAGS_number, 0);
  absl::SetFlag(&FLAGS_quick, false);
  words.insert(words.begin(), "tool");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return ParseToolFlags(static_cast<int>(argv.size()), argv.data(),
                        {"word", "number", "quick"}, "tool [X ...]");
}

TEST(ParseToolFlagsTest, TakesBothFormsAndKeepsTheRest) {
  ASSERT_OK_AND_ASSIGN(const ToolArgs args,
                       Parse({"a", "--word=b=c", "-number", "7", "--quick",
                              "x.y=1", "--", "--number=9"}));
  EXPECT_EQ(absl::GetFlag(FLAGS_word), "b=c");
  EXPECT_EQ(absl::GetFlag(FLAGS_number), 7);
  EXPECT_TRUE(absl::GetFlag(FLAGS_quick));
  EXPECT_THAT(args.positional, ElementsAre("a", "x.y=1", "--number=9"));
  EXPECT_FALSE(args.help);
}

TEST(ParseToolFlagsTest, BooleansNegateAndTakeValues) {
  ASSERT_OK(Parse({"--quick", "--noquick"}));
  EXPECT_FALSE(absl::GetFlag(FLAGS_quick));
  ASSERT_OK(Parse({"--quick=true"}));
  EXPECT_TRUE(absl::GetFlag(FLAGS_quick));
}

TEST(ParseToolFlagsTest, HelpListsTheFlags) {
  testing::internal::CaptureStdout();
  ASSERT_OK_AND_ASSIGN(const ToolArgs args, Parse({"--help"}));
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_TRUE(args.help);
  EXPECT_THAT(text, HasSubstr("tool [X ...]"));
  EXPECT_THAT(text, HasSubstr("any number"));
  EXPECT_THAT(text, testing::Not(HasSubstr("--hidden")));
}

TEST(ParseToolFlagsTest, NamesTheWrongFlag) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Parse({"--wordy=3"}),
              StatusIs(kInvalid, HasSubstr("unknown flag --wordy;")));
  EXPECT_THAT(Parse({"--hidden=3"}),
              StatusIs(kInvalid, HasSubstr("unknown flag --hidden;")));
  EXPECT_THAT(Parse({"--noword"}),
              StatusIs(kInvalid, HasSubstr("unknown flag --noword;")));
  EXPECT_THAT(Parse({"--number=many"}),
              StatusIs(kInvalid, HasSubstr("--number: cannot take 'many'")));
  EXPECT_THAT(Parse({"--word"}),
              StatusIs(kInvalid, HasSubstr("--word needs a value")));
  EXPECT_FALSE(Parse({"-"}).ok());
}

TEST(ParseSeedsTest, NumbersByCommas) {
  ASSERT_OK_AND_ASSIGN(const auto seeds, ParseSeeds("3,0, 12"));
  EXPECT_THAT(seeds, ElementsAre(3, 0, 12));
  ASSERT_OK_AND_ASSIGN(const auto none, ParseSeeds(""));
  EXPECT_THAT(none, testing::IsEmpty());
  for (const char* wrong : {"x", "1,-1", "1.5"}) {
    EXPECT_THAT(ParseSeeds(wrong),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("--seeds: expected numbers by commas")));
  }
}

}  // namespace
}  // namespace seg
