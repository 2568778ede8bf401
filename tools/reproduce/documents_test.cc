// What the documents say of the papers' records, for all papers of BUILD: the
// main README counts the claims as the verdicts do, and no reported or measured
// number is missing in RESULTS.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "common/reproduction/markdown.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class DocumentsTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* papers = getenv("SEG_PAPERS");
    ASSERT_NE(papers, nullptr) << "the BUILD rule names the papers";
    papers_ = absl::StrSplit(papers, ',');
  }

  std::vector<std::string> papers_;
};

// The lines of `text` that begin with `start`.
std::vector<std::string> LinesWith(const std::string& text,
                                   const std::string& start) {
  std::vector<std::string> out;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, start)) out.emplace_back(line);
  }
  return out;
}

TEST_F(DocumentsTest, TheMainReadmeCountsTheClaimsOfEachPaper) {
  ASSERT_OK_AND_ASSIGN(const std::string readme,
                       ReadFile(Runfile("README.md")));
  for (const std::string& paper : papers_) {
    ASSERT_OK_AND_ASSIGN(const PaperRecord record,
                         ReadPaperRecord(Runfile(paper)));
    EXPECT_THAT(LinesWith(readme, absl::StrCat("| [`", paper, "`]")),
                Contains(HasSubstr("claims " + ClaimsLine(record))))
        << "README.md, table of papers";
  }
}

// The cells of a table's line, marks of footnotes and of recalled numbers taken
// off.
std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells = absl::StrSplit(line, " | ");
  for (std::string& cell : cells) {
    cell = std::string(absl::StripSuffix(cell, " |"));
    cell = cell.substr(0, cell.find(" ["));
    cell = std::string(absl::StripSuffix(cell, kRecalledMark));
    cell = std::string(absl::StripSuffix(cell, kDirtyMark));
  }
  return cells;
}

TEST_F(DocumentsTest, EveryNumberOnRecordStandsInResults) {
  for (const std::string& paper : papers_) {
    ASSERT_OK_AND_ASSIGN(const PaperRecord record,
                         ReadPaperRecord(Runfile(paper)));
    ASSERT_OK_AND_ASSIGN(const std::string text,
                         ReadFile(Runfile(paper + "/RESULTS.md")));
    for (const ReportedRow& row : record.ledger.rows) {
      // The section of the row's table, then the lines of its method.
      const size_t begin = text.find("### " + row.table);
      ASSERT_NE(begin, std::string::npos) << row.id;
      const std::string section =
          text.substr(begin, text.find("\n##", begin) - begin);
      std::vector<std::string> cells;
      for (const std::string& line :
           LinesWith(section, "| " + Escape(row.method) + " |")) {
        const std::vector<std::string> more = CellsOf(line);
        cells.insert(cells.end(), more.begin(), more.end());
      }
      EXPECT_THAT(cells, Contains(Fixed(row.value, row.decimals))) << row.id;
      if (!row.reason.empty()) {  // told once, under the table
        const size_t first = section.find(Escape(row.reason));
        ASSERT_NE(first, std::string::npos) << row.id;
        EXPECT_EQ(section.rfind(Escape(row.reason)), first) << row.id;
      }
      for (const ExperimentResult& result : record.results) {
        for (const auto* answers : {&result.answers, &result.stands_in_for}) {
          for (const Answer& answer : *answers) {
            if (answer.row != row.id || answer.values.empty()) continue;
            const size_t n = answer.values.size();
            const std::string value =
                MeanAndSd(answer.values,
                          n > 1 ? std::max(row.decimals, 1) : row.decimals);
            EXPECT_THAT(cells, testing::AnyOf(Contains(value),
                                              Contains(value + CountNote(n))))
                << row.id << ", " << result.experiment;
          }
        }
      }
    }
    for (const Claim& claim : record.ledger.claims) {
      EXPECT_THAT(text, HasSubstr("\n| " + Escape(claim.text) + " | "))
          << paper;
    }
  }
}

}  // namespace
}  // namespace seg
