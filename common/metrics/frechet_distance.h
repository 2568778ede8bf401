// Frechet distance (of Gaussians: also 2-Wasserstein) between two sets of
// feature vectors, the measure behind FID:
//   |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))
// with means m and covariances S. It is FID only where the features are those
// of the FID Inception network; with others it has another name.
//
// Source: Dowson and Landau 1982; Heusel et al. 2017 for FID.
#ifndef COMMON_METRICS_FRECHET_DISTANCE_H_
#define COMMON_METRICS_FRECHET_DISTANCE_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {

// Mean and unbiased covariance of feature vectors, in double, batch by batch
// (Chan, Golub and LeVeque 1983: no cancellation, whatever the mean is).
class FeatureStatistics {
 public:
  explicit FeatureStatistics(int64_t features);

  // x: [N,D], floating point, any device; N may be 0. O(N D^2).
  void Add(const at::Tensor& x);
  // Adds the vectors that another has seen.
  void Merge(const FeatureStatistics& other);

  int64_t features() const { return mean_.size(0); }
  int64_t count() const { return count_; }
  // float64 [D], on the CPU.
  const at::Tensor& mean() const { return mean_; }
  // float64 [D,D]; at least two vectors are needed.
  at::Tensor covariance() const;

 private:
  void Merge(int64_t count, const at::Tensor& mean, const at::Tensor& scatter);

  int64_t count_ = 0;
  at::Tensor mean_;
  at::Tensor scatter_;  // sum of (x - mean) (x - mean)^T
};

// >= 0. The trace of (S1 S2)^(1/2) is the sum of the square roots of the
// eigenvalues of S1^(1/2) S2 S1^(1/2), by two symmetric eigen-decompositions;
// eigenvalues below D times the rounding error of the largest, negative ones
// among them, count as 0. Both of the same D, with two vectors at least.
// O(D^3).
double FrechetDistance(const FeatureStatistics& a, const FeatureStatistics& b);

// The same of Gaussians that are given: mean [D], covariance [D,D] symmetric.
double FrechetDistance(const at::Tensor& mean_a, const at::Tensor& covariance_a,
                       const at::Tensor& mean_b,
                       const at::Tensor& covariance_b);

}  // namespace seg

#endif  // COMMON_METRICS_FRECHET_DISTANCE_H_
