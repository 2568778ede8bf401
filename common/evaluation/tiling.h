// Images larger than memory allows, predicted in overlapping tiles.
#ifndef COMMON_EVALUATION_TILING_H_
#define COMMON_EVALUATION_TILING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/evaluation/predictor.h"

namespace seg {

struct TilingOptions {
  int64_t max_pixels =
      1 << 21;            // images up to this many go through in one piece
  int64_t tile = 1024;    // side of a tile
  int64_t overlap = 128;  // shared by neighbours; < tile
};

// Never cuts.
TilingOptions WholeImages();

// InvalidArgument, in terms of the keys predict.tile and predict.overlap.
absl::Status CheckTiling(const TilingOptions& options);

// `predict` on a batch, whole where H W <= max_pixels, else tile by tile
// (images, masks and probabilities alike). In the overlaps the outputs are
// mixed with weights that fall linearly to the tile's edge (and sum to one), so
// no seam shows; away from them the result is a tile's own. Outputs as
// ProbabilitiesFn's, [N,L,H,W].
std::vector<at::Tensor> PredictTiled(const ProbabilitiesFn& predict,
                                     const Batch& batch,
                                     const TilingOptions& options);

// PredictTiled as a predictor. Of a system that gives labels alone, which
// cannot be mixed, images above max_pixels are an error.
class TiledPredictor : public Predictor {
 public:
  // `predictor` must outlive this object.
  TiledPredictor(Predictor& predictor, const TilingOptions& options)
      : predictor_(predictor), options_(options) {}
  std::vector<std::string> Names() const override { return predictor_.Names(); }
  Prediction Predict(const Batch& batch) override;

 private:
  Predictor& predictor_;
  const TilingOptions options_;
};

}  // namespace seg

#endif  // COMMON_EVALUATION_TILING_H_
