#include "common/datasets/synthetic/rim.h"

#include <algorithm>

#include "ATen/ATen.h"

namespace seg {

at::Tensor LabelsWithRim(const at::Tensor& things,
                         const std::vector<uint8_t>& label_of, int64_t width,
                         uint8_t ignore_label) {
  TORCH_CHECK(things.dim() == 2 && things.scalar_type() == at::kByte &&
                  things.is_contiguous(),
              "LabelsWithRim: things must be contiguous uint8 [H,W], got ",
              things.scalar_type(), " ", things.sizes());
  TORCH_CHECK(width >= 0, "LabelsWithRim: width must be >= 0, got ", width);
  const int64_t h = things.size(0);
  const int64_t w = things.size(1);
  const uint8_t* in = things.data_ptr<uint8_t>();
  // The least and the greatest of each window: in rows, then in columns.
  std::vector<uint8_t> least(h * w), greatest(h * w);
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      const uint8_t* from = in + y * w + std::max<int64_t>(0, x - width);
      const uint8_t* to = in + y * w + std::min(w, x + width + 1);
      least[y * w + x] = *std::min_element(from, to);
      greatest[y * w + x] = *std::max_element(from, to);
    }
  }
  at::Tensor labels = at::empty({h, w}, at::kByte);
  uint8_t* out = labels.data_ptr<uint8_t>();
  for (int64_t y = 0; y < h; ++y) {
    const int64_t top = std::max<int64_t>(0, y - width);
    const int64_t end = std::min(h, y + width + 1);
    for (int64_t x = 0; x < w; ++x) {
      const uint8_t own = in[y * w + x];
      bool alike = true;
      for (int64_t row = top; row < end; ++row) {
        alike =
            alike && least[row * w + x] == own && greatest[row * w + x] == own;
      }
      out[y * w + x] = alike ? label_of.at(own) : ignore_label;
    }
  }
  return labels;
}

}  // namespace seg
