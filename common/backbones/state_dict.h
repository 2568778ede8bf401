// The tensors of a module by name, and loading tensors by name into a module.
//
// Names are the dotted registration names of LibTorch, equal to the state_dict
// keys of a Python module of the same structure; parameters and buffers lie in
// one map, as there. Checkpoints, --init_from and pre-trained backbones all go
// through these functions.
#ifndef COMMON_BACKBONES_STATE_DICT_H_
#define COMMON_BACKBONES_STATE_DICT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/io/tensor_map.h"
#include "torch/nn/module.h"

namespace seg {

// All parameters and buffers of `module` by dotted name.
//   copy = false: detached tensors that share storage with the module (they
//                 change when the module trains);
//   copy = true:  detached clones, contiguous.
TensorMap StateDict(const torch::nn::Module& module, bool copy = false);

// What LoadStateDict did, name by name. All lists are sorted.
struct LoadReport {
  struct Mismatch {
    std::string name;
    std::string expected;  // e.g. "float32 [21,4096,1,1]"
    std::string got;
  };
  std::vector<std::string> loaded;      // copied (kStrict: would be copied)
  std::vector<std::string> missing;     // in the module, not in the file
  std::vector<std::string> unexpected;  // in the file, not in the module
  std::vector<Mismatch> mismatched;     // in both, other shape or kind of type

  // Whether every tensor agreed in both directions.
  bool complete() const;
  // One line: counts, then the first few names of each list that is not empty.
  std::string Summary() const;
};

enum class LoadMode {
  kStrict,   // all names and shapes must agree, else nothing is copied: error
  kPartial,  // copies what agrees; an error only when nothing agrees
};

// Copies `tensors` into the parameters and buffers of `module`, by name,
// without recording gradients and keeping the module's dtype and device.
// Floating point types convert among each other, integral types likewise; a
// floating tensor for an integral one (or the reverse) is a mismatch.
// `num_batches_tracked` of a batch norm may be missing (files from before
// PyTorch 0.4.1 lack it) and then keeps its value without being reported.
// `report`, when given, is filled in both modes and also on error.
// Errors: InvalidArgument with LoadReport::Summary(). Never a half-done copy.
absl::Status LoadStateDict(torch::nn::Module& module, const TensorMap& tensors,
                           LoadReport* report = nullptr,
                           LoadMode mode = LoadMode::kStrict);

}  // namespace seg

#endif  // COMMON_BACKBONES_STATE_DICT_H_
