#include "common/reproduction/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

constexpr char kLedger[] = R"(
paper: demo
rows:
  - id: set/a
    table: Table 1
    dataset: Set
    method: A
    metric: mean IoU
    unit: "%"
    direction: higher
    value: 80.0
  - id: set/b
    table: Table 1
    dataset: Set
    method: B
    metric: parameters
    unit: "1"
    direction: lower
    value: 60.65
    recalled: true
    reason: "needs a GPU: trains for a week"
claims:
  - id: a_beats_b
    text: A beats B.
    source: Table 1
    better: set/a
    worse: set/b
    verdicts:
      - data: set (split of ours)
        verdict: not held
        tried: more steps
      - {data: scenes, verdict: held, measured_by: reproduction_test}
  - id: fast
    text: It is fast.
    source: Fig. 1
    statistic: {row: set/a, metric: /metrics/ms, below: 5}
  - id: listed
    text: Named experiments.
    source: Fig. 2
    statistic: {experiments: [x, y], metric: /m, above: 0.5}
  - id: runs
    text: Runs against runs.
    source: Fig. 2
    better_experiment: x
    worse_experiment: y
    metric: /m
    scale: 100
    direction: lower
  - id: pretty
    text: It looks good.
    source: Fig. 3
    reason: "judged by eye: pictures"
)";

std::string Replaced(const std::string& from, const std::string& to) {
  std::string text = kLedger;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ParseLedgerTest, ReadsRowsAndClaims) {
  ASSERT_OK_AND_ASSIGN(const Ledger ledger, ParseLedger(kLedger, "r.yaml"));
  EXPECT_EQ(ledger.paper, "demo");
  ASSERT_EQ(ledger.rows.size(), 2u);
  EXPECT_EQ(ledger.rows[0].value, 80);
  EXPECT_EQ(ledger.rows[0].decimals, 1);
  EXPECT_TRUE(ledger.rows[0].higher_is_better);
  EXPECT_FALSE(ledger.rows[0].recalled);
  EXPECT_EQ(ledger.rows[1].decimals, 2);
  EXPECT_FALSE(ledger.rows[1].higher_is_better);
  EXPECT_TRUE(ledger.rows[1].recalled);
  EXPECT_EQ(ledger.rows[1].reason, "needs a GPU: trains for a week");
  ASSERT_EQ(ledger.claims.size(), 5u);
  const Claim& beats = ledger.claims[0];
  ASSERT_EQ(beats.verdicts.size(), 2u);
  EXPECT_EQ(beats.verdicts[0].verdict, Verdict::kNotHeld);
  EXPECT_EQ(beats.verdicts[0].tried, "more steps");
  EXPECT_TRUE(beats.verdicts[1].measured_by_test);
  const RowPair* rows = std::get_if<RowPair>(&beats.comparison);
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->better, "set/a");
  EXPECT_EQ(rows->worse, "set/b");
  EXPECT_EQ(rows->metric, "");
  EXPECT_TRUE(rows->higher_is_better);
  const Statistic* fast =
      std::get_if<Statistic>(&ledger.FindClaim("fast")->comparison);
  ASSERT_NE(fast, nullptr);
  EXPECT_EQ(fast->row, "set/a");
  EXPECT_FALSE(fast->above);
  EXPECT_EQ(fast->bound, 5);
  const Statistic* listed =
      std::get_if<Statistic>(&ledger.FindClaim("listed")->comparison);
  ASSERT_NE(listed, nullptr);
  EXPECT_EQ(listed->experiments.size(), 2u);
  EXPECT_TRUE(listed->above);
  const ExperimentPair* runs =
      std::get_if<ExperimentPair>(&ledger.FindClaim("runs")->comparison);
  ASSERT_NE(runs, nullptr);
  EXPECT_EQ(runs->better, "x");
  EXPECT_EQ(runs->worse, "y");
  EXPECT_FALSE(runs->higher_is_better);
  EXPECT_EQ(runs->scale, 100);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(
      ledger.FindClaim("pretty")->comparison));
  EXPECT_EQ(ledger.FindRow("nowhere"), nullptr);
}

TEST(ParseLedgerTest, NumbersOfOneTableAndMetricShareTheirDigits) {
  ASSERT_OK_AND_ASSIGN(const Ledger ledger, ParseLedger(R"(
paper: demo
rows:
  - {id: a, table: T, dataset: S, method: A, metric: m, unit: "%",
     direction: higher, value: 93.10}
  - {id: b, table: T, dataset: S, method: B, metric: m, unit: "%",
     direction: higher, value: 78.53}
  - {id: c, table: U, dataset: S, method: B, metric: m, unit: "%",
     direction: higher, value: 3}
)",
                                                        "r.yaml"));
  EXPECT_EQ(ledger.rows[0].decimals, 2);
  EXPECT_EQ(ledger.rows[1].decimals, 2);
  EXPECT_EQ(ledger.rows[2].decimals, 0);
}

struct BadCase {
  std::string from, to, message;
};

class BadLedgerTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadLedgerTest, NamesFileRowKeyAndRemedy) {
  EXPECT_THAT(ParseLedger(Replaced(GetParam().from, GetParam().to), "r.yaml"),
              StatusIs(kInvalid, AllOf(HasSubstr("r.yaml"),
                                       HasSubstr(GetParam().message))));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadLedgerTest,
    ::testing::Values(
        BadCase{"    method: A\n", "",
                "rows[0] (set/a): method: missing; add it (a text)"},
        BadCase{"method: A", "methd: A", "rows[0] (set/a): method: missing"},
        BadCase{"recalled: true", "recaled: true",
                "(set/b): recaled: unknown key; did you mean recalled?"},
        BadCase{"value: 80.0", "value: eighty",
                "(set/a): value: expected a number, got \"eighty\""},
        BadCase{"value: 80.0", "value: .nan", "(set/a): value: must be finite"},
        BadCase{"direction: higher", "direction: up",
                "direction: expected higher or lower"},
        BadCase{"id: set/b", "id: set/a", "'set/a' occurs twice"},
        BadCase{"id: set/b", "id: Set B", "must consist of a-z 0-9"},
        BadCase{"needs a GPU:", "no time:",
                "reason: must start with 'data not obtainable'"},
        BadCase{"worse: set/b", "worse: set/bb",
                "no row has the id 'set/bb'; did you mean set/b?"},
        BadCase{"verdict: not held", "verdict: lost",
                "verdicts[0]: verdict: expected held, not held or undecided"},
        BadCase{"measured_by: reproduction_test", "measured_by: eye",
                "measured_by: expected results or reproduction_test"},
        BadCase{"worse_experiment: y", "worse: set/b", "one of them only"},
        BadCase{"data: scenes", "data: set (split of ours)",
                "has two verdicts; keep one"},
        BadCase{"below: 5", "below: 5, above: 1",
                "give above or below, not both"},
        BadCase{", below: 5", "", "statistic: below: missing"},
        BadCase{"metric: /metrics/ms", "metric: ms",
                "expected a JSON pointer such as /metrics/mean_iou, got 'ms'"},
        BadCase{"experiments: [x, y]", "experiments: []",
                "experiments: must not be empty"},
        BadCase{"    worse: set/b", "    worse: set/b\n    statistic: {}",
                "one of them only"},
        BadCase{"paper: demo", "paper: demo\nextra: 1",
                "extra: unknown key; remove it"},
        BadCase{"    method: A\n", "    method: A\n    method: B\n",
                "duplicate key"},
        BadCase{"rows:", "rows: [1", "r.yaml"},
        BadCase{"text: It is fast.", "text: ''", "text: must not be empty"}));

TEST(ParseLedgerTest, RefusesWhatIsNoLedger) {
  EXPECT_THAT(ParseLedger("", "e.yaml"),
              StatusIs(kInvalid, HasSubstr("e.yaml: expected keys")));
  EXPECT_THAT(ParseLedger("paper: p", "e.yaml"),
              StatusIs(kInvalid, HasSubstr("e.yaml: rows: missing")));
  EXPECT_THAT(ParseLedger("paper: p\nrows: [7]", "e.yaml"),
              StatusIs(kInvalid, HasSubstr("rows[0]: expected keys")));
  EXPECT_FALSE(ReadLedger("/nonexistent/reported.yaml").ok());
}

}  // namespace
}  // namespace seg
