#include "common/reproduction/reported_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/reproduction/demo_paper.h"

namespace seg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Render(const PaperRecord& paper) {
  return RenderReportedTables(paper.ledger, paper.results);
}

PaperRecord Parsed(const std::string& rows) {
  PaperRecord paper;
  paper.ledger = *ParseLedger("paper: demo\nrows:\n" + rows, "r.yaml");
  return paper;
}

TEST(ReportedTablesTest, MethodsDownMetricsAcrossOursBesideTheReported) {
  EXPECT_EQ(Render(DemoPaper()),
            "### Table 1, Set, mean IoU (%)\n\n"
            "| Method | reported | ours | difference |\n"
            "| --- | ---: | ---: | ---: |\n"
            "| A \\| one | 80.0 | 82.0 ± 1.0 | +2.0 |\n"
            "| B | 70.0 | 69.0 ± 1.0 | −1.0 |\n"
            "\n"
            "Ours: set (split of ours), n = 3.\n"
            "\n"
            "### Table 2, Far\n\n"
            "| Method | IoU cat (%) | IoU dog (%) |\n"
            "| --- | ---: | ---: |\n"
            "| C | 60.65 | 50 |\n"
            "\n"
            "Not measured (needs a GPU).\n");
}

TEST(ReportedTablesTest, StandInsHaveAColumnAndNoDifference) {
  PaperRecord paper = DemoPaper();
  paper.results.push_back(DemoStandIn("c", "near", {33.333}));
  EXPECT_THAT(Render(paper),
              HasSubstr("| Method | IoU cat (%) | stand-in | IoU dog (%) |\n"
                        "| --- | ---: | ---: | ---: |\n"
                        "| C | 60.65 | 33.33 | 50 |\n"
                        "\n"
                        "Stand-in: near, n = 1.\n"
                        "\n"
                        "Not measured (needs a GPU).\n"));
}

TEST(ReportedTablesTest, ColumnsNameTheirDataWhereThereAreSeveral) {
  PaperRecord paper = DemoPaper();
  paper.results.push_back(DemoStandIn("a", "near", {1, 2}));
  paper.results.push_back(DemoStandIn("b", "near", {3}));
  paper.results.push_back(DemoStandIn("b", "nearer", {4}));
  EXPECT_THAT(
      Render(paper),
      HasSubstr(
          "| Method | reported | ours | difference | stand-in, near | "
          "stand-in, nearer |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: |\n"
          "| A \\| one | 80.0 | 82.0 ± 1.0 | +2.0 | 1.5 ± 0.7 (n = 2) | – "
          "|\n"
          "| B | 70.0 | 69.0 ± 1.0 | −1.0 | 3.0 (n = 1) | 4.0 |\n"
          "\n"
          "Ours: set (split of ours), n = 3. Stand-in: near. Stand-in: "
          "nearer, n = 1.\n"));
}

TEST(ReportedTablesTest, OneMetricOnSeveralDataSetsPutsTheseAcross) {
  const PaperRecord paper = Parsed(R"(
  - {id: a1, table: T, dataset: S1, method: A, metric: CLL, unit: nats,
     direction: lower, value: 4, reason: needs a GPU}
  - {id: b1, table: T, dataset: S1, method: B, metric: CLL, unit: nats,
     direction: lower, value: 3, reason: needs a GPU}
  - {id: a2, table: T, dataset: S2, method: A, metric: CLL, unit: nats,
     direction: lower, value: 2, reason: "data not obtainable: lost"}
)");
  EXPECT_EQ(Render(paper),
            "### T, CLL (nats)\n\n"
            "| Method | S1 | S2 |\n"
            "| --- | ---: | ---: |\n"
            "| A | 4 [1] | 2 [2] |\n"
            "| B | 3 [1] | – |\n"
            "\n"
            "Not measured:\n\n"
            "1. needs a GPU\n"
            "2. data not obtainable: lost\n");
}

TEST(ReportedTablesTest, SeveralMetricsAndDataSetsGiveATableEach) {
  const PaperRecord paper = Parsed(R"(
  - {id: a1, table: T, dataset: S1, method: A, metric: IoU, unit: "%",
     direction: higher, value: 4, reason: "data not obtainable: lost"}
  - {id: a2, table: T, dataset: S1, method: A, metric: pixels, unit: "%",
     direction: higher, value: 3, reason: "data not obtainable: lost"}
  - {id: b, table: T, dataset: S2, method: B, metric: IoU, unit: "%",
     direction: higher, value: 2, recalled: true, reason: needs a GPU}
  - {id: c, table: T, dataset: S3, method: A, metric: IoU, unit: "%",
     direction: higher, value: 1, reason: "data not obtainable: lost"}
)");
  EXPECT_EQ(Render(paper),
            "### T\n\n"
            "**S1** [1]\n\n"
            "| Method | IoU (%) | pixels (%) |\n"
            "| --- | ---: | ---: |\n"
            "| A | 4 | 3 |\n"
            "\n"
            "**S2, IoU (%)** [2]\n\n"
            "| Method | reported |\n"
            "| --- | ---: |\n"
            "| B | 2‡ |\n"
            "\n"
            "**S3, IoU (%)** [1]\n\n"
            "| Method | reported |\n"
            "| --- | ---: |\n"
            "| A | 1 |\n"
            "\n"
            "Not measured:\n\n"
            "1. data not obtainable: lost\n"
            "2. needs a GPU\n");
}

TEST(ReportedTablesTest, MarksDirtyTreesAndRecalledNumbers) {
  PaperRecord paper = DemoPaper();
  paper.results[0].runs[1].dirty = true;
  paper.ledger.rows[1].recalled = true;
  EXPECT_THAT(Render(paper), AllOf(HasSubstr("| 82.0 ± 1.0† |"),
                                   HasSubstr("| B | 70.0‡ | 69.0 ± 1.0 |")));
}

TEST(ReportedTablesTest, SaysWhatIsNotMeasuredYet) {
  PaperRecord paper = DemoPaper();
  paper.results.pop_back();
  EXPECT_THAT(Render(paper), HasSubstr("| B | 70.0 [1] | – | – |\n\n"
                                       "Ours: set (split of ours), n = 3.\n\n"
                                       "Not measured:\n\n"
                                       "1. not measured yet\n"));
  paper.results.clear();
  EXPECT_THAT(Render(paper), HasSubstr("| B | 70.0 |\n\n"
                                       "Not measured (not measured yet).\n"));
}

// What the record says must not get lost in the layout.
TEST(ReportedTablesTest, EveryRowAndEveryMeasuredMeanIsShown) {
  PaperRecord paper = DemoPaper();
  paper.results.push_back(DemoStandIn("d", "near", {12.4}));
  const std::string text = Render(paper);
  for (const ReportedRow& row : paper.ledger.rows) {
    EXPECT_THAT(text, HasSubstr(row.metric));
  }
  for (const char* number : {"80.0", "70.0", "60.65", "50", "82.0", "69.0"}) {
    EXPECT_THAT(text, HasSubstr(number));
  }
  EXPECT_THAT(text, HasSubstr("| 12 |"));  // as many digits as the paper's
  EXPECT_THAT(text, Not(HasSubstr("(n = 0)")));
}

}  // namespace
}  // namespace seg
