// Data sets made of another one.
#ifndef COMMON_DATASETS_VIEWS_H_
#define COMMON_DATASETS_VIEWS_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "common/datasets/augment_options.h"
#include "common/datasets/dataset.h"
#include "common/datasets/resize_options.h"

namespace seg {

// InvalidArgument when `options` exclude each other; names the keys of the
// `data` section.
absl::Status ValidateResize(const ResizeOptions& options);

// The size that `options` give to a picture of `size`: at least 1x1, the free
// side rounded to the nearest pixel.
ImageSize ResizedSize(const ResizeOptions& options, ImageSize size);

// A sample resized as `options` say. Requires ValidateResize(options).
// InvalidArgument where the picture would become larger than is allowed.
absl::StatusOr<Sample> ResizedSample(const Sample& sample,
                                     const ResizeOptions& options);

// Every sample resized as `options` say; `dataset` itself when they are all 0.
// Requires ValidateResize(options).
std::shared_ptr<const Dataset> ResizedDataset(
    std::shared_ptr<const Dataset> dataset, const ResizeOptions& options);

// Every sample changed once (augment.h), a function of its number. Requires
// ValidateAugmentOptions(options).
std::shared_ptr<const Dataset> AugmentedDataset(
    std::shared_ptr<const Dataset> dataset, const AugmentOptions& options);

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
