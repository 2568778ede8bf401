// Connected regions of a mask, and the specks among predicted labels: small
// regions of a class where the truth has none of it.
#ifndef COMMON_METRICS_CONNECTED_REGIONS_H_
#define COMMON_METRICS_CONNECTED_REGIONS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace seg {

// Numbers the 8-connected regions of a mask.
//   mask:    bool [H,W], any strides and device; regions are on the CPU
//   returns: int64 [H,W], contiguous: 0 outside of the mask, else the region's
//            number 1, 2, .., in the order of their first pixels, row by row
// O(H W). An empty mask has no region.
at::Tensor ConnectedRegions(const at::Tensor& mask);

// Pixels that belong to specks of class `label`: 8-connected regions of
// prediction == label with fewer than `max_area` pixels, none of which truly
// has that label (ignored pixels count as such, so they are no specks).
//   prediction, target: [H,W], any integer types, on one device
//   count:   where given, the number of specks
//   returns: int64 [H,W]: 0, or the speck's number 1 .. count
at::Tensor Specks(const at::Tensor& prediction, const at::Tensor& target,
                  int64_t label, int64_t max_area, int64_t ignore_label,
                  int64_t* count = nullptr);

}  // namespace seg

#endif  // COMMON_METRICS_CONNECTED_REGIONS_H_
