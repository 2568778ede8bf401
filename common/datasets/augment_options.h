// What random changes a training sample goes through. The default changes
// nothing. See augment.h for the order and the exact distributions.
#ifndef COMMON_DATASETS_AUGMENT_OPTIONS_H_
#define COMMON_DATASETS_AUGMENT_OPTIONS_H_

#include <cstdint>

namespace seg {

struct AugmentOptions {
  // Output size in pixels; both 0 (keep the sample's size) or both positive.
  int64_t crop_height = 0;
  int64_t crop_width = 0;
  // The object's size changes by a factor drawn log-uniformly from
  // [scale_min, scale_max]; > 1 enlarges.
  double scale_min = 1.0;
  double scale_max = 1.0;
  // A factor for the width and another for the height, both of the picture
  // before it turns.
  bool scale_per_axis = false;
  bool flip = false;      // mirror left and right with probability 1/2
  double rotation = 0.0;  // degrees, uniform in [-rotation, rotation]
  // The crop moves by at most this share of the sample's longer side (before
  // scaling) each way, uniformly in x and in y, and may leave the image. Whole
  // pixels, rounded, where nothing is scaled or turned.
  double shift = 0.0;
  // Colour jitter: factors uniform in [1-x, 1+x]; hue turns by a uniform angle
  // of at most hue * 360 degrees either way.
  double brightness = 0.0;
  double contrast = 0.0;
  double saturation = 0.0;
  double hue = 0.0;
};

}  // namespace seg

#endif  // COMMON_DATASETS_AUGMENT_OPTIONS_H_
