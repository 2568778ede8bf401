// One direction of one task of the CPU core: its geometry, where its operands
// lie, and the scan itself (vectors, dispatched to the machine's). For
// spatial_propagation_cpu.cc only.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_SCAN_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_SCAN_H_

#include <algorithm>
#include <cstdint>

#include "common/layers/spatial_propagation/spatial_propagation_cpu.h"

namespace seg {
namespace spatial_propagation {

// Elements that all lines in scratch are a multiple of: 64 bytes of float.
constexpr int64_t kAlign = 16;
// Elements of a line that a channels-last scan fetches ahead of their use; the
// hardware does not follow a scan over rows, which changes page each time.
constexpr int64_t kPrefetchElements = 512;

inline int64_t RoundUp(int64_t x) { return (x + kAlign - 1) / kAlign * kAlign; }

inline bool Horizontal(int direction) { return direction <= kRightToLeft; }

// One step of a scan: `runs` runs of `length` elements with contiguous memory;
// the neighbouring lane is `shift` elements away in the line of all runs.
struct Line {
  int64_t runs, length, shift;
  int64_t ahead;  // runs between a fetch and its use

  int64_t elements() const { return runs * length; }
  // Zeros before and after a line of states.
  int64_t pad() const { return RoundUp(shift); }
  int64_t stride() const { return RoundUp(elements()) + 2 * pad(); }
};

inline Line MakeLine(const SpatialPropagationPlan& plan, bool horizontal,
                     int64_t channels) {
  const int64_t lanes = horizontal ? plan.height : plan.width;
  if (!plan.channels_last) return {1, lanes, 1, 1};
  const int64_t ahead = std::max<int64_t>(kPrefetchElements / channels, 1);
  return {lanes, channels, channels, std::min(ahead, lanes)};
}

inline int64_t Steps(const SpatialPropagationPlan& plan, bool horizontal) {
  return horizontal ? plan.width : plan.height;
}

inline int64_t CheckpointLines(const SpatialPropagationPlan& plan,
                               bool horizontal) {
  return (Steps(plan, horizontal) + plan.segment - 1) / plan.segment - 1;
}

// Lines of states that the backward pass recomputes in scratch.
inline int64_t StateLines(int64_t segment) {
  return segment > 1 ? segment + 1 : 0;
}

// Products of the K gates and the gradient, of two steps.
constexpr int64_t kProductLines = 6;

// Elements between the columns of a transposed plane: an odd number of cache
// lines of float, so that the columns do not share the sets of a cache.
inline int64_t ColumnStride(int64_t height) {
  return RoundUp(height) / kAlign % 2 == 0 ? RoundUp(height) + kAlign
                                           : RoundUp(height);
}
// Transposed planes of a task over planes, elements each.
inline int64_t TransposedPlane(const SpatialPropagationPlan& plan) {
  return plan.channels_last ? 0 : plan.width * ColumnStride(plan.height);
}
// Transposed gates of one segment.
inline int64_t Panel(const SpatialPropagationPlan& plan) {
  return plan.channels_last
             ? 0
             : plan.connections * plan.segment * ColumnStride(plan.height);
}

// One direction of one task. The strides `step` lead to the next column or row
// in memory order, whatever the direction; `run` to the next run of a line.
template <typename T>
struct Tensor {
  T* data = nullptr;
  int64_t step = 0;
  int64_t run = 0;
};

template <typename T>
struct Scan {
  Line line;
  int64_t steps, segment;
  int direction;  // its number as a winner
  bool reverse;   // from the last column or row to the first
  bool replace;   // the first direction of the task: nothing to merge with
  bool sum_all;
  Tensor<const T> x, gates;
  int64_t gate_block;  // between the K gates
  // The gates (and their gradient) are planes in which the steps are adjacent
  // and lanes `run` apart: transposed by segments into `panel`.
  bool transpose;
  T* panel;
  T* lines;  // states; backward also products
  // Forward.
  Tensor<T> out;
  uint8_t* winner_out;  // strides of out; or null
  T* checkpoints_out;   // or null
  // Backward.
  Tensor<const T> gradient;
  Tensor<const uint8_t> winner;
  const T* checkpoints;
  Tensor<T> x_gradient;
  Tensor<T> gates_gradient;  // null: not wanted; all its strides are zero
  int64_t gates_gradient_block;
  T* gradient_panel;
  // The states kept (forward) or the gradient of the gates (backward) bypass
  // the caches.
  bool stream;

  int64_t Position(int64_t t) const { return reverse ? steps - 1 - t : t; }
};

template <typename T>
void ClearPads(T* line, const Line& l) {
  std::fill(line, line + l.pad(), T(0));
  std::fill(line + l.pad() + l.elements(), line + l.stride(), T(0));
}

// Merges into out. `plan` gives the rule.
void RunForward(const Scan<float>& scan, const SpatialPropagationPlan& plan);
void RunForward(const Scan<double>& scan, const SpatialPropagationPlan& plan);

// Adds to x_gradient (replaces it where scan.replace).
void RunBackward(const Scan<float>& scan, const SpatialPropagationPlan& plan);
void RunBackward(const Scan<double>& scan, const SpatialPropagationPlan& plan);

// to[c][r] = from[r][c].
void Transpose(const float* from, int64_t from_stride, int64_t rows,
               int64_t columns, float* to, int64_t to_stride);
void Transpose(const double* from, int64_t from_stride, int64_t rows,
               int64_t columns, double* to, int64_t to_stride);
void Transpose(const uint8_t* from, int64_t from_stride, int64_t rows,
               int64_t columns, uint8_t* to, int64_t to_stride);

// Makes streamed stores of this thread visible to others.
void FlushStream();

}  // namespace spatial_propagation
}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_SCAN_H_
