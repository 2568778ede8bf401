#include "common/io/mat.h"

#include <algorithm>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/mat_file.h"
#include "common/io/raw_tensor_convert.h"

namespace seg {
namespace {

// The type that a tensor gets: LibTorch computes with few unsigned types.
at::ScalarType ResultType(RawType type) {
  if (type == RawType::kUint16) return at::kInt;
  if (type == RawType::kUint32) return at::kLong;
  return ToScalarType(type);
}

}  // namespace

absl::StatusOr<at::Tensor> ParseMatArray(const std::string& bytes,
                                         const std::string& variable) {
  SEG_ASSIGN_OR_RETURN(MatArray array, ParseMatFile(bytes, variable));
  if (array.type == RawType::kUint64 || array.stored.type == RawType::kUint64) {
    return absl::InvalidArgumentError(
        absl::StrCat(variable, ": uint64, expected numbers that fit int64"));
  }
  std::string swapped;
  if (array.big_endian) {
    swapped = std::string(array.stored.bytes);
    const size_t size = RawTypeSize(array.stored.type);
    for (size_t i = 0; i < swapped.size(); i += size) {
      std::reverse(swapped.begin() + i, swapped.begin() + i + size);
    }
    array.stored.bytes = swapped;
  }
  // Column major is row major of the reversed shape.
  std::reverse(array.stored.shape.begin(), array.stored.shape.end());
  SEG_ASSIGN_OR_RETURN(const at::Tensor numbers, ToTensor(array.stored));
  std::vector<int64_t> axes;
  for (int64_t i = numbers.dim(); i-- > 0;) axes.push_back(i);
  return numbers.to(ResultType(array.type)).permute(axes).contiguous();
}

absl::StatusOr<at::Tensor> ReadMatArray(const std::string& path,
                                        const std::string& variable) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  auto array = ParseMatArray(bytes, variable);
  if (!array.ok()) return WithPath(array.status(), path);
  return array;
}

}  // namespace seg
