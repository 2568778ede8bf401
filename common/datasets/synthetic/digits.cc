#include "common/datasets/synthetic/digits.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/generated.h"

namespace seg {
namespace {

constexpr int kDigit = 1;
constexpr Colour kHidden = {70, 90, 150};
constexpr uint8_t kIgnore = 255;

using Stroke = std::vector<Point>;  // on a grid of 100 x 100, y downwards

// The part of an ellipse between two angles in sixteenths of a turn, clockwise
// from the right (4 is the bottom, 8 left, 12 top).
Stroke Arc(Point centre, int64_t radius_x, int64_t radius_y, int from, int to) {
  constexpr int64_t kCosine[16] = {256,  237,  181,  98,  0, -98, -181, -237,
                                   -256, -237, -181, -98, 0, 98,  181,  237};
  Stroke stroke;
  for (int angle = from; angle <= to; ++angle) {
    stroke.push_back({centre.x + radius_x * kCosine[angle % 16] / 256,
                      centre.y + radius_y * kCosine[(angle + 12) % 16] / 256});
  }
  return stroke;
}

Stroke Join(Stroke a, const Stroke& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<Stroke> Glyph(int64_t digit) {
  switch (digit) {
    case 0:
      return {Arc({50, 50}, 30, 41, 0, 16)};
    case 1:
      return {{{34, 27}, {54, 10}, {54, 91}}};
    case 2:
      return {Join(Arc({50, 33}, 27, 24, 8, 18), {{22, 90}, {80, 90}})};
    case 3:
      return {Arc({46, 30}, 26, 20, 9, 20), Arc({46, 70}, 30, 21, 12, 23)};
    case 4:
      return {{{56, 10}, {18, 66}, {84, 66}}, {{64, 42}, {64, 92}}};
    case 5:
      return {
          Join({{76, 10}, {33, 10}, {28, 46}}, Arc({48, 65}, 29, 26, 10, 23))};
    case 6:
      return {
          Join({{68, 10}, {42, 28}, {27, 54}}, Arc({50, 68}, 25, 23, 8, 24))};
    case 7:
      return {{{20, 10}, {80, 10}, {42, 92}}};
    case 8:
      return {Arc({50, 30}, 22, 20, 4, 20), Arc({50, 71}, 27, 21, 12, 28)};
    default:
      return {Join(Arc({50, 32}, 25, 23, 0, 16), {{73, 60}, {58, 92}})};
  }
}

void DrawDigit(int64_t shorter, Rng* rng, Canvas* canvas) {
  const int64_t unit = shorter * kUnit / 32;
  const std::vector<Stroke> glyph = Glyph(rng->Below(10));
  Point middle = {canvas->width() * kUnit / 2, canvas->height() * kUnit / 2};
  middle.x += unit * rng->Between(-24, 24) / 16;
  middle.y += unit * rng->Between(-24, 24) / 16;
  const int64_t tall = unit * rng->Between(22, 27);
  const int64_t wide = tall * rng->Between(66, 92) / 100;
  const int64_t slant = rng->Between(-14, 34);
  const int64_t radius = unit * rng->Between(15, 28) / 16;
  Paint paint;
  const int32_t tone = static_cast<int32_t>(rng->Between(200, 255));
  paint.base = {tone, tone, tone};
  for (const Stroke& stroke : glyph) {
    Stroke placed;
    // A wobble that is the same for neighbours, so that curves stay smooth.
    const int64_t wobble_x = rng->Between(-4, 4);
    const int64_t wobble_y = rng->Between(-4, 4);
    for (const Point& p : stroke) {
      const int64_t x =
          p.x + wobble_x * (p.y - 50) / 50 - 50 + slant * (50 - p.y) / 100;
      const int64_t y = p.y + wobble_y * (p.x - 50) / 50 - 50;
      placed.push_back({middle.x + wide * x / 100, middle.y + tall * y / 100});
    }
    for (size_t i = 0; i + 1 < placed.size(); ++i) {
      canvas->Line(placed[i], placed[i + 1], radius, paint, kDigit);
    }
  }
}

bool IsHidden(int64_t quadrants, bool right, bool bottom) {
  if (quadrants == 1) return right && !bottom;
  if (quadrants == 2) return right;
  return right || !bottom;
}

}  // namespace

DatasetInfo DigitsInfo() {
  DatasetInfo info;
  info.name = "digits";
  info.title = "Synthetic digits, some quadrants hidden";
  info.class_names = {"background", "digit"};
  info.palette = {{0, 0, 0}, {230, 97, 1}};
  return info;
}

Sample MakeDigit(const DigitsOptions& options, int64_t index) {
  const int64_t h = options.height;
  const int64_t w = options.width;
  Rng rng(
      RandomKey({options.seed, static_cast<uint64_t>(index), /*digits=*/4}));
  Canvas canvas(h, w, rng.Bits());
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) canvas.Set(x, y, {8, 8, 8}, 8);
  }
  DrawDigit(std::min(h, w), &rng, &canvas);
  Sample sample;
  sample.id = absl::StrCat("digit", index);
  sample.path = absl::StrCat("digits:", options.seed, ":", index);
  sample.mask = canvas.Mask();
  auto mask = sample.mask.accessor<uint8_t, 2>();
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      if (IsHidden(options.hidden_quadrants, x >= w / 2, y >= h / 2)) {
        canvas.Set(x, y, kHidden, 0);
      } else {
        mask[y][x] = kIgnore;
      }
    }
  }
  sample.image = canvas.Image();
  return sample;
}

std::shared_ptr<const Dataset> MakeDigitsDataset(const DigitsOptions& options,
                                                 int64_t first, int64_t size) {
  return GeneratedDataset(
      DigitsInfo(), "digit", first, size,
      [options](int64_t index) { return MakeDigit(options, index); });
}

}  // namespace seg
