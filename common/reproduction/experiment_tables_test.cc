#include "common/reproduction/experiment_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/reproduction/demo_paper.h"

namespace seg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Render(const PaperRecord& paper) {
  return RenderExperimentTables(paper.protocol, paper.results);
}

TEST(ExperimentTablesTest, GivesTheWholeText) {
  EXPECT_EQ(Render(DemoPaper()),
            "### Measured here\n\n"
            "| Experiment | mean IoU (%) | gain over B \\| two | ms |\n"
            "| --- | ---: | ---: | ---: |\n"
            "| B \\| two | 69.0 ± 1.0 | – | – |\n"
            "| A | 82.0 ± 1.0 | +13.0 ± 2.0 | 7 ± 0 |\n"
            "\n"
            "Measured on set (split of ours), n = 3.\n");
}

TEST(ExperimentTablesTest, LinesSayWhatTheyDoNotShare) {
  PaperRecord paper = DemoPaper();
  paper.results[0].runs.pop_back();
  paper.results[0].runs[0].dirty = true;
  EXPECT_THAT(Render(paper), AllOf(HasSubstr("| A (n = 2)† | 81.5 ± 0.7 | "
                                             "+12.0 ± 1.4 |"),
                                   HasSubstr("| B \\| two (n = 3) | 69.0"),
                                   HasSubstr("Measured on set (split of "
                                             "ours).\n")));
  paper.results[1].data = "other";
  EXPECT_THAT(Render(paper), AllOf(HasSubstr("| Experiment | Data | mean IoU"),
                                   HasSubstr("| A (n = 2)† | set (split of "
                                             "ours) | 81.5"),
                                   Not(HasSubstr("Measured on"))));
}

TEST(ExperimentTablesTest, WithoutTheBaselinesResultThereAreNoGains) {
  PaperRecord paper = DemoPaper();
  paper.results.pop_back();  // the baseline's
  EXPECT_THAT(Render(paper), HasSubstr("| Experiment | mean IoU (%) | ms |\n"
                                       "| --- | ---: | ---: |\n"
                                       "| A | 82.0 ± 1.0 |"));
  paper.protocol.tables.clear();
  EXPECT_EQ(Render(paper), "");
}

TEST(ExperimentTablesTest, NamedExperimentsComeInTheTablesOrder) {
  PaperRecord paper = DemoPaper();
  ExperimentTable table = paper.protocol.tables[0];
  paper.protocol.tables[0].experiments = {"a", "b"};
  table.heading = "The others";
  table.baseline = "";
  table.experiments = {"b"};
  paper.protocol.tables.push_back(table);
  EXPECT_THAT(Render(paper),
              AllOf(HasSubstr("| A | 82.0 ± 1.0 | +13.0 ± 2.0 | 7 ± 0 |\n"
                              "| B \\| two | 69.0 ± 1.0 | – | – |\n"),
                    HasSubstr("### The others\n\n"
                              "| Experiment | mean IoU (%) | ms |\n"
                              "| --- | ---: | ---: |\n"
                              "| B \\| two | 69.0 ± 1.0 | – |\n")));
}

TEST(SummaryTableTest, HasThePapersNumberWhereLikeIsComparedWithLike) {
  PaperRecord paper = DemoPaper();
  const auto render = [&] {
    return RenderSummaryTable(paper.ledger, paper.protocol, paper.results);
  };
  EXPECT_EQ(render(),
            "| Experiment | mean IoU (%) | reported | gain over B \\| two |\n"
            "| --- | ---: | ---: | ---: |\n"
            "| A | 82.0 ± 1.0 | 80.0 | +13.0 ± 2.0 |\n"
            "| B \\| two | 69.0 ± 1.0 | 70.0 | – |\n"
            "\n"
            "Measured on set (split of ours), n = 3.\n");
  std::swap(paper.results[1].answers, paper.results[1].stands_in_for);
  EXPECT_THAT(render(), HasSubstr("| B \\| two | 69.0 ± 1.0 | – | – |\n"));
  std::swap(paper.results[0].answers, paper.results[0].stands_in_for);
  EXPECT_THAT(render(), Not(HasSubstr("reported")));
  paper.protocol.summary = ExperimentTable();
  EXPECT_EQ(render(), "");
}

}  // namespace
}  // namespace seg
