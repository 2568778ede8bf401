// The `data` section of every paper's configuration.
#ifndef COMMON_DATASETS_DATA_CONFIG_H_
#define COMMON_DATASETS_DATA_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/datasets/augment_options.h"
#include "common/datasets/class_map_options.h"
#include "common/datasets/resize_options.h"
#include "nlohmann/json.hpp"

namespace seg {

// Size of a generated set (pack "synthetic:NAME"). The splits are disjoint and
// depend on `seed` alone, not on each other's sizes.
struct SyntheticConfig {
  int64_t height = 96;
  int64_t width = 128;
  int64_t train = 256;  // samples in the split of that name
  int64_t val = 64;
  int64_t test = 64;
  int64_t seed = 1;
  int64_t hidden_quadrants = 3;  // of synthetic:digits, 1 .. 3
  int64_t border = 1;  // of synthetic:objects, ignored pixels at edges, 0 .. 16
};

// The keys of its bases are keys of the section itself.
struct DataConfig : ResizeOptions, ClassMapOptions {
  // A folder under the data root, a path to a folder, a generated set
  // ("synthetic:scenes", faces, ambiguous, articulated, digits, objects,
  // strands), or an official format and its folder: "voc2012:PATH",
  // "voc2012:PATH+SBD_PATH", "sbd:PATH", "helen:PATH", "cub2010:PATH",
  // "cub2011:PATH", "cub_redo:PATH", "flowers102:PATH", "flowers102_redo:PATH",
  // "celeba_wild:PATH", "taichi:PATH", "lfw_parts:PATH", "lfw4:PATH",
  // "weizmann_horse:PATH", "nyu_depth_v2:PATH", "cityscapes:PATH"; pictures
  // without masks, "images:PATH"; or a file, "hdf5:FILE".
  std::string pack = "synthetic:scenes";
  // Which of the random divisions: the tenth of CUB's training list that is
  // "val" (0 .. 9, cub.h), that of NYU Depth V2's (nyu_depth_v2.h), the split
  // of lfw4 (0 .. 4, lfw_parts.h).
  int64_t fold = 0;
  // From 0 on: "train" and "val" are other random parts, by this seed, of the
  // two together, each as large as it is listed; "test" stays (redivided.h).
  // -1: as they are listed.
  int64_t split_seed = -1;
  // With split_seed: "test" is a part of what is divided too.
  bool split_all = false;
  // With "nyu_depth_v2:PATH": a file, in the data's folder or a path, that says
  // which names become which class (class_table.h). Empty: the five classes of
  // nyu_depth_v2_5.yaml.
  std::string class_table;
  // A folder with the class probabilities that another model gave for each
  // image (probabilities.h). Empty: none.
  std::string probabilities;
  // A file of landmarks (points.h), in the data's folder or a path, that fills
  // Sample::points. Empty: none.
  std::string landmarks;
  // Side of the square that faces are aligned to, before any resizing
  // (align.h), by `landmarks` or, without it, by landmarks.txt in the folder.
  // 0: off.
  int64_t align = 0;
  // Decoded (and resized) samples are kept in memory up to this many MiB,
  // shared by all workers. 0: no cache.
  int64_t cache_mb = 512;
  int64_t workers = 1;     // loading threads; 0 loads in the caller's thread
  AugmentOptions augment;  // training only
  // Every image is changed once by `augment`, in evaluation too: to measure on
  // pictures that vary as those of training do.
  bool augment_once = false;
  SyntheticConfig synthetic;

  // Allowed ranges, keys relative to this struct ("augment.scale_min").
  static std::vector<KeyRule> Rules();
};

SEG_DECLARE_CONFIG(AugmentOptions)
SEG_DECLARE_CONFIG(SyntheticConfig)
SEG_DECLARE_CONFIG(DataConfig)

}  // namespace seg

#endif  // COMMON_DATASETS_DATA_CONFIG_H_
