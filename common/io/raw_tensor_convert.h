// Between RawTensor (raw_tensor.h) and at::Tensor.
#ifndef SEGPAPERS_COMMON_IO_RAW_TENSOR_CONVERT_H_
#define SEGPAPERS_COMMON_IO_RAW_TENSOR_CONVERT_H_

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/io/raw_tensor.h"

namespace seg {

at::ScalarType ToScalarType(RawType type);

// InvalidArgument for the types that files cannot hold (quantized, bits, ...).
absl::StatusOr<RawType> ToRawType(at::ScalarType type);

// A CPU tensor with a copy of the bytes. An error when raw.bytes is not of the
// size that shape and type say, or when a bool is neither 0 nor 1 (reading
// such a bool is undefined behaviour in C++).
absl::StatusOr<at::Tensor> ToTensor(const RawTensor& raw);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_RAW_TENSOR_CONVERT_H_
