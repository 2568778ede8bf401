#include "common/datasets/synthetic/objects.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/directions.h"
#include "common/datasets/synthetic/generated.h"
#include "common/datasets/synthetic/rim.h"
#include "common/io/voc_palette.h"

namespace seg {
namespace {

enum Shape { kDisc, kBox, kTriangle, kStar, kRing };
enum Texture { kPlain, kStriped, kSpotted, kTwoColours };
enum Theme { kBeach, kDesk, kKitchen, kGarden, kCamp };

constexpr uint8_t kIgnored = 255;

constexpr int64_t kKinds = 20;
constexpr int64_t kTextures = 4;
constexpr int64_t kThemeKinds = 4;  // kinds of a theme

// Class id - 1 is the index; index / kTextures the shape, the rest the texture.
struct Kind {
  const char* name;
  Theme theme;
  int64_t least, most;  // half the length, thousandths of the shorter side
  int64_t high, low;    // the centre, percent of the height from the top
  int64_t slim;  // percent: width of length; of a star inner of outer radius
};

constexpr Kind kKind[kKinds] = {
    {"ball", kBeach, 110, 170, 45, 85, 96},
    {"melon", kKitchen, 180, 270, 45, 80, 76},
    {"beetle", kGarden, 95, 140, 40, 90, 68},
    {"pill", kDesk, 120, 180, 35, 80, 48},
    {"tile", kKitchen, 160, 240, 40, 85, 92},
    {"crate", kGarden, 260, 380, 50, 80, 84},
    {"die", kDesk, 95, 140, 40, 85, 96},
    {"book", kDesk, 180, 280, 35, 80, 66},
    {"sail", kBeach, 290, 420, 25, 60, 62},
    {"tent", kCamp, 290, 430, 45, 75, 100},
    {"slice", kKitchen, 160, 250, 40, 80, 56},
    {"hat", kCamp, 160, 240, 20, 60, 90},
    {"star", kCamp, 130, 190, 10, 35, 44},
    {"badge", kDesk, 140, 200, 30, 65, 58},
    {"starfish", kBeach, 200, 310, 55, 88, 38},
    {"daisy", kGarden, 180, 270, 40, 75, 54},
    {"hoop", kGarden, 270, 400, 35, 70, 94},
    {"tyre", kCamp, 200, 300, 50, 80, 98},
    {"donut", kKitchen, 130, 190, 35, 80, 90},
    {"buoy", kBeach, 190, 280, 45, 75, 94},
};

// By shape: how far it turns, thousandths of the tangent of half the angle (60,
// 30, 20, 36, 60 degrees; of a ring that is the line between its colours).
constexpr int64_t kTurn[5] = {577, 268, 176, 325, 577};

// The hue that a texture leans to.
constexpr int64_t kHueOf[kTextures] = {90, 480, 870, 1240};

struct Thing {
  int64_t kind = 0;
  int64_t radius = 0;  // fixed point
  Point centre;
};

// Half of the background.
struct Surface {
  Colour base = {0, 0, 0};
  int64_t pattern = 0;  // 1 bars, 2 slanting bars, 3 a chequer, else none
  int64_t period = 2;   // pixels
  int32_t contrast = 0;
  int32_t clouds = 0;
};

// Draws one number a statement where their order matters: the order in which a
// call's arguments are computed differs between compilers.
class Painter {
 public:
  Painter(const ObjectsOptions& options, uint64_t key)
      : rng_(key),
        canvas_(options.height, options.width, rng_.Bits()),
        height_(options.height * kUnit),
        width_(options.width * kUnit),
        side_(std::min(height_, width_)) {}

  const Canvas& canvas() const { return canvas_; }

  void Background() {
    for (Surface& surface : surfaces_) {
      surface.base = AnyColour();
      surface.pattern = rng_.Below(6);
      surface.period = Pixels(rng_.Between(40, 110));
      surface.contrast = static_cast<int32_t>(rng_.Between(5, 16));
      surface.clouds = static_cast<int32_t>(rng_.Between(8, 30));
    }
    const int64_t horizon = canvas_.height() * rng_.Between(30, 60) / 100;
    for (int64_t y = 0; y < canvas_.height(); ++y) {
      for (int64_t x = 0; x < canvas_.width(); ++x) {
        const int64_t line =
            horizon + canvas_.Clouds(x, 0) * canvas_.height() / 2048;
        const Surface& surface = surfaces_[y < line ? 0 : 1];
        const int32_t tone =
            canvas_.Clouds(x, y) * surface.clouds / 100 +
            (Second(surface, x, y) ? surface.contrast : -surface.contrast);
        canvas_.Set(x, y,
                    {surface.base[0] + tone, surface.base[1] + tone,
                     surface.base[2] + tone},
                    /*grain=*/12);
      }
    }
    for (int64_t i = rng_.Between(2, 5); i > 0; --i) Clutter();
  }

  // The things of a picture: the theme of the first one draws others along.
  std::vector<Thing> Choose() {
    const int64_t draw = rng_.Below(20);
    const int64_t count = draw < 6 ? 1 : draw < 13 ? 2 : draw < 17 ? 3 : 4;
    std::vector<Thing> things;
    for (int64_t i = 0; i < count; ++i) {
      Thing thing;
      thing.kind = rng_.Below(kKinds);
      if (i > 0 && rng_.Below(5) < 3) {
        thing.kind =
            OfTheme(kKind[things[0].kind].theme, rng_.Below(kThemeKinds));
      }
      const Kind& kind = kKind[thing.kind];
      thing.radius = side_ * rng_.Between(kind.least, kind.most) / 1000;
      Place(things, &thing);
      things.push_back(thing);
    }
    // The small ones in front, or they would vanish behind the large ones.
    std::stable_sort(
        things.begin(), things.end(),
        [](const Thing& a, const Thing& b) { return a.radius > b.radius; });
    return things;
  }

  void Draw(const Thing& thing, int label) {
    const int64_t shape = thing.kind / kTextures;
    const int64_t texture = thing.kind % kTextures;
    const int64_t slim = kKind[thing.kind].slim + rng_.Between(-6, 4);
    const int64_t r = thing.radius;
    const int64_t across = r * slim / 100;
    const Point c = thing.centre;
    const Point along = Direction(rng_.Between(-kTurn[shape], kTurn[shape]));
    const Point up = {along.y, -along.x};
    const auto at = [&](int64_t u, int64_t v) {
      return Ahead(Ahead(c, along, u), up, v);
    };
    Paint paint = ThingPaint(texture, r);
    // Two colours meet across the length of discs and boxes, else crosswise.
    const int64_t shift = r * rng_.Between(-30, 30) / 100;
    const bool lengthwise = shape == kDisc || shape == kBox;
    paint.origin = lengthwise ? at(shift, 0) : at(0, shift);
    paint.along = lengthwise ? up : along;
    const int64_t hole = rng_.Between(125, 165);
    switch (shape) {
      case kDisc:
        canvas_.TurnedEllipse(c, along, r, across, paint, label);
        break;
      case kBox:
        canvas_.Polygon(
            {at(-r, -across), at(r, -across), at(r, across), at(-r, across)},
            paint, label);
        break;
      case kTriangle:
        canvas_.Polygon(
            {at(0, r), at(across, -r * 3 / 4), at(-across, -r * 3 / 4)}, paint,
            label);
        break;
      case kStar:
        Star(c, up, r, across, paint, label);
        break;
      default:
        canvas_.Ring(c, r, across, hole, paint, label);
    }
  }

 private:
  // Thousandths of the shorter side in pixels, at least 2.
  int64_t Pixels(int64_t thousandths) const {
    return std::max<int64_t>(2, side_ * thousandths / (1000 * kUnit));
  }

  Colour AnyColour() {
    const int64_t hue = rng_.Below(kHues);
    const int64_t saturation = rng_.Between(20, 190);
    const int64_t value = rng_.Between(60, 230);
    return FromHsv(hue, saturation, value);
  }

  static bool Second(const Surface& surface, int64_t x, int64_t y) {
    switch (surface.pattern) {
      case 1:
        return x / surface.period % 2 == 1;
      case 2:
        return (x + y) / surface.period % 2 == 1;
      case 3:
        return (x / surface.period + y / surface.period) % 2 == 1;
      default:
        return false;
    }
  }

  // Stones, puddles and twigs: background with edges of its own.
  void Clutter() {
    Paint paint;
    paint.base = AnyColour();
    paint.shade = static_cast<int32_t>(rng_.Between(4, 18));
    constexpr Paint::Pattern kPatterns[] = {Paint::Pattern::kPlain,
                                            Paint::Pattern::kStripes,
                                            Paint::Pattern::kSpots};
    paint.pattern = kPatterns[rng_.Below(3)];
    paint.contrast = static_cast<int32_t>(rng_.Between(10, 35));
    paint.period = Pixels(rng_.Between(40, 110));
    Point c;
    c.x = width_ * rng_.Between(0, 100) / 100;
    c.y = height_ * rng_.Between(20, 100) / 100;
    paint.origin = c;
    const int64_t rx = side_ * rng_.Between(50, 170) / 1000;
    const int64_t ry = rx * rng_.Between(40, 80) / 100;
    paint.extent = ry;
    const Point turn = Direction(rng_.Between(-1000, 1000));
    const int64_t sort = rng_.Below(3);
    if (sort == 0) {
      canvas_.Ellipse(c, rx * 5 / 4, ry / 2, paint, 0);
    } else if (sort == 1) {
      canvas_.Line(Ahead(c, turn, -2 * rx), Ahead(c, turn, 2 * rx),
                   std::max(kUnit / 2, rx / 8), paint, 0);
    } else {
      // Five to seven corners on an ellipse, uneven.
      constexpr int64_t kStep[] = {727, 577, 482};  // 72, 60, 51 degrees
      const int64_t corners = rng_.Between(5, 7);
      std::vector<Point> outline;
      Point at = turn;
      for (int64_t i = 0; i < corners; ++i) {
        const Point corner = Turned(at, Direction(rng_.Between(-130, 130)));
        outline.push_back({c.x + corner.x * rx / kDirectionLength,
                           c.y + corner.y * ry / kDirectionLength});
        at = Turned(at, Direction(kStep[corners - 5]));
      }
      canvas_.Polygon(outline, paint, 0);
    }
  }

  static int64_t OfTheme(Theme theme, int64_t number) {
    for (int64_t kind = 0;; ++kind) {
      if (kKind[kind].theme == theme && number-- == 0) return kind;
    }
  }

  // Things may overlap; up to 12 draws avoid that one hides most of another.
  void Place(const std::vector<Thing>& others, Thing* thing) {
    const Kind& kind = kKind[thing->kind];
    for (int attempt = 0; attempt < 12; ++attempt) {
      thing->centre.x = width_ * rng_.Between(60, 940) / 1000;
      thing->centre.y =
          height_ * rng_.Between(kind.high * 10, kind.low * 10) / 1000;
      const bool clear =
          std::all_of(others.begin(), others.end(), [&](const Thing& other) {
            const int64_t far = std::abs(other.centre.x - thing->centre.x) +
                                std::abs(other.centre.y - thing->centre.y);
            return far > (other.radius + thing->radius) * 8 / 10;
          });
      if (clear) return;
    }
  }

  // A colour near the texture's hue three times in five, any otherwise, but
  // none that melts into what there is.
  Colour ThingColour(int64_t texture) {
    Colour colour = {0, 0, 0};
    for (int attempt = 0; attempt < 24; ++attempt) {
      if (rng_.Below(5) < 3) {
        const int64_t hue = kHueOf[texture] + rng_.Between(-200, 200);
        const int64_t saturation = rng_.Between(60, 220);
        const int64_t value = rng_.Between(70, 235);
        colour = FromHsv(hue, saturation, value);
      } else {
        colour = AnyColour();
      }
      const bool stands_out = std::all_of(
          colours_.begin(), colours_.end(),
          [&](const Colour& other) { return Distance(colour, other) > 110; });
      if (stands_out && Distance(colour, surfaces_[0].base) > 130 &&
          Distance(colour, surfaces_[1].base) > 130) {
        break;
      }
    }
    colours_.push_back(colour);
    return colour;
  }

  Paint ThingPaint(int64_t texture, int64_t radius) {
    Paint paint;
    paint.base = ThingColour(texture);
    paint.shade = static_cast<int32_t>(rng_.Between(4, 14));
    paint.extent = std::max(kUnit, radius);
    paint.grain = static_cast<int32_t>(rng_.Between(6, 16));
    paint.contrast = static_cast<int32_t>(rng_.Between(26, 46));
    const int64_t share = rng_.Between(40, 60);
    paint.period = std::max<int64_t>(4, radius * share / (100 * kUnit));
    switch (texture) {
      case kStriped:
        paint.pattern = Paint::Pattern::kStripes;
        break;
      case kSpotted:
        paint.pattern = Paint::Pattern::kSpots;
        break;
      case kTwoColours:
        paint.pattern = Paint::Pattern::kHalves;
        paint.other = ThingColour(texture);
        break;
      default:
        break;
    }
    return paint;
  }

  // Five tips, each with a part of the middle, as no concave shape is painted.
  void Star(Point c, Point up, int64_t radius, int64_t inner,
            const Paint& paint, int label) {
    const Point left = {3314, -2408};  // 36 degrees
    const Point right = {3314, 2408};
    Paint petals = paint;
    const bool core = paint.pattern == Paint::Pattern::kHalves;
    if (core) petals.pattern = Paint::Pattern::kPlain;
    Point tip = up;
    for (int i = 0; i < 5; ++i) {
      const Point next = Turned(tip, right);
      canvas_.Polygon(
          {Ahead(c, tip, radius), Ahead(c, next, inner),
           Ahead(c, tip, -inner / 2), Ahead(c, Turned(tip, left), inner)},
          petals, label);
      tip = Turned(next, right);
    }
    if (core) {  // two colours of a star: the core is the other
      petals.base = paint.other;
      canvas_.Ellipse(c, inner * 3 / 4, inner * 3 / 4, petals, label);
    }
  }

  Rng rng_;
  Canvas canvas_;
  int64_t height_, width_, side_;  // fixed point
  Surface surfaces_[2];            // above and below the horizon
  std::vector<Colour> colours_;    // of the things so far
};

}  // namespace

DatasetInfo ObjectsInfo() {
  DatasetInfo info;
  info.name = "objects";
  info.title = "Synthetic objects of 20 classes";
  info.class_names = {"background"};
  for (const Kind& kind : kKind) info.class_names.push_back(kind.name);
  info.palette = VocPalette(info.num_classes());
  info.ignore_label = kIgnored;
  return info;
}

Sample MakeObjects(const ObjectsOptions& options, int64_t index) {
  Painter painter(options,
                  RandomKey({options.seed, static_cast<uint64_t>(index),
                             /*objects=*/8}));
  painter.Background();
  std::vector<uint8_t> class_of = {0};
  for (const Thing& thing : painter.Choose()) {
    painter.Draw(thing, static_cast<int>(class_of.size()));
    class_of.push_back(static_cast<uint8_t>(1 + thing.kind));
  }
  Sample sample;
  sample.id = absl::StrCat("objects", index);
  sample.path = absl::StrCat("objects:", options.seed, ":", index);
  sample.image = painter.canvas().Image();
  sample.mask = LabelsWithRim(painter.canvas().Mask(), class_of, options.border,
                              kIgnored);
  return sample;
}

std::shared_ptr<const Dataset> MakeObjectsDataset(const ObjectsOptions& options,
                                                  int64_t first, int64_t size) {
  return GeneratedDataset(
      ObjectsInfo(), "objects", first, size,
      [options](int64_t index) { return MakeObjects(options, index); });
}

}  // namespace seg
