// Contours by a network, for regions.boundaries=contours.
#ifndef SEGNET_RERANK_CONTOUR_NETWORK_H_
#define SEGNET_RERANK_CONTOUR_NETWORK_H_

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "common/backbones/hed.h"
#include "segnet_rerank/regions/region_options.h"

namespace seg {
namespace segnet_rerank {

class ContourNetwork {
 public:
  // The network of options.contour_weights, on the CPU; for other boundaries
  // one that gives nothing.
  static absl::StatusOr<ContourNetwork> Load(const RegionOptions& options);

  // float32 [H,W] in [0,1] for ProposeRegions; undefined without a network.
  //   image: uint8 [3,H,W]
  // Any number of threads at once.
  at::Tensor operator()(const at::Tensor& image) const;

 private:
  Hed network_{nullptr};
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_CONTOUR_NETWORK_H_
