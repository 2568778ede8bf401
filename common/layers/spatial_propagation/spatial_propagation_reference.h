// For tests: the definition of the spatial propagation written out element by
// element, with its gradients; and inputs.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_REFERENCE_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_REFERENCE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation.h"
#include "common/testing/test_tensors.h"

namespace seg {
namespace spatial_propagation_test {

using Rule = GateNormalization;

// In the order of the blocks of gates.
inline const std::vector<ScanDirection>& Directions() {
  static const auto* const all = new std::vector<ScanDirection>{
      ScanDirection::kLeftToRight, ScanDirection::kRightToLeft,
      ScanDirection::kTopToBottom, ScanDirection::kBottomToTop};
  return *all;
}

SpatialPropagationOptions Options(bool three_way, Rule rule,
                                  bool sum_all = false);
// Every combination that is not refused.
std::vector<SpatialPropagationOptions> AllOptions();
std::string Name(const SpatialPropagationOptions& options);
int64_t GatesADirection(const SpatialPropagationOptions& options);

// Gates for x in all directions, or in `directions` of them; small enough for
// the recurrence without a rule, both sides of S = 1 for kClamp.
at::Tensor RandomGates(const at::Tensor& x,
                       const SpatialPropagationOptions& options,
                       int64_t directions = 4, int64_t seed = 11);

// The values of x as the channels in the middle of a wider channels-last
// tensor, whose rest is NaN.
at::Tensor ChannelsLastSlice(const at::Tensor& x);

// Pixel of step t, lane i.
struct Pixel {
  int64_t y, x;
};
Pixel At(ScanDirection direction, int64_t height, int64_t width, int64_t t,
         int64_t i);
bool Horizontal(ScanDirection direction);

// One direction of one image and channel in scan coordinates; gates as the
// recurrence uses them. Section 3.3 and 3.4 of the equations, term by term.
struct ReferenceScan {
  ReferenceScan(ScanDirection direction, int64_t height, int64_t width,
                int64_t gates)
      : direction(direction),
        height(height),
        width(width),
        gates(gates),
        steps(Horizontal(direction) ? width : height),
        lanes(Horizontal(direction) ? height : width) {}

  int64_t Offset(int64_t k) const { return gates == 3 ? k - 1 : 0; }
  bool Valid(int64_t k, int64_t i, int64_t t) const {
    const int64_t from = i + Offset(k);
    return t > 0 && t < steps && from >= 0 && from < lanes && i >= 0 &&
           i < lanes;
  }
  template <class Accessor>
  double Get(const Accessor& plane, int64_t t, int64_t i) const {
    const Pixel p = At(direction, height, width, t, i);
    return plane[p.y][p.x];
  }

  ScanDirection direction;
  int64_t height, width, gates, steps, lanes;
};

struct ReferenceResult {
  at::Tensor out, x_gradient, gates_gradient;
};
// Rule, scans, merge and their gradients for `cotangent`; doubles.
ReferenceResult Reference(const at::Tensor& x_any, const at::Tensor& gates_any,
                          const std::vector<ScanDirection>& directions,
                          const SpatialPropagationOptions& options,
                          const at::Tensor& cotangent_any);

// SpatialPropagation: output, gradient of x, gradient of the gates.
std::vector<at::Tensor> RunWithGradients(
    const at::Tensor& x, const at::Tensor& gates,
    const SpatialPropagationOptions& options, const at::Tensor& cotangent);

}  // namespace spatial_propagation_test
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_REFERENCE_H_
