#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/testing/status_matchers.h"

namespace seg {

struct InnerConfig {
  double lr = 0.5;
  std::vector<double> milestones = {1.0};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(InnerConfig, lr, milestones)

struct TestConfig {
  std::string mode = "fast";
  int64_t steps = 10;
  bool flip = true;
  InnerConfig optimizer;

  static std::vector<KeyRule> Rules() {
    return {{"steps", 1, 1000},
            {"optimizer.lr", 0, 10},
            OneOf("mode", {"fast", "slow"})};
  }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TestConfig, mode, steps, flip,
                                                optimizer)

namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

absl::Status Parse(const std::string& text,
                   const std::vector<std::string>& overrides = {},
                   TestConfig* config = nullptr) {
  TestConfig local;
  return ParseConfig(text, "t.yaml", overrides,
                     config == nullptr ? &local : config);
}

TEST(ParseConfigTest, FileThenOverridesOverDefaults) {
  TestConfig config;
  ASSERT_OK(
      Parse("mode: slow\noptimizer:\n  lr: 0.25\n  milestones: [3, 4.5]\n",
            {"steps=20", "optimizer.lr=2"}, &config));
  EXPECT_EQ(config.mode, "slow");
  EXPECT_EQ(config.steps, 20);
  EXPECT_TRUE(config.flip);
  EXPECT_EQ(config.optimizer.lr, 2.0);
  EXPECT_THAT(config.optimizer.milestones, ElementsAre(3.0, 4.5));
}

TEST(ParseConfigTest, EmptyFileAndEmptySectionKeepTheDefaults) {
  TestConfig config;
  ASSERT_OK(Parse("", {}, &config));
  ASSERT_OK(Parse("optimizer:\n", {}, &config));
  EXPECT_EQ(config.optimizer.lr, 0.5);
}

TEST(ParseConfigTest, UnknownKeyNamesTheNearest) {
  EXPECT_THAT(Parse("optimizer: {lrr: 1}"),
              StatusIs(kInvalid, HasSubstr("unknown key 'optimizer.lrr'; did "
                                           "you mean 'optimizer.lr'?")));
  EXPECT_THAT(Parse("lr: 1"), StatusIs(kInvalid, HasSubstr("'optimizer.lr'")));
  EXPECT_THAT(Parse("", {"stpes=3"}),
              StatusIs(kInvalid, AllOf(HasSubstr("override 'stpes=3'"),
                                       HasSubstr("'steps'"))));
  EXPECT_THAT(Parse("", {"steps.more=3"}),
              StatusIs(kInvalid, HasSubstr("steps: expected an integer")));
}

TEST(ParseConfigTest, LeafTypesAreNotConverted) {
  EXPECT_THAT(Parse("steps: 3.7"),
              StatusIs(kInvalid,
                       HasSubstr("steps: expected an integer, got a number")));
  EXPECT_THAT(Parse("steps: true"),
              StatusIs(kInvalid, HasSubstr("got true or false")));
  EXPECT_THAT(Parse("steps: '3'"), StatusIs(kInvalid, HasSubstr("a string")));
  EXPECT_THAT(Parse("flip: 1"),
              StatusIs(kInvalid, HasSubstr("expected true or false")));
  EXPECT_THAT(Parse("mode: 1"),
              StatusIs(kInvalid, HasSubstr("expected a string")));
  EXPECT_THAT(Parse("mode: [fast]"), StatusIs(kInvalid, HasSubstr("a list")));
  EXPECT_THAT(Parse("optimizer: 3"),
              StatusIs(kInvalid, HasSubstr("expected a section")));
  EXPECT_THAT(Parse("optimizer: {milestones: [a]}"),
              StatusIs(kInvalid, HasSubstr("optimizer.milestones")));
  EXPECT_THAT(Parse("- 1"), StatusIs(kInvalid, HasSubstr("the document")));
  EXPECT_OK(Parse("optimizer: {lr: 1}"));  // an integer is a number
}

TEST(ParseConfigTest, RangesAndChoices) {
  EXPECT_THAT(Parse("steps: 5000000000"),
              StatusIs(kInvalid, HasSubstr("steps: must lie in [1, 1000]")));
  EXPECT_THAT(Parse("steps: 99999999999999999999"),
              StatusIs(kInvalid, HasSubstr("expected an integer")));
  EXPECT_THAT(Parse("optimizer: {lr: -1}"),
              StatusIs(kInvalid, HasSubstr("[0, 10]")));
  EXPECT_THAT(Parse("optimizer: {lr: .nan}"),
              StatusIs(kInvalid, HasSubstr("optimizer.lr")));
  EXPECT_THAT(Parse("optimizer: {milestones: [.nan]}"),
              StatusIs(kInvalid, HasSubstr("must be a number")));
}

TEST(ParseConfigTest, ChoiceListsTheValues) {
  EXPECT_THAT(Parse("mode: quick"),
              StatusIs(kInvalid, HasSubstr("one of fast, slow; got 'quick'")));
}

TEST(ParseConfigTest, MalformedOverride) {
  EXPECT_THAT(Parse("", {"steps"}),
              StatusIs(kInvalid, HasSubstr("expected key.path=value")));
  EXPECT_THAT(Parse("", {"=3"}), StatusIs(kInvalid, HasSubstr("key.path")));
}

TEST(ParseYamlTest, CoreSchemaScalars) {
  ASSERT_OK_AND_ASSIGN(
      const json tree,
      ParseYaml("a: 1\nb: -2.5\nc: 1e-3\nd: true\ne: null\nf: '1'\ng: no\n"
                "h: 1.2.3\ni: .inf\nj: [1, x]\nk: 0x10\nm: +7",
                "t"));
  EXPECT_EQ(tree["a"], json(1));
  EXPECT_TRUE(tree["a"].is_number_integer());
  EXPECT_EQ(tree["b"], json(-2.5));
  EXPECT_EQ(tree["c"], json(1e-3));
  EXPECT_EQ(tree["d"], json(true));
  EXPECT_TRUE(tree["e"].is_null());
  EXPECT_EQ(tree["f"], json("1"));
  EXPECT_EQ(tree["g"], json("no"));
  EXPECT_EQ(tree["h"], json("1.2.3"));
  EXPECT_EQ(tree["i"], json(std::numeric_limits<double>::infinity()));
  EXPECT_EQ(tree["j"], json::parse("[1,\"x\"]"));
  EXPECT_EQ(tree["k"], json("0x10"));
  EXPECT_EQ(tree["m"], json(7));
}

TEST(ParseYamlTest, RefusesWhatConfigurationsDoNotNeed) {
  for (const char* text :
       {"a: &x 1", "a: &x 1\nb: *x", "a: !!int 1", "a: 1\na: 2", "? [a]\n: 1",
        "a: 1\n---\nb: 2", "a: [1", "a: b: c", "\ta: 1"}) {
    EXPECT_THAT(ParseYaml(text, "t.yaml"),
                StatusIs(kInvalid, HasSubstr("t.yaml")))
        << text;
  }
}

TEST(ParseYamlTest, DeepNestingIsRefusedNotFollowed) {
  EXPECT_THAT(ParseYaml(std::string(100000, '['), "t"),
              StatusIs(kInvalid, HasSubstr("nested deeper")));
  std::string dashes;
  for (int i = 0; i < 10000; ++i) dashes += "- ";
  EXPECT_THAT(ParseYaml(dashes, "t"),
              StatusIs(kInvalid, HasSubstr("nested deeper")));
  std::string block;
  for (int i = 0; i < 40; ++i) block += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(ParseYaml(block, "t"),
              StatusIs(kInvalid, HasSubstr("nested deeper")));
}

TEST(ToYamlTest, ParsingTheTextGivesTheTree) {
  const json tree = json::parse(R"({
    "a": {"b": 1, "c": [1.5, 2.0], "d": {}}, "empty": [], "f": false,
    "lists": [[1, 2], [3]], "n": null, "maps": [{"x": 1}],
    "strings": ["1", "true", "", "a b", "a: b", "- x", "#", "'q'", "x\ny",
                " lead", "ä", "null", "1e5", "."], "z": -3e-7})");
  ASSERT_OK_AND_ASSIGN(const json back, ParseYaml(ToYaml(tree), "t"));
  EXPECT_EQ(back, tree);
}

}  // namespace
}  // namespace seg
