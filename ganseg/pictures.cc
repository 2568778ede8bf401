#include "ganseg/pictures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "common/io/voc_palette.h"
#include "common/reporting/overlay.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {
namespace {

constexpr int64_t kGap = 2;
constexpr double kOpacity = 0.5;

// uint8 [N,3,H,W] on the CPU.
at::Tensor Pictures(const Generated& generated) {
  return ToColours(generated.images.detach())
      .round()
      .clamp(0, 255)
      .to(at::kCPU, at::kByte)
      .contiguous();
}

int64_t Factor(int64_t size, int64_t cell) {
  return std::max<int64_t>(1, (cell + size / 2) / size);
}

// [3,H,W] or [H,W], each pixel `factor` x `factor` times.
at::Tensor Enlarge(const at::Tensor& x, int64_t factor) {
  return x.repeat_interleave(factor, -1)
      .repeat_interleave(factor, -2)
      .contiguous();
}

// Cells of one size, [3,h,w] each.
at::Tensor Grid(const std::vector<at::Tensor>& cells, int64_t columns) {
  if (cells.empty()) return at::empty({3, 0, 0}, at::kByte);
  const int64_t n = static_cast<int64_t>(cells.size());
  columns = std::min(columns, n);
  const int64_t rows = (n + columns - 1) / columns;
  const int64_t height = cells[0].size(1), width = cells[0].size(2);
  at::Tensor grid = at::full(
      {3, rows * (height + kGap) - kGap, columns * (width + kGap) - kGap}, 255,
      at::kByte);
  for (int64_t i = 0; i < n; ++i) {
    grid.slice(1, i / columns * (height + kGap))
        .slice(1, 0, height)
        .slice(2, i % columns * (width + kGap))
        .slice(2, 0, width)
        .copy_(cells[static_cast<size_t>(i)]);
  }
  return grid;
}

// A cross of five pixels at (row, column), white with a dark middle; nothing
// outside the picture.
void DrawCross(at::Tensor picture, int64_t row, int64_t column) {
  auto pixels = picture.accessor<uint8_t, 3>();
  constexpr int64_t kArm[5][2] = {{0, 0}, {-1, 0}, {1, 0}, {0, -1}, {0, 1}};
  for (const auto& [dy, dx] : kArm) {
    const int64_t y = row + dy, x = column + dx;
    if (y < 0 || x < 0 || y >= pixels.size(1) || x >= pixels.size(2)) continue;
    const uint8_t value = dy == 0 && dx == 0 ? 0 : 255;
    for (int64_t c = 0; c < 3; ++c) pixels[c][y][x] = value;
  }
}

}  // namespace

at::Tensor ImageGrid(const Generated& generated, const GridOptions& options) {
  std::vector<at::Tensor> cells;
  const at::Tensor pictures = Pictures(generated);
  const int64_t factor = Factor(pictures.size(3), options.cell);
  for (int64_t i = 0; i < pictures.size(0); ++i) {
    cells.push_back(Enlarge(pictures[i], factor));
  }
  return Grid(cells, options.columns);
}

at::Tensor PartGrid(const Generated& generated, const GridOptions& options) {
  const at::Tensor pictures = Pictures(generated);
  const at::Tensor labels =
      PartLabels(generated.masks.detach()).to(at::kCPU).contiguous();
  const at::Tensor points =
      generated.points.detach().to(at::kCPU, at::kDouble).contiguous();
  const int64_t factor = Factor(pictures.size(3), options.cell);
  OverlayOptions overlay;
  overlay.opacity = kOpacity;
  overlay.unpainted_class = 0;
  const Palette palette = VocPalette(generated.centres.size(1) + 1);
  std::vector<at::Tensor> cells;
  for (int64_t i = 0; i < pictures.size(0); ++i) {
    at::Tensor cell = BlendMask(Enlarge(pictures[i], factor),
                                Enlarge(labels[i], factor), palette, overlay);
    const at::Tensor own = points[i];
    const auto xy = own.accessor<double, 2>();
    for (int64_t k = 0; k < xy.size(0); ++k) {
      const auto pixel = [&](double x, int64_t size) {
        return static_cast<int64_t>(std::floor((x + 1) / 2 * size));
      };
      DrawCross(cell, pixel(xy[k][0], cell.size(1)),
                pixel(xy[k][1], cell.size(2)));
    }
    cells.push_back(std::move(cell));
  }
  return Grid(cells, options.columns);
}

}  // namespace ganseg
}  // namespace seg
