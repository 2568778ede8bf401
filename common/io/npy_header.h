// The header of a NumPy .npy file, parsed and checked, without LibTorch.
// Source: numpy/lib/format.py, "Format Version 1.0" to "3.0".
#ifndef SEGPAPERS_COMMON_IO_NPY_HEADER_H_
#define SEGPAPERS_COMMON_IO_NPY_HEADER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/raw_tensor.h"

namespace seg {

struct NpyFile {
  // The bytes lie in the input. Little endian and row major only where the two
  // flags below say so.
  RawTensor tensor;
  bool big_endian = false;
  bool fortran_order = false;  // the first axis of `tensor.shape` runs fastest
};

// `bytes` must outlive the result. Checks magic, version, header length, the
// dictionary (exactly descr, fortran_order and shape), the element type, the
// size without overflow, and that the data fills the rest of the file exactly.
absl::StatusOr<NpyFile> ParseNpyFile(absl::string_view bytes);

// "<f4" and so on; null for types that the format does not have.
const char* NpyTypeName(RawType type);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_NPY_HEADER_H_
