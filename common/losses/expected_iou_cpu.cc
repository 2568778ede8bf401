#include "common/losses/expected_iou_cpu.h"

#include <algorithm>

namespace seg {
namespace {

// weight[i]: of the cell. scale[i]: what its target is multiplied by, so that
// the products are shares of the weight. Both 0 where the cell is void.
template <typename T>
void Weigh(const ExpectedIouRun<T>& run, T* weight, T* scale) {
  std::fill_n(weight, run.cells, T(0));
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* target = run.target + c * run.stride;
#pragma omp simd
    for (int64_t i = 0; i < run.cells; ++i) weight[i] += target[i];
  }
  for (int64_t i = 0; i < run.cells; ++i) {
    const bool is_void = weight[i] == T(0);
    scale[i] = is_void ? T(0) : (run.whole_cells ? T(1) / weight[i] : T(1));
    if (run.whole_cells && !is_void) weight[i] = T(1);
  }
}

// True where all shares are >= 0 and no cell has more than 1.
template <typename T>
bool CheckShares(const ExpectedIouRun<T>& run, double* bad_share) {
  T sum[kExpectedIouCells] = {};
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* target = run.target + c * run.stride;
    for (int64_t i = 0; i < run.cells; ++i) {
      if (!(target[i] >= T(0))) {  // so that NaN is bad
        *bad_share = static_cast<double>(target[i]);
        return false;
      }
      sum[i] += target[i];
    }
  }
  for (int64_t i = 0; i < run.cells; ++i) {
    *bad_share = static_cast<double>(sum[i]);
    if (*bad_share > 1 + kExpectedIouShareSlack) return false;
  }
  return true;
}

}  // namespace

// The loops over cells are vectors of two doubles or four floats. `omp simd`
// allows the sums to be taken in lanes.
template <typename T>
bool SumExpectedIou(const ExpectedIouRun<T>& run, ExpectedIouTotals* totals,
                    double* weight, double* bad_share) {
  if (!CheckShares(run, bad_share)) return false;
  T weights[kExpectedIouCells], scale[kExpectedIouCells];
  Weigh(run, weights, scale);
  *weight = 0;
  for (int64_t i = 0; i < run.cells; ++i) {
    *weight += static_cast<double>(weights[i]);
  }
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* p = run.p + c * run.stride;
    const T* target = run.target + c * run.stride;
    double both = 0, predicted = 0, true_mass = 0;
    int raised = 0;
#pragma omp simd reduction(+ : both, predicted, true_mass, raised)
    for (int64_t i = 0; i < run.cells; ++i) {
      const T prediction = p[i] < run.floor ? run.floor : p[i];
      const double share = static_cast<double>(scale[i] * target[i]);
      both += static_cast<double>(prediction) * share;
      predicted += static_cast<double>(weights[i] * prediction);
      true_mass += share;
      raised += (p[i] < run.floor) & (target[i] > T(0));
    }
    totals[c] = {both, predicted, true_mass, raised};
  }
  return true;
}

template <typename T>
void ExpectedIouGradient(const ExpectedIouRun<T>& run, const double* slopes,
                         T* gradient) {
  T weight[kExpectedIouCells], scale[kExpectedIouCells];
  Weigh(run, weight, scale);
  // The rise with each prediction goes to `gradient` first; its mean under p.
  T mean[kExpectedIouCells] = {};
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* p = run.p + c * run.stride;
    const T* target = run.target + c * run.stride;
    T* to = gradient + c * run.stride;
    const T every = static_cast<T>(slopes[2 * c]);
    const T where_true = static_cast<T>(slopes[2 * c + 1]);
#pragma omp simd
    for (int64_t i = 0; i < run.cells; ++i) {
      const T rise = weight[i] * every + scale[i] * target[i] * where_true;
      to[i] = p[i] < run.floor ? T(0) : rise;
      mean[i] += p[i] * to[i];
    }
  }
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* p = run.p + c * run.stride;
    T* to = gradient + c * run.stride;
#pragma omp simd
    for (int64_t i = 0; i < run.cells; ++i) to[i] = p[i] * (to[i] - mean[i]);
  }
}

#define SEG_EXPECTED_IOU(T)                                                  \
  template bool SumExpectedIou(const ExpectedIouRun<T>&, ExpectedIouTotals*, \
                               double*, double*);                            \
  template void ExpectedIouGradient(const ExpectedIouRun<T>&, const double*, \
                                    T*);
SEG_EXPECTED_IOU(float)
SEG_EXPECTED_IOU(double)
#undef SEG_EXPECTED_IOU

}  // namespace seg
