// The synthetic data set `ambiguous`: pictures with several answers, each a
// whole shape, none of which the picture rules out. A plant has a heart, which
// is in sight, and above it or below it or both a leaf, which grows to the left
// or to the right where two equal patches of fog hide it. The mask is the heart
// and the leaves. The picture is the same wherever the leaves are, so that the
// 2 or 4 answers ("modes") are equally probable and known. Their pixelwise mean
// is no answer: what several modes share and what they cover together overlap
// any one by an IoU below 0.8. A model must choose a side for each leaf as a
// whole (what Sohn et al., NIPS 2015, ask of samples).
//
// A picture is a function of (options, index), computed in integers only: equal
// bytes on every machine. Colour edges are anti-aliased; a mask takes a pixel
// where at least half of it is covered.
#ifndef COMMON_DATASETS_SYNTHETIC_AMBIGUOUS_H_
#define COMMON_DATASETS_SYNTHETIC_AMBIGUOUS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/dataset.h"

namespace seg {

struct AmbiguousOptions {
  int64_t height = 32;  // 32 .. 4096; lengths follow the shorter side
  int64_t width = 32;   // 32 .. 4096
  uint64_t seed = 1;
};

// An answer that the picture allows.
struct AmbiguousMode {
  at::Tensor mask;           // uint8 [H,W], classes
  double probability = 0.0;  // given the picture; they sum to 1
};

// Classes background, plant. No ignored pixels.
DatasetInfo AmbiguousInfo();

// The picture of that index, any index >= 0, and one of its modes, drawn by
// their probabilities. id "ambiguousINDEX", path "ambiguous:SEED:INDEX". About
// 0.1 ms at 32x32.
Sample MakeAmbiguous(const AmbiguousOptions& options, int64_t index);

// All modes of that picture; the sample's mask equals one of them. In this
// order: leaf on the left, on the right; with two leaves both left, the upper
// left, the lower left, both right.
std::vector<AmbiguousMode> AmbiguousModes(const AmbiguousOptions& options,
                                          int64_t index);

// Pictures first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeAmbiguousDataset(
    const AmbiguousOptions& options, int64_t first, int64_t size);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_AMBIGUOUS_H_
