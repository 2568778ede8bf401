// The synthetic data set `strands`: thin curved strands at all angles, each of
// one of two classes that look alike. The picture shows where strands run, not
// which is which; a coarse segmentation (the mask averaged over blocks wider
// than a strand, coarse.source=truth of SPN) tells the classes where strands
// are apart and mixes them where they run close or cross. There, what it says
// further along the strand helps: the check that spatial propagation learns to
// follow thin structures.
//
// A picture is a function of (options, index), computed in integers only: equal
// bytes on every machine. Colour edges are anti-aliased; a mask takes a pixel
// where at least half of it is covered.
#ifndef COMMON_DATASETS_SYNTHETIC_STRANDS_H_
#define COMMON_DATASETS_SYNTHETIC_STRANDS_H_

#include <cstdint>
#include <memory>

#include "common/datasets/dataset.h"

namespace seg {

struct StrandsOptions {
  // 32 .. 4096 each; the thickness follows the shorter side, 2 to 4 pixels at
  // 64.
  int64_t height = 64;
  int64_t width = 64;
  uint64_t seed = 1;
};

// Classes 0 background, 1 strand A, 2 strand B. No ignored pixels.
DatasetInfo StrandsInfo();

// The picture of that index, any index >= 0: five to seven strands from edge to
// edge, of classes that are drawn anew for each. id "strandsINDEX", path
// "strands:SEED:INDEX". About 0.5 ms at 64x64.
Sample MakeStrands(const StrandsOptions& options, int64_t index);

// Pictures first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeStrandsDataset(const StrandsOptions& options,
                                                  int64_t first, int64_t size);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_STRANDS_H_
