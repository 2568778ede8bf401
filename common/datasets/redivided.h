// The images of a data set divided anew: other random parts of its splits
// together, each as large as before.
#ifndef COMMON_DATASETS_REDIVIDED_H_
#define COMMON_DATASETS_REDIVIDED_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// Part `part` of the samples of all `sets` together, as large as sets[part].
// The parts are disjoint and give all samples together; they are a function of
// the sizes and of `seed`. Samples keep the order of their own set, those of
// the first set first. InvalidArgument where the sets are not of the same
// classes. part < sets.size().
absl::StatusOr<std::shared_ptr<const Dataset>> RedividedDataset(
    std::vector<std::shared_ptr<const Dataset>> sets, size_t part,
    uint64_t seed);

}  // namespace seg

#endif  // COMMON_DATASETS_REDIVIDED_H_
