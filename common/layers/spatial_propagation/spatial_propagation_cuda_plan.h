// What the kernels of spatial_propagation_cuda.h are told, and its sizes. For
// its sources only.
//
// A line of a scan is cut into windows of kWindow lanes, one a warp, kRun lanes
// a thread. Windows begin `stride` lanes apart and overlap: within a tile of
// steps a warp scans its window without a word to the others, and what is wrong
// at its rim grows by a lane a step. So the outer kHalo = kTile lanes are
// someone else's; their states are fetched anew before each tile.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_PLAN_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_PLAN_H_

#include <cstdint>

#include "common/layers/spatial_propagation/gate_normalization.h"
#include "common/layers/spatial_propagation/spatial_propagation_cuda.h"

namespace seg {
namespace spatial_propagation_cuda {

constexpr int kTile = kSpatialPropagationTile;
constexpr int kRun = 2;
constexpr int kWarp = 32;
constexpr int kWindow = kWarp * kRun;
constexpr int kHalo = kTile;
constexpr int kMaxStride = kWindow - 2 * kHalo;
// Of a block: at these the registers of a thread suffice.
constexpr int kMaxForwardWarps = 10;
constexpr int kMaxBackwardWarps = 8;

// Where blocks merge, a template argument. kFormAny: where the problem says.
enum Form { kFormShared, kFormGlobal, kFormDirections, kFormAny };

template <typename T, typename G>
struct Problem {
  const T* x;
  const G* gates;
  T* out;
  uint8_t* winner;
  T* checkpoints;
  // Backward.
  const T* gradient;
  const uint8_t* winner_in;
  const T* checkpoints_in;
  T* x_gradient;
  G* gates_gradient;

  int channels, height, width;
  int first_direction, directions;
  bool sum_all;
  // The rule: p = g / max(S + plus, floor); tanh before it, or no rule.
  bool tanh, no_rule;
  bool divided_at_floor;  // the gradient at S = floor is the division's
  T floor, plus;

  // Known to the compiler in FixedProblem.
  static constexpr bool whole = false;

  Form form;
  int teams;   // of warps in a block, a direction each
  int warps;   // a team
  int stride;  // lanes from window to window
  int stages;  // tiles in shared memory a team
  int cluster;
  bool vectors;      // rows are whole vectors, addresses aligned
  bool merges;       // a plane is in shared memory
  bool staged;       // the gradient of the gates goes through shared memory
  bool whole_tiles;  // all tiles of all blocks are filled
  int tile_lanes;    // lanes of a tile in shared memory
  int slot_bytes;    // a tile
  int plane_pitch;   // of the merged plane in shared memory
};

// A problem whose lines lie in kWarps windows and kLanes lanes of a tile a
// block: vectors, and no tile that ends beyond the plane in the direction of a
// scan. The kernels then have offsets for constants and nothing to ask.
template <typename T, typename G, int kWarps, int kLanes>
struct FixedProblem : Problem<T, G> {
  explicit FixedProblem(const Problem<T, G>& problem)
      : Problem<T, G>(problem) {}
  static constexpr bool whole = true;
  static constexpr bool vectors = true;
  static constexpr int warps = kWarps;
  static constexpr int stride = kMaxStride;
  static constexpr int tile_lanes = kLanes;
};

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Windows of a line.
inline int64_t Windows(int64_t lanes, int64_t stride) {
  return lanes <= kWindow ? 1 : 1 + CeilDiv(lanes - kWindow, stride);
}

inline void SetRule(GateNormalization rule, bool* tanh, bool* no_rule,
                    bool* at_floor, double* floor, double* plus) {
  *tanh = rule == GateNormalization::kTanh;
  *no_rule = rule == GateNormalization::kNone;
  *at_floor = rule != GateNormalization::kDivide;
  *floor = 1.0;
  *plus = 0.0;
  if (rule == GateNormalization::kDivide) *floor = kGateDivideFloor;
  if (rule == GateNormalization::kDividePlus) {
    *floor = 0.0;
    *plus = kGateDividePlusEpsilon;
  }
}

// Shared memory of a block.
struct Layout {
  int64_t warps = 0;  // a team
  int64_t stride = kMaxStride;
  int64_t teams = 1;
  int64_t tile_lanes = 0;
  int64_t slot_bytes = 0;
  int64_t plane_pitch = 0;
  int64_t shared_bytes = 0;
  bool merges = false;
  bool staged = false;
  bool fits = false;
};
// Whether a problem or its layout is one of FixedProblem<T, G, warps, lanes>,
// if rows are vectors.
template <class Sizes>
bool WholeTiles(const Sizes& sizes, int64_t height, int64_t width, int warps,
                int lanes) {
  return sizes.warps == warps && sizes.tile_lanes == lanes &&
         sizes.stride == kMaxStride && height % kTile == 0 &&
         width % kTile == 0;
}
// Lanes of three windows: of a line of 128, or of any part of a line.
constexpr int FixedLanes(Form form) {
  return form == kFormGlobal ? 2 * kMaxStride + kWindow : 128;
}

// Whether the current device is of sm_90 or later, or there is none.
bool DeviceHasClusters();

Layout MakeLayout(const SpatialPropagationShape& shape,
                  const SpatialPropagationTuning& tuning, size_t element_bytes,
                  bool training, bool backward);

}  // namespace spatial_propagation_cuda
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CUDA_PLAN_H_
