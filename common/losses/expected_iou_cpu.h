// CPU core of the expected IOU and UOI: raw pointers and sizes, one thread, no
// tensor library. See expected_iou.h for the definitions.

#ifndef COMMON_LOSSES_EXPECTED_IOU_CPU_H_
#define COMMON_LOSSES_EXPECTED_IOU_CPU_H_

#include <cstdint>

namespace seg {

// A run of cells of one image. T is float or double.
template <typename T>
struct ExpectedIouRun {
  const T* p;       // probability of class c of cell i: p[c * stride + i]
  const T* target;  // its share, target[c * stride + i]
  int64_t stride;   // cells of the whole image
  int64_t cells;    // at most kExpectedIouCells
  int64_t classes;
  T floor;
  bool whole_cells;  // the weight of a cell is 1, else its valid share
};
inline constexpr int64_t kExpectedIouCells = 2048;

// Shares of a cell may be this much more than 1 together: rounding of float
// shares, with room.
inline constexpr double kExpectedIouShareSlack = 1e-4;

// The sums of a class over a run of cells, each weighted.
struct ExpectedIouTotals {
  double both = 0;       // I
  double predicted = 0;  // A
  double target = 0;     // B
  int64_t raised = 0;    // predictions below the floor where target > 0
};

// totals[c] for the run, and the weight of all its cells. False where a share
// is not >= 0, or the shares of a cell are more than 1 together: *bad_share is
// the share or the sum then, and the totals are undefined.
template <typename T>
bool SumExpectedIou(const ExpectedIouRun<T>& run, ExpectedIouTotals* totals,
                    double* weight, double* bad_share);

// The gradient in the scores whose softmax is p, gradient[c * stride + i].
//   slopes: [classes][2]. The value rises by w (slopes[c][0] + slopes[c][1] *
//           target) with p of class c, w the weight of the cell and target
//           divided by its sum, and not at all below the floor.
// Through the softmax: p(c) (a(c) - sum_j p(j) a(j)), a(c) that rise. 0 at
// void cells.
template <typename T>
void ExpectedIouGradient(const ExpectedIouRun<T>& run, const double* slopes,
                         T* gradient);

}  // namespace seg

#endif  // COMMON_LOSSES_EXPECTED_IOU_CPU_H_
