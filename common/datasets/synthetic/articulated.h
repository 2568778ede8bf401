// The synthetic data set `articulated`: one animal-like object of three parts
// (body, head, tail), each of a colour of its own, at a random place, turned by
// up to 35 degrees, of random size and tint, before a dull background that runs
// from one colour to another. Head and tail move against the body. It asks for
// the discovery of parts without labels: the same part has the same colour in
// all pictures, and its place tells nothing.
//
// The background has little colour and the parts have much, so a picture alone
// tells its labels (ArticulatedRule). That is how pictures are judged that a
// network generates, for which there is no true mask.
//
// A picture is a function of (options, index), computed in integers only: equal
// bytes on every machine. Colour edges are anti-aliased; a mask takes a pixel
// where at least half of it is covered.
#ifndef COMMON_DATASETS_SYNTHETIC_ARTICULATED_H_
#define COMMON_DATASETS_SYNTHETIC_ARTICULATED_H_

#include <cstdint>
#include <memory>

#include "ATen/core/Tensor.h"
#include "common/datasets/dataset.h"

namespace seg {

struct ArticulatedOptions {
  // 32 .. 4096 each; the object follows the shorter side.
  int64_t height = 64;
  int64_t width = 64;
  uint64_t seed = 1;
};

// Classes 0 background, 1 body, 2 head, 3 tail. No ignored pixels.
DatasetInfo ArticulatedInfo();

// The picture of that index, any index >= 0, with the whole object in sight.
// The foreground has 13.5 % of the pixels of a square picture on average. id
// "articulatedINDEX", path "articulated:SEED:INDEX". About 0.5 ms at 64x64.
Sample MakeArticulated(const ArticulatedOptions& options, int64_t index);

// Pictures first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeArticulatedDataset(
    const ArticulatedOptions& options, int64_t first, int64_t size);

// The labels that the colours of pictures say: foreground where a pixel is as
// colourful as a part at least by half, and there the part of the nearest hue.
//   images: [N,3,H,W] or [3,H,W], RGB in 0..255, uint8 or floating point, any
//     device.
//   returns: uint8 [N,H,W] or [H,W], on that device, the ids of
//     ArticulatedInfo().
// On the set's own pictures the foreground has an IoU above 0.97 with the true
// one (mean over pictures), at 32 and at 64 pixels. O(pixels).
at::Tensor ArticulatedRule(const at::Tensor& images);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_ARTICULATED_H_
