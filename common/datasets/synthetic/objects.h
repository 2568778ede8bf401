// The synthetic data set `objects`: one to four things of 20 classes before a
// textured background with clutter, a small stand-in for PASCAL VOC. It asks
// for what labelling by ranked proposals needs:
//   - A class is a shape (disc, box, triangle, star, ring) with a texture
//     (plain, stripes, spots, two colours): neither alone tells it, nor does
//     the colour. That only leans to a hue of the texture, and the background
//     has the same hues and textures.
//   - Things of two colours fall apart into two regions, and a ring has a hole
//     that is background: the best region of a thing is often a union.
//   - Classes have sizes, heights in the picture and company of their own: a
//     further thing comes from the theme of the first one three times in five
//     (ball, buoy, starfish, sail; book, die, pill, badge; melon, donut, slice,
//     tile; beetle, daisy, hoop, crate; tent, hat, star, tyre).
//   - Things hide parts of each other and are cut off by the picture's frame.
//
// A picture is a function of (options, index), computed in integers only: equal
// bytes on every machine. Colour edges are anti-aliased; the mask takes a pixel
// where at least half of it is covered.
#ifndef COMMON_DATASETS_SYNTHETIC_OBJECTS_H_
#define COMMON_DATASETS_SYNTHETIC_OBJECTS_H_

#include <cstdint>
#include <memory>

#include "common/datasets/dataset.h"

namespace seg {

struct ObjectsOptions {
  // 16 .. 4096 each; sizes of things follow the shorter side.
  int64_t height = 96;
  int64_t width = 128;
  uint64_t seed = 1;
  // Pixels of the ignored rim on either side of every edge between two things,
  // of one class too, and between a thing and the background; 0 .. 16, 0: no
  // ignored pixels. Below 64 pixels a rim of 1 may hide small things whole.
  int64_t border = 1;
};

// Background and 20 classes, shape by shape in the order of the textures above:
// ball, melon, beetle, pill; tile, crate, die, book; sail, tent, slice, hat;
// star, badge, starfish, daisy; hoop, tyre, donut, buoy. VOC's colours.
DatasetInfo ObjectsInfo();

// The picture of that index, any index >= 0. id "objectsINDEX", path
// "objects:SEED:INDEX". 2.2 things a picture on average. About 0.4 ms at
// 96x128.
Sample MakeObjects(const ObjectsOptions& options, int64_t index);

// Pictures first .. first+size-1 as a data set.
std::shared_ptr<const Dataset> MakeObjectsDataset(const ObjectsOptions& options,
                                                  int64_t first, int64_t size);

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_OBJECTS_H_
