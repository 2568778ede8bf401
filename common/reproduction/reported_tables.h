// The paper's own tables: what it reports, and what was measured here beside
// it.
#ifndef COMMON_REPRODUCTION_REPORTED_TABLES_H_
#define COMMON_REPRODUCTION_REPORTED_TABLES_H_

#include <string>
#include <vector>

#include "common/reproduction/ledger.h"
#include "common/reproduction/results.h"

namespace seg {

// A section (heading of level 3) for each table of the paper, in the ledger's
// order. A section has one table for each data set: methods down, metrics
// across. (Where there is one metric, data sets across instead.) Beside a
// reported number stand, in columns of their own, our value on the row's data
// with the difference, and the value of a stand-in without one. Why numbers
// were not measured is said once, under the section.
std::string RenderReportedTables(const Ledger& ledger,
                                 const std::vector<ExperimentResult>& results);

}  // namespace seg

#endif  // COMMON_REPRODUCTION_REPORTED_TABLES_H_
