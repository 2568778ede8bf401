// Generalised energy distance between two sets of label maps of one image, the
// samples of a model and the annotations (or known modes), as a measure of
// whether the samples are as diverse as the truth, and as right.
//
//   D^2 = 2 E[d(S, Y)] - E[d(S, S')] - E[d(Y, Y')],   d = 1 - IoU
//
// with S, S' drawn from the samples and Y, Y' from the truths, independently
// and with replacement: a pair may be the same map twice, at distance 0, as in
// the source. So the expectations are those of the two empirical distributions,
// and D^2 = 0 where these agree.
//
// IoU of two maps: the mean over the classes first_class .. num_classes - 1 of
// |both| / |either|, over the pixels that are void in neither. A class that
// neither map has stays out of the mean, and where that leaves none, as for two
// empty masks, the maps agree: d = 0.
//
// Source: Kohl et al. 2018, "A Probabilistic U-Net for Segmentation of
// Ambiguous Images", Sec. 4 and App. B; Szekely and Rizzo 2013 for D^2.

#ifndef COMMON_METRICS_ENERGY_DISTANCE_H_
#define COMMON_METRICS_ENERGY_DISTANCE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace seg {

struct EnergyDistanceOptions {
  int64_t num_classes = 2;
  int64_t first_class = 1;  // 1: the background (0) is not a class
  int64_t ignore_label = 255;
  // Probabilities of the truths; divided by their sum. Empty: all equal.
  std::vector<double> truth_weights;
};

struct EnergyDistance {
  double squared = 0.0;         // D^2
  double samples_truths = 0.0;  // E[d(S, Y)]: how wrong a sample is
  double samples = 0.0;         // E[d(S, S')]: how diverse the samples are
  double truths = 0.0;          // E[d(Y, Y')]: how ambiguous the image is
};

// samples [S, H, W], truths [M, H, W]: int64 or uint8, one device, any strides;
// labels other than 0..num_classes-1 and ignore_label are an error, as are
// empty sets. Cost: (S + M)^2 C H W multiply-adds.
EnergyDistance GeneralizedEnergyDistance(
    const at::Tensor& samples, const at::Tensor& truths,
    const EnergyDistanceOptions& options = {});

// d of every pair: [A, H, W] and [B, H, W] -> float64 [A, B].
at::Tensor IouDistances(const at::Tensor& a, const at::Tensor& b,
                        const EnergyDistanceOptions& options = {});

}  // namespace seg

#endif  // COMMON_METRICS_ENERGY_DISTANCE_H_
