// Reader and writer of NumPy's .npy format, versions 1.0 to 3.0.
//
// dtypes: bool, (u)int8/16/32/64, float16/32/64, complex64/128. C and Fortran
// order, little and big endian; what comes back is C order, native, a CPU
// tensor of the same shape. Structured, string and object dtypes are refused,
// so no pickle is ever read. The data must fill the file exactly, so sizes in
// the header allocate no more than the file has.
#ifndef SEGPAPERS_COMMON_IO_NPY_H_
#define SEGPAPERS_COMMON_IO_NPY_H_

#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {

absl::StatusOr<at::Tensor> ParseNpy(const std::string& bytes);
absl::StatusOr<at::Tensor> ReadNpy(const std::string& path);

// Version 1.0, C order, little endian, data aligned to 64 bytes; any strides
// and device. bfloat16 and float8 are refused: NumPy has no such types.
absl::StatusOr<std::string> SerializeNpy(const at::Tensor& tensor);
absl::Status WriteNpy(const std::string& path, const at::Tensor& tensor);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_NPY_H_
