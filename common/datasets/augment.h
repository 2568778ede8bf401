// Random changes of a training sample, a function of a key.
//
// Geometry is one affine map (scale, rotation, mirroring, shift, cropping)
// resampled once: bilinear for the image, nearest for the mask. Where both
// sides of the image shrink below 0.7 it is first halved by box averaging, so
// little aliases. A map that only crops and mirrors copies pixels exactly.
// Colours go through one 3x3 matrix: brightness, contrast (about the crop's
// mean grey), saturation, hue (a turn in YIQ), clamped once at the end.
#ifndef COMMON_DATASETS_AUGMENT_H_
#define COMMON_DATASETS_AUGMENT_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "common/datasets/augment_options.h"
#include "common/datasets/dataset.h"

namespace seg {

// The colour of what lies outside the image: ImageNet's mean in RGB. The mask
// holds the ignore label there.
constexpr std::array<uint8_t, 3> kFillColour = {124, 116, 104};

// InvalidArgument naming the key when a value is out of range or only one side
// of the crop is given.
absl::Status ValidateAugmentOptions(const AugmentOptions& options);

// sample: as a Dataset returns it; not written to. returns: image uint8
// [3,h,w], mask uint8 [h,w] (where the sample has one), where h x w is the crop
// or, without one, the sample's size.
//   key: e.g. RandomKey({seed, epoch, index}). Every quantity is drawn whether
//     used or not, so that switching one option leaves the others' draws alone.
// Points follow the image too (rows of a flip pair swapped); outside of it they
// are not visible.
// Probabilities follow the image (bilinear, classes of a flip pair swapped);
// outside of it class 0, the background, has 1.
// The crop's position is uniform over those inside the scaled image; an image
// smaller than the crop is placed uniformly within it. With a rotation the
// position refers to the unrotated image and corners may show the fill colour.
// A shift is added to the position, in pixels of the crop.
// Options that change nothing return the sample's own tensors.
// Requires options that pass ValidateAugmentOptions.
Sample Augment(const Sample& sample, const DatasetInfo& info,
               const AugmentOptions& options, uint64_t key);

}  // namespace seg

#endif  // COMMON_DATASETS_AUGMENT_H_
