// Weights of a network from a file of any supported kind, by the names that the
// network itself gives them.
#ifndef SEGPAPERS_COMMON_IO_WEIGHTS_H_
#define SEGPAPERS_COMMON_IO_WEIGHTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/io/tensor_map.h"

namespace seg {

// Takes off what Python wrappers put before every name: "module."
// (DataParallel), "_orig_mod." (torch.compile), "model." and "net." (training
// frameworks), also several, one inside the other ("module._orig_mod."). Only
// what all names have in common, and never a whole name.
// returns: what was taken off; empty: nothing.
std::string StripWrappers(TensorMap* tensors);

// Reads a safetensors (safetensors.h) or PyTorch file (pth.h), told apart by
// content, not by extension; then StripWrappers, which the log says where it
// found one. Errors name the path.
absl::StatusOr<TensorMap> ReadWeights(const std::string& path);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_WEIGHTS_H_
