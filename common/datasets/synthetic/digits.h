// The synthetic data set `digits`: handwriting-like digits of which 1, 2 or 3
// quadrants of the picture are hidden; the mask is the digit there, and ignored
// (255) where it is in sight. It asks for the completion of a shape, as the
// MNIST study of Sohn et al. (NIPS 2015) does with binarised pixels.
//
// Hidden are, as in Pyro's `examples/cvae`: 1 the top right quadrant, 2 the
// right half, 3 all but the bottom left. They have one flat colour.
//
// A picture is a function of (options, index), computed in integers only: equal
// bytes on every machine. Edges in the picture are anti-aliased; the mask takes
// a pixel where at least half of it is covered.
#ifndef COMMON_DATASETS_SYNTHETIC_DIGITS_H_
#define COMMON_DATASETS_SYNTHETIC_DIGITS_H_

#include <cstdint>
#include <memory>

#include "common/datasets/dataset.h"

namespace seg {

struct DigitsOptions {
  int64_t height = 32;           // 32 .. 4096; a digit follows the shorter side
  int64_t width = 32;            // 32 .. 4096
  int64_t hidden_quadrants = 3;  // 1 .. 3
  uint64_t seed = 1;
};

// Classes background, digit. Pixels in sight are ignored.
DatasetInfo DigitsInfo();

// The picture of that index, any index >= 0. id "digitINDEX", path
// "digits:SEED:INDEX". The digits of one index with more and with fewer hidden
// quadrants are the same where both hide them. About 0.1 ms at 32x32.
Sample MakeDigit(const DigitsOptions& options, int64_t index);

// Pictures first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeDigitsDataset(const DigitsOptions& options,
                                                 int64_t first, int64_t size);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_DIGITS_H_
