#include "common/reproduction/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/io/file.h"
#include "common/reproduction/demo_paper.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RenderResultsTest, HasAllSections) {
  const std::string text = RenderResults(DemoPaper());
  EXPECT_THAT(text, ::testing::StartsWith("# demo: results\n\n"
                                          "Written by `bazel run "
                                          "//tools:reproduce -- demo`;"));
  EXPECT_THAT(
      text,
      AllOf(
          HasSubstr("- [Reported numbers](#reported-numbers)\n"
                    "- [Experiments](#experiments)\n"
                    "- [Claims](#claims)\n"
                    "\n## Reported numbers\n\n### Table 1, Set"),
          HasSubstr("\n## Experiments\n\nWhat was measured here. "
                    "Gains are paired by seed.\n\n### Measured here"),
          HasSubstr("\n## Claims\n\nVerdicts: held 1, not held 0, undecided 0 "
                    "on set (split of ours).\n\n"),
          HasSubstr("mean exceeds 2 SD/√n."), Not(HasSubstr("†")),
          Not(HasSubstr("‡"))));
}

TEST(RenderResultsTest, LeavesOutWhatIsNotThere) {
  PaperRecord paper = DemoPaper();
  paper.protocol.tables.clear();
  paper.ledger.claims.clear();
  EXPECT_THAT(RenderResults(paper), AllOf(Not(HasSubstr("xperiments](")),
                                          Not(HasSubstr("# Claims"))));
}

TEST(RenderResultsTest, ExplainsItsMarks) {
  PaperRecord paper = DemoPaper();
  paper.results[0].runs[1].dirty = true;
  paper.ledger.rows[1].recalled = true;
  EXPECT_THAT(RenderResults(paper),
              AllOf(HasSubstr("†: measured with changes that no commit"),
                    HasSubstr("‡: written from memory")));
}

TEST(RenderSummaryTest, GivesTheWholeText) {
  EXPECT_EQ(
      RenderSummary(DemoPaper()),
      "| Experiment | mean IoU (%) | reported | gain over B \\| two |\n"
      "| --- | ---: | ---: | ---: |\n"
      "| A | 82.0 ± 1.0 | 80.0 | +13.0 ± 2.0 |\n"
      "| B \\| two | 69.0 ± 1.0 | 70.0 | – |\n"
      "\n"
      "Measured on set (split of ours), n = 3.\n"
      "\n"
      "Our values are mean ± standard deviation over n seeds.\n"
      "\n"
      "Claims of the paper, once for each data set: [held 1, not held 0, "
      "undecided 0](RESULTS.md#claims) on set (split of ours); without a "
      "verdict "
      "1.\n"
      "\n"
      "Every reported number and experiment: [RESULTS.md](RESULTS.md).\n");
}

TEST(RenderSummaryTest, WithoutATableAndVerdictsThereIsStillALine) {
  PaperRecord paper = DemoPaper();
  paper.protocol.summary = ExperimentTable();
  paper.verdicts.clear();
  EXPECT_EQ(
      RenderSummary(paper),
      "Claims of the paper, once for each data set: [held 0, not held 0, "
      "undecided 0](RESULTS.md#claims); without a verdict 2.\n"
      "\n"
      "Every reported number and experiment: [RESULTS.md](RESULTS.md).\n");
}

TEST(ClaimsLineTest, NamesAllDataOnce) {
  PaperRecord paper = DemoPaper();
  EXPECT_EQ(ClaimsLine(paper),
            "held 1, not held 0, undecided 0 on set (split of ours)");
  for (const char* data : {"b", "c"}) {
    paper.ledger.claims[1].verdicts.push_back(
        {data, Verdict::kUndecided, true, ""});
  }
  EXPECT_EQ(ClaimsLine(paper),
            "held 1, not held 0, undecided 2 on set (split of ours), b and c");
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

TEST(CheckPaperTest, ComparesBothDocumentsWithTheRecord) {
  const std::string folder = ::testing::TempDir() + "/table_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder + "/results");
  const PaperRecord paper = DemoPaper();
  const auto write = [&](const std::string& name, const std::string& text) {
    ASSERT_OK(WriteFileAtomically(folder + "/" + name, text));
  };
  write("reported.yaml", kDemoLedger);
  write("protocol.yaml", kDemoProtocol);
  for (const ExperimentResult& r : paper.results) {
    write("results/" + r.experiment + ".json", FormatResult(r));
  }
  write("results/verdicts.json", FormatVerdicts(paper.verdicts));
  const std::string bare = std::string(kTableBegin) + "\n" + kTableEnd + "\n";
  const std::string readme = *ReplaceTable(bare, RenderSummary(paper));
  write("README.md", readme);
  write("RESULTS.md", RenderResults(paper));
  EXPECT_OK(CheckPaper(folder));

  const auto problem = [&](const std::string& text) {
    return StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(text));
  };
  write("README.md", bare);
  EXPECT_THAT(CheckPaper(folder),
              problem("README.md: the part between the markers is not what"));
  write("README.md", readme);
  write("RESULTS.md", RenderResults(paper) + "More.\n");
  EXPECT_THAT(CheckPaper(folder), problem("RESULTS.md: the text is not what"));
  std::filesystem::remove(folder + "/results/b.json");
  EXPECT_THAT(CheckPaper(folder),
              problem("row b has neither result nor reason"));
  for (const char* name : {"RESULTS.md", "README.md"}) {
    std::filesystem::remove(folder + "/" + name);
    EXPECT_THAT(CheckPaper(folder),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr(name)));
  }
}

}  // namespace
}  // namespace seg
