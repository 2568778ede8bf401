#include "common/datasets/synthetic/articulated.h"

#include <algorithm>
#include <cstdint>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/directions.h"
#include "common/datasets/synthetic/generated.h"

namespace seg {
namespace {

enum Label { kBody = 1, kHead = 2, kTail = 3 };

// Hues of the parts, sixths of the circle. Those that touch, body with head and
// body with tail, are neighbours: where they blend the mixture is colourful too
// (opposite ones would make grey).
constexpr int64_t kHueOf[4] = {0, 1, 2, 0};  // yellow, green, red
constexpr int64_t kSixth = kHues / 6;

// Largest less smallest channel of the parts' colours, and of the background's.
constexpr int64_t kPartChroma = 150;
constexpr int64_t kBackgroundChroma = 20;

struct Oval {
  Point centre;
  Point along;  // a direction
  int64_t radius_along = 0;
  int64_t radius_across = 0;
};

// Around the body's centre at (0, 0).
struct Figure {
  Oval body, head, tail;
};

// Proportions in thousandths of the picture's shorter side. The areas of the
// three ovals less what overlaps are 13.5 % of its square (a test).
Figure Pose(Rng* rng, int64_t side) {
  const int64_t scale = side * rng->Between(785, 1135) / 1000;
  const auto part = [scale](int64_t thousandths) {
    return scale * thousandths / 1000;
  };
  const Point turn = Direction(rng->Between(-315, 315));  // +-35 degrees
  const Point nod = Direction(rng->Between(-268, 268));   // +-30 degrees
  const Point wag = Direction(rng->Between(-268, 268));
  const int64_t length = part(rng->Between(190, 210));
  const int64_t height = part(rng->Between(155, 175));
  Figure figure;
  figure.body = {{0, 0}, turn, length, height};
  figure.head.along = Turned(turn, nod);
  figure.head.radius_along = part(108);
  figure.head.radius_across = part(92);
  figure.head.centre =
      Ahead(Ahead({0, 0}, turn, length * 9 / 10), figure.head.along, part(70));
  figure.tail.along = Turned(turn, wag);
  figure.tail.radius_along = part(120);
  figure.tail.radius_across = part(46);
  figure.tail.centre = Ahead(Ahead({0, 0}, turn, -length * 9 / 10),
                             figure.tail.along, -part(85));
  return figure;
}

// A place of 0 .. length for a figure that reaches from -before to after, so
// that it is whole; its middle in the middle where it is too long.
int64_t Place(Rng* rng, int64_t length, int64_t before, int64_t after) {
  const int64_t room = length - before - after;
  const int64_t draw = rng->Between(0, 1000);
  return room > 0 ? before + room * draw / 1000 : (length + before - after) / 2;
}

Colour Dull(Rng* rng) {
  const int64_t value = rng->Between(60, 210);
  const int64_t chroma = rng->Between(0, kBackgroundChroma);
  return FromHsv(rng->Below(kHues), 255 * chroma / value, value);
}

// Between two colours, along a line of any direction.
void PaintBackground(Rng* rng, Canvas* canvas) {
  const Colour from = Dull(rng);
  const Colour to = Dull(rng);
  const int64_t slope_x = rng->Between(-256, 256);
  const int64_t slope_y = rng->Between(-256, 256);
  const int64_t h = canvas->height();
  const int64_t w = canvas->width();
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; ++x) {
      const int64_t across =
          slope_x * (2 * x + 1 - w) / w + slope_y * (2 * y + 1 - h) / h;
      const int64_t share = 512 + across;  // of 1024
      Colour c;
      for (int i = 0; i < 3; ++i) {
        c[i] = static_cast<int32_t>((from[i] * (1024 - share) + to[i] * share) /
                                    1024);
      }
      canvas->Set(x, y, c, /*grain=*/8);
    }
  }
}

}  // namespace

DatasetInfo ArticulatedInfo() {
  DatasetInfo info;
  info.name = "articulated";
  info.title = "Synthetic objects of three moving parts";
  info.class_names = {"background", "body", "head", "tail"};
  info.palette = {{0, 0, 0}, {240, 200, 60}, {70, 190, 90}, {220, 60, 60}};
  return info;
}

Sample MakeArticulated(const ArticulatedOptions& options, int64_t index) {
  Rng rng(RandomKey(
      {options.seed, static_cast<uint64_t>(index), /*articulated=*/6}));
  Canvas canvas(options.height, options.width, rng.Bits());
  PaintBackground(&rng, &canvas);
  const int64_t height = options.height * kUnit;
  const int64_t width = options.width * kUnit;
  Figure figure = Pose(&rng, std::min(height, width));
  // What the ovals reach; their longer radius in each direction is enough.
  int64_t left = 0, right = 0, up = 0, down = 0;
  for (const Oval* oval : {&figure.body, &figure.head, &figure.tail}) {
    const int64_t r = std::max(oval->radius_along, oval->radius_across);
    left = std::max(left, r - oval->centre.x);
    right = std::max(right, r + oval->centre.x);
    up = std::max(up, r - oval->centre.y);
    down = std::max(down, r + oval->centre.y);
  }
  const int64_t x = Place(&rng, width, left, right);
  const int64_t y = Place(&rng, height, up, down);
  // One tint for all parts: hue, and how pale.
  const int64_t hue = rng.Between(-kSixth / 5, kSixth / 5);  // +-12 degrees
  const int64_t value = kPartChroma + rng.Between(20, 90);
  const auto draw = [&](const Oval& oval, int label) {
    Paint paint;
    paint.base =
        FromHsv(kHueOf[label] * kSixth + hue, 255 * kPartChroma / value, value);
    paint.grain = 8;
    canvas.TurnedEllipse({x + oval.centre.x, y + oval.centre.y}, oval.along,
                         oval.radius_along, oval.radius_across, paint, label);
  };
  draw(figure.tail, kTail);
  draw(figure.body, kBody);
  draw(figure.head, kHead);
  Sample sample;
  sample.id = absl::StrCat("articulated", index);
  sample.path = absl::StrCat("articulated:", options.seed, ":", index);
  sample.image = canvas.Image();
  sample.mask = canvas.Mask();
  return sample;
}

std::shared_ptr<const Dataset> MakeArticulatedDataset(
    const ArticulatedOptions& options, int64_t first, int64_t size) {
  return GeneratedDataset(
      ArticulatedInfo(), "articulated", first, size,
      [options](int64_t index) { return MakeArticulated(options, index); });
}

at::Tensor ArticulatedRule(const at::Tensor& images) {
  TORCH_CHECK(
      (images.dim() == 3 || images.dim() == 4) && images.size(-3) == 3,
      "ArticulatedRule: images must be [N,3,H,W] or [3,H,W], got sizes ",
      images.sizes());
  TORCH_CHECK(images.scalar_type() == at::kByte ||
                  at::isFloatingType(images.scalar_type()),
              "ArticulatedRule: images must be uint8 or floating point, got ",
              images.scalar_type());
  const at::Tensor rgb =
      images.scalar_type() == at::kDouble ? images : images.to(at::kFloat);
  const at::Tensor red = rgb.select(-3, 0);
  const at::Tensor green = rgb.select(-3, 1);
  const at::Tensor blue = rgb.select(-3, 2);
  // Hue and chroma as a vector in the plane across the grey axis: red points to
  // the right, yellow 60 degrees further, green at 120.
  constexpr double kHalfRoot3 = 0.8660254037844386;
  const at::Tensor u = red - (green + blue) / 2;
  const at::Tensor v = (green - blue) * kHalfRoot3;
  const at::Tensor along_red = u;
  const at::Tensor along_yellow = u / 2 + v * kHalfRoot3;
  const at::Tensor along_green = v * kHalfRoot3 - u / 2;
  constexpr double kHalf = kPartChroma / 2;
  const at::Tensor foreground = (u * u + v * v).ge(kHalf * kHalf);
  const at::Tensor part =
      at::stack({along_yellow, along_green, along_red}).argmax(0) + 1;
  return part.to(at::kByte) * foreground.to(at::kByte);
}

}  // namespace seg
