// Rows of numbers of many images in a file that is mapped, so that the memory
// of the process does not grow with their number.
#ifndef SEGNET_RERANK_ROWS_FILE_H_
#define SEGNET_RERANK_ROWS_FILE_H_

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {
namespace segnet_rerank {

class RowsFile {
 public:
  // Made anew; removed with this object. Errors come with Add and Map.
  //   type, row: of the numbers of a row, and its sizes
  RowsFile(std::string path, at::ScalarType type, std::vector<int64_t> row);
  RowsFile(const RowsFile&) = delete;
  RowsFile& operator=(const RowsFile&) = delete;
  ~RowsFile();

  // Behind those that are there. rows: [n,row].
  absl::Status Add(const at::Tensor& rows);

  // All of them, [N,row], contiguous. Read only; stays valid when the file is
  // gone. Ends the writing; once.
  absl::StatusOr<at::Tensor> Map();

 private:
  const std::string path_;
  const at::ScalarType type_;
  std::vector<int64_t> sizes_;  // [rows so far, row]
  std::FILE* file_;
  absl::Status status_;
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_ROWS_FILE_H_
