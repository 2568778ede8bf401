#include "common/reproduction/claims_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/reproduction/demo_paper.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Render(const PaperRecord& paper) {
  return RenderClaims(paper.ledger, paper.verdicts);
}

TEST(ClaimsTableTest, GivesTheWholeText) {
  EXPECT_EQ(
      Render(DemoPaper()),
      "| Claim | Source | Data | Verdict | In favour |\n"
      "| --- | --- | --- | --- | ---: |\n"
      "| A beats B. | Table 1 | set (split of ours) | held | +13 ± 2 (n = "
      "3) |\n"
      "| Pretty. | Fig. 1 | – | not measured [1] | – |\n"
      "\n"
      "1. judged by eye: filters\n");
}

TEST(ClaimsTableTest, TellsWhatWasTriedAndEachReasonOnce) {
  PaperRecord paper = DemoPaper();
  Claim& pair = paper.ledger.claims[0];
  pair.verdicts.push_back(
      {"set (split of ours)", Verdict::kHeld, false, "twice as long"});
  pair.verdicts.push_back({"else", Verdict::kNotHeld, true, "twice as long"});
  Claim third = paper.ledger.claims[1];
  third.id = "third";
  paper.ledger.claims.push_back(third);
  EXPECT_THAT(Render(paper),
              HasSubstr("| set (split of ours) | held [1] | +13 ± 2 (n = 3) |\n"
                        "| | | else | not held (reproduction_test) [1] | – |\n"
                        "| Pretty. | Fig. 1 | – | not measured [2] | – |\n"
                        "| Pretty. | Fig. 1 | – | not measured [2] | – |\n"
                        "\n"
                        "1. Tried: twice as long\n"
                        "2. judged by eye: filters\n"));
}

TEST(ClaimsTableTest, SaysWhatIsNotMeasuredYet) {
  PaperRecord paper = DemoPaper();
  paper.verdicts.clear();
  EXPECT_THAT(Render(paper),
              HasSubstr("| A beats B. | Table 1 | – | not measured yet | – |"));
  paper.ledger.claims.clear();
  EXPECT_EQ(Render(paper), "");
}

TEST(CountClaimsTest, CountsVerdictsByHandAndFromResults) {
  PaperRecord paper = DemoPaper();
  ClaimCounts counts = CountClaims(paper.ledger, paper.verdicts);
  EXPECT_EQ(counts.Text(), "held 1, not held 0, undecided 0");
  EXPECT_EQ(counts.open, 1);
  EXPECT_THAT(counts.data, ElementsAre("set (split of ours)"));
  // By hand on the same data: the same verdict; on other data: one more.
  Claim& pair = paper.ledger.claims[0];
  pair.verdicts.push_back({"set (split of ours)", Verdict::kHeld, false, ""});
  pair.verdicts.push_back({"else", Verdict::kNotHeld, true, "much"});
  paper.ledger.claims[1].verdicts.push_back(
      {"else", Verdict::kUndecided, true, ""});
  counts = CountClaims(paper.ledger, paper.verdicts);
  EXPECT_EQ(counts.Text(), "held 1, not held 1, undecided 1");
  EXPECT_EQ(counts.open, 0);
  EXPECT_THAT(counts.data, ElementsAre("set (split of ours)", "else"));
  paper.ledger.claims[0].source = "ours, beside Table 1";
  EXPECT_EQ(CountClaims(paper.ledger, paper.verdicts).Text(),
            "held 0, not held 0, undecided 1");
}

}  // namespace
}  // namespace seg
