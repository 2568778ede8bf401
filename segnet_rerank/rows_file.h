// Rows of numbers of many images in a file that is mapped, so that the memory
// of the process does not grow with their number.
#ifndef SEGNET_RERANK_ROWS_FILE_H_
#define SEGNET_RERANK_ROWS_FILE_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {
namespace segnet_rerank {

class RowsFile {
 public:
  // Made anew; removed with this object. Errors come with Add and Map.
  explicit RowsFile(std::string path);
  RowsFile(const RowsFile&) = delete;
  RowsFile& operator=(const RowsFile&) = delete;
  ~RowsFile();

  // Behind those that are there. rows: float32 [n,C], C the same each time.
  absl::Status Add(const at::Tensor& rows);

  // All of them, float32 [N,columns], contiguous. Read only; stays valid when
  // the file is gone. Ends the writing; once.
  absl::StatusOr<at::Tensor> Map(int64_t columns);

 private:
  const std::string path_;
  std::FILE* file_;
  int64_t rows_ = 0;
  absl::Status status_;
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_ROWS_FILE_H_
