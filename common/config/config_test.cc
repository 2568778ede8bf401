#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
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

enum class Mode { kSlow, kFast };
SEG_DECLARE_ENUM(Mode)
SEG_DEFINE_ENUM(Mode, {Mode::kFast, "fast"}, {Mode::kSlow, "slow"})

struct TestConfig {
  Mode mode = Mode::kFast;
  int64_t steps = 10;
  bool flip = true;
  InnerConfig optimizer;
  std::vector<int64_t> channels;  // no default element

  static std::vector<KeyRule> Rules() {
    return {{"steps", 1, 1000}, {"optimizer.lr", 0, 10}, OneOf<Mode>("mode")};
  }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TestConfig, mode, steps, flip,
                                                optimizer, channels)

namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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
  EXPECT_EQ(config.mode, Mode::kSlow);
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
  // Two letters exchanged are one mistake: 'rl' is nearer to 'lr' than to
  // 'flip'.
  EXPECT_THAT(Parse("rl: 1"),
              StatusIs(kInvalid, HasSubstr("did you mean 'optimizer.lr'?")));
  EXPECT_THAT(Parse("", {"optimizre.lr=1"}),
              StatusIs(kInvalid, HasSubstr("did you mean 'optimizer'?")));
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
  EXPECT_THAT(Parse("mode: ~"),
              StatusIs(kInvalid, HasSubstr("expected a string, got nothing")));
  EXPECT_THAT(Parse("mode: [fast]"), StatusIs(kInvalid, HasSubstr("a list")));
  EXPECT_THAT(Parse("optimizer: 3"),
              StatusIs(kInvalid, HasSubstr("expected a section")));
  EXPECT_THAT(Parse("optimizer: {milestones: [a]}"),
              StatusIs(kInvalid, HasSubstr("optimizer.milestones")));
  EXPECT_THAT(Parse("- 1"), StatusIs(kInvalid, HasSubstr("the document")));
  EXPECT_OK(Parse("optimizer: {lr: 1}"));  // an integer is a number
}

struct NamesConfig {
  std::string pack = "camvid";
  std::vector<std::string> names;
  static std::vector<KeyRule> Rules() { return {}; }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NamesConfig, pack, names)

TEST(ParseConfigTest, AStringThatReadsAsANumberStaysAsItIsWritten) {
  for (const std::string text :
       {"2024", "007", "1e3", "1.50", "-0", "true", ".5", "run #3", "#1",
        "a  b", "2024 #2", "~/data", "null #1"}) {
    NamesConfig config;
    ASSERT_OK(ParseConfig("", "f", {"pack=" + text}, &config)) << text;
    EXPECT_EQ(config.pack, text);
    // Saved with the run and read again it is the same.
    NamesConfig again;
    ASSERT_OK(ParseConfig(ToYaml(nlohmann::json(config)), "f", {}, &again));
    EXPECT_EQ(again.pack, text);
  }
  NamesConfig config;
  ASSERT_OK(ParseConfig("pack: 007   # a comment", "f", {}, &config));
  EXPECT_EQ(config.pack, "007");
  ASSERT_OK(ParseConfig("", "f", {"pack='8 #'"}, &config));
  EXPECT_EQ(config.pack, "8 #");
  for (const char* nothing : {"pack=", "pack=~", "pack=null"}) {
    EXPECT_THAT(ParseConfig("", "f", {nothing}, &config),
                StatusIs(kInvalid, HasSubstr("expected a string")));
  }
  EXPECT_THAT(
      ParseConfig("", "f", {"names=[1, 2]"}, &config),
      StatusIs(kInvalid, AllOf(HasSubstr("names"),
                               HasSubstr("quote what reads as a number"))));
  // What would be a comment is not dropped from other values either.
  EXPECT_THAT(Parse("", {"steps=5 #9"}),
              StatusIs(kInvalid, HasSubstr("expected an integer")));
  EXPECT_FALSE(Parse("", {"flip=true #x"}).ok());
  // A choice stays one.
  EXPECT_THAT(Parse("mode: 1"),
              StatusIs(kInvalid, HasSubstr("mode: must be one of fast, slow; "
                                           "got '1'")));
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

TEST(ParseConfigTest, ListWithoutDefaultElementTakesItsOwnType) {
  TestConfig config;
  ASSERT_OK(Parse("channels: [3, 4]", {}, &config));
  EXPECT_THAT(config.channels, ElementsAre(3, 4));
  for (const char* value : {"[a]", "[1, 2.5]", "[true]", "[[1]]", "[{a: 1}]",
                            "[~]", "[5000000000000000000000]"}) {
    config.channels = {7};
    EXPECT_THAT(Parse("", {std::string("channels=") + value}, &config),
                StatusIs(kInvalid, HasSubstr("channels: ")))
        << value;
    EXPECT_THAT(config.channels, ElementsAre(7));  // left as it was
  }
}

TEST(ParseConfigTest, MessagesAreOneLine) {
  for (const char* text : {"\"a\\nb\": 1", "mode: \"a\\nb\"",
                           "steps: \"a\\nb\"", "\"a\\nb\": 1\n\"a\\nb\": 2"}) {
    EXPECT_THAT(Parse(text), StatusIs(kInvalid, Not(HasSubstr("\n")))) << text;
  }
  EXPECT_THAT(Parse("", {"a\nb=1"}), StatusIs(kInvalid, Not(HasSubstr("\n"))));
  // Long values are cut between characters.
  std::string value = "'a";
  for (int i = 0; i < 50; ++i) value += "ä";
  const absl::Status status = Parse("steps: " + value + "'");
  EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr("ä...")));
}

TEST(ParseConfigTest, MalformedOverride) {
  EXPECT_THAT(Parse("", {"steps"}),
              StatusIs(kInvalid, HasSubstr("expected key.path=value")));
  EXPECT_THAT(Parse("", {"=3"}), StatusIs(kInvalid, HasSubstr("key.path")));
  EXPECT_THAT(Parse("", {"steps.\xff=3"}),
              StatusIs(kInvalid, HasSubstr("is not UTF-8 text")));
}

TEST(ParseConfigTest, AnEnumerationIsWrittenByName) {
  EXPECT_EQ(json(TestConfig())["mode"], "fast");
  EXPECT_EQ(EnumName(Mode::kSlow), "slow");
  TestConfig config;
  ASSERT_OK(Parse("", {"mode=slow"}, &config));
  EXPECT_EQ(config.mode, Mode::kSlow);
}

struct NoRuleConfig {
  Mode mode = Mode::kFast;
  std::vector<Mode> modes;
  static std::vector<KeyRule> Rules() { return {}; }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NoRuleConfig, mode, modes)

TEST(ParseConfigTest, AnUnknownNameOfAnEnumerationNeverBecomesAnother) {
  NoRuleConfig config;
  EXPECT_THAT(
      ParseConfig("mode: fats\n", "t.yaml", {}, &config),
      StatusIs(kInvalid, AllOf(HasSubstr("t.yaml: "), HasSubstr("fats"))));
  EXPECT_THAT(ParseConfig("modes: [slow, fats]\n", "t.yaml", {}, &config),
              StatusIs(kInvalid,
                       AllOf(HasSubstr("t.yaml: modes: "), HasSubstr("fats"))));
  ASSERT_OK(ParseConfig("modes: [slow, fast]\n", "t.yaml", {}, &config));
  EXPECT_THAT(config.modes, ElementsAre(Mode::kSlow, Mode::kFast));
}

TEST(MergeConfigTest, ARuleThatNamesNoKeyIsAnError) {
  const json defaults = json::parse(
      R"({"lr": 0.5, "stage": {"steps": 1}, "stages": [{"steps": 1}],
          "later": []})");
  const auto merge = [&](const std::string& key) {
    const std::vector<KeyRule> rules = {{key, 0, 1}};
    return MergeConfig(defaults, rules, "", "t.yaml", {}).status();
  };
  for (const char* key : {"lr", "stage", "stage.steps", "stages",
                          "stages.steps", "later", "later.steps"}) {
    EXPECT_OK(merge(key)) << key;
  }
  EXPECT_THAT(merge("stage.step"),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("a rule names the key 'stage.step'"),
                             HasSubstr("is it 'stage.steps'?"))));
  for (const char* key : {"", "l", "lr.x", "stage.", "stages.x", "lt.steps"}) {
    EXPECT_FALSE(merge(key).ok()) << key;
  }
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

TEST(ParseYamlTest, RefusesWhatIsNotText) {
  for (const char* text :
       {"a: \xff", "'\xc3': 1", "a: \xed\xa0\x80", "\xff\xff"}) {
    EXPECT_THAT(ParseYaml(text, "t"),
                StatusIs(kInvalid, HasSubstr("t: is not UTF-8 text")));
  }
  // What Windows calls Unicode, with its mark and without.
  for (const std::string& text :
       {std::string("\xff\xfe"), std::string("a\0:\0", 4)}) {
    EXPECT_THAT(ParseYaml(text, "t"),
                StatusIs(kInvalid, AllOf(HasSubstr("t: is text in UTF-16"),
                                         HasSubstr("iconv"))));
  }
  // yaml-cpp alone would take 0x04 for the end of the file.
  EXPECT_THAT(
      ParseYaml("a: 1\n\x04 b: 2", "t"),
      StatusIs(kInvalid, HasSubstr("t:2: holds the control character 0x04")));
  EXPECT_THAT(ParseYaml(std::string("a: 1\0", 5), "t"),
              StatusIs(kInvalid, HasSubstr("control character 0x00")));
  // yaml-cpp alone would make the lone byte 0x85 of it.
  EXPECT_THAT(ParseYaml("a: \"\\N\"", "t"),
              StatusIs(kInvalid, HasSubstr("\\u0085")));
  EXPECT_OK(ParseYaml("\xef\xbb\xbf# mark\r\na: \"\\u0085\"\r\n", "t"));
}

TEST(ParseYamlTest, NumbersTooLargeAndKeysTooLong) {
  EXPECT_THAT(ParseYaml("a: 1e999", "t"),
              StatusIs(kInvalid, HasSubstr("\"1e999\" is too large")));
  EXPECT_THAT(ParseYaml("a: -" + std::string(400, '9'), "t"),
              StatusIs(kInvalid, HasSubstr("too large")));
  EXPECT_OK(ParseYaml("a: '1e999'", "t"));
  EXPECT_OK(ParseYaml("? " + std::string(128, 'k') + "\n: 1", "t"));
  EXPECT_THAT(ParseYaml("? " + std::string(129, 'k') + "\n: 1", "t"),
              StatusIs(kInvalid, HasSubstr("longer than 128 bytes")));
}

TEST(ParseYamlTest, DeepNestingIsRefusedNotFollowed) {
  EXPECT_THAT(ParseYaml(std::string(33, '[') + std::string(33, ']'), "t"),
              StatusIs(kInvalid, HasSubstr("nested deeper than 32 levels")));
  EXPECT_OK(ParseYaml(std::string(32, '[') + std::string(32, ']'), "t"));
  // yaml-cpp takes open brackets for the begin of a key.
  EXPECT_THAT(ParseYaml(std::string(100000, '['), "t"),
              StatusIs(kInvalid, HasSubstr("t:1: ")));
  EXPECT_THAT(ParseYaml(std::string(100000, '{'), "t"),
              StatusIs(kInvalid, HasSubstr("t:1: ")));
  // Brackets in a text are no nests.
  EXPECT_OK(ParseYaml("a: '" + std::string(100, '[') + "'", "t"));
  std::string dashes;
  for (int i = 0; i < 10000; ++i) dashes += "- ";
  EXPECT_THAT(ParseYaml(dashes, "t"),
              StatusIs(kInvalid, HasSubstr("nested deeper")));
  std::string block;
  for (int i = 0; i < 40; ++i) block += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(ParseYaml(block, "t"),
              StatusIs(kInvalid, HasSubstr("nested deeper")));
}

TEST(ConfigChangesTest, NamesLeavesListsAndWhatOneLacks) {
  const json before =
      json::parse(R"({"a": {"b": 1, "c": [1, 2], "same": "x"}, "old": true})");
  const json after =
      json::parse(R"({"a": {"b": 2.5, "c": [1], "same": "x"}, "new": "y"})");
  EXPECT_TRUE(ConfigChanges(before, before).empty());
  std::vector<std::string> lines;
  for (const ConfigChange& change : ConfigChanges(before, after)) {
    lines.push_back(ToString(change));
  }
  EXPECT_EQ(lines,
            (std::vector<std::string>{"a.b: 1 -> 2.5", "a.c: [1, 2] -> [1]",
                                      "new: null -> y", "old: true -> null"}));
}

TEST(ToYamlTest, ParsingTheTextGivesTheTree) {
  const json tree = json::parse(R"({
    "a": {"b": 1, "c": [1.5, 2.0], "d": {}}, "empty": [], "f": false,
    "lists": [[1, 2], [3]], "n": null, "maps": [{"x": 1}],
    "strings": ["1", "true", "", "a b", "a: b", "- x", "#", "'q'", "x\ny",
                " lead", "ä", "null", "1e5", ".", "a?b", "...", "a\rb",
                "\u0000\u0004\u007f", "\ufeffa"], "z": -3e-7})");
  for (const json& part : {tree, json::object(), json::array(), json("..."),
                           json("\xef\xbb\xbf"), json(nullptr), json(1.0)}) {
    ASSERT_OK_AND_ASSIGN(const json back, ParseYaml(ToYaml(part), "t"));
    EXPECT_EQ(back, part);
    EXPECT_EQ(back.dump(), part.dump());  // 1.0 stays a float
  }
}

TEST(ToYamlTest, InfinityAndNanInsideListsOfSections) {
  const json tree = {{"a",
                      {{{"x", std::numeric_limits<double>::infinity()}},
                       {{"x", std::nan("")}}}}};
  EXPECT_EQ(ToYaml(tree), "a: [{x: .inf}, {x: .nan}]\n");
}

}  // namespace
}  // namespace seg
