#include "common/losses/dice_cpu.h"

namespace seg {

// The loops over pixels are vectors of four floats: enough, as they wait for
// memory. `omp simd` allows the sums to be taken in lanes.
template <typename T, typename Label>
bool SumDice(const DicePixels<T, Label>& run, DiceSums* sums,
             int64_t* bad_label) {
  T valid[kDicePixels];
  for (int64_t i = 0; i < run.pixels; ++i) {
    const int64_t label = run.labels[i];
    valid[i] = label == run.ignore_label ? T(0) : T(1);
    if (label == run.ignore_label) continue;
    if (label < 0 || label >= run.classes) {
      *bad_label = label;
      return false;
    }
    sums[label].both += static_cast<double>(run.p[label * run.stride + i]);
    sums[label].true_pixels += 1;
  }
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* p = run.p + c * run.stride;
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < run.pixels; ++i) sum += valid[i] * p[i];
    sums[c].predicted += static_cast<double>(sum);
  }
  return true;
}

template <typename T, typename Label>
void DiceGradient(const DicePixels<T, Label>& run, const double* slopes,
                  T* gradient) {
  // The mean slope under p of each pixel.
  T mean[kDicePixels] = {};
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* p = run.p + c * run.stride;
    const T every = static_cast<T>(slopes[2 * c]);
#pragma omp simd
    for (int64_t i = 0; i < run.pixels; ++i) mean[i] += every * p[i];
  }
  T valid[kDicePixels];
  for (int64_t i = 0; i < run.pixels; ++i) {
    const int64_t label = run.labels[i];
    valid[i] = label == run.ignore_label ? T(0) : T(1);
    if (label == run.ignore_label) continue;
    mean[i] +=
        static_cast<T>(slopes[2 * label + 1]) * run.p[label * run.stride + i];
  }
  for (int64_t c = 0; c < run.classes; ++c) {
    const T* p = run.p + c * run.stride;
    T* to = gradient + c * run.stride;
    const T every = static_cast<T>(slopes[2 * c]);
#pragma omp simd
    for (int64_t i = 0; i < run.pixels; ++i) {
      to[i] = valid[i] * p[i] * (every - mean[i]);
    }
  }
  for (int64_t i = 0; i < run.pixels; ++i) {
    const int64_t label = run.labels[i];
    if (label == run.ignore_label) continue;
    const int64_t at = label * run.stride + i;
    gradient[at] += static_cast<T>(slopes[2 * label + 1]) * run.p[at];
  }
}

#define SEG_DICE(T, Label)                                                 \
  template bool SumDice(const DicePixels<T, Label>&, DiceSums*, int64_t*); \
  template void DiceGradient(const DicePixels<T, Label>&, const double*, T*);
SEG_DICE(float, uint8_t)
SEG_DICE(float, int64_t)
SEG_DICE(double, uint8_t)
SEG_DICE(double, int64_t)
#undef SEG_DICE

}  // namespace seg
