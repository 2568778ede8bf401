// CPU core of the Dice loss: raw pointers and sizes, one thread, no tensor
// library. See dice.h for the definition.

#ifndef COMMON_LOSSES_DICE_CPU_H_
#define COMMON_LOSSES_DICE_CPU_H_

#include <cstdint>

namespace seg {

// A run of pixels of one image. T is float or double, Label uint8_t or int64_t.
template <typename T, typename Label>
struct DicePixels {
  const T* p;           // probability of class c of pixel i: p[c * stride + i]
  int64_t stride;       // pixels of the whole image
  const Label* labels;  // [pixels]
  int64_t pixels;       // at most kDicePixels
  int64_t classes;
  int64_t ignore_label;
};
inline constexpr int64_t kDicePixels = 2048;

// The sums of a class over a run of pixels.
struct DiceSums {
  double both = 0;         // of p where the label is the class
  double predicted = 0;    // of p
  double true_pixels = 0;  // pixels with the label
};

// sums[c] for the run. False where a pixel has a label that is neither in
// 0..classes-1 nor ignore_label; *bad_label is the first one then, and the sums
// are undefined.
template <typename T, typename Label>
bool SumDice(const DicePixels<T, Label>& run, DiceSums* sums,
             int64_t* bad_label);

// The gradient in the scores whose softmax is p, gradient[c * stride + i].
//   slopes: [classes][2]. The loss rises by slopes[c][0] with p of class c at
//           any valid pixel, and by slopes[c][1] more where the label is c.
// Through the softmax: p(c) (a(c) - sum_j p(j) a(j)), a(c) that rise. 0 at
// ignored pixels.
template <typename T, typename Label>
void DiceGradient(const DicePixels<T, Label>& run, const double* slopes,
                  T* gradient);

}  // namespace seg

#endif  // COMMON_LOSSES_DICE_CPU_H_
