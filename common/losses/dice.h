// Dice loss of labelled images (He et al. 2022, GANSeg, Sec. 9 of our fact
// sheet; V-Net, Milletari et al. 2016, with plain sums in the denominator):
//
//   p = softmax of scores over the classes, t = one-hot labels
//   D(n,c) = 1 - (2 sum_i p t + epsilon) / (sum_i p + sum_i t + epsilon)
//   loss   = mean of D over all N images and all C classes
//
//   scores: [N, C, ...] float32 or float64, any strides.
//   labels: [N, ...] int64 or uint8, the later axes of scores; values in 0..C-1
//           or ignore_label. A valid pixel with another value is an error that
//           names the value (on a CPU; a GPU is not asked).
//   returns a scalar of the type of scores, in [0, 1].
//
// The sums are those of each image and class alone. A class that an image does
// not contain costs nearly 1 there, whatever is predicted (its gradient is
// about epsilon): all C classes count, as in the reference. An ignored pixel is
// in none of the sums; an image of ignored pixels alone has D = 0 and gradient
// 0. N = 0 gives 0.
//
// Differentiable in scores. On a CPU the gradient is a closed form in one pass
// over p, differentiable once (a second derivative is refused with a message);
// on other devices it is that of DiceLossComposed. Sums on the CPU run over a
// fixed partition: the result does not depend on the number of threads. Memory:
// scores and p, of the same size, are kept for the gradient.

#ifndef COMMON_LOSSES_DICE_H_
#define COMMON_LOSSES_DICE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace seg {

struct DiceOptions {
  int64_t ignore_label = 255;
  // Of the reference code; > 0.
  double epsilon = 1e-8;
};

at::Tensor DiceLoss(const at::Tensor& scores, const at::Tensor& labels,
                    const DiceOptions& options = {});

// The same from LibTorch's operators, differentiable any number of times. Takes
// several copies of scores.
at::Tensor DiceLossComposed(const at::Tensor& scores, const at::Tensor& labels,
                            const DiceOptions& options = {});

}  // namespace seg

#endif  // COMMON_LOSSES_DICE_H_
