// How far two labellings of the same pixels agree, whatever the labels are
// called: from the table of how often each pair of labels occurs. For systems
// that find parts without labels, whose part 3 may be anybody's nose.
//
// Sources: Strehl and Ghosh 2002 for mutual information of clusterings;
// Hubert and Arabie 1985 for the adjusted Rand index.
#ifndef COMMON_METRICS_CLUSTER_AGREEMENT_H_
#define COMMON_METRICS_CLUSTER_AGREEMENT_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

class ClusterAgreement {
 public:
  // Labels 0 .. first_labels-1 of the one, 0 .. second_labels-1 of the other.
  // Labels that never occur change no score, so more than there are do no harm.
  ClusterAgreement(int64_t first_labels, int64_t second_labels);

  // first, second: same sizes, any integer types, any strides and devices.
  // mask: bool, same sizes; only pixels that are true are counted. Undefined:
  // all. A label out of range at a counted pixel is an error that names it;
  // nothing is added then.
  void Add(const at::Tensor& first, const at::Tensor& second,
           const at::Tensor& mask = {});
  // Adds the counts of a table of the same size.
  void Merge(const ClusterAgreement& other);

  int64_t count(int64_t first, int64_t second) const;
  int64_t total() const;

  // Mutual information over the arithmetic mean of the two entropies, in [0,1].
  // 1 where both are constant, 0 where only one is, NaN without data. (Others
  // divide by the geometric mean or the larger: their numbers differ.)
  double NormalizedMutualInformation() const;

  // The share of the pairs of pixels on which the two agree (together in both
  // or apart in both), less what is expected by chance, over what is possible:
  // 1 for the same partition, 0 on average for independent ones, down to -1/2.
  // 1 where both are constant or both give each pixel its own label; NaN
  // without data.
  double AdjustedRandIndex() const;

 private:
  std::vector<int64_t> FirstSums() const;
  std::vector<int64_t> SecondSums() const;

  int64_t first_labels_;
  int64_t second_labels_;
  std::vector<int64_t> counts_;  // row-major [first][second]
};

}  // namespace seg

#endif  // COMMON_METRICS_CLUSTER_AGREEMENT_H_
