// The synthetic data set `ambiguous`: pictures with several answers, each a
// whole shape, none of which the picture rules out. A plant has a heart, which
// is in sight, and one leaf, which one of three or four equal patches of fog
// around the heart hides. The mask is the heart and the leaf. The picture is
// the same wherever the leaf is, so that the answers ("modes") are equally
// probable and known. Their pixelwise mean is no answer: no patch is the leaf
// with a probability of 1/2, and the heart with no leaf, or with several,
// overlaps any mode by an IoU below 0.8. A model must choose one patch as a
// whole (what Sohn et al., NIPS 2015, ask of samples). With two patches a model
// without a latent could choose, too: the side that is slightly more frequent.
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

// All modes of that picture, three or four; the sample's mask equals one of
// them. In the order of the places that have fog: upper left, upper right,
// lower left, lower right.
std::vector<AmbiguousMode> AmbiguousModes(const AmbiguousOptions& options,
                                          int64_t index);

// Pictures first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeAmbiguousDataset(
    const AmbiguousOptions& options, int64_t first, int64_t size);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_AMBIGUOUS_H_
