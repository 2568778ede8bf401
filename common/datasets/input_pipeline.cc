#include "common/datasets/input_pipeline.h"

#include <ATen/ATen.h>

#include "common/base/status_macros.h"
#include "common/datasets/views.h"

namespace seg {
namespace {

constexpr int64_t kIgnored = 255;  // photographs have no labels to fill in

ImageSize SizeOf(const at::Tensor& image) {
  return {image.size(-2), image.size(-1)};
}

bool Same(ImageSize a, const at::Tensor& map) {
  return map.size(-2) == a.height && map.size(-1) == a.width;
}

}  // namespace

absl::StatusOr<InputPipeline> InputPipeline::Create(
    const DataConfig& config, const std::string& landmarks) {
  SEG_RETURN_IF_ERROR(ValidateResize(config));
  InputPipeline pipeline;
  pipeline.align_ = config.align;
  pipeline.resize_ = config;
  if (config.align == 0) return pipeline;
  SEG_ASSIGN_OR_RETURN(pipeline.landmarks_, Landmarks::Read(landmarks));
  return pipeline;
}

absl::StatusOr<Sample> InputPipeline::Align(const Sample& photograph) const {
  if (align_ == 0) return photograph;
  SEG_ASSIGN_OR_RETURN(const Similarity map,
                       landmarks_.ToSquare(photograph.id, align_));
  return WarpSample(photograph, map, align_, kIgnored);
}

absl::StatusOr<Sample> InputPipeline::Resize(const Sample& aligned) const {
  return ResizedSample(aligned, resize_);
}

at::Tensor InputPipeline::Grid(const Sample& photograph) const {
  // Centres of the photograph's pixels, in the aligned square.
  const ImageSize own = SizeOf(photograph.image);
  const Similarity map = *landmarks_.ToSquare(photograph.id, align_);
  const at::TensorOptions options = at::TensorOptions().dtype(at::kDouble);
  const at::Tensor x = at::arange(own.width, options).view({1, own.width});
  const at::Tensor y = at::arange(own.height, options).view({own.height, 1});
  const double side = static_cast<double>(align_);
  // grid_sampler without aligned corners: -1 and 1 are the square's edges,
  // whatever number of pixels the network's picture has.
  const auto relative = [&](const at::Tensor& position) {
    return (2 * position + 1) / side - 1;
  };
  return at::stack({relative(map.a * x - map.b * y + map.x0),
                    relative(map.b * x + map.a * y + map.y0)},
                   -1)
      .unsqueeze(0);
}

at::Tensor InputPipeline::Undo(const Sample& photograph,
                               const at::Tensor& probabilities) const {
  const ImageSize own = SizeOf(photograph.image);
  if (align_ == 0) {
    if (Same(own, probabilities)) return probabilities;
    return at::upsample_bilinear2d(probabilities, {own.height, own.width},
                                   /*align_corners=*/false);
  }
  const at::Tensor grid =
      Grid(photograph).to(probabilities.device(), probabilities.scalar_type());
  // Bilinear, the edge's value repeated.
  const at::Tensor inside = grid.abs().le(1).all(-1).unsqueeze(1);
  at::Tensor back = at::grid_sampler(probabilities, grid, 0, 1, false);
  at::Tensor outside = at::zeros_like(back);
  outside.select(1, 0).fill_(1);
  return at::where(inside, back, outside);
}

at::Tensor InputPipeline::UndoLabels(const Sample& photograph,
                                     const at::Tensor& labels) const {
  const ImageSize own = SizeOf(photograph.image);
  if (align_ == 0) {
    if (Same(own, labels)) return labels;
    return at::_upsample_nearest_exact2d(labels.unsqueeze(1),
                                         {own.height, own.width})
        .squeeze(1);
  }
  const at::Tensor grid = Grid(photograph).to(at::kFloat);
  const at::Tensor inside = grid.abs().le(1).all(-1);
  const at::Tensor back =
      at::grid_sampler(labels.unsqueeze(1).to(at::kFloat), grid, 1, 1, false)
          .squeeze(1);
  return at::where(inside, back, at::zeros_like(back)).to(at::kByte);
}

}  // namespace seg
