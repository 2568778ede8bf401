// Named tensors: what a weights file holds and a state dict is made of.
// Ordered by name, so that writing one is deterministic.
#ifndef SEGPAPERS_COMMON_IO_TENSOR_MAP_H_
#define SEGPAPERS_COMMON_IO_TENSOR_MAP_H_

#include <map>
#include <string>

#include "ATen/core/Tensor.h"

namespace seg {

using TensorMap = std::map<std::string, at::Tensor>;

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_TENSOR_MAP_H_
