#include "common/datasets/synthetic/scenes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/generated.h"

namespace seg {
namespace {

enum Label { kBackground = 0, kAnimal = 1, kLamp = 2, kKite = 3 };

class Painter {
 public:
  Painter(const ScenesOptions& options, uint64_t key)
      : rng_(RandomKey({key, 7})),
        canvas_(options.height, options.width, key),
        unit_(std::min(options.height, options.width) * kUnit / 128),
        height_(options.height * kUnit),
        width_(options.width * kUnit) {}

  Canvas& canvas() { return canvas_; }

  void Background() {
    // Sky above, ground below, either of any hue once in three.
    sky_ = rng_.OneIn(3) ? AnyColour()
                         : ColourOf({780, 1020}, {30, 140}, {150, 240});
    ground_ =
        rng_.OneIn(3) ? AnyColour() : ColourOf({60, 480}, {40, 150}, {70, 180});
    horizon_ = height_ * rng_.Between(35, 65) / 100;
    const int64_t tilt = rng_.Between(-20, 20);  // percent
    const int32_t sky_clouds = static_cast<int32_t>(rng_.Between(4, 20));
    const int32_t ground_clouds = static_cast<int32_t>(rng_.Between(10, 30));
    for (int64_t y = 0; y < canvas_.height(); ++y) {
      const int32_t shade = static_cast<int32_t>(y * 30 / canvas_.height());
      for (int64_t x = 0; x < canvas_.width(); ++x) {
        const int64_t line = horizon_ + (x * kUnit - width_ / 2) * tilt / 100 +
                             canvas_.Clouds(x, 0) * unit_ / 24;
        const bool above = y * kUnit < line;
        const Colour& base = above ? sky_ : ground_;
        const int32_t tone =
            canvas_.Clouds(x, y) * (above ? sky_clouds : ground_clouds) / 100 +
            (above ? shade : 15 - shade);
        canvas_.Set(x, y, {base[0] + tone, base[1] + tone, base[2] + tone},
                    above ? 6 : 14);
      }
    }
    for (int64_t i = rng_.Between(2, 5); i > 0; --i) Clutter();
  }

  void Animal() {
    Paint paint = ObjectPaint(/*hue=*/90);
    paint.pattern = rng_.OneIn(3)   ? Paint::Pattern::kPlain
                    : rng_.OneIn(2) ? Paint::Pattern::kStripes
                                    : Paint::Pattern::kSpots;
    const int64_t a = unit_ * rng_.Between(13, 24);
    const int64_t b = a * rng_.Between(38, 52) / 100;
    const int64_t leg = a * rng_.Between(65, 105) / 100;
    const int64_t thin =
        std::max(kUnit * 6 / 10, unit_ * rng_.Between(8, 15) / 10);
    const int64_t face = rng_.OneIn(2) ? 1 : -1;
    Point c = {width_ * rng_.Between(12, 88) / 100,
               horizon_ + height_ * rng_.Between(-8, 20) / 100};
    paint.origin = c;
    paint.extent = b + leg;
    Paint limb = paint;
    limb.pattern = Paint::Pattern::kPlain;
    canvas_.Shadow({c.x, c.y + b + leg}, a * 5 / 4, b / 2, 45);
    for (int64_t side : {-72, -45, 42, 70}) {
      const int64_t swing = a * rng_.Between(-22, 22) / 100;
      const Point hip = {c.x + a * side / 100, c.y + b / 2};
      const Point knee = {hip.x + swing / 3, hip.y + (b / 2 + leg) / 2};
      const Point foot = {hip.x + swing, c.y + b + leg};
      canvas_.Line(hip, knee, thin * 5 / 4, limb, kAnimal);
      canvas_.Line(knee, foot, thin, limb, kAnimal);
    }
    const Point rump = {c.x - face * a * 9 / 10, c.y - b / 4};
    const Point tail = {rump.x - face * a * rng_.Between(25, 55) / 100,
                        rump.y + a * rng_.Between(-45, 55) / 100};
    canvas_.Line(rump, tail, std::max(kUnit / 2, thin * 7 / 10), limb, kAnimal);
    const Point chest = {c.x + face * a * 7 / 10, c.y - b / 4};
    const Point head = {chest.x + face * a * rng_.Between(25, 50) / 100,
                        chest.y - a * rng_.Between(40, 90) / 100};
    canvas_.Line(chest, head, a / 7, limb, kAnimal);
    canvas_.Ellipse({head.x + face * a / 8, head.y}, a / 4, a / 6, limb,
                    kAnimal);
    canvas_.Line({head.x - face * a / 20, head.y},
                 {head.x - face * a / 6, head.y - a * 3 / 10},
                 std::max(kUnit / 2, thin * 6 / 10), limb, kAnimal);
    canvas_.Ellipse(c, a, b, paint, kAnimal);
  }

  void Lamp() {
    Paint paint = ObjectPaint(/*hue=*/700);
    const int64_t thin =
        std::max(kUnit * 6 / 10, unit_ * rng_.Between(7, 13) / 10);
    const Point foot = {width_ * rng_.Between(8, 92) / 100,
                        horizon_ + height_ * rng_.Between(10, 32) / 100};
    const Point top = {foot.x + unit_ * rng_.Between(-3, 3),
                       foot.y - unit_ * rng_.Between(40, 76)};
    const int64_t size = unit_ * rng_.Between(8, 16);
    paint.origin = top;
    paint.extent = 2 * size;
    paint.pattern = Paint::Pattern::kPlain;
    if (rng_.OneIn(2)) {  // wires to the side, they sag
      for (int64_t i = rng_.Between(1, 2); i > 0; --i) {
        const Point from = {top.x, top.y + i * size};
        const int64_t reach = unit_ * rng_.Between(30, 90);
        const Point to = {from.x + (rng_.OneIn(2) ? reach : -reach),
                          from.y + unit_ * rng_.Between(-12, 12)};
        const Point middle = {(from.x + to.x) / 2,
                              (from.y + to.y) / 2 + unit_ * rng_.Between(2, 7)};
        const int64_t wire = std::max(kUnit * 55 / 100, unit_ * 6 / 10);
        canvas_.Line(from, middle, wire, paint, kLamp);
        canvas_.Line(middle, to, wire, paint, kLamp);
      }
    }
    canvas_.Shadow(foot, size, size / 4, 45);
    canvas_.Line(foot, top, thin, paint, kLamp);
    canvas_.Line({foot.x - size / 2, foot.y}, {foot.x + size / 2, foot.y}, thin,
                 paint, kLamp);
    Paint shade = paint;
    shade.pattern = Paint::Pattern::kStripes;
    if (rng_.OneIn(3)) {
      canvas_.Ellipse(top, size, size, shade, kLamp);
    } else if (rng_.OneIn(2)) {
      canvas_.Polygon({{top.x - size / 2, top.y - size},
                       {top.x + size / 2, top.y - size},
                       {top.x + size, top.y + size},
                       {top.x - size, top.y + size}},
                      shade, kLamp);
    } else {  // an arm with two lights
      const Point left = {top.x - size * 3 / 2, top.y};
      const Point right = {top.x + size * 3 / 2, top.y};
      canvas_.Line(left, right, thin, paint, kLamp);
      canvas_.Ellipse(left, size * 3 / 4, size / 2, shade, kLamp);
      canvas_.Ellipse(right, size * 3 / 4, size / 2, shade, kLamp);
    }
  }

  void Kite() {
    Paint paint = ObjectPaint(/*hue=*/1250);
    paint.pattern = Paint::Pattern::kChecks;
    const Point c = {width_ * rng_.Between(10, 90) / 100,
                     height_ * rng_.Between(12, 55) / 100};
    const int64_t size = unit_ * rng_.Between(14, 26);
    const int64_t lean = size * rng_.Between(-40, 40) / 100;
    const int64_t broad = size * rng_.Between(55, 80) / 100;
    paint.origin = c;
    paint.extent = size;
    Paint line = paint;
    line.pattern = Paint::Pattern::kPlain;
    const int64_t wire =
        std::max(kUnit * 55 / 100, unit_ * rng_.Between(6, 9) / 10);
    const Point bottom = {c.x - lean, c.y + size * 13 / 10};
    // The string: three pieces that bend to one side.
    const int64_t drift = unit_ * rng_.Between(-35, 35);
    const int64_t drop = std::max(unit_ * 20, horizon_ + unit_ * 15 - bottom.y);
    Point from = bottom;
    for (int64_t i = 1; i <= 3; ++i) {
      const Point to = {bottom.x + drift * i * i / 9, bottom.y + drop * i / 3};
      canvas_.Line(from, to, wire, line, kKite);
      from = to;
    }
    for (int64_t i = 1; i <= 2; ++i) {  // bows on the tail
      const Point knot = {bottom.x - unit_ * 4 * i, bottom.y + unit_ * 6 * i};
      canvas_.Line({knot.x + unit_ * 4, knot.y - unit_ * 6}, knot, wire, line,
                   kKite);
      canvas_.Line({knot.x - unit_ * 3, knot.y - unit_},
                   {knot.x + unit_ * 3, knot.y + unit_}, wire * 3 / 2, line,
                   kKite);
    }
    canvas_.Polygon({{c.x + lean, c.y - size},
                     {c.x + broad, c.y - lean / 2},
                     bottom,
                     {c.x - broad, c.y + lean / 2}},
                    paint, kKite);
  }

  Rng& rng() { return rng_; }

 private:
  struct Range {
    int64_t from, to;
  };

  // One draw a statement, as the order of arguments is the compiler's choice.
  Colour ColourOf(Range hues, Range saturations, Range values) {
    const int64_t value = rng_.Between(values.from, values.to);
    const int64_t saturation = rng_.Between(saturations.from, saturations.to);
    return FromHsv(rng_.Between(hues.from, hues.to), saturation, value);
  }

  Colour AnyColour() { return ColourOf({0, kHues - 1}, {20, 200}, {60, 230}); }

  // Stones, bushes, boxes and twigs: background with edges of its own.
  void Clutter() {
    Paint paint;
    paint.base = AnyColour();
    paint.shade = 20;
    paint.grain = 16;
    paint.origin = {width_ * rng_.Between(0, 100) / 100,
                    horizon_ + height_ * rng_.Between(-10, 45) / 100};
    const int64_t rx = unit_ * rng_.Between(5, 18);
    const int64_t ry = unit_ * rng_.Between(4, 12);
    paint.extent = ry;
    paint.contrast = static_cast<int32_t>(rng_.Between(5, 15));
    paint.period = std::max<int64_t>(2, unit_ * rng_.Between(4, 8) / kUnit);
    const Point c = paint.origin;
    switch (rng_.Below(4)) {
      case 0:
        paint.pattern = Paint::Pattern::kSpots;
        canvas_.Ellipse(c, rx, ry, paint, kBackground);
        break;
      case 1:
        paint.pattern = Paint::Pattern::kStripes;
        canvas_.Polygon({{c.x - rx, c.y - ry},
                         {c.x + rx, c.y - ry},
                         {c.x + rx, c.y + ry},
                         {c.x - rx, c.y + ry}},
                        paint, kBackground);
        break;
      case 2:
        canvas_.Polygon(
            {{c.x - rx, c.y + ry}, {c.x, c.y - 2 * ry}, {c.x + rx, c.y + ry}},
            paint, kBackground);
        break;
      default: {
        const int64_t width =
            std::max(kUnit / 2, unit_ * rng_.Between(6, 14) / 10);
        const Point to = {c.x + unit_ * rng_.Between(-30, 30),
                          c.y - unit_ * rng_.Between(5, 30)};
        canvas_.Line(c, to, width, paint, kBackground);
      }
    }
  }

  // A colour near the class's own hue three times in five, any otherwise, but
  // never one that melts into the sky or the ground.
  Paint ObjectPaint(int64_t hue) {
    Paint paint;
    for (int attempt = 0; attempt < 20; ++attempt) {
      paint.base = rng_.Below(5) < 3
                       ? ColourOf({hue - 230, hue + 230}, {60, 220}, {60, 235})
                       : AnyColour();
      if (Distance(paint.base, sky_) > 130 &&
          Distance(paint.base, ground_) > 130) {
        break;
      }
    }
    paint.shade = static_cast<int32_t>(rng_.Between(4, 18));
    paint.contrast = static_cast<int32_t>(rng_.Between(8, 22));
    paint.period = std::max<int64_t>(2, unit_ * rng_.Between(4, 8) / kUnit);
    paint.grain = static_cast<int32_t>(rng_.Between(6, 16));
    return paint;
  }

  Rng rng_;
  Canvas canvas_;
  int64_t unit_;  // 1/128 of the shorter side, fixed point
  int64_t height_;
  int64_t width_;
  int64_t horizon_ = 0;
  Colour sky_ = {0, 0, 0};
  Colour ground_ = {0, 0, 0};
};

}  // namespace

DatasetInfo ScenesInfo() {
  DatasetInfo info;
  info.name = "scenes";
  info.title = "Synthetic scenes: animals, lamps, kites";
  info.class_names = {"background", "animal", "lamp", "kite"};
  info.palette = {{0, 0, 0}, {230, 97, 1}, {94, 60, 153}, {27, 158, 119}};
  return info;
}

Sample MakeScene(const ScenesOptions& options, int64_t index) {
  Painter painter(options,
                  RandomKey({options.seed, static_cast<uint64_t>(index)}));
  painter.Background();
  Rng& rng = painter.rng();
  const int64_t objects = rng.Between(2, 5);
  int64_t kind = rng.Below(3);
  for (int64_t i = 0; i < objects; ++i) {
    kind = (kind + rng.Between(0, 2)) % 3;
    if (kind == 0) {
      painter.Animal();
    } else if (kind == 1) {
      painter.Lamp();
    } else {
      painter.Kite();
    }
  }
  Sample sample;
  sample.id = absl::StrCat("scene", index);
  sample.path = absl::StrCat("scenes:", options.seed, ":", index);
  sample.image = painter.canvas().Image();
  sample.mask = painter.canvas().Mask();
  return sample;
}

std::shared_ptr<const Dataset> MakeScenesDataset(const ScenesOptions& options,
                                                 int64_t first, int64_t size) {
  return GeneratedDataset(
      ScenesInfo(), "scene", first, size,
      [options](int64_t index) { return MakeScene(options, index); });
}

}  // namespace seg
