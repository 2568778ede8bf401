// The propagation without a tensor library: README.md says how to build it.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"

int main() {
  // One image of one channel in planes: a line that only the scan from left to
  // right moves, by a gate of 1 (one connection, as it is).
  constexpr int64_t kHeight = 1, kWidth = 4, kPixels = kHeight * kWidth;
  seg::SpatialPropagationPlan plan;
  plan.images = plan.channels = 1;
  plan.height = kHeight;
  plan.width = kWidth;
  plan.connections = 1;
  plan.normalization = seg::GateNormalization::kNone;
  plan.directions = 1;  // the first: left to right
  const std::vector<float> x = {5, 1, 2, 3}, gates = {1, 1, 1, 0.5f};
  std::vector<float> out(kPixels);
  seg::SpatialPropagationForwardTensors<float> t;
  t.x = {x.data(), kPixels, kPixels, kWidth, 1};
  t.gates = {gates.data(), kPixels, kPixels, kWidth, 1};
  t.out = {out.data(), kPixels, kPixels, kWidth, 1};
  // Scratch is aligned to 64 bytes.
  const size_t bytes = plan.forward_scratch() * sizeof(float);
  void* const scratch = std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  seg::SpatialPropagationForward<float>(plan, t, 0, plan.tasks(),
                                        static_cast<float*>(scratch));
  std::free(scratch);
  const std::vector<float> expected = {5, 5, 5, 4};
  for (float value : out) std::printf("%g ", value);
  std::printf("\n");
  return out == expected ? 0 : 1;
}
