#include <algorithm>
#include <cstdint>

#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda_plan.h"

namespace seg {
namespace {

// Of sm_90: what a block may have, and what a multiprocessor has for all, each
// of which costs 1 KB more.
constexpr int64_t kBlockShared = 227 << 10;
constexpr int64_t kSharedMemory = 228 << 10;

int64_t LongestLine(const SpatialPropagationShape& shape) {
  if (shape.directions > 1) return std::max(shape.height, shape.width);
  return shape.first_direction < 2 ? shape.height : shape.width;
}

// What the current device offers; where there is none, what sm_90 does.
struct DeviceLimits {
  int64_t block_shared = kBlockShared;
  bool clusters = true;
};
DeviceLimits CurrentLimits() {
  DeviceLimits limits;
  int device = 0, major = 0, shared = 0;
  if (cudaGetDevice(&device) == cudaSuccess &&
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor,
                             device) == cudaSuccess &&
      cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                             device) == cudaSuccess) {
    limits.block_shared = shared;
    limits.clusters = major >= 9;
  } else {
    cudaGetLastError();  // not for others to find
  }
  return limits;
}

}  // namespace

namespace spatial_propagation_cuda {

bool DeviceHasClusters() { return CurrentLimits().clusters; }

Layout MakeLayout(const SpatialPropagationShape& shape,
                  const SpatialPropagationTuning& tuning, size_t element_bytes,
                  bool training, bool backward) {
  const int64_t element = static_cast<int64_t>(element_bytes);
  const bool directions =
      tuning.design == SpatialPropagationDesign::kDirections;
  const int64_t share =
      tuning.design == SpatialPropagationDesign::kGlobal ? tuning.cluster : 1;
  Layout layout;
  layout.teams = directions || shape.directions == 1 ? 1 : 2;
  const int64_t lanes = LongestLine(shape);
  layout.warps = CeilDiv(Windows(lanes, kMaxStride), share);
  // Blocks of a cluster: as even as they can be.
  while (share > 1 && layout.stride > 16 &&
         Windows(lanes, layout.stride - 16) <= layout.warps * share) {
    layout.stride -= 16;
  }
  layout.tile_lanes = (layout.warps - 1) * layout.stride + kWindow;
  if (share == 1) {
    layout.tile_lanes = std::min(layout.tile_lanes, CeilDiv(lanes, 16) * 16);
  }
  const int64_t gate = shape.bfloat16_gates ? 2 : element;
  int64_t step = shape.connections * gate + element;
  if (backward) step += element + 1;
  layout.slot_bytes = layout.tile_lanes * kTile * step;
  if (backward) layout.slot_bytes += layout.tile_lanes * element;
  layout.plane_pitch = CeilDiv(shape.width, 32) * 32;
  const int64_t warps = layout.teams * layout.warps;
  layout.shared_bytes = layout.teams * tuning.stages * layout.slot_bytes +
                        2 * warps * 2 * kHalo * element;
  layout.merges =
      directions || (tuning.design == SpatialPropagationDesign::kShared &&
                     shape.directions > 1);
  if (layout.merges) {
    const bool winners = training && !directions && !backward;
    layout.shared_bytes +=
        shape.height * layout.plane_pitch * (element + (winners ? 1 : 0));
  }
  // The gradient of the gates on its way, unless it costs a cluster the second
  // block of a multiprocessor.
  if (backward) {
    const int64_t staging = warps * shape.connections * kWindow * kTile * gate;
    const int64_t half = kSharedMemory / 2 - 1024;
    layout.staged = !(directions && layout.shared_bytes <= half &&
                      layout.shared_bytes + staging > half);
    if (layout.staged) layout.shared_bytes += staging;
    // BackwardBody::kStatesInShared. Elsewhere they are in registers, so that
    // larger planes still fit.
    if (tuning.design == SpatialPropagationDesign::kShared &&
        (WholeTiles(layout, shape.height, shape.width, 1, kWindow) ||
         WholeTiles(layout, shape.height, shape.width, 3,
                    FixedLanes(kFormShared)))) {
      layout.shared_bytes += warps * kTile * kWindow * element;
    }
  }
  layout.fits = warps <= (backward ? kMaxBackwardWarps : kMaxForwardWarps) &&
                layout.shared_bytes <= kBlockShared &&
                (!directions || shape.directions == 4);
  return layout;
}

}  // namespace spatial_propagation_cuda

namespace {

using spatial_propagation_cuda::CeilDiv;
using spatial_propagation_cuda::MakeLayout;

// What was fastest on one H100, three-way with float32 gates (README.md).

// From this number on a block a plane keeps the device busy.
constexpr int64_t kManyPlanes = 100;

// From this number of blocks on kGlobal does not divide planes further. It
// takes more of them forward than backward, and most in training; a block that
// is no cluster waits for no other.
constexpr int64_t kTrainingBlocks = 512;
int64_t EnoughBlocks(int cluster, bool training, bool backward) {
  if (backward || (cluster == 1 && !training)) return kManyPlanes;
  return training ? kTrainingBlocks : 256;
}

// Loads on their way. Lines of one window are so short that more of them pay,
// but for the forward pass of training, whose shared memory holds winners too.
// In kGlobal they cost a multiprocessor a block, which pays in training where
// blocks are so many that they come in several rounds.
int Stages(SpatialPropagationDesign design, int64_t blocks, bool one_window,
           bool training, bool backward) {
  if (design == SpatialPropagationDesign::kGlobal) {
    return training && !backward && blocks >= kTrainingBlocks ? 3 : 2;
  }
  if (design != SpatialPropagationDesign::kShared) return 2;
  if (one_window) return backward ? 3 : training ? 2 : 4;
  return backward ? 2 : 3;
}

}  // namespace

SpatialPropagationTuning ChooseSpatialPropagationTuning(
    const SpatialPropagationShape& shape, size_t element_bytes, bool training,
    bool backward) {
  using Design = SpatialPropagationDesign;
  const int64_t planes = shape.planes();
  const bool one_window =
      LongestLine(shape) <= spatial_propagation_cuda::kWindow;
  SpatialPropagationTuning tuning;
  const DeviceLimits limits = CurrentLimits();
  const auto fits = [&] {
    const bool cluster =
        tuning.design == Design::kDirections || tuning.cluster > 1;
    const spatial_propagation_cuda::Layout layout =
        MakeLayout(shape, tuning, element_bytes, training, backward);
    return layout.fits && layout.shared_bytes <= limits.block_shared &&
           (limits.clusters || !cluster);
  };
  const auto choose = [&] {
    if (shape.directions == 4 && element_bytes == 4) {
      // Lines of one window in training, which writes winners and states: a
      // cluster is faster for many planes too.
      const bool shared =
          planes >= kManyPlanes && !(one_window && training && !backward);
      tuning.design = shared ? Design::kShared : Design::kDirections;
      if (fits()) return;
      tuning.design = shared ? Design::kDirections : Design::kShared;
      if (fits()) return;
    }
    tuning.design = Design::kGlobal;
    for (int cluster : {1, 2, 4, 8}) {
      tuning.cluster = cluster;
      if (planes * cluster >= EnoughBlocks(cluster, training, backward) &&
          fits()) {
        return;
      }
    }
    for (int cluster : {8, 4, 2, 1}) {
      tuning.cluster = cluster;
      if (fits()) return;
    }
    tuning.cluster = 1;
    tuning.design = Design::kSteps;
  };
  choose();
  if (tuning.design == Design::kSteps) return tuning;
  tuning.stages = Stages(tuning.design, planes * tuning.cluster, one_window,
                         training, backward);
  while (tuning.stages > 2 && !fits()) --tuning.stages;
  return tuning;
}

int64_t SpatialPropagationCheckpointElements(
    const SpatialPropagationShape& shape) {
  const int64_t horizontal =
      CeilDiv(shape.width, kSpatialPropagationTile) * shape.height;
  const int64_t vertical =
      CeilDiv(shape.height, kSpatialPropagationTile) * shape.width;
  int64_t elements = 0;
  for (int i = 0; i < shape.directions; ++i) {
    elements += shape.first_direction + i < 2 ? horizontal : vertical;
  }
  return shape.planes() * elements;
}

}  // namespace seg
