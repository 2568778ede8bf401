// The structure of a MATLAB file of level 5, parsed and checked, without
// LibTorch. After "MAT-File Format" (MathWorks, R2019b), chapter 1.
#ifndef SEGPAPERS_COMMON_IO_MAT_FILE_H_
#define SEGPAPERS_COMMON_IO_MAT_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/raw_tensor.h"

namespace seg {

struct MatArray {
  // The numbers as they are stored: the first axis of `stored.shape` runs
  // fastest. The bytes lie in the input or, uncompressed, in `inflated`.
  RawTensor stored;
  bool big_endian = false;
  // The type that the array has in MATLAB; whole numbers may be stored in less.
  RawType type = RawType::kFloat64;
  std::unique_ptr<std::string> inflated = std::make_unique<std::string>();
};

// Finds a real array of numbers. `bytes`, a whole file, must outlive the
// result. variable: as for ReadMatArray (mat.h). Every size is checked against
// the bytes that are there; those that fill an array are as many as its shape
// says.
absl::StatusOr<MatArray> ParseMatFile(absl::string_view bytes,
                                      const std::string& variable);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_MAT_FILE_H_
