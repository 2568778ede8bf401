// CPU core of the spatial propagation: raw pointers and sizes, one thread, no
// tensor library. See spatial_propagation.h for the definition.
//
// Two memory orders, each without a copy of the whole gate tensor:
//   channels last (channel stride 1): vectors of channels; a task is one image
//       and a block of channels.
//   planes (column stride 1): vectors of rows or columns; a task is one image
//       and channel. The horizontal scans run on transposed planes, gates
//       transposed panel by panel.
// A task takes the directions in turn. The forward pass can keep the states of
// each direction every `segment` steps; the backward pass starts from these
// checkpoints, recomputes the states of one segment where it is longer than one
// step, and scans the segment back.

#ifndef COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CPU_H_
#define COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CPU_H_

#include <cstdint>

#include "common/layers/spatial_propagation/gate_normalization.h"

namespace seg {

// Directions in the order of their blocks of gates.
constexpr int kLeftToRight = 0;
constexpr int kRightToLeft = 1;
constexpr int kTopToBottom = 2;
constexpr int kBottomToTop = 3;

struct SpatialPropagationPlan {
  int64_t images = 0;
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  int connections = 3;  // gates a direction: 1 or 3
  GateNormalization normalization = GateNormalization::kDivide;
  bool sum_all_gates = false;
  int first_direction = kLeftToRight;
  int directions = 4;
  bool channels_last = false;
  int64_t channel_block = 1;  // channels of a task
  // Steps between those whose states are kept for the backward pass. 1 in
  // channels last: recomputing a segment would read its gates twice.
  int64_t segment = 16;
  // Write the states and the gradient of the gates past the caches, where they
  // are aligned: for a problem that does not fit there.
  bool stream = false;

  int64_t blocks() const {
    return (channels + channel_block - 1) / channel_block;
  }
  int64_t tasks() const { return images * blocks(); }
  int64_t elements() const { return images * channels * height * width; }
  // Elements of checkpoints a channel of an image in the directions before
  // `end`, and those that must be readable before the first and after the last.
  int64_t checkpoint_elements(int end) const;
  int64_t checkpoint_elements() const {
    return checkpoint_elements(first_direction + directions);
  }
  int64_t checkpoint_pad() const;
  // Elements of scratch a thread, a multiple of 64 bytes.
  int64_t forward_scratch() const;
  int64_t backward_scratch() const;
};

// Element (n, c, y, x) is at data[n image + c channel + y row + x column].
// Channels last: channel = 1; planes: column = 1.
template <typename T>
struct SpatialPropagationView {
  T* data = nullptr;
  int64_t image = 0;
  int64_t channel = 0;
  int64_t row = 0;
  int64_t column = 0;
};

template <typename T>
struct SpatialPropagationForwardTensors {
  SpatialPropagationView<const T> x;      // [N, C, H, W]
  SpatialPropagationView<const T> gates;  // [N, directions * K * C, H, W]
  SpatialPropagationView<T> out;          // [N, C, H, W]
  // What the backward pass needs, or null. The number of the direction that
  // attains the maximum, strides of out; of each direction in turn the states
  // of all tasks in turn, N * C * checkpoint_elements(), 64-byte aligned.
  uint8_t* winner = nullptr;
  T* checkpoints = nullptr;
};

// The tasks [begin, end); `scratch` is 64-byte aligned.
template <typename T>
void SpatialPropagationForward(const SpatialPropagationPlan& plan,
                               const SpatialPropagationForwardTensors<T>& t,
                               int64_t begin, int64_t end, T* scratch);

// Merges row `row` (of N * H) of h, the states of plan.first_direction with the
// strides of t.out, into t.out and t.winner. Channels last; scratch as above.
template <typename T>
void SpatialPropagationMerge(const SpatialPropagationPlan& plan,
                             const SpatialPropagationView<T>& h,
                             const SpatialPropagationForwardTensors<T>& t,
                             int64_t row, T* scratch);

template <typename T>
struct SpatialPropagationBackwardTensors {
  SpatialPropagationView<const T> x;
  SpatialPropagationView<const T> gates;
  SpatialPropagationView<const T> gradient;  // of out
  SpatialPropagationView<const uint8_t> winner;
  const T* checkpoints = nullptr;
  SpatialPropagationView<T> x_gradient;
  SpatialPropagationView<T> gates_gradient;  // data null: not wanted
};

template <typename T>
void SpatialPropagationBackward(const SpatialPropagationPlan& plan,
                                const SpatialPropagationBackwardTensors<T>& t,
                                int64_t begin, int64_t end, T* scratch);

}  // namespace seg

#endif  // COMMON_LAYERS_SPATIAL_PROPAGATION_SPATIAL_PROPAGATION_CPU_H_
