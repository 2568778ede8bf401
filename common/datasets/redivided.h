// The training images of a data set divided anew: other random parts of "train"
// and "val" together, while "test" stays as it is.
#ifndef COMMON_DATASETS_REDIVIDED_H_
#define COMMON_DATASETS_REDIVIDED_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

enum class TrainingPart { kTrain, kVal };

// A part of the samples of `train` and `val` together, as large as the set of
// that name. The two parts are disjoint and give all samples together; they are
// a function of the sizes and of `seed`. Samples keep the order of their own
// set, those of `train` first. InvalidArgument where the two are not of the
// same classes.
absl::StatusOr<std::shared_ptr<const Dataset>> RedividedDataset(
    std::shared_ptr<const Dataset> train, std::shared_ptr<const Dataset> val,
    TrainingPart part, uint64_t seed);

}  // namespace seg

#endif  // COMMON_DATASETS_REDIVIDED_H_
