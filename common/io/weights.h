// Weights of a network from a file of any supported kind.
#ifndef SEGPAPERS_COMMON_IO_WEIGHTS_H_
#define SEGPAPERS_COMMON_IO_WEIGHTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/io/tensor_map.h"

namespace seg {

// Reads a safetensors (safetensors.h) or PyTorch file (pth.h), told apart by
// content, not by extension. Errors name the path.
absl::StatusOr<TensorMap> ReadWeights(const std::string& path);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_WEIGHTS_H_
