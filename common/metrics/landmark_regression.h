// How well the parts that a system found without labels predict landmarks: a
// linear regression from the centres of the parts to the landmarks, fitted on
// some images and scored on others.
//
// Centres are in (row, column), as GANSeg's coordinates are; landmarks too, so
// a Sample's x is the column. Everything is computed in double.
//
// Source: He et al. 2022 (GANSeg) and its code for the conventions; the measure
// is that of Thewlis et al., ICCV 2017.
#ifndef COMMON_METRICS_LANDMARK_REGRESSION_H_
#define COMMON_METRICS_LANDMARK_REGRESSION_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {

// Soft centres of masks: sum_p p m_k(p) / (sum_p m_k(p) + 1e-6).
//   masks: [N,K,H,W], floating point, >= 0, without the background.
//   returns: [N,K,2], (row, column), dtype and device of `masks`.
// The grid runs from 0 to H (and W), both included: pixel i lies at
// i H / (H - 1), and at 0 where H is 1. So an empty part lies at (0, 0).
// Differentiable. O(N K H W).
at::Tensor PartCentres(const at::Tensor& masks);

// A linear map from the 2 K coordinates of the centres to those of the P
// landmarks.
class LandmarkRegressor {
 public:
  // centres: [N,K,2]; landmarks: [N,P,2]; both of any floating type, CPU or
  //   not. K = 0 with a bias gives the constant that is best, the mean
  //   landmarks.
  // visible: bool [N,P]; each landmark is fitted on the images that show it.
  //   Undefined: all of them. One that no image shows is predicted as NaN.
  // bias: false: y = X b, neither centred nor with a constant, as the code of
  //   GANSeg has it for faces. true: with a constant, as it has it for Taichi
  //   and as SCOPS' standardisation amounts to.
  // Least squares; where X (with a bias: X less its mean) is singular, b is
  // that of a ridge penalty |b|^2 (weight 1, the constant not penalised).
  // Singular: fewer rows than columns, or a smallest singular value not above
  // 1e-6 of the largest. O(P N (2 K)^2).
  static LandmarkRegressor Fit(const at::Tensor& centres,
                               const at::Tensor& landmarks,
                               const at::Tensor& visible, bool bias);

  // centres: [N,K,2]. returns: float64 [N,P,2], on the CPU.
  at::Tensor Predict(const at::Tensor& centres) const;

  // float64 [2K,2P] and [2P] (zeros without a bias).
  const at::Tensor& weights() const { return weights_; }
  const at::Tensor& bias() const { return bias_; }

 private:
  at::Tensor weights_, bias_;
};

// Mean of |predicted - true|_2 / |true_first - true_second|_2 over the images
// and their visible landmarks: a fraction, not a percentage.
//   predicted, landmarks: [N,P,2]; visible: bool [N,P] or undefined (all).
//   first, second: the landmarks whose distance is the unit (the eyes). Images
//     that do not show both, or have them in one place, are left out.
// What is predicted as NaN is left out; NaN where nothing is left.
double NormalizedLandmarkError(const at::Tensor& predicted,
                               const at::Tensor& landmarks,
                               const at::Tensor& visible, int64_t first,
                               int64_t second);

// The measure of Taichi: for each of the 2 P coordinates the mean absolute
// error over the images that show it, and of these means the sum, in the unit
// of the coordinates. A coordinate without data, or predicted as NaN, adds
// nothing; NaN where all are so.
double SumOfMeanAbsoluteErrors(const at::Tensor& predicted,
                               const at::Tensor& landmarks,
                               const at::Tensor& visible);

}  // namespace seg

#endif  // COMMON_METRICS_LANDMARK_REGRESSION_H_
