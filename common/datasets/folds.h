// Cross-validation: one random division of a data set into folds of equal size
// (to one sample).
#ifndef COMMON_DATASETS_FOLDS_H_
#define COMMON_DATASETS_FOLDS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

enum class FoldPart {
  kHeldOut,  // the fold itself
  kRest,     // all others
};

// The indices of a part of 0 .. n-1, in their order. The division is a function
// of (n, folds, key); its folds are disjoint and give all indices together.
// folds >= 2, 0 <= fold < folds.
std::vector<int64_t> FoldIndices(int64_t n, int64_t folds, int64_t fold,
                                 FoldPart part, uint64_t key);

// That part of `base`, in its order. InvalidArgument names the number of folds
// or the fold that is out of range, or says that a fold would be empty.
absl::StatusOr<std::shared_ptr<const Dataset>> FoldedDataset(
    std::shared_ptr<const Dataset> base, int64_t folds, int64_t fold,
    FoldPart part, uint64_t key = 0);

}  // namespace seg

#endif  // COMMON_DATASETS_FOLDS_H_
