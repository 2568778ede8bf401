// Brightness, contrast, saturation and hue in one pass over the pixels.
#ifndef COMMON_DATASETS_COLOUR_H_
#define COMMON_DATASETS_COLOUR_H_

#include <cstdint>
#include <vector>

namespace seg {

// Applied in this order, each a linear map, clamped once at the end.
struct ColourChange {
  double brightness = 1.0;  // factor
  double contrast = 1.0;    // distance from the mean grey
  double saturation = 1.0;  // distance from the pixel's own grey
  double hue = 0.0;         // turn of the colour plane of YIQ, radians
};

// rgb: three planes of inside.size() pixels, changed in place where inside is
// 1 (elsewhere 0). The mean grey is that of the inside pixels. Grey is 0.299 R
// + 0.587 G + 0.114 B; saturation and hue keep it.
void ChangeColours(const ColourChange& change,
                   const std::vector<uint8_t>& inside, uint8_t* rgb);

}  // namespace seg

#endif  // COMMON_DATASETS_COLOUR_H_
