// How the cores of the simplex projection see tensors: sizes and strides.
#ifndef COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_VIEW_H_
#define COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_VIEW_H_

#include <cstdint>

namespace seg {

// Element (image n, label l, pixel p) is at
// data[n * image_stride + l * label_stride + p * pixel_stride].
template <typename T>
struct SimplexView {
  T* data = nullptr;
  int64_t image_stride = 0;
  int64_t label_stride = 0;
  int64_t pixel_stride = 0;
};

struct SimplexSizes {
  int64_t images = 0;
  int64_t labels = 0;
  int64_t pixels = 0;  // per image
};

}  // namespace seg

#endif  // COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_PROJECTION_VIEW_H_
