// t-SNE, the exact form, and the silhouette score, which says in a number what
// its picture shows.
//
// Sources: van der Maaten and Hinton 2008 (t-SNE); Belkina et al. 2019 for the
// learning rate; Rousseeuw 1987 (silhouette).
#ifndef COMMON_METRICS_TSNE_H_
#define COMMON_METRICS_TSNE_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {

struct TsneOptions {
  double perplexity = 30.0;   // in [1, N)
  int64_t iterations = 1000;  // the first 250 with early exaggeration 12
  uint64_t seed = 1;          // of the first positions, N(0, 1e-4 I)
};

// Positions in the plane whose neighbours are those of `x`.
//   x: [N,D], float32 or float64, any device, N >= 2, finite.
//   returns: [N,2], dtype and device of `x`, with mean 0.
// A function of (x, options), on a CPU with the same number of threads.
// Momentum 0.5, from iteration 250 on 0.8; gains by coordinate as in the
// source; learning rate max(50, N / 48). O(N^2) memory (three matrices) and
// O(N^2) an iteration: 1000 iterations of 3,000 points in float take about a
// minute on two cores.
at::Tensor Tsne(const at::Tensor& x, const TsneOptions& options = {});

// Mean over points of (b - a) / max(a, b), a the mean distance to the other
// points of its own cluster, b the least mean distance to another cluster; 0
// for a point that is alone in its cluster. In [-1,1], 1 is best.
//   x: [N,D], floating point; labels: [N], integers.
// NaN with fewer than two clusters. Computed in double, O(N^2 D).
double Silhouette(const at::Tensor& x, const at::Tensor& labels);

}  // namespace seg

#endif  // COMMON_METRICS_TSNE_H_
