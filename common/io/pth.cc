#include "common/io/pth.h"

#include <cstring>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/pth_index.h"
#include "common/io/quote.h"
#include "common/io/raw_tensor_convert.h"

namespace seg {
namespace {

// Makes the tensors of one file; each storage and each tensor once.
class TensorMaker {
 public:
  TensorMaker(const PthFile& file, size_t file_size)
      : file_(file),
        budget_(file_size),
        storages_(file.storages.size()),
        tensors_(file.tensors.size()) {}

  absl::StatusOr<at::Tensor> Make(int64_t index) {
    at::Tensor& tensor = tensors_[index];
    if (tensor.defined()) return tensor;
    const PickleTensor& place = file_.tensors[index];
    at::Tensor& storage = storages_[place.storage];
    if (!storage.defined()) {
      SEG_ASSIGN_OR_RETURN(storage, CopyStorage(place));
    }
    at::Tensor view = at::empty({0}, at::dtype(ToScalarType(place.type)));
    view.set_(storage.storage(), place.offset, place.shape, place.strides);
    if (!view.is_contiguous()) {
      if (view.nbytes() > budget_) {
        return absl::InvalidArgumentError(
            "views that are not contiguous would take more memory than the "
            "file");
      }
      budget_ -= view.nbytes();
      view = view.contiguous();
    }
    tensor = view;
    return tensor;
  }

 private:
  // A byte tensor that owns a copy of the storage.
  absl::StatusOr<at::Tensor> CopyStorage(const PickleTensor& place) const {
    const absl::string_view bytes = file_.storages[place.storage];
    if (place.type == RawType::kBool) {
      for (const char c : bytes) {
        if (c != 0 && c != 1) {
          return absl::InvalidArgumentError("a bool must be stored as 0 or 1");
        }
      }
    }
    at::Tensor copy =
        at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
    if (!bytes.empty()) {
      std::memcpy(copy.data_ptr(), bytes.data(), bytes.size());
    }
    return copy;
  }

  const PthFile& file_;
  size_t budget_;  // bytes left for copies of views
  std::vector<at::Tensor> storages_;
  std::vector<at::Tensor> tensors_;
};

}  // namespace

absl::StatusOr<TensorMap> ParsePth(const std::string& bytes) {
  SEG_ASSIGN_OR_RETURN(const PthFile file, ParsePthFile(bytes));
  size_t size = bytes.size();
  for (const std::string& member : file.inflated) size += member.size();
  TensorMaker maker(file, size);
  TensorMap tensors;
  for (const auto& name : file.names) {
    absl::StatusOr<at::Tensor> tensor = maker.Make(name.second);
    if (!tensor.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "pth: ", Quote(name.first), ": ", tensor.status().message()));
    }
    tensors.emplace(name.first, *std::move(tensor));
  }
  return tensors;
}

absl::StatusOr<TensorMap> ReadPth(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<TensorMap> tensors = ParsePth(bytes);
  if (!tensors.ok()) return WithPath(tensors.status(), path);
  return tensors;
}

}  // namespace seg
