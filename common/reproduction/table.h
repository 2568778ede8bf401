// The results table of a paper's README: rendered from the ledger, never
// edited by hand.
//
//   | Row | Reported | Ours | Data | Difference |
//
// one table for each of the paper's tables, then the experiments with the
// protocol's columns, then the claims with their verdicts. A group none of
// whose rows has a result is folded. Deterministic: the same ledger gives the
// same bytes, so a test can compare.
#ifndef COMMON_REPRODUCTION_TABLE_H_
#define COMMON_REPRODUCTION_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/protocol.h"
#include "common/reproduction/results.h"

namespace seg {

constexpr char kTableBegin[] = "<!-- results:begin -->";
constexpr char kTableEnd[] = "<!-- results:end -->";

// GitHub Markdown, ends with a newline.
std::string RenderTable(const Ledger& ledger, const Protocol& protocol,
                        const std::vector<ExperimentResult>& results,
                        const std::vector<ClaimVerdict>& verdicts);

// `readme` with the text between the two marker lines replaced. Error: a
// marker that is missing, repeated or out of order.
absl::StatusOr<std::string> ReplaceTable(const std::string& readme,
                                         const std::string& table);

// OK when README.md of `paper_folder` holds what its reported.yaml,
// protocol.yaml and results/ render to, and CheckConsistency finds nothing;
// else an error that lists every problem, with the remedy.
absl::Status CheckPaper(const std::string& paper_folder);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_TABLE_H_
