// Tensors as file formats see them: an element type, a shape, a run of bytes.
// No LibTorch here, so that the parsers can be fuzzed and lifted out alone;
// raw_tensor_convert.h makes at::Tensor of it.
#ifndef SEGPAPERS_COMMON_IO_RAW_TENSOR_H_
#define SEGPAPERS_COMMON_IO_RAW_TENSOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace seg {

enum class RawType {
  kBool,
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kUint64,
  kInt64,
  kFloat8E4m3,  // e4m3fn: no infinities
  kFloat8E5m2,
  kFloat8E8m0,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64,
  kComplex64,   // two float32
  kComplex128,  // two float64
};

// More dimensions than this are refused everywhere (NumPy 2 has 64 too).
constexpr int64_t kMaxDims = 64;

// Bytes of one element.
int64_t RawTypeSize(RawType type);

// "float32" and so on, for messages.
const char* RawTypeName(RawType type);

// A contiguous row-major little-endian tensor inside someone else's bytes.
struct RawTensor {
  RawType type = RawType::kUint8;
  std::vector<int64_t> shape;
  absl::string_view bytes;  // size == product(shape) * RawTypeSize(type)
};

// a * b of two values >= 0. False when it leaves int64.
bool MultiplyChecked(int64_t a, int64_t b, int64_t* product);
// a + b of two values >= 0. False when it leaves int64.
bool AddChecked(int64_t a, int64_t b, int64_t* sum);

// The product of `shape`. An error for negative sizes, more than kMaxDims of
// them, and products that leave int64 (also where another size is 0, so that
// strides cannot overflow either).
absl::StatusOr<int64_t> CountElements(const std::vector<int64_t>& shape);

// "[3, 4]".
std::string ShapeString(const std::vector<int64_t>& shape);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_RAW_TENSOR_H_
