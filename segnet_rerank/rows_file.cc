#include "segnet_rerank/rows_file.h"

#include <ATen/ATen.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/io/file.h"

namespace seg {
namespace segnet_rerank {

RowsFile::RowsFile(std::string path)
    : path_(std::move(path)), file_(std::fopen(path_.c_str(), "wb")) {
  if (file_ == nullptr) status_ = ErrnoStatus(errno, path_, "cannot be made");
}

RowsFile::~RowsFile() {
  if (file_ != nullptr) std::fclose(file_);
  std::error_code error;
  std::filesystem::remove(path_, error);
}

absl::Status RowsFile::Add(const at::Tensor& rows) {
  if (!status_.ok()) return status_;
  const at::Tensor dense = rows.contiguous();
  const size_t numbers = static_cast<size_t>(dense.numel());
  if (std::fwrite(dense.const_data_ptr<float>(), sizeof(float), numbers,
                  file_) != numbers) {
    status_ = ErrnoStatus(errno, path_, "cannot be written");
  }
  rows_ += dense.size(0);
  return status_;
}

absl::StatusOr<at::Tensor> RowsFile::Map(int64_t columns) {
  if (!status_.ok()) return status_;
  const int failed = std::fclose(file_);
  file_ = nullptr;
  if (failed != 0) return ErrnoStatus(errno, path_, "cannot be written");
  return at::from_file(path_, /*shared=*/false, rows_ * columns, at::kFloat)
      .view({rows_, columns});
}

}  // namespace segnet_rerank
}  // namespace seg
