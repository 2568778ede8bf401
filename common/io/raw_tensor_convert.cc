#include "common/io/raw_tensor_convert.h"

#include <cstring>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"

namespace seg {

at::ScalarType ToScalarType(RawType type) {
  switch (type) {
    case RawType::kBool:
      return at::kBool;
    case RawType::kUint8:
      return at::kByte;
    case RawType::kInt8:
      return at::kChar;
    case RawType::kUint16:
      return at::kUInt16;
    case RawType::kInt16:
      return at::kShort;
    case RawType::kUint32:
      return at::kUInt32;
    case RawType::kInt32:
      return at::kInt;
    case RawType::kUint64:
      return at::kUInt64;
    case RawType::kInt64:
      return at::kLong;
    case RawType::kFloat8E4m3:
      return at::kFloat8_e4m3fn;
    case RawType::kFloat8E5m2:
      return at::kFloat8_e5m2;
    case RawType::kFloat8E8m0:
      return at::kFloat8_e8m0fnu;
    case RawType::kFloat16:
      return at::kHalf;
    case RawType::kBfloat16:
      return at::kBFloat16;
    case RawType::kFloat32:
      return at::kFloat;
    case RawType::kFloat64:
      return at::kDouble;
    case RawType::kComplex64:
      return at::kComplexFloat;
    case RawType::kComplex128:
      return at::kComplexDouble;
  }
  return at::kByte;
}

absl::StatusOr<RawType> ToRawType(at::ScalarType type) {
  for (int i = 0; i <= static_cast<int>(RawType::kComplex128); ++i) {
    const auto raw = static_cast<RawType>(i);
    if (ToScalarType(raw) == type) return raw;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unsupported dtype ", c10::toString(type)));
}

absl::StatusOr<at::Tensor> ToTensor(const RawTensor& raw) {
  const absl::StatusOr<int64_t> count = CountElements(raw.shape);
  if (!count.ok()) return count.status();
  int64_t size = 0;
  if (!MultiplyChecked(*count, RawTypeSize(raw.type), &size) ||
      size != static_cast<int64_t>(raw.bytes.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat(RawTypeName(raw.type), " ", ShapeString(raw.shape),
                     " does not fill ", raw.bytes.size(), " bytes"));
  }
  if (raw.type == RawType::kBool) {
    for (const char c : raw.bytes) {
      if (c != 0 && c != 1) {
        return absl::InvalidArgumentError(absl::StrCat(
            "a bool must be stored as 0 or 1, got ", static_cast<uint8_t>(c)));
      }
    }
  }
  at::Tensor tensor = at::empty(raw.shape, at::dtype(ToScalarType(raw.type)));
  if (size > 0) std::memcpy(tensor.data_ptr(), raw.bytes.data(), size);
  return tensor;
}

}  // namespace seg
