#include "common/io/raw_tensor.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace seg {

int64_t RawTypeSize(RawType type) {
  switch (type) {
    case RawType::kBool:
    case RawType::kUint8:
    case RawType::kInt8:
    case RawType::kFloat8E4m3:
    case RawType::kFloat8E5m2:
    case RawType::kFloat8E8m0:
      return 1;
    case RawType::kUint16:
    case RawType::kInt16:
    case RawType::kFloat16:
    case RawType::kBfloat16:
      return 2;
    case RawType::kUint32:
    case RawType::kInt32:
    case RawType::kFloat32:
      return 4;
    case RawType::kUint64:
    case RawType::kInt64:
    case RawType::kFloat64:
    case RawType::kComplex64:
      return 8;
    case RawType::kComplex128:
      return 16;
  }
  return 1;
}

const char* RawTypeName(RawType type) {
  switch (type) {
    case RawType::kBool:
      return "bool";
    case RawType::kUint8:
      return "uint8";
    case RawType::kInt8:
      return "int8";
    case RawType::kFloat8E4m3:
      return "float8_e4m3fn";
    case RawType::kFloat8E5m2:
      return "float8_e5m2";
    case RawType::kFloat8E8m0:
      return "float8_e8m0fnu";
    case RawType::kUint16:
      return "uint16";
    case RawType::kInt16:
      return "int16";
    case RawType::kFloat16:
      return "float16";
    case RawType::kBfloat16:
      return "bfloat16";
    case RawType::kUint32:
      return "uint32";
    case RawType::kInt32:
      return "int32";
    case RawType::kFloat32:
      return "float32";
    case RawType::kUint64:
      return "uint64";
    case RawType::kInt64:
      return "int64";
    case RawType::kFloat64:
      return "float64";
    case RawType::kComplex64:
      return "complex64";
    case RawType::kComplex128:
      return "complex128";
  }
  return "unknown";
}

bool MultiplyChecked(int64_t a, int64_t b, int64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

bool AddChecked(int64_t a, int64_t b, int64_t* sum) {
  return !__builtin_add_overflow(a, b, sum);
}

absl::StatusOr<int64_t> CountElements(const std::vector<int64_t>& shape) {
  if (static_cast<int64_t>(shape.size()) > kMaxDims) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape must have at most ", kMaxDims, " dimensions, got ",
                     shape.size()));
  }
  int64_t product = 1;  // of the sizes other than 0
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape must not be negative, got ", ShapeString(shape)));
    }
    if (size == 0) {
      empty = true;
    } else if (!MultiplyChecked(product, size, &product)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "shape has too many elements for 64 bits: ", ShapeString(shape)));
    }
  }
  return empty ? 0 : product;
}

std::string ShapeString(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

}  // namespace seg
