// From a configuration to a data set.
#ifndef COMMON_DATASETS_OPEN_H_
#define COMMON_DATASETS_OPEN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"

namespace seg {

// Opens one split of `config.pack`, with config.split_seed a part of "train"
// and "val" that are divided anew (redivided.h): landmarks added, faces
// aligned, classes mapped, pictures resized and, with config.augment_once,
// augmented, samples cached, in this order and as `config` says.
//   config.pack: "synthetic:scenes" or another generated set (then `data_root`
//     is not used), a folder name under `data_root`, or a path (absolute, or
//     with a slash in it; "~/" is the home). Behind "voc2012:", "helen:" or
//     another format (README.md) a folder of that format, found by the same
//     rule; "voc2012:A+B" is VOC in A and SBD in B (voc.h); behind "hdf5:" a
//     file.
//   split: "train", "val", "test", or any NAME with a NAME.txt in the pack;
//     "all" is every image of the pack, in the order of the ids, when there is
//     no all.txt. Official formats have the splits of their lists.
// An empty split opens as a data set of size 0.
// Errors: NotFound (pack, split; names what is there), InvalidArgument (options
// that exclude each other, malformed dataset.yaml), one line with a remedy.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenDataset(
    const DataConfig& config, const std::string& data_root,
    const std::string& split);

// OpenDataset for training and evaluation: a split that is empty, or has no
// masks where they are needed, is an error (InvalidArgument) that names the
// list, key or file and the remedy.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenFilledDataset(
    const DataConfig& config, const std::string& data_root,
    const std::string& split, bool needs_masks);

// The folder of a pack: `pack` as a path when it has a slash in it and exists,
// else under `data_root`. NotFound lists the packs there are.
absl::StatusOr<std::string> FindPack(const std::string& pack,
                                     const std::string& data_root);

}  // namespace seg

#endif  // COMMON_DATASETS_OPEN_H_
