// Images larger than memory allows, predicted in overlapping tiles.
#ifndef COMMON_INFERENCE_TILING_H_
#define COMMON_INFERENCE_TILING_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/inference/evaluate.h"

namespace seg {

struct TilingOptions {
  int64_t max_pixels =
      1 << 21;            // images up to this many go through in one piece
  int64_t tile = 1024;    // side of a tile
  int64_t overlap = 128;  // shared by neighbours; < tile
};

// `predict` on a batch, whole where H W <= max_pixels, else tile by tile
// (images, masks and probabilities alike). In the overlaps the outputs are
// mixed with weights that fall linearly to the tile's edge (and sum to one), so
// no seam shows; away from them the result is a tile's own. Outputs as
// PredictFn's, [N,L,H,W].
std::vector<at::Tensor> PredictTiled(const PredictFn& predict,
                                     const Batch& batch,
                                     const TilingOptions& options);

}  // namespace seg

#endif  // COMMON_INFERENCE_TILING_H_
