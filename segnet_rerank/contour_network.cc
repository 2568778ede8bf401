#include "segnet_rerank/contour_network.h"

#include <ATen/ATen.h>

#include "absl/status/status.h"
#include "common/base/status_macros.h"

namespace seg {
namespace segnet_rerank {

absl::StatusOr<ContourNetwork> ContourNetwork::Load(
    const RegionOptions& options) {
  ContourNetwork contours;
  if (options.boundaries != Boundaries::kContours) return contours;
  if (options.contour_weights.empty()) {
    return absl::InvalidArgumentError(
        "regions.contour_weights: expected a file for "
        "regions.boundaries=contours (bazel build @hed_weights//:weights)");
  }
  contours.network_ = Hed();
  SEG_RETURN_IF_ERROR(
      LoadHedWeights(options.contour_weights, &contours.network_));
  contours.network_->eval();
  return contours;
}

at::Tensor ContourNetwork::operator()(const at::Tensor& image) const {
  if (network_.is_empty()) return {};
  const c10::NoGradGuard no_grad;
  Hed network = network_;  // a handle
  return network->forward(image.to(at::kFloat).unsqueeze(0))[0];
}

}  // namespace segnet_rerank
}  // namespace seg
