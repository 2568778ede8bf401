// What a paper's record renders to, never edited by hand: PAPER/RESULTS.md, and
// the summary between two markers in PAPER/README.md. Deterministic: the same
// record gives the same bytes, so a test can compare.
#ifndef COMMON_REPRODUCTION_TABLE_H_
#define COMMON_REPRODUCTION_TABLE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reproduction/paper_record.h"

namespace seg {

constexpr char kTableBegin[] = "<!-- results:begin -->";
constexpr char kTableEnd[] = "<!-- results:end -->";

// RESULTS.md, whole: every reported number as the paper lays it out
// (reported_tables.h), the experiments (experiment_tables.h), the claims
// (claims_table.h, under the anchor #claims).
std::string RenderResults(const PaperRecord& record);

// The README's part: the protocol's summary (at most eight lines), the claims
// counted in one line, and links to RESULTS.md.
std::string RenderSummary(const PaperRecord& record);

// "held 10, not held 1, undecided 1 on weizmann_horse": what the main README
// says of a paper.
std::string ClaimsLine(const PaperRecord& record);

// `readme` with the text between the two marker lines replaced. Error: a
// marker that is missing, repeated or out of order.
absl::StatusOr<std::string> ReplaceTable(const std::string& readme,
                                         const std::string& table);

// OK when README.md and RESULTS.md of `paper_folder` hold what its
// reported.yaml, protocol.yaml and results/ render to, and CheckConsistency
// finds nothing; else an error that lists every problem, with the remedy.
absl::Status CheckPaper(const std::string& paper_folder);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_TABLE_H_
