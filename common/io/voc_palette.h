// The colours of the PASCAL VOC devkit, for label images of any kind.
#ifndef SEGPAPERS_COMMON_IO_VOC_PALETTE_H_
#define SEGPAPERS_COMMON_IO_VOC_PALETTE_H_

#include <array>
#include <cstdint>
#include <vector>

namespace seg {

// seg::Palette of common/io/image.h; an alias may be declared twice, and a
// palette needs no image codec.
using Palette = std::vector<std::array<uint8_t, 3>>;

// VOClabelcolormap of the devkit: class c gets the bits of c, three at a time,
// spread over red, green and blue from the top.
inline std::array<uint8_t, 3> VocColour(int64_t c) {
  std::array<uint8_t, 3> colour = {0, 0, 0};
  for (int shift = 7; shift >= 0; --shift, c >>= 3) {
    for (int k = 0; k < 3; ++k) {
      colour[k] = static_cast<uint8_t>(colour[k] | ((c >> k & 1) << shift));
    }
  }
  return colour;
}

inline Palette VocPalette(int64_t num_classes = 256) {
  Palette palette;
  for (int64_t c = 0; c < num_classes; ++c) palette.push_back(VocColour(c));
  return palette;
}

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_VOC_PALETTE_H_
