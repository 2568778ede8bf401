// An image in CIELAB, for superpixels and their graph.
#ifndef COMMON_SOLVERS_LAB_IMAGE_H_
#define COMMON_SOLVERS_LAB_IMAGE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

using Colour = std::array<float, 3>;  // L, a, b

inline float SquaredDistance(const Colour& a, const Colour& b) {
  const float x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
  return x * x + y * y + z * z;
}

// Pixels row by row, with kSlicSlack (slic_rows.h) values behind each plane.
struct LabImage {
  int64_t height = 0, width = 0;
  std::array<std::vector<float>, 3> planes;

  int64_t size() const { return height * width; }
  Colour operator[](int64_t i) const {
    return {planes[0][i], planes[1][i], planes[2][i]};
  }
};

// `image` as Slic takes it (superpixels.h); errors name `caller`.
LabImage ToLab(const char* caller, const at::Tensor& image);

// Calls visit(j) for each pixel j above, left of, right of and below pixel i.
template <typename Visit>
void ForNeighbours(const LabImage& image, int64_t i, const Visit& visit) {
  const int64_t x = i % image.width;
  if (i >= image.width) visit(i - image.width);
  if (x > 0) visit(i - 1);
  if (x + 1 < image.width) visit(i + 1);
  if (i + image.width < image.size()) visit(i + image.width);
}

}  // namespace seg

#endif  // COMMON_SOLVERS_LAB_IMAGE_H_
