#include "common/datasets/contact_sheet.h"

#include <algorithm>

#include "ATen/ATen.h"
#include "common/datasets/transforms.h"
#include "common/reporting/overlay.h"

namespace seg {
namespace {

constexpr int64_t kGap = 4;

Sample Shrink(const Sample& sample, int64_t cell) {
  const int64_t h = sample.image.size(1);
  const int64_t w = sample.image.size(2);
  const int64_t longer = std::max(h, w);
  if (longer <= cell) return sample;
  return ResizeSample(sample, std::max<int64_t>(1, h * cell / longer),
                      std::max<int64_t>(1, w * cell / longer));
}

}  // namespace

at::Tensor ContactSheet(const std::vector<Sample>& samples,
                        const DatasetInfo& info,
                        const ContactSheetOptions& options) {
  TORCH_CHECK(!samples.empty(), "ContactSheet: samples must not be empty");
  TORCH_CHECK(options.columns > 0 && options.cell > 0,
              "ContactSheet: columns and cell must be positive, got ",
              options.columns, " and ", options.cell);
  OverlayOptions overlay;
  overlay.opacity = options.opacity;
  overlay.ignore_label = info.ignore_label;
  std::vector<at::Tensor> cells;
  int64_t height = 0;
  int64_t width = 0;
  for (const Sample& sample : samples) {
    const Sample small = Shrink(sample, options.cell);
    std::vector<at::Tensor> pair = {small.image};
    if (small.mask.defined()) {
      pair.push_back(BlendMask(small.image, small.mask, info.palette, overlay));
    }
    cells.push_back(SideBySide(pair, kGap / 2));
    height = std::max(height, cells.back().size(1));
    width = std::max(width, cells.back().size(2));
  }
  const int64_t count = static_cast<int64_t>(cells.size());
  const int64_t columns = std::min(options.columns, count);
  const int64_t rows = (count + columns - 1) / columns;
  at::Tensor sheet = at::full(
      {3, rows * (height + kGap) + kGap, columns * (width + kGap) + kGap}, 255,
      at::kByte);
  for (int64_t i = 0; i < count; ++i) {
    sheet.narrow(1, kGap + i / columns * (height + kGap), cells[i].size(1))
        .narrow(2, kGap + i % columns * (width + kGap), cells[i].size(2))
        .copy_(cells[i]);
  }
  return sheet;
}

}  // namespace seg
