// Where a trainer takes its batches from.
#ifndef COMMON_DATASETS_BATCH_SOURCE_H_
#define COMMON_DATASETS_BATCH_SOURCE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// Batches one after the other, without end. Batch `step` is a function of the
// source's seed and of the step, whatever step the source was started at. Not
// thread safe.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual absl::StatusOr<Batch> Next() = 0;
  virtual int64_t batches_per_epoch() const = 0;  // >= 1
  virtual double wait_seconds() const = 0;        // total time inside Next()
};

}  // namespace seg

#endif  // COMMON_DATASETS_BATCH_SOURCE_H_
