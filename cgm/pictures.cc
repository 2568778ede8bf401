#include "cgm/pictures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace seg {
namespace cgm {
namespace {

constexpr int64_t kGap = 4;  // white pixels between pictures

}  // namespace

at::Tensor SamplesPicture(const at::Tensor& image, const at::Tensor& posteriors,
                          const Palette& palette, const OverlayOptions& overlay,
                          int64_t columns) {
  const at::Tensor labels = posteriors.argmax(1).to(at::kCPU, at::kByte);
  TORCH_CHECK(columns >= 1, "SamplesPicture: columns must be at least 1, got ",
              columns);
  std::vector<at::Tensor> rows;
  for (int64_t first = 0; first < labels.size(0); first += columns) {
    std::vector<at::Tensor> row;
    for (int64_t s = first; s < first + columns; ++s) {
      row.push_back(s < labels.size(0)
                        ? BlendMask(image, labels[s], palette, overlay)
                        : at::full_like(image, 255));
    }
    const at::Tensor strip = SideBySide(row, kGap);
    if (!rows.empty()) {
      rows.push_back(at::full({3, kGap, strip.size(2)}, 255, at::kByte));
    }
    rows.push_back(strip);
  }
  return rows.empty() ? at::empty({3, 0, 0}, at::kByte) : at::cat(rows, 1);
}

at::Tensor GreyPicture(const at::Tensor& map, double most) {
  return (map.to(at::kCPU) * (255.0 / most))
      .round()
      .clamp(0, 255)
      .to(at::kByte)
      .unsqueeze(0)
      .expand({3, -1, -1})
      .contiguous();
}

}  // namespace cgm
}  // namespace seg
