// Batches for training, prepared by worker threads.
//
// Batch `step` is a function of (data set, options without `workers`, step):
// the number of workers and the step at which the loader was started change
// nothing, bit for bit. With B = batches_per_epoch(), epoch = step / B, and the
// epoch's order is a permutation keyed by (seed, epoch); sample i of an epoch
// is augmented with randomness keyed by (seed, epoch, i).
#ifndef COMMON_DATASETS_LOADER_H_
#define COMMON_DATASETS_LOADER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/augment_options.h"
#include "common/datasets/batch_source.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"

namespace seg {

struct LoaderOptions {
  int64_t batch_size = 1;
  uint64_t seed = 0;
  int64_t start_step = 0;  // number of the first batch: resume at any step
  int64_t workers = 1;     // threads; 0: Next() loads in the caller's thread
  bool shuffle = true;     // false: the data set's own order in every epoch
  bool drop_last = true;   // false: an epoch's last batch may be smaller
  AugmentOptions augment;
};

// The options that a trainer uses: workers and augmentation of `config`.
LoaderOptions TrainingLoaderOptions(const DataConfig& config,
                                    int64_t batch_size, uint64_t seed,
                                    int64_t start_step = 0);

class BatchLoader : public BatchSource {
 public:
  // InvalidArgument when an option is out of range, the data set is empty, or
  // smaller than a batch while drop_last is set.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(
      std::shared_ptr<const Dataset> dataset, const LoaderOptions& options);
  ~BatchLoader() override;  // stops and joins the workers
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // The next batch; there is no last one, epochs follow each other. A worker's
  // error (naming the file) is returned at the step it belongs to, and again by
  // every later call. Not thread safe.
  absl::StatusOr<Batch> Next() override;

  int64_t next_step() const;  // number of the batch Next() will return
  int64_t batches_per_epoch() const override;
  double wait_seconds() const override;

 private:
  class Impl;
  explicit BatchLoader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace seg

#endif  // COMMON_DATASETS_LOADER_H_
