#include "common/reproduction/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kLedger[] = R"(
paper: demo
rows:
  - {id: a, table: T, dataset: S, method: A, metric: m, unit: "%",
     direction: higher, value: 80.0}
  - {id: b, table: T, dataset: S, method: B, metric: m, unit: "%",
     direction: higher, value: 70.0}
  - {id: c, table: T, dataset: S, method: C, metric: m, unit: "%",
     direction: higher, value: 60.0, reason: needs a GPU}
claims:
  - {id: pair, text: a over b, source: T, better: a, worse: b}
  - id: fast
    text: fast
    source: T
    statistic: {row: a, metric: /metrics/ms, below: 5}
)";

Ledger Parsed(const std::string& text = kLedger) {
  absl::StatusOr<Ledger> ledger = ParseLedger(text, "r.yaml");
  EXPECT_TRUE(ledger.ok()) << ledger.status();
  return ledger.ok() ? *ledger : Ledger();
}

// One experiment for a row; values are IoUs in [0,1] of the seeds 0, 1, ...
ExperimentResult Result(const std::string& row, std::vector<double> values,
                        const std::string& data = "set", double ms = 1) {
  ExperimentResult result;
  result.experiment = row + "_" + data;
  result.data = data;
  Answer answer;
  answer.row = row;
  answer.metric = "/metrics/m";
  answer.scale = 100;
  (data == "set" ? result.answers : result.stands_in_for) = {answer};
  for (size_t i = 0; i < values.size(); ++i) {
    MeasuredRun run;
    run.seed = i;
    run.eval = {{"metrics", {{"m", values[i]}, {"ms", ms + i}}}};
    result.runs.push_back(run);
  }
  EXPECT_TRUE(FillAnswers(&result).ok());
  return result;
}

std::vector<ExperimentResult> Good() {
  return {Result("a", {0.81, 0.83, 0.84}), Result("b", {0.80, 0.81, 0.81})};
}

std::vector<ClaimVerdict> Verdicts(const std::vector<ExperimentResult>& r,
                                   const Ledger& ledger) {
  absl::StatusOr<std::vector<ClaimVerdict>> v = ComputeVerdicts(ledger, r);
  EXPECT_TRUE(v.ok()) << v.status();
  return v.ok() ? *v : std::vector<ClaimVerdict>();
}

TEST(ComputeVerdictsTest, PairsExperimentsByName) {
  const Ledger ledger = Parsed(std::string(kLedger) + R"(
  - {id: runs, text: t, source: T, better_experiment: b_set,
     worse_experiment: a_set, metric: /metrics/ms, scale: 10,
     direction: lower}
  - {id: elsewhere, text: t, source: T, better_experiment: b_set,
     worse_experiment: a_other, metric: /metrics/ms, direction: lower}
)");
  const auto verdicts = Verdicts(
      {Result("a", {0.8, 0.8, 0.8}, "set", 5), Result("a", {0.8}, "other"),
       Result("b", {0.7, 0.7, 0.7}, "set", 2)},
      ledger);
  ASSERT_FALSE(verdicts.empty());
  const ClaimVerdict& runs = verdicts.back();  // nothing for `elsewhere`
  EXPECT_EQ(runs.claim, "runs");
  EXPECT_THAT(runs.statistics.differences, ElementsAre(30, 30, 30));
  EXPECT_EQ(runs.statistics.verdict, Verdict::kHeld);
}

TEST(ComputeVerdictsTest, PairsBySeedAndAppliesTheBound) {
  const auto verdicts = Verdicts(Good(), Parsed());
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_EQ(verdicts[0].claim, "pair");
  EXPECT_EQ(verdicts[0].data, "set");
  EXPECT_THAT(verdicts[0].seeds, ElementsAre(0, 1, 2));
  // Points: 1, 2, 3; rounding of x * 100.
  EXPECT_NEAR(verdicts[0].statistics.mean, 2, 1e-9);
  EXPECT_NEAR(verdicts[0].statistics.sd, 1, 1e-9);
  EXPECT_EQ(verdicts[0].statistics.verdict, Verdict::kHeld);
  EXPECT_EQ(verdicts[1].claim, "fast");
  EXPECT_THAT(verdicts[1].statistics.differences, ElementsAre(4, 3, 2));
}

TEST(ComputeVerdictsTest, UsesCommonSeedsAndKeepsDataApart) {
  std::vector<ExperimentResult> results = Good();
  results[1].runs.erase(results[1].runs.begin());
  ASSERT_OK(FillAnswers(&results[1]));
  results.push_back(Result("a", {0.5, 0.5, 0.5}, "scenes"));
  results.push_back(Result("b", {0.6, 0.7, 0.7}, "scenes"));
  results.push_back(Result("a", {0.5}, "only a here"));
  const auto verdicts = Verdicts(results, Parsed());
  ASSERT_EQ(verdicts.size(), 5u);  // pair on two sets, fast on three
  EXPECT_EQ(verdicts[0].data, "scenes");
  EXPECT_EQ(verdicts[0].statistics.verdict, Verdict::kNotHeld);
  EXPECT_EQ(verdicts[1].data, "set");
  EXPECT_THAT(verdicts[1].seeds, ElementsAre(1, 2));
  EXPECT_EQ(verdicts[1].statistics.verdict, Verdict::kUndecided);  // n = 2
}

TEST(ComputeVerdictsTest, LowerIsBetterTurnsTheSign) {
  std::string text = kLedger;
  for (size_t i; (i = text.find("direction: higher")) != std::string::npos;) {
    text.replace(i, 17, "direction: lower");
  }
  EXPECT_NEAR(Verdicts(Good(), Parsed(text))[0].statistics.mean, -2, 1e-9);
}

TEST(ComputeVerdictsTest, NumbersThatNoRunHasGiveNoVerdict) {
  std::vector<ExperimentResult> results = Good();
  for (MeasuredRun& run : results[0].runs) run.eval["metrics"].erase("ms");
  EXPECT_EQ(Verdicts(results, Parsed()).size(), 1u);
  results[0].runs[1].eval["metrics"]["ms"] = 2;
  EXPECT_THAT(ComputeVerdicts(Parsed(), results),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("claim fast: a_set: seed 2")));
}

TEST(ComputeVerdictsTest, StatisticsCanNameExperiments) {
  std::string text = kLedger;
  const size_t at = text.find("row: a,");
  text.replace(at, 7, "experiments: [b_set],");
  const auto verdicts = Verdicts(Good(), Parsed(text));
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_EQ(verdicts[1].data, "set");
}

TEST(VerdictsFileTest, RoundTripsAndIsStrict) {
  const auto verdicts = Verdicts(Good(), Parsed());
  const std::string text = FormatVerdicts(verdicts);
  ASSERT_OK_AND_ASSIGN(const auto again, ParseVerdicts(text, "v.json"));
  EXPECT_EQ(FormatVerdicts(again), text);
  EXPECT_THAT(ParseVerdicts("[", "v.json"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("v.json: expected JSON")));
  EXPECT_THAT(ParseVerdicts(R"({"verdicts": [{"claim": "x"}]})", "v.json"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("v.json: verdicts[0]: data: missing")));
  ASSERT_OK_AND_ASSIGN(const auto none, ReadVerdicts("/nonexistent"));
  EXPECT_TRUE(none.empty());
}

TEST(CheckConsistencyTest, FindsNothingWhereAllFits) {
  const Ledger ledger = Parsed();
  EXPECT_THAT(CheckConsistency(ledger, Good(), Verdicts(Good(), ledger)),
              IsEmpty());
}

TEST(CheckConsistencyTest, RowsNeedAResultOrAReasonAndNotBoth) {
  const Ledger ledger = Parsed();
  std::vector<ExperimentResult> results = Good();
  results.pop_back();
  EXPECT_THAT(CheckConsistency(ledger, results, Verdicts(results, ledger)),
              Contains(HasSubstr("row b has neither result nor reason")));
  results = Good();
  results.push_back(Result("c", {0.5, 0.5, 0.5}));
  EXPECT_THAT(CheckConsistency(ledger, results, Verdicts(results, ledger)),
              ElementsAre(HasSubstr("row c has a result (c_set) and a reason "
                                    "for none")));
  // A stand-in is no answer: the reason stays.
  results = Good();
  results.push_back(Result("c", {0.5, 0.5, 0.5}, "scenes"));
  EXPECT_THAT(CheckConsistency(ledger, results, Verdicts(results, ledger)),
              IsEmpty());
}

TEST(CheckConsistencyTest, NoticesEditedAndStrayResults) {
  const Ledger ledger = Parsed();
  std::vector<ExperimentResult> results = Good();
  results[0].answers[0].mean += 1;
  EXPECT_THAT(CheckConsistency(ledger, results, Verdicts(results, ledger)),
              Contains(HasSubstr("results/a_set: row a: values, mean or sd do "
                                 "not follow")));
  results = Good();
  results.push_back(Result("zzz", {0.5}));
  EXPECT_THAT(CheckConsistency(ledger, results, Verdicts(Good(), ledger)),
              ElementsAre(HasSubstr("answers the unknown row zzz")));
  results = Good();
  results.push_back(results[0]);
  results.back().experiment = "twin";
  EXPECT_THAT(CheckConsistency(ledger, results, Verdicts(Good(), ledger)),
              Contains(HasSubstr("row a: answered by a_set and twin")));
}

TEST(CheckConsistencyTest, NoticesRecordedVerdictsThatResultsContradict) {
  const Ledger ledger = Parsed();
  std::vector<ClaimVerdict> verdicts = Verdicts(Good(), ledger);
  verdicts[0].statistics.verdict = Verdict::kNotHeld;
  EXPECT_THAT(CheckConsistency(ledger, Good(), verdicts),
              ElementsAre(HasSubstr("pair on set: recorded as not held, but "
                                    "the results say held")));
  verdicts.erase(verdicts.begin());
  EXPECT_THAT(CheckConsistency(ledger, Good(), verdicts),
              ElementsAre(HasSubstr("pair on set is missing")));

  const std::string by_hand = std::string(kLedger) +
                              "    verdicts:\n      - {data: set, verdict: "
                              "undecided}\n      - {data: moon, verdict: "
                              "held}\n";
  const Ledger hand = Parsed(by_hand);
  EXPECT_THAT(
      CheckConsistency(hand, Good(), Verdicts(Good(), hand)),
      ElementsAre(HasSubstr("claim fast: recorded as undecided on set, but the "
                            "results say held"),
                  HasSubstr("verdict on moon has no results behind it")));
}

TEST(CheckConsistencyTest, AVerdictAgainstThePaperSaysWhatWasTried) {
  const std::vector<ExperimentResult> results = {
      Result("a", {0.80, 0.81, 0.81}), Result("b", {0.81, 0.83, 0.84})};
  const Ledger ledger = Parsed();
  EXPECT_THAT(CheckConsistency(ledger, results, Verdicts(results, ledger)),
              ElementsAre(HasSubstr("claim pair: not held on set; record the "
                                    "verdict there with `tried`")));
  std::string text = kLedger;
  const std::string pair = "better: a, worse: b";
  text.replace(text.find(pair), pair.size(),
               pair +
                   ", verdicts: [{data: set, verdict: not held, tried: "
                   "longer training}]");
  const Ledger tried = Parsed(text);
  EXPECT_THAT(CheckConsistency(tried, results, Verdicts(results, tried)),
              IsEmpty());
}

TEST(CheckConsistencyTest, ClaimsNeedAVerdictOrAReason) {
  std::string text = kLedger;
  text += "  - {id: eye, text: t, source: s}\n";
  Ledger ledger = Parsed(text);
  EXPECT_THAT(CheckConsistency(ledger, Good(), Verdicts(Good(), ledger)),
              ElementsAre(HasSubstr("claim eye has neither verdict nor "
                                    "reason")));
  text = kLedger;
  text.replace(text.find("better: a, worse: b"), 19, "better: b, worse: a");
  ledger = Parsed(text);
  EXPECT_THAT(CheckConsistency(ledger, Good(), Verdicts(Good(), ledger)),
              Contains(HasSubstr("the reported numbers of b and a do not say "
                                 "so")));
}

TEST(CheckNewVerdictTest, OnlyTheOppositeContradicts) {
  const Ledger ledger = Parsed();
  const std::vector<ClaimVerdict> verdicts = Verdicts(Good(), ledger);
  EXPECT_OK(CheckNewVerdict(ledger, verdicts, "pair", "set",
                            JudgeDifferences({1, 1, 1})));
  EXPECT_OK(CheckNewVerdict(ledger, verdicts, "pair", "set",
                            JudgeDifferences({1, -1, 1})));
  EXPECT_THAT(CheckNewVerdict(ledger, verdicts, "pair", "set",
                              JudgeDifferences({-1, -1, -1})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("claim pair on set: on record as held, "
                                 "measured now as not held (differences -1, "
                                 "-1, -1)")));
  EXPECT_THAT(
      CheckNewVerdict(ledger, verdicts, "pair", "moon",
                      JudgeDifferences({1, 1, 1})),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no verdict on record")));
  EXPECT_THAT(CheckNewVerdict(ledger, verdicts, "none", "set",
                              JudgeDifferences({1, 1, 1})),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no claim")));
  EXPECT_THAT(
      CheckNewVerdict(ledger, verdicts, "pair", "set", JudgeDifferences({})),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("expected a difference")));
}

// A test trains one seed: it has no verdict, but its sign tells.
TEST(CheckNewVerdictTest, FewSeedsContradictByTheirSigns) {
  Ledger ledger = Parsed();
  const auto check = [&](Verdict recorded, std::vector<double> differences) {
    for (Claim& claim : ledger.claims) {
      if (claim.id == "pair") {
        claim.verdicts = {{"moon", recorded, /*measured_by_test=*/true, ""}};
      }
    }
    return CheckNewVerdict(ledger, {}, "pair", "moon",
                           JudgeDifferences(differences));
  };
  const auto contradicts = [](const std::string& text) {
    return StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(text));
  };
  EXPECT_OK(check(Verdict::kHeld, {0.1}));
  EXPECT_OK(check(Verdict::kHeld, {-1, 0.1}));
  EXPECT_THAT(check(Verdict::kHeld, {-0.1}),
              contradicts("claim pair on moon: on record as held, measured now "
                          "against it (differences -0.1)"));
  EXPECT_THAT(check(Verdict::kHeld, {0}), contradicts("against it"));
  EXPECT_THAT(check(Verdict::kHeld, {-1, -2}), contradicts("against it"));
  EXPECT_OK(check(Verdict::kNotHeld, {-0.1}));
  EXPECT_THAT(check(Verdict::kNotHeld, {0.1}),
              contradicts("on record as not held, measured now against it"));
  for (const double difference : {-1, 0, 1}) {
    EXPECT_OK(check(Verdict::kUndecided, {difference}));
  }
}

}  // namespace
}  // namespace seg
