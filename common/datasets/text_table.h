// Text files of lines with a fixed number of cells, as the lists of official
// data sets are.
#ifndef COMMON_DATASETS_TEXT_TABLE_H_
#define COMMON_DATASETS_TEXT_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace seg {

// A line of a text table, split at blanks.
struct TableRow {
  std::vector<std::string> cells;
  std::string where;  // "PATH:LINE", for messages
};

// The lines of a text with `columns` cells each; blank lines are left out.
// InvalidArgument for another number of cells; `what` says what is expected.
absl::StatusOr<std::vector<TableRow>> ReadTable(const std::string& path,
                                                size_t columns,
                                                const std::string& what);

}  // namespace seg

#endif  // COMMON_DATASETS_TEXT_TABLE_H_
