#include "common/datasets/text_table.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"

namespace seg {

absl::StatusOr<std::vector<TableRow>> ReadTable(const std::string& path,
                                                size_t columns,
                                                const std::string& what) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_RETURN_IF_ERROR(WithPath(CheckNotUtf16(text), path));
  std::vector<TableRow> rows;
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    TableRow row;
    row.cells =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    row.where = absl::StrCat(path, ":", number);
    if (row.cells.empty()) continue;
    if (row.cells.size() != columns) {
      return absl::InvalidArgumentError(absl::StrCat(
          row.where, ": ", row.cells.size(), " cells, expected ", what));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace seg
