// Arrays in MATLAB files (.mat) of level 5: what MATLAB 5 to 7.2 writes, later
// versions with `save -v7`, and SciPy's savemat; either byte order, compressed
// or not. Level 4 and MATLAB 7.3 (HDF5) files are refused with the way to
// convert them. After "MAT-File Format" (MathWorks, R2019b), chapter 1.
//
// A reader of our own as matio 1.5.23 crashes on damaged files and takes an
// array that has fewer data than its size says; the test compares the two.
#ifndef SEGPAPERS_COMMON_IO_MAT_H_
#define SEGPAPERS_COMMON_IO_MAT_H_

#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"

namespace seg {

// Reads one real numeric array. variable: its name, or a path through structs
// of one element each, e.g. "GTcls.Segmentation".
// returns: the array's own axes (MATLAB's rows first), contiguous, on the CPU:
// uint8, int8, int16, int32, int64, float32, float64 by its class; logical as
// uint8, uint16 as int32, uint32 as int64. Refused: uint64, complex, char,
// cell, sparse. Errors "PATH: reason": no such file, not a level 5 file,
// truncated, no such variable (names those there are), another kind. Memory is
// taken for bytes that are there, never for sizes that are claimed. Thread
// safe.
absl::StatusOr<at::Tensor> ReadMatArray(const std::string& path,
                                        const std::string& variable);

// The same for the bytes of a file.
absl::StatusOr<at::Tensor> ParseMatArray(const std::string& bytes,
                                         const std::string& variable);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_MAT_H_
