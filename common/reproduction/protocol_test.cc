#include "common/reproduction/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kLedger[] = R"(
paper: demo
rows:
  - {id: set/a, table: T, dataset: S, method: A, metric: mean IoU, unit: "%",
     direction: higher, value: 80.0}
  - {id: set/b, table: T, dataset: S, method: B, metric: speed, unit: ms,
     direction: lower, value: 7}
)";

constexpr char kProtocol[] = R"(
paper: demo
metrics:
  mean IoU: {key: /metrics/mean_iou, scale: 100}
experiments:
  - name: base
    config: configs/base.yaml
    overrides: [train.steps=10]
    seeds: [0, 1, 2]
    data: set
    answers: [set/a]
  - name: full
    config: configs/full.yaml
    init_from: base
    seeds: [0, 1]
    data: set
    split: val
    answers:
      - {row: set/b, key: /ms_per_image}
  - name: full_ten
    eval_of: full
    eval_overrides: [model.steps=10]
    seeds: [1]
    data: other
    stands_in_for: [set/a]
)";

absl::StatusOr<Protocol> Parse(const std::string& from = "",
                               const std::string& to = "") {
  const absl::StatusOr<Ledger> ledger = ParseLedger(kLedger, "r.yaml");
  EXPECT_TRUE(ledger.ok()) << ledger.status();
  std::string text = kProtocol;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return ParseProtocol(text, "p.yaml", *ledger);
}

TEST(ParseProtocolTest, ReadsTheSummaryOfAtMostEightLines) {
  ASSERT_OK_AND_ASSIGN(const Protocol without, Parse());
  EXPECT_TRUE(without.summary.experiments.empty());
  const std::string columns = ", columns: [{name: mean IoU, key: /m}]}\n";
  const auto parse = [&](const std::string& experiments) {
    return Parse("experiments:\n",
                 "summary: {" + experiments + columns + "experiments:\n");
  };
  ASSERT_OK_AND_ASSIGN(const Protocol with,
                       parse("experiments: [full, base], baseline: base"));
  EXPECT_THAT(with.summary.experiments, ElementsAre("full", "base"));
  EXPECT_EQ(with.summary.baseline, "base");
  EXPECT_EQ(with.summary.columns[0].key, "/m");
  const auto code = absl::StatusCode::kInvalidArgument;
  std::string nine = "experiments: [base";
  for (int i = 0; i < 8; ++i) nine += ", base";
  EXPECT_THAT(parse(nine + "]"),
              StatusIs(code, HasSubstr("p.yaml: summary: experiments: expected "
                                       "1 to 8 names, got 9")));
  EXPECT_THAT(parse("baseline: base"),
              StatusIs(code, HasSubstr("expected 1 to 8 names, got 0")));
  EXPECT_THAT(parse("experiments: [ful]"),
              StatusIs(code, HasSubstr("no experiment 'ful'")));
}

TEST(ParseProtocolTest, ReadsExperiments) {
  ASSERT_OK_AND_ASSIGN(const Protocol protocol, Parse());
  ASSERT_EQ(protocol.experiments.size(), 3u);
  const Experiment& base = protocol.experiments[0];
  EXPECT_EQ(base.split, "test");
  EXPECT_THAT(base.seeds, ElementsAre(0, 1, 2));
  EXPECT_THAT(base.overrides, ElementsAre("train.steps=10"));
  ASSERT_EQ(base.answers.size(), 1u);
  EXPECT_EQ(base.answers[0].metric, "/metrics/mean_iou");
  EXPECT_EQ(base.answers[0].scale, 100);
  const Experiment& full = protocol.experiments[1];
  EXPECT_EQ(full.init_from, "base");
  EXPECT_EQ(full.split, "val");
  EXPECT_EQ(full.answers[0].metric, "/ms_per_image");
  EXPECT_EQ(full.answers[0].scale, 1);
  const Experiment* ten = protocol.Find("full_ten");
  ASSERT_NE(ten, nullptr);
  EXPECT_EQ(ten->eval_of, "full");
  EXPECT_EQ(ten->config, "configs/full.yaml");
  EXPECT_EQ(ten->stands_in_for[0].row, "set/a");
  EXPECT_EQ(protocol.Find("none"), nullptr);
  EXPECT_FALSE(base.quick);
  ASSERT_OK_AND_ASSIGN(const Protocol quick,
                       Parse("    config: configs/base.yaml",
                             "    quick: true\n    config: configs/base.yaml"));
  EXPECT_TRUE(quick.experiments[0].quick);
  EXPECT_FALSE(quick.experiments[1].quick);
  EXPECT_FALSE(quick.experiments[0].gpu);
  ASSERT_OK_AND_ASSIGN(const Protocol gpu,
                       Parse("    config: configs/base.yaml",
                             "    gpu: true\n    config: configs/base.yaml"));
  EXPECT_TRUE(gpu.experiments[0].gpu);
  EXPECT_TRUE(gpu.experiments[1].gpu) << "starts from it";
}

TEST(ParseProtocolTest, ReadsNeeds) {
  ASSERT_OK_AND_ASSIGN(const Protocol one,
                       Parse("init_from: base", "needs: {weights: base}"));
  EXPECT_EQ(one.experiments[1].init_from, "base");
  EXPECT_TRUE(one.experiments[1].needs.empty());
  EXPECT_THAT(one.experiments[1].Parents(), ElementsAre("base"));
  EXPECT_THAT(one.experiments[2].Parents(), ElementsAre("full"));
  const std::string more =
      "  - {name: other, config: o.yaml, seeds: [0, 1], data: set, gpu: true}\n"
      "  - name: full\n    needs: {coarse: [other, base], fine: base}";
  ASSERT_OK_AND_ASSIGN(const Protocol several, Parse("  - name: full", more));
  const Experiment& full = several.experiments[2];
  EXPECT_EQ(full.name, "full");
  EXPECT_EQ(full.init_from, "base");
  EXPECT_THAT(full.needs.at("coarse"), ElementsAre("other", "base"));
  EXPECT_THAT(full.needs.at("fine"), ElementsAre("base"));
  EXPECT_THAT(full.Parents(), ElementsAre("base", "other"));
  EXPECT_TRUE(full.gpu) << "needs one that does";
}

struct BadCase {
  std::string from, to, message;
};

class BadProtocolTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadProtocolTest, NamesPlaceAndRemedy) {
  EXPECT_THAT(Parse(GetParam().from, GetParam().to),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadProtocolTest,
    ::testing::Values(
        BadCase{"paper: demo", "paper: other",
                "p.yaml: paper: expected demo as in r.yaml, got other"},
        BadCase{"init_from: base", "init_from: bass",
                "experiments[1] (full): init_from: expected an experiment "
                "further up (base), got 'bass'"},
        BadCase{"init_from: base", "init_from: base\n    quick: true",
                "(full): quick: base, which it needs, is not quick"},
        BadCase{"config: configs/base.yaml",
                "config: configs/base.yaml\n    quick: true\n    gpu: true",
                "(base): quick: an experiment that needs a GPU is not quick"},
        BadCase{"init_from: base", "needs: {coarse: [base, bass]}",
                "experiments[1] (full): needs.coarse: expected an experiment "
                "further up (base), got 'bass'"},
        BadCase{"init_from: base", "needs: {coarse: [base, base]}",
                "needs.coarse: an experiment occurs twice"},
        BadCase{"init_from: base", "needs: {coarse: []}",
                "needs.coarse: expected an experiment or a list of some, got "
                "[]"},
        BadCase{"init_from: base", "needs: {coarse: 3}",
                "needs.coarse: expected an experiment or a list of some, got "
                "3"},
        BadCase{"init_from: base", "needs: {Coarse: base}",
                "needs.Coarse: must consist of a-z"},
        BadCase{"init_from: base", "needs: base",
                "needs: expected keys and values"},
        BadCase{"init_from: base",
                "init_from: base\n    needs: {weights: base}",
                "needs.weights: weights come from one experiment"},
        BadCase{"init_from: base", "needs: {a: base}\n    quick: true",
                "(full): quick: base, which it needs, is not quick"},
        BadCase{"eval_of: full", "eval_of: full\n    needs: {a: base}",
                "needs: has no meaning with eval_of"},
        BadCase{"init_from: base", "init_from: base\n    quick: 1",
                "(full): quick: "},
        BadCase{"seeds: [0, 1]\n", "seeds: [0, 7]\n",
                "seeds: base has no seed 7 to start from"},
        BadCase{"seeds: [0, 1]\n", "seeds: [0, 0]\n", "a seed occurs twice"},
        BadCase{"seeds: [0, 1]\n", "seeds: []\n", "seeds: must not be empty"},
        BadCase{"    seeds: [0, 1]\n", "", "(full): seeds: missing"},
        BadCase{"eval_of: full", "eval_of: full\n    config: x.yaml",
                "config: has no meaning with eval_of"},
        BadCase{"name: full_ten", "name: full", "'full' occurs twice"},
        BadCase{"name: full_ten", "name: ../full", "must consist of a-z"},
        BadCase{"name: full_ten", "name: verdicts", "not be 'verdicts'"},
        BadCase{"[set/a]", "[set/aa]",
                "answers[0]: r.yaml has no row 'set/aa'; did you mean set/a?"},
        BadCase{"[set/a]", "[set/a, set/a]", "answers[1]: set/a occurs twice"},
        BadCase{"[set/a]", "[set/b]",
                "row set/b has the metric 'speed'; say under metrics"},
        BadCase{"[train.steps=10]", "[train.steps]",
                "overrides: expected key.path=value, got 'train.steps'"},
        BadCase{"[train.steps=10]", "['--help=1']",
                "overrides: expected key.path=value"},
        BadCase{"key: /ms_per_image", "key: ms_per_image",
                "expected a JSON pointer"},
        BadCase{"split: val", "spilt: val",
                "spilt: unknown key; did you mean split?"}));

TEST(ProtocolTest, TableOfExperiments) {
  const std::string table =
      "tables:\n  - baseline: base\n    experiments: [base, full]\n"
      "    columns:\n"
      "      - {name: IoU, key: /metrics/mean_iou, scale: 100}\n"
      "      - {name: ms, key: /ms_per_image, decimals: 0}\n"
      "experiments:\n  - name: base\n    title: Base\n";
  const std::string from = "experiments:\n  - name: base\n";
  ASSERT_OK_AND_ASSIGN(const Protocol protocol, Parse(from, table));
  EXPECT_EQ(protocol.experiments[0].title, "Base");
  ASSERT_EQ(protocol.tables.size(), 1u);
  const ExperimentTable& parsed = protocol.tables[0];
  EXPECT_EQ(parsed.heading, "Measured here");
  EXPECT_EQ(parsed.baseline, "base");
  EXPECT_THAT(parsed.experiments, ElementsAre("base", "full"));
  ASSERT_EQ(parsed.columns.size(), 2u);
  EXPECT_EQ(parsed.columns[0].scale, 100);
  EXPECT_EQ(parsed.columns[0].decimals, 1);
  EXPECT_EQ(parsed.columns[1].key, "/ms_per_image");
  EXPECT_EQ(parsed.columns[1].decimals, 0);

  const auto code = absl::StatusCode::kInvalidArgument;
  const auto with = [&](const std::string& old, const std::string& text) {
    std::string changed = table;
    changed.replace(changed.find(old), old.size(), text);
    return Parse(from, changed);
  };
  EXPECT_THAT(with("baseline: base", "baseline: bass"),
              StatusIs(code, HasSubstr("no experiment 'bass'")));
  EXPECT_THAT(with("decimals: 0", "decimals: 11"),
              StatusIs(code, HasSubstr("columns[1]")));
  EXPECT_THAT(with("key: /ms", "key: ms"),
              StatusIs(code, HasSubstr("JSON pointer")));
  EXPECT_THAT(with("baseline", "base_line"),
              StatusIs(code, HasSubstr("tables[0]")));
  EXPECT_THAT(with("[base, full]", "[base, fill]"),
              StatusIs(code, HasSubstr("no experiment 'fill'")));
}

TEST(ProtocolTest, ClaimsNameExperimentsThatThereAre) {
  const auto parse = [](const std::string& comparison) {
    const auto ledger = ParseLedger(
        std::string(kLedger) + "claims:\n  - {id: c, text: C., source: T, " +
            comparison + "}\n",
        "r.yaml");
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    return ParseProtocol(kProtocol, "p.yaml", *ledger).status();
  };
  const auto code = absl::StatusCode::kInvalidArgument;
  const std::string rest = "metric: /a, direction: higher";
  EXPECT_OK(parse("better_experiment: full, worse_experiment: base, " + rest));
  EXPECT_THAT(
      parse("better_experiment: full, worse_experiment: bass, " + rest),
      StatusIs(code,
               HasSubstr("claim c: protocol.yaml has no experiment 'bass'")));
  EXPECT_THAT(parse("statistic: {experiments: [base, tyop], metric: /a, "
                    "above: 0}"),
              StatusIs(code, HasSubstr("no experiment 'tyop'")));
}

}  // namespace
}  // namespace seg
