// Linear support vector machines with squared hinges, by coordinate ascent on
// the dual: regression (Ho and Lin 2012, "Large-scale linear support vector
// regression", Alg. 1; L2 loss, liblinear's solver 12) and two classes (Hsieh
// et al. 2008, "A dual coordinate descent method for large-scale linear SVM",
// Alg. 1; L2 loss, liblinear's solver 1).
//
//   LinearSvmOptions options;
//   options.c = 3.0;
//   LinearSvm svm = TrainLinearRegression(features, targets, 0.25, options);
//   at::Tensor scores = features.matmul(svm.weights.to(at::kFloat).t()) +
//                       svm.bias.to(at::kFloat);   // [N,T]
#ifndef COMMON_SOLVERS_LINEAR_SVM_H_
#define COMMON_SOLVERS_LINEAR_SVM_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/solvers/duality_gap.h"

namespace seg {

struct LinearSvmOptions {
  double c = 1.0;  // weight of the losses against |w|^2 / 2; finite, > 0
  // The value of a feature that all examples have besides their own; its weight
  // times its value is the bias, and counts in |w|^2 (as in liblinear). 0: no
  // bias. Finite, >= 0.
  double constant_feature = 0.0;
  double tolerance = 1e-3;    // stop at this relative duality gap; > 0
  int64_t max_passes = 1000;  // or after these; >= 1
  uint64_t seed = 0;          // of the order of examples
};

// T machines that share their examples.
struct LinearSvm {
  at::Tensor weights;  // float64 [T,F]
  at::Tensor bias;     // float64 [T]; zeros without a constant feature
  // [T]. Where max_passes came first, Relative() exceeds the tolerance.
  std::vector<DualityGap> gaps;
};

// For each target t, with w the weights of target t (the constant feature's
// weight among them):
//   min_w  |w|^2 / 2 + c sum_i max(0, |targets[t,i] - w.x_i| - epsilon)^2
//   features: float32 [N,F], contiguous, on the CPU; not copied, so it may be
//     mapped from a file. Finite.
//   targets: float32 or float64 [T,N], on the CPU, finite.
//   epsilon: half the width of the band without loss; finite, >= 0. Where all
//     targets lie in it, w = 0.
// N, F and T may be 0.
//
// The targets share the threads; each is a function of its own row, features
// and options, whatever the number of threads. A pass is O(N F) a target for
// all examples, and less for the most: between two looks at all of them only
// those outside the band, and those that w is made of, are visited. Memory:
// 6 numbers an example and thread. Sums in double.
LinearSvm TrainLinearRegression(const at::Tensor& features,
                                const at::Tensor& targets, double epsilon,
                                const LinearSvmOptions& options = {});

// For each target t:
//   min_w  |w|^2 / 2 + c sum_i importance[t,i] max(0, 1 - labels[t,i] w.x_i)^2
//   features: as above.
//   labels: float32 or float64 [T,N], on the CPU: 1 or -1.
//   importance: as labels, finite, >= 0; an undefined tensor for ones. Examples
//     of 0 are as if they were not there.
// Otherwise as above.
LinearSvm TrainLinearClassifier(const at::Tensor& features,
                                const at::Tensor& labels,
                                const at::Tensor& importance = {},
                                const LinearSvmOptions& options = {});

}  // namespace seg

#endif  // COMMON_SOLVERS_LINEAR_SVM_H_
