#include "common/reproduction/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kLedger[] = R"(
paper: demo
rows:
  - {id: a, table: Table 1, dataset: Set, method: A | one, metric: mean IoU,
     unit: "%", direction: higher, value: 80.0}
  - {id: b, table: Table 1, dataset: Set, method: B, metric: mean IoU,
     unit: "%", direction: higher, value: 70.0}
  - {id: c, table: Table 2, dataset: Far, method: C, metric: IoU cat,
     unit: "%", direction: higher, value: 60.65, reason: needs a GPU}
  - {id: d, table: Table 2, dataset: Far, method: C, metric: IoU dog,
     unit: "%", direction: higher, value: 50, reason: needs a GPU}
claims:
  - {id: pair, text: A beats B., source: Table 1, better: a, worse: b}
  - {id: eye, text: Pretty., source: Fig. 1, reason: "judged by eye: filters"}
)";

constexpr char kProtocol[] = R"(
paper: demo
metrics:
  mean IoU: {key: /m}
tables:
  - baseline: b
    columns:
      - {name: mean IoU (%), key: /m}
      - {name: ms, key: /ms, scale: 1000, decimals: 0}
experiments:
  - {name: b, title: B | two, config: c.yaml, seeds: [0, 1, 2],
     data: set (split of ours), answers: [b]}
  - {name: a, title: A, config: c.yaml, seeds: [0, 1, 2],
     data: set (split of ours), answers: [a]}
  - {name: hidden, config: c.yaml, seeds: [0], data: set (split of ours)}
)";

ExperimentResult Result(const std::string& row, std::vector<double> values) {
  ExperimentResult result;
  result.experiment = row;
  result.data = "set (split of ours)";
  result.split = "test";
  result.config = "c.yaml";
  Answer answer;
  answer.row = row;
  answer.metric = "/m";
  result.answers = {answer};
  for (size_t i = 0; i < values.size(); ++i) {
    MeasuredRun run;
    run.seed = i;
    run.eval = {{"m", values[i]}};
    if (row == "a") run.eval["ms"] = 0.007;
    run.commit = run.train_commit = "abc";
    run.date = "2026-01-31T12:00:00Z";
    run.device = "cpu";
    run.hardware = {"CPU", 2, "none"};
    run.train_fingerprint = run.eval_fingerprint = "f";
    result.runs.push_back(run);
  }
  EXPECT_TRUE(FillAnswers(&result).ok());
  return result;
}

struct Paper {
  Ledger ledger;
  Protocol protocol;
  std::vector<ExperimentResult> results;
  std::vector<ClaimVerdict> verdicts;
};

Paper Sample() {
  Paper paper;
  paper.ledger = *ParseLedger(kLedger, "r.yaml");
  paper.protocol = *ParseProtocol(kProtocol, "p.yaml", paper.ledger);
  paper.results = {Result("a", {81, 82, 83}), Result("b", {70, 69, 68})};
  paper.verdicts = *ComputeVerdicts(paper.ledger, paper.results);
  return paper;
}

std::string Render(const Paper& paper) {
  return RenderTable(paper.ledger, paper.protocol, paper.results,
                     paper.verdicts);
}

TEST(RenderTableTest, GivesTheWholeText) {
  EXPECT_EQ(
      Render(Sample()),
      "**Table 1, Set, mean IoU (%)**\n\n"
      "| Method | Reported | Ours | Data | Difference |\n"
      "| --- | ---: | ---: | --- | ---: |\n"
      "| A \\| one | 80.0 | 82.0 ± 1.0 (n = 3) | set (split of ours) | +2.0 |\n"
      "| B | 70.0 | 69.0 ± 1.0 (n = 3) | set (split of ours) | −1.0 |\n"
      "\n"
      "<details><summary>Table 2, Far: 2 numbers without a result (needs a "
      "GPU)</summary>\n\n"
      "| | C |\n"
      "| --- | ---: |\n"
      "| IoU cat (%) | 60.65 |\n"
      "| IoU dog (%) | 50 |\n"
      "\n</details>\n"
      "\n"
      "**Measured here**\n\n"
      "| Experiment | Data | mean IoU (%) | gain over B \\| two | ms |\n"
      "| --- | --- | ---: | ---: | ---: |\n"
      "| B \\| two (n = 3) | set (split of ours) | 69.0 ± 1.0 | – | – |\n"
      "| A (n = 3) | set (split of ours) | 82.0 ± 1.0 | +13.0 ± 2.0 | 7 ± 0 |\n"
      "\n"
      "**Claims of the paper**\n\n"
      "| Claim | Source | Data | Verdict | In favour |\n"
      "| --- | --- | --- | --- | ---: |\n"
      "| A beats B. | Table 1 | set (split of ours) | held | +13 ± 2 (n = 3) "
      "|\n"
      "| Pretty. | Fig. 1 | – | judged by eye: filters | – |\n"
      "\n"
      "Ours: mean ± standard deviation over n seeds, gains paired by seed; the "
      "difference is ours less reported. A claim is held when the paired "
      "differences of at least three seeds all favour it and their mean "
      "exceeds 2 SD/√n, not held in the mirrored case, else undecided.\n");
}

TEST(RenderTableTest, ExperimentsWithoutResultsBaselineOrColumns) {
  Paper paper = Sample();
  std::swap(paper.results[0], paper.results[1]);
  paper.results[1].runs.pop_back();
  EXPECT_THAT(Render(paper), HasSubstr("| A (n = 2) | set (split of ours) | "
                                       "81.5 ± 0.7 | +12.0 ± 1.4 |"));
  paper.results.erase(paper.results.begin());  // the baseline's
  EXPECT_THAT(Render(paper),
              HasSubstr("| Experiment | Data | mean IoU (%) | ms |\n"
                        "| --- | --- | ---: | ---: |\n"
                        "| A (n = 2) | set (split of ours) | 81.5 ± 0.7 |"));
  paper.protocol.tables.clear();
  EXPECT_THAT(Render(paper), Not(HasSubstr("Measured here")));
}

TEST(RenderTableTest, TablesOfNamedExperimentsUnderTheirHeadings) {
  Paper paper = Sample();
  ExperimentTable table = paper.protocol.tables[0];
  paper.protocol.tables[0].experiments = {"a"};
  paper.protocol.tables[0].baseline = "";
  table.heading = "The others";
  table.experiments = {"b"};
  paper.protocol.tables.push_back(table);
  EXPECT_THAT(Render(paper),
              AllOf(HasSubstr("| --- | --- | ---: | ---: |\n| A (n = 3) |"),
                    HasSubstr("**The others**"),
                    HasSubstr("| --- | --- | ---: | ---: | ---: |\n"
                              "| B \\| two (n = 3) |")));
}

TEST(RenderTableTest, ShowsStandInsWithoutADifference) {
  Paper paper = Sample();
  ExperimentResult stand_in = Result("c", {33.333});
  stand_in.data = "near";
  std::swap(stand_in.answers, stand_in.stands_in_for);
  paper.results.push_back(stand_in);
  EXPECT_THAT(Render(paper),
              HasSubstr("| C, IoU cat (%) | 60.65 | – | needs a GPU | – |\n"
                        "| *stand-in for the row above* | | 33.33 (n = 1) | "
                        "near | – |\n"));
}

TEST(RenderTableTest, MarksDirtyTreesAndRecalledNumbers) {
  Paper paper = Sample();
  EXPECT_THAT(Render(paper), Not(HasSubstr("†")));
  paper.results[0].runs[1].dirty = true;
  paper.ledger.rows[1].recalled = true;
  const std::string table = Render(paper);
  EXPECT_THAT(table, HasSubstr("82.0 ± 1.0 (n = 3)†"));
  EXPECT_THAT(table, HasSubstr("| 70.0‡ |"));
  EXPECT_THAT(table, HasSubstr("†: measured with changes that no commit"));
  EXPECT_THAT(table, HasSubstr("‡: written from memory"));
}

TEST(RenderTableTest, SaysWhatIsNotMeasuredYet) {
  Paper paper = Sample();
  paper.results.clear();
  paper.verdicts.clear();
  const std::string table = Render(paper);
  EXPECT_THAT(table, HasSubstr("| Method | Reported |\n| --- | ---: |\n"
                               "| A \\| one | 80.0 |\n| B | 70.0 |\n"));
  EXPECT_THAT(table,
              HasSubstr("2 numbers without a result (not measured yet)"));
  EXPECT_THAT(table, HasSubstr("| A beats B. | Table 1 | – | not measured"));
}

TEST(RenderTableTest, ListsReasonsThatDiffer) {
  Paper paper = Sample();
  paper.results.pop_back();
  EXPECT_THAT(Render(paper),
              HasSubstr("| B | 70.0 | – | not measured yet | – |"));
  paper.ledger.rows[2].reason = "data not obtainable: lost";
  paper.ledger.claims[0].reason = "data not obtainable: lost";
  paper.verdicts.clear();
  const std::string table = Render(paper);
  EXPECT_THAT(table, HasSubstr("without a result (reasons below)"));
  EXPECT_THAT(table, HasSubstr("| C, IoU cat (%) | 60.65 | – | data not "
                               "obtainable: lost | – |"));
  EXPECT_THAT(table, HasSubstr("| Table 1 | – | data not obtainable | – |"));
}

TEST(ReplaceTableTest, ReplacesBetweenTheMarkersOnly) {
  const std::string readme = std::string("# Demo\n\n") + kTableBegin +
                             "\nold\n" + kTableEnd + "\nafter\n";
  ASSERT_OK_AND_ASSIGN(const std::string once, ReplaceTable(readme, "new\n"));
  EXPECT_EQ(once, std::string("# Demo\n\n") + kTableBegin + "\n\nnew\n\n" +
                      kTableEnd + "\nafter\n");
  ASSERT_OK_AND_ASSIGN(const std::string twice, ReplaceTable(once, "new\n"));
  EXPECT_EQ(twice, once);
}

TEST(ReplaceTableTest, NeedsBothMarkersOnceAndInOrder) {
  const std::string b = kTableBegin, e = kTableEnd;
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ReplaceTable("none", ""), StatusIs(code, HasSubstr(b)));
  EXPECT_THAT(ReplaceTable(b, ""),
              StatusIs(code, HasSubstr(e + " is missing")));
  EXPECT_THAT(ReplaceTable(e + b, ""), StatusIs(code, HasSubstr("order")));
  EXPECT_THAT(ReplaceTable(b + e + e, ""), StatusIs(code, HasSubstr("twice")));
}

TEST(CheckPaperTest, ComparesTheReadmeWithTheLedger) {
  const std::string folder = ::testing::TempDir() + "/table_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder + "/results");
  Paper paper = Sample();
  const auto write = [&](const std::string& name, const std::string& text) {
    ASSERT_OK(WriteFileAtomically(folder + "/" + name, text));
  };
  write("reported.yaml", kLedger);
  write("protocol.yaml", kProtocol);
  for (const ExperimentResult& r : paper.results) {
    write("results/" + r.experiment + ".json", FormatResult(r));
  }
  write("results/verdicts.json", FormatVerdicts(paper.verdicts));
  const std::string bare = std::string(kTableBegin) + "\n" + kTableEnd + "\n";
  write("README.md", *ReplaceTable(bare, Render(paper)));
  EXPECT_OK(CheckPaper(folder));

  write("README.md", bare);
  EXPECT_THAT(CheckPaper(folder),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("README.md: the results table is not what")));
  std::filesystem::remove(folder + "/results/b.json");
  EXPECT_THAT(CheckPaper(folder),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("row b has neither result nor reason")));
  std::filesystem::remove(folder + "/README.md");
  EXPECT_THAT(CheckPaper(folder),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("README.md")));
}

}  // namespace
}  // namespace seg
