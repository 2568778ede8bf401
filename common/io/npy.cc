#include "common/io/npy.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/io/byte_order.h"
#include "common/io/file.h"
#include "common/io/npy_header.h"
#include "common/io/raw_tensor_convert.h"

namespace seg {
namespace {

// Reverses the bytes of each number; a complex one is two numbers.
std::string SwapBytes(absl::string_view bytes, RawType type) {
  const bool complex =
      type == RawType::kComplex64 || type == RawType::kComplex128;
  const size_t unit = RawTypeSize(type) / (complex ? 2 : 1);
  std::string swapped(bytes);
  for (size_t i = 0; i + unit <= swapped.size(); i += unit) {
    std::reverse(swapped.begin() + i, swapped.begin() + i + unit);
  }
  return swapped;
}

}  // namespace

absl::StatusOr<at::Tensor> ParseNpy(const std::string& bytes) {
  SEG_ASSIGN_OR_RETURN(NpyFile file, ParseNpyFile(bytes));
  std::string swapped;
  if (file.big_endian) {
    swapped = SwapBytes(file.tensor.bytes, file.tensor.type);
    file.tensor.bytes = swapped;
  }
  if (file.fortran_order) {
    // Column major is row major of the reversed shape.
    std::reverse(file.tensor.shape.begin(), file.tensor.shape.end());
  }
  absl::StatusOr<at::Tensor> tensor = ToTensor(file.tensor);
  if (!tensor.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("npy: ", tensor.status().message()));
  }
  if (!file.fortran_order) return tensor;
  std::vector<int64_t> axes(tensor->dim());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = axes.size() - 1 - i;
  return tensor->permute(axes).contiguous();
}

absl::StatusOr<at::Tensor> ReadNpy(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<at::Tensor> tensor = ParseNpy(bytes);
  if (!tensor.ok()) return WithPath(tensor.status(), path);
  return tensor;
}

absl::StatusOr<std::string> SerializeNpy(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.layout() != at::kStrided) {
    return absl::InvalidArgumentError("npy: tensor must be defined and dense");
  }
  const absl::StatusOr<RawType> type = ToRawType(tensor.scalar_type());
  const char* name = type.ok() ? NpyTypeName(*type) : nullptr;
  if (name == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("npy: dtype ", c10::toString(tensor.scalar_type()),
                     " does not exist in NumPy; convert to float32"));
  }
  const at::Tensor data =
      tensor.detach().cpu().resolve_conj().resolve_neg().contiguous();
  std::string header = absl::StrCat(
      "{'descr': '", name, "', 'fortran_order': False, 'shape': (",
      absl::StrJoin(data.sizes(), ", "), data.dim() == 1 ? ",), }" : "), }");
  constexpr size_t kPrefix = 10;  // magic, version, length
  constexpr size_t kAlignment = 64;
  // Blanks, then a newline that ends the header on the boundary.
  header.append(kAlignment - 1 - (kPrefix + header.size()) % kAlignment, ' ');
  header.push_back('\n');
  std::string bytes("\x93NUMPY\x01\x00", 8);
  AppendLittle(header.size(), 2, &bytes);
  bytes.reserve(bytes.size() + header.size() + data.nbytes());
  bytes += header;
  if (data.nbytes() > 0) {
    bytes.append(static_cast<const char*>(data.const_data_ptr()),
                 data.nbytes());
  }
  return bytes;
}

absl::Status WriteNpy(const std::string& path, const at::Tensor& tensor) {
  const absl::StatusOr<std::string> bytes = SerializeNpy(tensor);
  if (!bytes.ok()) return WithPath(bytes.status(), path);
  return WriteFileAtomically(path, *bytes);
}

}  // namespace seg
