// What happens to a picture between its file and the network, by the `data`
// section of a run: aligned to a square by its landmarks (data.align), then
// resized (data.resize_*). Data sets pass through it when they are opened, and
// photographs when they are predicted, so a network sees the same pixels.
#ifndef COMMON_DATASETS_INPUT_PIPELINE_H_
#define COMMON_DATASETS_INPUT_PIPELINE_H_

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/datasets/align.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"
#include "common/datasets/resize_options.h"
#include "common/io/image.h"

namespace seg {

class InputPipeline {
 public:
  InputPipeline() = default;  // changes nothing

  // landmarks: the file (align.h) with the points of the photographs by id;
  // read where config.align is set. Errors: resize_* keys that exclude each
  // other; a file that is missing or malformed.
  static absl::StatusOr<InputPipeline> Create(const DataConfig& config,
                                              const std::string& landmarks);

  // The two steps to what the network sees; what another model gave for the
  // picture (Sample::probabilities) belongs in between. Errors: no points of
  // this id, or fewer than two that are visible; a size above what is allowed.
  absl::StatusOr<Sample> Align(const Sample& photograph) const;
  absl::StatusOr<Sample> Resize(const Sample& aligned) const;

  // Class probabilities [1,L,h,w] of what the network saw, brought back to the
  // photograph's own size, [1,L,H,W]: bilinear (corners not aligned). Where an
  // aligned square does not cover it, class 0 has probability 1.
  at::Tensor Undo(const Sample& photograph,
                  const at::Tensor& probabilities) const;
  // Labels uint8 [1,h,w] likewise: the nearest, and class 0 outside.
  at::Tensor UndoLabels(const Sample& photograph,
                        const at::Tensor& labels) const;

 private:
  // Positions in the network's picture for at::grid_sampler, [1,H,W,2].
  at::Tensor Grid(const Sample& photograph) const;

  int64_t align_ = 0;  // side of the square; 0: off
  Landmarks landmarks_;
  ResizeOptions resize_;
};

}  // namespace seg

#endif  // COMMON_DATASETS_INPUT_PIPELINE_H_
