#include "common/reproduction/table.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/reproduction/claims_table.h"
#include "common/reproduction/experiment_tables.h"
#include "common/reproduction/markdown.h"
#include "common/reproduction/reported_tables.h"

namespace seg {
namespace {

// "A", "A and B", "A, B and C".
std::string JoinWords(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    absl::StrAppend(&out,
                    i == 0                  ? ""
                    : i + 1 == words.size() ? " and "
                                            : ", ",
                    words[i]);
  }
  return out;
}

// What the marks in `text` mean, a sentence each, with a space before it.
std::string ExplainMarks(const std::string& text) {
  std::string out;
  if (text.find(kDirtyMark) != std::string::npos) {
    absl::StrAppend(&out, " ", kDirtyMark,
                    ": measured with changes that no commit holds.");
  }
  if (text.find(kRecalledMark) != std::string::npos) {
    absl::StrAppend(&out, " ", kRecalledMark,
                    ": written from memory, to be checked against the paper.");
  }
  return out;
}

}  // namespace

std::string ClaimsLine(const PaperRecord& record) {
  const ClaimCounts counts = CountClaims(record.ledger, record.verdicts);
  return counts.data.empty()
             ? counts.Text()
             : absl::StrCat(counts.Text(), " on ", JoinWords(counts.data));
}

std::string RenderResults(const PaperRecord& record) {
  const std::string reported =
      RenderReportedTables(record.ledger, record.results);
  const std::string experiments =
      RenderExperimentTables(record.protocol, record.results);
  const std::string claims = RenderClaims(record.ledger, record.verdicts);
  std::string out = absl::StrCat(
      "# ", record.ledger.paper, ": results\n\n",
      "Written by `bazel run //tools:reproduce -- ", record.ledger.paper,
      "`; do not edit. [The paper's README](README.md) has the summary.\n\n",
      "Our values are mean ", kPlusMinus,
      " standard deviation over n seeds. A difference is ours less reported. A "
      "stand-in is our value on other data than the paper's; it has no "
      "difference.",
      ExplainMarks(reported + experiments), "\n\n",
      "- [Reported numbers](#reported-numbers)\n");
  if (!experiments.empty()) out += "- [Experiments](#experiments)\n";
  if (!claims.empty()) out += "- [Claims](#claims)\n";
  absl::StrAppend(&out, "\n## Reported numbers\n\n", reported);
  if (!experiments.empty()) {
    absl::StrAppend(&out, "\n## Experiments\n\n",
                    "What was measured here. Gains are paired by seed.\n\n",
                    experiments);
  }
  if (!claims.empty()) {
    absl::StrAppend(
        &out, "\n## Claims\n\nVerdicts: ", Escape(ClaimsLine(record)), ".\n\n",
        "\"In favour\" is the mean of the paired differences, positive where "
        "they speak for the claim. A claim is held when the differences of at "
        "least three seeds all favour it and their mean exceeds "
        "2 SD/\xE2\x88\x9An. It is not held in the mirrored case, and "
        "undecided "
        "in all others.\n\n",
        claims);
  }
  return out;
}

std::string RenderSummary(const PaperRecord& record) {
  std::string out =
      RenderSummaryTable(record.ledger, record.protocol, record.results);
  if (!out.empty()) {
    absl::StrAppend(&out, "\nOur values are mean ", kPlusMinus,
                    " standard deviation over n seeds.", ExplainMarks(out),
                    "\n\n");
  }
  if (!record.ledger.claims.empty()) {
    const ClaimCounts counts = CountClaims(record.ledger, record.verdicts);
    absl::StrAppend(&out, "Claims of the paper, once for each data set: [",
                    counts.Text(), "](RESULTS.md#claims)");
    if (!counts.data.empty()) {
      absl::StrAppend(&out, " on ", Escape(JoinWords(counts.data)));
    }
    if (counts.open > 0) {
      absl::StrAppend(&out, "; without a verdict ", counts.open);
    }
    out += ".\n\n";
  }
  return out +
         "Every reported number and experiment: "
         "[RESULTS.md](RESULTS.md).\n";
}

absl::StatusOr<std::string> ReplaceTable(const std::string& readme,
                                         const std::string& table) {
  const size_t begin = readme.find(kTableBegin);
  const size_t end = readme.find(kTableEnd);
  const std::string remedy =
      absl::StrCat("; put the lines ", kTableBegin, " and ", kTableEnd,
                   " once each, in this order, where the results belong");
  if (begin == std::string::npos || end == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "marker ", begin == std::string::npos ? kTableBegin : kTableEnd,
        " is missing", remedy));
  }
  if (end < begin) {
    return absl::InvalidArgumentError("markers are out of order" + remedy);
  }
  for (const std::string marker : {kTableBegin, kTableEnd}) {
    if (readme.find(marker) != readme.rfind(marker)) {
      return absl::InvalidArgumentError(
          absl::StrCat("marker ", marker, " occurs twice", remedy));
    }
  }
  return absl::StrCat(readme.substr(0, begin), kTableBegin, "\n\n", table, "\n",
                      readme.substr(end));
}

absl::Status CheckPaper(const std::string& paper_folder) {
  SEG_ASSIGN_OR_RETURN(const PaperRecord record, ReadPaperRecord(paper_folder));
  std::vector<std::string> problems =
      CheckConsistency(record.ledger, record.results, record.verdicts);
  const std::string remedy =
      " is not what reported.yaml, protocol.yaml and results/ give; run "
      "//tools:reproduce with --render_only";
  const std::string readme_path = paper_folder + "/README.md";
  SEG_ASSIGN_OR_RETURN(const std::string readme, ReadFile(readme_path));
  const absl::StatusOr<std::string> fresh =
      ReplaceTable(readme, RenderSummary(record));
  if (!fresh.ok()) {
    problems.push_back(
        absl::StrCat(readme_path, ": ", fresh.status().message()));
  } else if (*fresh != readme) {
    problems.push_back(
        absl::StrCat(readme_path, ": the part between the markers", remedy));
  }
  const std::string results_path = paper_folder + "/RESULTS.md";
  SEG_ASSIGN_OR_RETURN(const std::string results, ReadFile(results_path));
  if (results != RenderResults(record)) {
    problems.push_back(absl::StrCat(results_path, ": the text", remedy));
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrJoin(problems, "\n"));
}

}  // namespace seg
