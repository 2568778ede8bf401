#include "common/datasets/synthetic/strands.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/generated.h"

namespace seg {
namespace {

constexpr int64_t kClasses = 2;
constexpr int64_t kPieces = 16;  // straight ones that a curve is made of
constexpr int64_t kWhole = 256;  // a place on a side, from 0 to this

// A point of the frame around the picture, place / kWhole along a side (0 top,
// 1 right, 2 bottom, 3 left) and outside by `margin`.
Point OnFrame(int64_t side, int64_t place, int64_t height, int64_t width,
              int64_t margin) {
  switch (side) {
    case 0:
      return {place * width / kWhole, -margin};
    case 1:
      return {width + margin, place * height / kWhole};
    case 2:
      return {place * width / kWhole, height + margin};
    default:
      return {-margin, place * height / kWhole};
  }
}

// Quadratic Bezier curve at step / kPieces.
Point OnCurve(Point a, Point b, Point c, int64_t step) {
  const int64_t left = kPieces - step;
  const auto at = [&](int64_t p, int64_t q, int64_t r) {
    return (left * left * p + 2 * left * step * q + step * step * r) /
           (kPieces * kPieces);
  };
  return {at(a.x, b.x, c.x), at(a.y, b.y, c.y)};
}

void DrawStrand(Rng* rng, Canvas* canvas) {
  const int64_t height = canvas->height() * kUnit;
  const int64_t width = canvas->width() * kUnit;
  const int64_t unit = std::min(height, width) / 64;
  const int64_t radius = unit * rng->Between(16, 30) / 16;
  // From one side of the frame to another, bent towards a point of the middle.
  const int64_t from_side = rng->Below(4);
  const int64_t to_side = (from_side + rng->Between(1, 3)) % 4;
  const int64_t from_place = rng->Between(20, kWhole - 20);
  const int64_t to_place = rng->Between(20, kWhole - 20);
  const int64_t margin = 2 * radius;
  const Point from = OnFrame(from_side, from_place, height, width, margin);
  const Point to = OnFrame(to_side, to_place, height, width, margin);
  Point bend;
  bend.x = width * rng->Between(20, 80) / 100;
  bend.y = height * rng->Between(20, 80) / 100;
  Paint paint;
  const int64_t hue = rng->Below(kHues);
  const int64_t saturation = rng->Between(20, 90);
  const int64_t value = rng->Between(170, 240);
  paint.base = FromHsv(hue, saturation, value);
  paint.grain = 12;
  const int label = static_cast<int>(1 + rng->Below(kClasses));
  for (int64_t step = 0; step < kPieces; ++step) {
    canvas->Line(OnCurve(from, bend, to, step),
                 OnCurve(from, bend, to, step + 1), radius, paint, label);
  }
}

}  // namespace

DatasetInfo StrandsInfo() {
  DatasetInfo info;
  info.name = "strands";
  info.title = "Synthetic strands of two classes that look alike";
  info.class_names = {"background", "strand A", "strand B"};
  info.palette = {{0, 0, 0}, {230, 97, 1}, {94, 60, 153}};
  return info;
}

Sample MakeStrands(const StrandsOptions& options, int64_t index) {
  Rng rng(
      RandomKey({options.seed, static_cast<uint64_t>(index), /*strands=*/5}));
  Canvas canvas(options.height, options.width, rng.Bits());
  for (int64_t y = 0; y < options.height; ++y) {
    for (int64_t x = 0; x < options.width; ++x) {
      const int32_t tone = 70 + canvas.Clouds(x, y) / 4;
      canvas.Set(x, y, {tone, tone, tone}, 12);
    }
  }
  const int64_t strands = rng.Between(5, 7);
  for (int64_t i = 0; i < strands; ++i) DrawStrand(&rng, &canvas);
  Sample sample;
  sample.id = absl::StrCat("strands", index);
  sample.path = absl::StrCat("strands:", options.seed, ":", index);
  sample.image = canvas.Image();
  sample.mask = canvas.Mask();
  return sample;
}

std::shared_ptr<const Dataset> MakeStrandsDataset(const StrandsOptions& options,
                                                  int64_t first, int64_t size) {
  return GeneratedDataset(
      StrandsInfo(), "strands", first, size,
      [options](int64_t index) { return MakeStrands(options, index); });
}

}  // namespace seg
