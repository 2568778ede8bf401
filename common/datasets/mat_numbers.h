// Lists of pictures by number in MATLAB files, as official splits come.
#ifndef COMMON_DATASETS_MAT_NUMBERS_H_
#define COMMON_DATASETS_MAT_NUMBERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace seg {

// The numbers of pictures, 1 .. most, in an array of any shape and type, in
// their order (common/io/mat.h reads it). InvalidArgument names the element
// that is no such number, or a number that is there twice.
absl::StatusOr<std::vector<int64_t>> ReadMatNumbers(const std::string& path,
                                                    const std::string& variable,
                                                    int64_t most);

}  // namespace seg

#endif  // COMMON_DATASETS_MAT_NUMBERS_H_
