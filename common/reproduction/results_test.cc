#include "common/reproduction/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

MeasuredRun Run(int64_t seed, double iou) {
  MeasuredRun run;
  run.seed = seed;
  run.eval = {{"metrics", {{"mean_iou", iou}, {"bad", nullptr}}}};
  run.train_seconds = 12.5;
  run.commit = run.train_commit = "abc";
  run.date = "2026-01-31T12:00:00Z";
  run.device = "cpu";
  run.hardware = {"Some CPU", 2, "none"};
  run.train_fingerprint = "t";
  run.eval_fingerprint = "e";
  return run;
}

ExperimentResult Sample() {
  ExperimentResult result;
  result.experiment = "full";
  result.data = "set (split of ours)";
  result.split = "test";
  result.config = "configs/full.yaml";
  result.overrides = {"a.b=1"};
  Answer answer;
  answer.row = "set/a";
  answer.metric = "/metrics/mean_iou";
  answer.scale = 100;
  result.answers = {answer};
  result.runs = {Run(0, 0.81), Run(1, 0.83), Run(2, 0.85)};
  return result;
}

TEST(FillAnswersTest, ComputesFromTheRuns) {
  ExperimentResult result = Sample();
  ASSERT_OK(FillAnswers(&result));
  EXPECT_THAT(result.answers[0].values,
              ElementsAre(::testing::DoubleEq(81), ::testing::DoubleEq(83),
                          ::testing::DoubleEq(85)));
  EXPECT_DOUBLE_EQ(result.answers[0].mean, 83);
  EXPECT_NEAR(result.answers[0].sd, 2, 1e-12);  // rounding of x * 100
}

TEST(FillAnswersTest, NamesTheRunThatLacksTheNumber) {
  ExperimentResult result = Sample();
  result.answers[0].metric = "/metrics/iou";
  EXPECT_THAT(FillAnswers(&result),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("full: row set/a: seed 0: the output of eval "
                                 "has no /metrics/iou; correct the key")));
  result.answers[0].metric = "/metrics/bad";
  EXPECT_THAT(FillAnswers(&result),
              StatusIs(kInvalid, HasSubstr("expected a finite number, got "
                                           "null")));
  result.answers[0].metric = "metrics";
  EXPECT_THAT(FillAnswers(&result),
              StatusIs(kInvalid, HasSubstr("'metrics' is no JSON pointer")));
}

TEST(ParseResultTest, RoundTrips) {
  ExperimentResult result = Sample();
  ASSERT_OK(FillAnswers(&result));
  const std::string text = FormatResult(result);
  ASSERT_OK_AND_ASSIGN(const ExperimentResult again,
                       ParseResult(text, "full.json"));
  EXPECT_EQ(FormatResult(again), text);
  EXPECT_EQ(again.runs[1].seed, 1);
  EXPECT_EQ(again.runs[2].hardware.cpu, "Some CPU");
  EXPECT_EQ(again.overrides, result.overrides);
  EXPECT_EQ(again.runs[2].eval, result.runs[2].eval);
  // One line a run, so that changes read well.
  EXPECT_THAT(text, HasSubstr("\n   \"eval\": {\"metrics\":{\"bad\":null,"
                              "\"mean_iou\":0.81}},\n"));
}

TEST(ParseResultTest, IsStrict) {
  ExperimentResult result = Sample();
  ASSERT_OK(FillAnswers(&result));
  const nlohmann::json good = nlohmann::json::parse(FormatResult(result));
  const auto parse = [](const nlohmann::json& tree) {
    return ParseResult(tree.dump(), "full.json");
  };
  ASSERT_OK(parse(good));
  nlohmann::json bad = good;
  bad.erase("data");
  EXPECT_THAT(parse(bad),
              StatusIs(kInvalid, HasSubstr("full.json: data: missing")));
  bad = good;
  bad["runs"][1]["seed"] = 0;
  EXPECT_THAT(parse(bad), StatusIs(kInvalid, HasSubstr("runs[1]: seed: must "
                                                       "be larger")));
  bad = good;
  bad["runs"][0]["seed"] = 1.5;
  EXPECT_THAT(parse(bad), StatusIs(kInvalid, HasSubstr("runs[0]: seed: "
                                                       "expected an integer")));
  bad = good;
  bad["runs"][0]["hardware"]["gpu"] = 7;
  EXPECT_THAT(parse(bad),
              StatusIs(kInvalid, HasSubstr("runs[0]: hardware: gpu: expected a "
                                           "text, got 7")));
  bad = good;
  bad["answers"][0]["values"].push_back(1);
  EXPECT_THAT(parse(bad), StatusIs(kInvalid, HasSubstr("answers[0]: values: "
                                                       "expected one value a "
                                                       "run (3), got 4")));
  bad = good;
  bad["answer"] = 1;
  EXPECT_THAT(parse(bad), StatusIs(kInvalid, HasSubstr("did you mean "
                                                       "answers?")));
  EXPECT_THAT(ParseResult("{", "full.json"),
              StatusIs(kInvalid, HasSubstr("full.json: expected JSON")));
}

TEST(ReadResultsTest, ReadsAFolderSortedAndPassesOverVerdicts) {
  const std::string folder = ::testing::TempDir() + "/results_test";
  std::filesystem::remove_all(folder);
  ASSERT_OK_AND_ASSIGN(auto none, ReadResults(folder));
  EXPECT_TRUE(none.empty());
  std::filesystem::create_directories(folder);
  ExperimentResult result = Sample();
  ASSERT_OK(FillAnswers(&result));
  ASSERT_OK(WriteFileAtomically(folder + "/full.json", FormatResult(result)));
  result.experiment = "base";
  ASSERT_OK(WriteFileAtomically(folder + "/base.json", FormatResult(result)));
  ASSERT_OK(WriteFileAtomically(folder + "/verdicts.json", "not read"));
  ASSERT_OK(WriteFileAtomically(folder + "/notes.txt", "not read"));
  ASSERT_OK_AND_ASSIGN(const auto results, ReadResults(folder));
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].experiment, "base");
  EXPECT_EQ(results[1].experiment, "full");
  ASSERT_OK(WriteFileAtomically(folder + "/other.json", FormatResult(result)));
  EXPECT_THAT(ReadResults(folder),
              StatusIs(kInvalid, HasSubstr("experiment: expected other")));
}

}  // namespace
}  // namespace seg
