#include "segnet_rerank/rows_file.h"

#include <ATen/ATen.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <numeric>
#include <system_error>
#include <utility>

#include "common/io/file.h"

namespace seg {
namespace segnet_rerank {

RowsFile::RowsFile(std::string path, at::ScalarType type,
                   std::vector<int64_t> row)
    : path_(std::move(path)),
      type_(type),
      sizes_(std::move(row)),
      file_(std::fopen(path_.c_str(), "wb")) {
  sizes_.insert(sizes_.begin(), 0);
  if (file_ == nullptr) status_ = ErrnoStatus(errno, path_, "cannot be made");
}

RowsFile::~RowsFile() {
  if (file_ != nullptr) std::fclose(file_);
  std::error_code error;
  std::filesystem::remove(path_, error);
}

absl::Status RowsFile::Add(const at::Tensor& rows) {
  TORCH_CHECK(rows.scalar_type() == type_ && rows.is_cpu() &&
                  rows.sizes().slice(1) == at::IntArrayRef(sizes_).slice(1),
              "RowsFile: rows must be ", type_, " [n,",
              at::IntArrayRef(sizes_).slice(1), "] on the CPU, got ",
              rows.scalar_type(), " ", rows.sizes());
  if (!status_.ok()) return status_;
  const at::Tensor dense = rows.contiguous();
  const size_t numbers = static_cast<size_t>(dense.numel());
  if (std::fwrite(dense.const_data_ptr(), dense.element_size(), numbers,
                  file_) != numbers) {
    status_ = ErrnoStatus(errno, path_, "cannot be written");
  }
  sizes_[0] += dense.size(0);
  return status_;
}

absl::StatusOr<at::Tensor> RowsFile::Map() {
  if (!status_.ok()) return status_;
  const int failed = std::fclose(file_);
  file_ = nullptr;
  if (failed != 0) return ErrnoStatus(errno, path_, "cannot be written");
  const int64_t numbers = std::accumulate(
      sizes_.begin(), sizes_.end(), int64_t{1}, std::multiplies<int64_t>());
  if (numbers == 0) return at::empty(sizes_, type_);
  return at::from_file(path_, /*shared=*/false, numbers, type_).view(sizes_);
}

}  // namespace segnet_rerank
}  // namespace seg
