// The claims of a paper with their verdicts: a table, and a line that counts
// them.
#ifndef COMMON_REPRODUCTION_CLAIMS_TABLE_H_
#define COMMON_REPRODUCTION_CLAIMS_TABLE_H_

#include <string>
#include <vector>

#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"

namespace seg {

// A line for each claim and data set. What was tried where a verdict is against
// the paper, and why a claim has none, are numbered and told once, under the
// table. Empty where the ledger has no claims.
std::string RenderClaims(const Ledger& ledger,
                         const std::vector<ClaimVerdict>& verdicts);

// How many verdicts there are of each kind, by hand and from results together:
// "held 10, not held 1, undecided 1"; and the data they are on, in the order of
// the table. A claim counts once for each data set, and not at all where its
// source begins with "ours".
struct ClaimCounts {
  int held = 0, not_held = 0, undecided = 0;
  int open = 0;  // claims of the paper without any verdict
  std::vector<std::string> data;

  std::string Text() const;
};
ClaimCounts CountClaims(const Ledger& ledger,
                        const std::vector<ClaimVerdict>& verdicts);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_CLAIMS_TABLE_H_
