// A data set whose samples a function of the index makes.
#ifndef COMMON_DATASETS_SYNTHETIC_GENERATED_H_
#define COMMON_DATASETS_SYNTHETIC_GENERATED_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/datasets/dataset.h"

namespace seg {

// Samples make(first) .. make(first + size - 1), with the ids PREFIX + number.
// make: thread safe; sets the id itself.
std::shared_ptr<const Dataset> GeneratedDataset(
    DatasetInfo info, std::string prefix, int64_t first, int64_t size,
    std::function<Sample(int64_t)> make);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_GENERATED_H_
