// Data sets made of another one.
#ifndef COMMON_DATASETS_VIEWS_H_
#define COMMON_DATASETS_VIEWS_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"

namespace seg {

// InvalidArgument when the resize_* keys of `config` exclude each other.
absl::Status ValidateResize(const DataConfig& config);

// The size that the resize_* keys give to a picture of `size`: at least 1x1,
// the free side rounded to the nearest pixel.
ImageSize ResizedSize(const DataConfig& config, ImageSize size);

// A sample resized by the resize_* keys of `config`. Requires
// ValidateResize(config). InvalidArgument where the picture would become larger
// than is allowed.
absl::StatusOr<Sample> ResizedSample(const Sample& sample,
                                     const DataConfig& config);

// Every sample resized by the resize_* keys of `config`; `dataset` itself when
// they are all 0. Requires ValidateResize(config).
std::shared_ptr<const Dataset> ResizedDataset(
    std::shared_ptr<const Dataset> dataset, const DataConfig& config);

// The first sample of `dataset`, which is not empty: for a rehearsal.
std::shared_ptr<const Dataset> FirstSample(
    std::shared_ptr<const Dataset> dataset);

// Keeps samples in memory as they are first read, up to `max_bytes` of pixels;
// what does not fit is read anew each time (nothing is evicted: with whole
// passes in random order eviction would only lower the share of hits). Errors
// are not kept. Hold it by one shared pointer and all threads share the memory.
std::shared_ptr<const Dataset> CachedDataset(
    std::shared_ptr<const Dataset> dataset, int64_t max_bytes);

}  // namespace seg

#endif  // COMMON_DATASETS_VIEWS_H_
