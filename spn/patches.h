// Random squares of a batch, as the refinement is trained on.
#ifndef SPN_PATCHES_H_
#define SPN_PATCHES_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "spn/config.h"

namespace seg {
namespace spn {

struct Patch {
  int64_t image = 0;
  int64_t y = 0;
  int64_t x = 0;
};

// config.per_image squares of config.size for each image, in order, uniform
// over the positions, drawn from LibTorch's default CPU generator. A square
// with fewer than two classes (ignored pixels aside) is drawn anew up to
// config.tries times if its image has two (released VOC solver: ten).
//   masks: int64 [N,H,W] on the CPU, H, W >= config.size
std::vector<Patch> DrawPatches(const at::Tensor& masks,
                               const PatchConfig& config, int64_t ignore_label);

// The squares of a map [N,..,H,W], stacked: [patches,..,size,size].
// Differentiable.
at::Tensor CutPatches(const at::Tensor& map, const std::vector<Patch>& patches,
                      int64_t size);

}  // namespace spn
}  // namespace seg

#endif  // SPN_PATCHES_H_
