// Expected intersection over union and union over intersection of predicted
// and true class distributions (Cogswell et al. 2014 and its supplement on
// gradients; Sec. 4 of our fact sheet):
//
//   ph = softmax of scores over the classes, raised to prediction_floor
//   p  = target divided by its sum over the classes, w = weight of the cell
//   A_k = sum_i w ph    B_k = sum_i w p    I_k = sum_i w ph p
//   U_k = A_k + B_k - I_k
//   ExpectedIou = mean of I_k / U_k            in [0, 1], to be maximised
//   ExpectedUoi = mean of U_k / (I_k + eps)    a loss; at least 1 at eps = 0
//
// I_k and U_k are the expectations of intersection and union if the labels of
// each cell are drawn from ph and from p, independently.
//
//   scores: [N, C, ...] float32 or float64, any strides.
//   target: [N, C, ...] of the same sizes and type, >= 0: the shares of the
//           classes in each cell, which leave out its void share: 1 together,
//           or less where a part of the cell is void, 0 where all of it is. A
//           negative share, or shares of more than 1 + 1e-4 together, are
//           an error that names the value (on a CPU; a GPU is not asked). A
//           constant.
//
// A cell that is all void has weight 0: exactly no part in value and gradient.
//
// The sums are taken in float64, over the whole minibatch, which stands in for
// the corpus, or over each image. Which classes then count, and how the terms
// are joined, are options. Where no class counts the value is 0 and so is the
// gradient; N = 0 gives 0.
//
// Differentiable in scores. A prediction that was raised to the floor has no
// gradient of its own: a class that is raised wherever it is true is not found
// again by these terms (the cross-entropy of ExpectedIouMix does find it). On a
// CPU the gradient is a closed form in one pass over ph (the supplement's
// equations 59 and 67), differentiable once (a second derivative is refused
// with a message); on other devices it is that of the composed form. Sums on
// the CPU run over a fixed partition: the result does not depend on the number
// of threads. Memory: scores, ph and target are kept for the gradient.
// O(cells * C).

#ifndef COMMON_LOSSES_EXPECTED_IOU_H_
#define COMMON_LOSSES_EXPECTED_IOU_H_

#include <ATen/core/Tensor.h>

#include "common/losses/cross_entropy.h"

namespace seg {

enum class ExpectedIouSums {
  kMinibatch,
  kImage,  // the value is the mean over the images in which a class counts
};

enum class ExpectedIouClasses {
  // Those with a target mass B_k above min_target_mass.
  kInTarget,
  // All C, where the sums have a valid cell. A class that is not in the target
  // has I_k = 0: in the IOU it is a term of 0 without gradient, and the UOI
  // needs intersection_epsilon > 0.
  kAll,
};

enum class ExpectedIouScale {
  kMeanOfCounted,  // divided by the number of classes that count
  kMeanOfAll,      // divided by C, as in the paper's main text
  kSum,            // as in its supplement
};

// The weight w of a cell that is void in part.
enum class ExpectedIouCell {
  kWhole,       // 1: void pixels are in neither numerator nor denominator
  kValidShare,  // the sum of its target
};

// The paper leaves all of these open but the sums over the minibatch; the
// defaults are those of our fact sheet, Sec. 3 and 4.
struct ExpectedIouOptions {
  ExpectedIouSums sums = ExpectedIouSums::kMinibatch;
  ExpectedIouClasses classes = ExpectedIouClasses::kInTarget;
  // In cells, >= 0. A class that is rare in the minibatch has a gradient of
  // the UOI like 1 / I_k^2; with at most this mass it does not count. For
  // kInTarget.
  double min_target_mass = 0;
  ExpectedIouScale scale = ExpectedIouScale::kMeanOfCounted;
  ExpectedIouCell cell = ExpectedIouCell::kWhole;
  // In [0, 1). With 0, a UOI can be infinite and its gradient NaN.
  double prediction_floor = 1e-8;
  // eps of the UOI, in cells, >= 0: the other way to tame a rare class.
  double intersection_epsilon = 0;
};

// What a floor did is for the log. On the device of scores; nothing is read
// back from a GPU.
struct ExpectedIouResult {
  at::Tensor value;  // a scalar of the type of scores
  // int64 scalars, summed over the images where the sums are of images:
  at::Tensor counted;  // classes that count
  at::Tensor skipped;  // classes in the target that do not, being rare
  at::Tensor raised;   // predictions of a class in the target of their cell
                       // that were raised to the floor
};

ExpectedIouResult ExpectedIou(const at::Tensor& scores,
                              const at::Tensor& target,
                              const ExpectedIouOptions& options = {});
ExpectedIouResult ExpectedUoi(const at::Tensor& scores,
                              const at::Tensor& target,
                              const ExpectedIouOptions& options = {});

// The same from LibTorch's operators, differentiable any number of times. Take
// several copies of scores.
ExpectedIouResult ExpectedIouComposed(const at::Tensor& scores,
                                      const at::Tensor& target,
                                      const ExpectedIouOptions& options = {});
ExpectedIouResult ExpectedUoiComposed(const at::Tensor& scores,
                                      const at::Tensor& target,
                                      const ExpectedIouOptions& options = {});

enum class ExpectedIouTerm { kUoi, kMinusIou };

struct ExpectedIouMixOptions {
  ExpectedIouTerm term = ExpectedIouTerm::kUoi;
  // The paper's grid search; it does not say for which scales of the two terms.
  double term_weight = 0.7;
  double cross_entropy_weight = 0.3;
  // kMean: divided by the weights w of all cells together.
  CrossEntropyReduction cross_entropy = CrossEntropyReduction::kMean;
  ExpectedIouOptions overlap;
};

// term_weight * (ExpectedUoi or -ExpectedIou)
//   + cross_entropy_weight * (- sum_i w sum_k p log softmax(scores)),
// arguments, gradient and errors as above. The cross-entropy is not floored. It
// alone punishes predictions of a class that does not count.
ExpectedIouResult ExpectedIouMix(const at::Tensor& scores,
                                 const at::Tensor& target,
                                 const ExpectedIouMixOptions& options = {});

}  // namespace seg

#endif  // COMMON_LOSSES_EXPECTED_IOU_H_
