// Tables of experiments: what was measured here, a line each.
#ifndef COMMON_REPRODUCTION_EXPERIMENT_TABLES_H_
#define COMMON_REPRODUCTION_EXPERIMENT_TABLES_H_

#include <string>
#include <vector>

#include "common/reproduction/ledger.h"
#include "common/reproduction/protocol.h"
#include "common/reproduction/results.h"

namespace seg {

// The protocol's tables, each under a heading of level 3, with the experiments
// that were measured, in the table's order (else the protocol's). Empty where
// there are none.
std::string RenderExperimentTables(
    const Protocol& protocol, const std::vector<ExperimentResult>& results);

// The protocol's `summary`, with a column of what the paper reports where an
// experiment answers a row (like for like) by the number in the first column.
// Empty where there is none.
std::string RenderSummaryTable(const Ledger& ledger, const Protocol& protocol,
                               const std::vector<ExperimentResult>& results);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_EXPERIMENT_TABLES_H_
