// Where the labels of a labelling lie, and which lie in it together (features
// of the re-ranker of Yadollahpour, Batra and Shakhnarovich 2013; section 9 of
// the fact sheet).
#ifndef SEGNET_RERANK_LABEL_PAIRS_H_
#define SEGNET_RERANK_LABEL_PAIRS_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// Of M labellings with C classes; all float64.
struct LabelPlaces {
  at::Tensor area;    // [M,C]: shares of the image
  at::Tensor centre;  // [M,C,2]: mean x / W and y / H of the pixels' centres,
                      // in [0,1]; 0 for a class without pixels
};

// labels: uint8 [M,H,W] on the CPU, < classes, any strides; H W >= 1.
// O(M H W), threads share the labellings.
LabelPlaces FindLabels(const at::Tensor& labels, int64_t classes);

// The pairs a < b of C classes: int64 [2,P], in the order (0,1), (0,2) .. (1,2)
at::Tensor ClassPairs(int64_t classes);

// Of these, P = C (C-1) / 2 of them; a pair counts where both classes are
// present, else it is 0. float64.
//   CentroidDifferences: [M,2P], x and y of pair 0, of pair 1 ..: the centre of
//     b less that of a
//   PairMass: [M,P], area of a and b together
//   CoOccurrence: [M,P], 1
// The rows of the last two are divided by their sum, where there is a pair.
at::Tensor CentroidDifferences(const LabelPlaces& places);
at::Tensor PairMass(const LabelPlaces& places);
at::Tensor CoOccurrence(const LabelPlaces& places);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_LABEL_PAIRS_H_
