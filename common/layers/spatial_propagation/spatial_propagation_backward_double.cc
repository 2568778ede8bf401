// The backward scan, double. A file of its own: eight rules for each
// instruction set take their time to compile.

#include "common/layers/spatial_propagation/spatial_propagation_scan.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/spatial_propagation/spatial_propagation_backward_double.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "common/layers/spatial_propagation/spatial_propagation_scan-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {

// Not a template: what HWY_EXPORT takes.
void BackwardDouble(const Scan<double>& scan,
                    const SpatialPropagationPlan& plan) {
  RunScan</*kBackward=*/true>(scan, plan);
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(BackwardDouble);

namespace spatial_propagation {

void RunBackward(const Scan<double>& scan, const SpatialPropagationPlan& plan) {
  HWY_DYNAMIC_DISPATCH(BackwardDouble)(scan, plan);
}

}  // namespace spatial_propagation
}  // namespace seg
#endif  // HWY_ONCE
