// A data set with its classes merged, renamed or left out.
#ifndef COMMON_DATASETS_MAPPED_H_
#define COMMON_DATASETS_MAPPED_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/class_map_options.h"
#include "common/datasets/dataset.h"

namespace seg {

// The value in a map for a class that is neither trained on nor scored.
constexpr int64_t kMapToIgnore = 255;

// What is known of a data set after `map`, one entry per class of `info`: the
// new id, or kMapToIgnore. New ids count from 0 without gaps.
//   class_names: by new id; empty: each new class is called as the lowest old
//     class that became it.
//   The colour of a new class is that of the lowest old class that became it;
//   the new ignore label is 255.
//   flip_pairs: a new class is swapped with the one that the mirror images of
//     its old classes became. Where there is no such single class (one eye
//     kept, the other made background) mirrored masks cannot be right:
//     `needs_flip` makes that an error, else there are no flip pairs.
// An empty map returns `info` (class_names must be empty too). InvalidArgument
// names data.map or data.class_names, what was expected and what was found.
absl::StatusOr<DatasetInfo> MapInfo(const DatasetInfo& info,
                                    const std::vector<int64_t>& map,
                                    const std::vector<std::string>& class_names,
                                    bool needs_flip);

// `dataset` with the labels of every mask replaced by the map and described by
// MapInfo; `dataset` itself when the map is empty. Old ignore labels become
// 255. needs_flip: whether pictures will be mirrored.
absl::StatusOr<std::shared_ptr<const Dataset>> MappedDataset(
    std::shared_ptr<const Dataset> dataset, const ClassMapOptions& options,
    bool needs_flip);

}  // namespace seg

#endif  // COMMON_DATASETS_MAPPED_H_
