#include "common/evaluation/tiling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace seg {
namespace {

// First positions of tiles of length `tile` that cover [0, length) with at
// least `overlap` in common, spread evenly.
std::vector<int64_t> TileStarts(int64_t length, int64_t tile, int64_t overlap) {
  if (length <= tile) return {0};
  const int64_t stride = tile - overlap;
  const int64_t count = (length - tile + stride - 1) / stride + 1;
  std::vector<int64_t> starts;
  for (int64_t i = 0; i < count; ++i) {
    starts.push_back(i * (length - tile) / (count - 1));
  }
  return starts;
}

// Weights of a tile's positions along one axis: 1 inside, falling linearly over
// `overlap` towards an edge that is not the image's.
at::Tensor Ramp(int64_t start, int64_t size, int64_t length, int64_t overlap) {
  at::Tensor weights = at::ones({size}, at::kFloat);
  float* w = weights.data_ptr<float>();
  for (int64_t i = 0; i < size; ++i) {
    int64_t distance = overlap;
    if (start > 0) distance = std::min(distance, i + 1);
    if (start + size < length) distance = std::min(distance, size - i);
    w[i] = static_cast<float>(distance) / static_cast<float>(overlap);
  }
  return weights;
}

}  // namespace

TilingOptions WholeImages() {
  TilingOptions options;
  options.max_pixels = std::numeric_limits<int64_t>::max();
  return options;
}

absl::Status CheckTiling(const TilingOptions& options) {
  if (options.overlap < options.tile) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("predict.overlap: must be below predict.tile, got ",
                   options.overlap, " and ", options.tile));
}

std::vector<at::Tensor> PredictTiled(const ProbabilitiesFn& predict,
                                     const Batch& batch,
                                     const TilingOptions& options) {
  const at::Tensor& images = batch.images;
  TORCH_CHECK(images.dim() == 4, "PredictTiled: images must be [N,3,H,W], got ",
              images.sizes());
  TORCH_CHECK(options.overlap > 0 && options.tile > options.overlap,
              "PredictTiled: overlap must lie in [1, tile), got ",
              options.overlap, " for tile ", options.tile);
  const int64_t height = images.size(2);
  const int64_t width = images.size(3);
  if (height * width <= options.max_pixels) return predict(batch);

  std::vector<at::Tensor> sums;
  at::Tensor total = at::zeros({height, width}, images.options());
  const int64_t tile_height = std::min(height, options.tile);
  const int64_t tile_width = std::min(width, options.tile);
  for (const int64_t y : TileStarts(height, tile_height, options.overlap)) {
    for (const int64_t x : TileStarts(width, tile_width, options.overlap)) {
      const at::Tensor weights =
          at::outer(Ramp(y, tile_height, height, options.overlap),
                    Ramp(x, tile_width, width, options.overlap))
              .to(images.options());
      const auto tile_of = [&](const at::Tensor& whole) {
        return whole.narrow(-2, y, tile_height).narrow(-1, x, tile_width);
      };
      Batch tile = batch;
      for (at::Tensor* t : {&tile.images, &tile.masks, &tile.probabilities}) {
        if (t->defined()) *t = tile_of(*t).contiguous();
      }
      const std::vector<at::Tensor> outputs = predict(tile);
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (sums.size() <= i) {
          sums.push_back(
              at::zeros({images.size(0), outputs[i].size(1), height, width},
                        outputs[i].options()));
        }
        tile_of(sums[i]).add_(outputs[i] * weights);
      }
      tile_of(total).add_(weights);
    }
  }
  for (at::Tensor& sum : sums) sum.div_(total);
  return sums;
}

Prediction TiledPredictor::Predict(const Batch& batch) {
  if (batch.images.size(2) * batch.images.size(3) <= options_.max_pixels) {
    return predictor_.Predict(batch);
  }
  const ProbabilitiesFn probabilities = [&](const Batch& tile) {
    Prediction prediction = predictor_.Predict(tile);
    TORCH_CHECK(!prediction.probabilities.empty(), "an image of more than ",
                options_.max_pixels,
                " pixels cannot be cut into tiles: the system gives labels "
                "alone; raise predict.max_pixels");
    return std::move(prediction.probabilities);
  };
  return {PredictTiled(probabilities, batch, options_), {}};
}

}  // namespace seg
