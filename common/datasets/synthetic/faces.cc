// Longer than most files: each part of a face is a few lines of proportions
// that refer to those of the others.
#include "common/datasets/synthetic/faces.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/generated.h"

namespace seg {
namespace {

enum Label {
  kNone = -1,  // colour without label
  kBackground = 0,
  kSkin = 1,
  kLeftBrow = 2,
  kRightBrow = 3,
  kLeftEye = 4,
  kRightEye = 5,
  kNose = 6,
  kUpperLip = 7,
  kInnerMouth = 8,
  kLowerLip = 9,
  kHair = 10,
};

// 4096 cos(15 i degrees), i = 0 .. 23.
constexpr int64_t kOne = 4096;
constexpr int64_t kCosine[24] = {4096,  3956,  3547,  2896,  2048,  1060,
                                 0,     -1060, -2048, -2896, -3547, -3956,
                                 -4096, -3956, -3547, -2896, -2048, -1060,
                                 0,     1060,  2048,  2896,  3547,  3956};
int64_t Cosine(int64_t i) { return kCosine[((i % 24) + 24) % 24]; }
int64_t Sine(int64_t i) { return Cosine(i - 6); }

Colour Shifted(const Colour& c, int64_t by) {
  const int32_t d = static_cast<int32_t>(by);
  return {c[0] + d, c[1] + d, c[2] + d};
}

// Draws one number a statement where their order matters: the order in which a
// call's arguments are computed differs between compilers.
class FacePainter {
 public:
  FacePainter(const FacesOptions& options, uint64_t key)
      : rng_(RandomKey({key, 11})),
        canvas_(options.height, options.width, key),
        height_(options.height * kUnit),
        width_(options.width * kUnit),
        side_(std::min(height_, width_)) {}

  Canvas& canvas() { return canvas_; }

  void PaintAll() {
    DrawPose();
    DrawColours();
    Background();
    Body();
    BackHair();
    Neck();
    Head();
    Nose();
    for (const int64_t side : {-1, 1}) Eye(side);
    Mouth();
    for (const int64_t side : {-1, 1}) Brow(side);
    FrontHair();
    Strands();
  }

 private:
  using Curve = std::vector<Point>;

  // Head coordinates: thousandths of the face's half width (x, to the viewer's
  // right) and half height (y, down); the face reaches from -1000 to 1000.
  Point At(int64_t x, int64_t y) const {
    const int64_t dx = x * half_width_ / 1000;
    const int64_t dy = y * half_height_ / 1000;
    return {centre_.x + (dx * cosine_ - dy * sine_) / kOne,
            centre_.y + (dx * sine_ + dy * cosine_) / kOne};
  }
  // The same for what lies on the front of the face and moves when it turns.
  Point Front(int64_t x, int64_t y) const {
    const int64_t bounded = std::clamp<int64_t>(x, -1000, 1000);
    return At(x + turn_ * (1000000 - bounded * bounded) / 1000000, y + nod_);
  }
  int64_t Wide(int64_t x) const { return x * half_width_ / 1000; }
  int64_t High(int64_t y) const { return y * half_height_ / 1000; }
  // Thousandths of the half height, but never thinner than `pixels` percent of
  // a pixel: thin parts must not fall between pixel centres.
  int64_t Thick(int64_t y, int64_t pixels) const {
    return std::max(y, pixels * kUnit * 10 / half_height_ + 1);
  }

  void Oval(int64_t x, int64_t y, int64_t rx, int64_t ry, const Paint& paint,
            int label) {
    std::vector<Point> corners;
    for (int64_t i = 0; i < 24; ++i) {
      corners.push_back(At(x + rx * Cosine(i) / kOne, y + ry * Sine(i) / kOne));
    }
    canvas_.Polygon(corners, paint, label);
  }

  // The band between two curves of as many points, in quadrangles that overlap
  // by half a pixel so that no seam shows.
  void Band(const Curve& a, const Curve& b, const Paint& paint, int label) {
    const auto beyond = [](const Point& from, const Point& to) {
      const int64_t dx = to.x - from.x;
      const int64_t dy = to.y - from.y;
      const int64_t length = std::max<int64_t>(1, std::abs(dx) + std::abs(dy));
      return Point{to.x + dx * kUnit / (2 * length),
                   to.y + dy * kUnit / (2 * length)};
    };
    for (size_t i = 0; i + 1 < a.size(); ++i) {
      const bool last = i + 2 == a.size();
      const Point next_a = last ? a[i + 1] : beyond(a[i], a[i + 1]);
      const Point next_b = last ? b[i + 1] : beyond(b[i], b[i + 1]);
      std::vector<Point> corners;
      for (const Point& p : {a[i], next_a, next_b, b[i]}) {
        if (!corners.empty() && corners.back().x == p.x &&
            corners.back().y == p.y) {
          continue;
        }
        corners.push_back(p);
      }
      if (corners.size() > 1 && corners.front().x == corners.back().x &&
          corners.front().y == corners.back().y) {
        corners.pop_back();
      }
      if (corners.size() > 2) canvas_.Polygon(corners, paint, label);
    }
  }

  void Stroke(const Curve& curve, int64_t radius, const Paint& paint,
              int label) {
    for (size_t i = 0; i + 1 < curve.size(); ++i) {
      canvas_.Line(curve[i], curve[i + 1], radius, paint, label);
    }
  }

  // A curve from `a` to `c` that leaves towards `b` (a quadratic Bezier curve).
  static Curve Bend(const Point& a, const Point& b, const Point& c) {
    constexpr int64_t kSteps = 6;
    Curve curve;
    for (int64_t t = 0; t <= kSteps; ++t) {
      const int64_t s = kSteps - t;
      const auto mix = [&](int64_t p, int64_t q, int64_t r) {
        return (s * s * p + 2 * s * t * q + t * t * r) / (kSteps * kSteps);
      };
      curve.push_back({mix(a.x, b.x, c.x), mix(a.y, b.y, c.y)});
    }
    return curve;
  }

  void DrawPose() {
    half_height_ = side_ * rng_.Between(25, 34) / 100;
    half_width_ = half_height_ * rng_.Between(68, 80) / 100;
    centre_ = {width_ / 2 + side_ * rng_.Between(-7, 7) / 100,
               height_ / 2 + side_ * rng_.Between(-3, 7) / 100};
    // tan(angle / 2) in 1/1024: at most 13 degrees, smaller ones more often.
    const int64_t t = (rng_.Between(-120, 120) + rng_.Between(-120, 120)) / 2;
    const int64_t norm = 1024 * 1024 + t * t;
    cosine_ = kOne * (1024 * 1024 - t * t) / norm;
    sine_ = kOne * 2 * 1024 * t / norm;
    turn_ = rng_.Between(-170, 170);
    nod_ = rng_.Between(-50, 50);
  }

  Colour AnyColour() {
    Colour c;
    for (int32_t& v : c) v = static_cast<int32_t>(rng_.Between(35, 235));
    return c;
  }

  Colour Near(const Colour& c, int64_t spread) {
    Colour out = Shifted(c, rng_.Between(-spread, spread));
    for (int32_t& v : out) {
      v += static_cast<int32_t>(rng_.Between(-spread / 3, spread / 3));
      v = std::clamp(v, 10, 245);
    }
    return out;
  }

  // A colour near `wish` that differs from each of `others` by `distance`.
  Colour Apart(const Colour& wish, int64_t spread,
               const std::vector<Colour>& others, int64_t distance) {
    Colour c = wish;
    for (int64_t attempt = 0; attempt < 30; ++attempt) {
      c = Near(wish, spread + attempt * 4);
      if (std::all_of(others.begin(), others.end(), [&](const Colour& other) {
            return Distance(c, other) >= distance;
          })) {
        break;
      }
    }
    return c;
  }

  void DrawColours() {
    static constexpr Colour kSkins[] = {{238, 202, 178},
                                        {222, 176, 146},
                                        {198, 148, 116},
                                        {160, 112, 82},
                                        {112, 76, 58}};
    static constexpr Colour kHairs[] = {
        {38, 30, 28},    {70, 46, 34},  {108, 72, 44},  {196, 158, 96},
        {226, 196, 150}, {158, 74, 38}, {150, 146, 142}};
    skin_ = Near(kSkins[rng_.Below(5)], 12);
    hair_ = Apart(rng_.OneIn(12) ? AnyColour() : kHairs[rng_.Below(7)], 12,
                  {skin_}, 75);
    // Wall and clothes: once in three like the skin, once in three like hair.
    const auto around = [&] {
      const int64_t kind = rng_.Below(3);
      const Colour wish = kind == 0 ? skin_ : kind == 1 ? hair_ : AnyColour();
      return Apart(wish, 24, {skin_, hair_}, 60);
    };
    wall_ = around();
    floor_ = around();
    clothes_ = around();
  }

  Paint Plain(const Colour& colour, int32_t grain = 6) const {
    Paint paint;
    paint.base = colour;
    paint.grain = grain;
    paint.origin = centre_;
    paint.extent = half_height_;
    return paint;
  }

  Paint Textured(const Colour& colour) {
    Paint paint = Plain(colour, static_cast<int32_t>(rng_.Between(6, 14)));
    paint.shade = static_cast<int32_t>(rng_.Between(-15, 15));
    paint.contrast = static_cast<int32_t>(rng_.Between(4, 16));
    paint.period =
        std::max<int64_t>(2, side_ * rng_.Between(3, 9) / 100 / kUnit);
    const int64_t pattern = rng_.Below(3);
    paint.pattern = pattern == 0   ? Paint::Pattern::kPlain
                    : pattern == 1 ? Paint::Pattern::kStripes
                                   : Paint::Pattern::kSpots;
    return paint;
  }

  void Background() {
    const int64_t border = height_ * rng_.Between(30, 75) / 100;
    const int64_t slope = rng_.Between(-40, 40);
    const int32_t clouds = static_cast<int32_t>(rng_.Between(8, 34));
    for (int64_t y = 0; y < canvas_.height(); ++y) {
      for (int64_t x = 0; x < canvas_.width(); ++x) {
        const bool above =
            y * kUnit < border + (x * kUnit - width_ / 2) * slope / 100;
        canvas_.Set(x, y,
                    Shifted(above ? wall_ : floor_,
                            canvas_.Clouds(x, y) * clouds / 100),
                    8);
      }
    }
    for (int64_t i = rng_.Between(2, 6); i > 0; --i) {  // things on the wall
      Paint paint = Textured(rng_.OneIn(2) ? Near(hair_, 40) : AnyColour());
      const Point c = {width_ * rng_.Between(0, 100) / 100,
                       height_ * rng_.Between(0, 80) / 100};
      const int64_t rx = side_ * rng_.Between(3, 16) / 100;
      const int64_t ry = side_ * rng_.Between(3, 16) / 100;
      const int64_t kind = rng_.Below(3);
      if (kind == 0) {
        canvas_.Ellipse(c, rx, ry, paint, kBackground);
      } else if (kind == 1) {
        canvas_.Polygon({{c.x - rx, c.y - ry},
                         {c.x + rx, c.y - ry},
                         {c.x + rx, c.y + ry},
                         {c.x - rx, c.y + ry}},
                        paint, kBackground);
      } else {  // a thin one, as thin as a strand
        canvas_.Line(c, {c.x + 3 * rx - 2 * ry, c.y + 2 * ry}, Strand(), paint,
                     kBackground);
      }
    }
  }

  void Body() {
    const Point chest = {
        centre_.x - side_ * sine_ / kOne / 4,
        centre_.y + half_height_ * rng_.Between(205, 235) / 100};
    const int64_t rx = half_width_ * rng_.Between(190, 250) / 100;
    const int64_t ry = half_height_ * rng_.Between(75, 105) / 100;
    canvas_.Ellipse(chest, rx, ry, Textured(clothes_), kBackground);
  }

  Paint HairPaint() {
    Paint paint = Plain(hair_, 12);
    paint.shade = hair_shade_;
    paint.pattern = Paint::Pattern::kStripes;
    paint.contrast = 7;
    paint.period = std::max<int64_t>(2, side_ * 2 / 100 / kUnit);
    return paint;
  }

  void BackHair() {
    hair_shade_ = static_cast<int32_t>(rng_.Between(5, 18));
    volume_ = rng_.Between(60, 330);  // how far hair stands off the head
    style_ = static_cast<int>(rng_.Below(4));  // 0 short, 1 bob, 2, 3 long
    length_ = style_ == 0   ? rng_.Between(-150, 150)
              : style_ == 1 ? rng_.Between(500, 950)
                            : rng_.Between(1050, 1900);
    const Paint paint = HairPaint();
    Oval(0, -250, 1000 + volume_ / 2, 780 + volume_, paint, kHair);
    if (style_ == 0) return;
    const int64_t flare = rng_.Between(-120, 250);
    const int64_t taper = rng_.Between(0, 450);  // of the ends
    Curve left;
    Curve right;
    for (int64_t i = 0; i <= 5; ++i) {
      const int64_t y = -300 + (length_ + 300) * i / 5;
      const int64_t x =
          980 + volume_ / 2 + flare * i / 5 - taper * i * i * i / 125;
      left.push_back(At(-x + rng_.Between(-40, 40), y));
      right.push_back(At(x + rng_.Between(-40, 40), y));
    }
    Band(left, right, paint, kHair);
  }

  void Neck() {
    const Paint paint = Plain(Shifted(skin_, -14));
    const int64_t x = rng_.Between(420, 560);
    const Point below = {At(0, 1000).x - half_height_ * sine_ / kOne / 4,
                         centre_.y + half_height_ * 165 / 100};
    canvas_.Polygon({At(-x, 500),
                     At(x, 500),
                     {below.x + Wide(x + 60), below.y},
                     {below.x - Wide(x + 60), below.y}},
                    paint, kBackground);
    canvas_.Ellipse(below, Wide(x + 60), High(180), paint, kBackground);
    for (const int64_t side : {-1, 1}) {  // ears
      Oval(side * 990 - turn_ / 3, 60 + nod_, 130, 200, paint, kBackground);
    }
  }

  void Head() {
    Paint paint = Plain(skin_, 7);
    paint.shade = static_cast<int32_t>(rng_.Between(4, 16));
    const int64_t jaw = rng_.Between(720, 860);
    canvas_.Shadow(At(0, 1050), Wide(800), High(300), 45);  // on the neck
    Oval(0, -170, 1000, 830, paint, kSkin);
    Oval(0, 240, jaw, 760, paint, kSkin);
    Oval(0, 80, (1000 + jaw) / 2 + 40, 720, paint, kSkin);
    // Light from one side, sockets of the eyes, cheeks.
    const int64_t dark = rng_.OneIn(2) ? 1 : -1;
    canvas_.Shadow(At(dark * 1050, 150), Wide(900), High(1100),
                   static_cast<int>(rng_.Between(10, 40)));
    for (const int64_t side : {-1, 1}) {
      canvas_.Shadow(Front(side * 420, -130), Wide(310), High(180),
                     static_cast<int>(rng_.Between(8, 22)));
    }
    skin_paint_ = paint;
  }

  void Nose() {
    Paint paint = skin_paint_;
    const int64_t tone = rng_.Between(9, 17);
    paint.base = Shifted(skin_, rng_.OneIn(3) ? tone : -tone);
    const int64_t tip = turn_ / 2;  // stands out, so it moves further
    const int64_t end = rng_.Between(230, 310);
    const int64_t wing = rng_.Between(200, 270);
    Curve left;
    Curve right;
    for (int64_t i = 0; i <= 4; ++i) {
      const int64_t y = -90 + (end + 90) * i / 4;
      const int64_t x = 75 + (wing - 105) * i * i / 16;
      left.push_back(Front(tip * i / 4 - x, y));
      right.push_back(Front(tip * i / 4 + x, y));
    }
    Band(left, right, paint, kNose);
    const Point base = Front(tip, end);
    const int64_t centre = turn_ + tip;  // Front's shift at x = 0
    Oval(centre, end + nod_, wing, 95, paint, kNose);
    canvas_.Shadow({base.x, base.y + High(70)}, Wide(wing), High(60), 30);
    const Paint hole = Plain(Shifted(skin_, -75));
    for (const int64_t side : {-1, 1}) {
      Oval(centre + side * wing * 45 / 100, end + nod_ + 45, 55, 28, hole,
           kNose);
    }
  }

  void Eye(int64_t side) {
    const int label = side < 0 ? kLeftEye : kRightEye;
    static constexpr Colour kIrises[] = {
        {66, 44, 32}, {96, 66, 40}, {74, 110, 140}, {92, 116, 84}};
    if (side < 0) {  // drawn once for both
      eye_x_ = rng_.Between(390, 450);
      eye_wide_ = rng_.Between(175, 235);
      eye_high_ = Thick(rng_.Between(48, 88), 80);
      eye_slant_ = rng_.Between(-25, 35);
      iris_ = Near(kIrises[rng_.Below(4)], 20);
      look_ = rng_.Between(-70, 70);
      white_ = static_cast<int32_t>(rng_.Between(205, 240));
    }
    const Paint white = Plain({white_, white_, white_ - 6}, 4);
    Curve top;
    Curve bottom;
    for (int64_t u = -8; u <= 8; u += 2) {
      const int64_t x = side * eye_x_ + eye_wide_ * u / 8;
      const int64_t y = -110 - side * eye_slant_ * u / 8;
      top.push_back(Front(x, y - eye_high_ * (64 - u * u) / 64));
      bottom.push_back(Front(x, y + eye_high_ * 7 / 10 * (64 - u * u) / 64));
    }
    Band(top, bottom, white, label);
    const Point centre = Front(side * eye_x_ + look_, -110 - eye_high_ / 8);
    const int64_t radius = High(eye_high_) * 82 / 100;
    canvas_.Ellipse(centre, radius, radius, Plain(iris_, 4), label);
    canvas_.Ellipse(centre, radius / 2, radius / 2, Plain({16, 14, 14}, 2),
                    label);
    Stroke(top, std::max(kUnit * 35 / 100, High(14)),
           Plain(Shifted(skin_, -95), 3), kNone);
  }

  void Mouth() {
    const int64_t x = turn_ / 3;
    const int64_t y = rng_.Between(530, 610);
    const int64_t wide = rng_.Between(290, 430);
    const int64_t smile = rng_.Between(-30, 90);
    const bool closed = rng_.Below(5) < 2;
    const int64_t open = closed ? 0 : Thick(rng_.Between(30, 190), 130);
    const int64_t upper = Thick(rng_.Between(36, 66), 105);
    const int64_t lower = Thick(rng_.Between(50, 92), 120);
    // Lips: redder or darker than the skin, at times barely so.
    const int64_t redder = rng_.Between(12, 70);
    const Colour lip = {skin_[0] + static_cast<int32_t>(redder / 4) - 14,
                        skin_[1] - static_cast<int32_t>(redder) - 14,
                        skin_[2] - static_cast<int32_t>(redder * 3 / 4) - 10};
    const auto curve = [&](const std::vector<int64_t>& offset) {
      Curve points;
      for (int64_t u = -8; u <= 8; ++u) {
        points.push_back(
            Front(x + wide * u / 8, y - smile * u * u / 64 + offset[u + 8]));
      }
      return points;
    };
    std::vector<int64_t> rim(17);     // upper edge of the upper lip
    std::vector<int64_t> roof(17);    // its lower edge
    std::vector<int64_t> ground(17);  // upper edge of the lower lip
    std::vector<int64_t> chin(17);    // its lower edge
    std::vector<int64_t> teeth(17);
    for (int64_t u = -8; u <= 8; ++u) {
      const int64_t bulge = 64 - u * u;
      const int64_t dip = std::max<int64_t>(0, 2 - std::abs(u)) * upper / 7;
      roof[u + 8] = -open / 3 * bulge / 64;
      rim[u + 8] =
          roof[u + 8] - upper * (64 - u * u * std::abs(u) / 8) / 64 + dip;
      ground[u + 8] = (open - open / 3) * bulge / 64;
      chin[u + 8] = ground[u + 8] + lower * bulge / 64;
      teeth[u + 8] = (roof[u + 8] + ground[u + 8]) / 2;
    }
    canvas_.Shadow(Front(x, y + ground[8] + lower + 50), Wide(wide * 6 / 10),
                   High(60), 22);
    Band(curve(ground), curve(chin), Plain(Shifted(lip, 8), 6), kLowerLip);
    Band(curve(rim), curve(roof), Plain(Shifted(lip, -8), 6), kUpperLip);
    if (closed) {
      Stroke(curve(roof), std::max(kUnit * 30 / 100, High(8)),
             Plain(Shifted(lip, -55), 3), kNone);
      return;
    }
    Band(curve(roof), curve(ground), Plain({72, 26, 30}, 6), kInnerMouth);
    if (!rng_.OneIn(3)) {
      Band(curve(roof), curve(teeth), Plain({222, 216, 204}, 4), kInnerMouth);
    }
  }

  void Brow(int64_t side) {
    if (side < 0) {
      brow_colour_ =
          Apart(Shifted(hair_, -rng_.Between(0, 30)), 10, {skin_}, 90);
      brow_y_ = rng_.Between(-370, -280);
      brow_arch_ = rng_.Between(10, 80);
      brow_slant_ = rng_.Between(-40, 40);
      brow_thick_ = Thick(rng_.Between(32, 74), 115);
      brow_inner_ = rng_.Between(150, 230);
      brow_outer_ = rng_.Between(620, 760);
    }
    const int64_t lift = rng_.Between(-25, 25);
    Curve top;
    Curve bottom;
    for (int64_t i = 0; i <= 6; ++i) {
      const int64_t x = brow_inner_ + (brow_outer_ - brow_inner_) * i / 6;
      const int64_t y =
          brow_y_ + lift - brow_slant_ * i / 6 - brow_arch_ * i * (8 - i) / 16;
      const int64_t thick = Thick(brow_thick_ * (10 - i) / 10, 105);
      top.push_back(Front(side * x, y - thick / 2));
      bottom.push_back(Front(side * x, y + thick - thick / 2));
    }
    Band(top, bottom, Plain(brow_colour_, 14),
         side < 0 ? kLeftBrow : kRightBrow);
  }

  void FrontHair() {
    const Paint paint = HairPaint();
    // The hair line: an arc around the forehead, higher at the parting.
    const int64_t line = rng_.Between(-800, -560);
    const int64_t parting = rng_.Between(13, 23);
    const int64_t temple = rng_.Between(-180, 60);
    Curve outer;
    Curve inner;
    for (int64_t i = 12; i <= 24; ++i) {  // over the top, left to right
      outer.push_back(At(Cosine(i) * (1000 + volume_ / 2) / kOne,
                         -250 + Sine(i) * (780 + volume_) / kOne));
      const int64_t dip = std::min<int64_t>(3, std::abs(i - parting)) * 45 - 90;
      inner.push_back(
          At(Cosine(i) * 955 / kOne, temple + Sine(i) * (temple - line) / kOne +
                                         dip + rng_.Between(-25, 25)));
    }
    Band(outer, inner, paint, kHair);
    if (style_ == 0) return;
    // Curtains to both sides, over ears and the rim of the cheeks.
    for (const int64_t side : {-1, 1}) {
      const int64_t cover = rng_.Between(-60, 140);
      const int64_t flare = rng_.Between(-60, 200);
      const int64_t taper = rng_.Between(0, 400);  // of the ends
      Curve near;
      Curve far;
      for (int64_t i = 0; i <= 6; ++i) {
        const int64_t y = -380 + (length_ + 380) * i / 6;
        // Follows the cheek inwards below the ear.
        const int64_t cheek = std::max<int64_t>(0, y - 200) / 5;
        near.push_back(At(side * (960 - cover - cheek / 2 + flare * i / 12 +
                                  rng_.Between(-20, 20)),
                          y));
        far.push_back(At(side * (1000 + volume_ / 2 + flare * i / 6 -
                                 taper * i * i * i / 216),
                         y));
      }
      Band(near, far, paint, kHair);
    }
  }

  int64_t Strand() const {
    return std::max(kUnit * 55 / 100, side_ * 45 / 10000);
  }

  // Single strands: a fringe over the forehead, loose ends around the head.
  void Strands() {
    const auto shade = [&] {
      Paint paint = Plain(Near(hair_, 14), 10);
      paint.shade = hair_shade_;
      return paint;
    };
    const int64_t fringe = rng_.OneIn(2) ? rng_.Between(5, 16) : 0;
    const int64_t sweep = rng_.Between(-260, 260);
    const int64_t reach = rng_.Between(-520, -240);
    for (int64_t i = 0; i < fringe; ++i) {
      const int64_t x = -700 + 1400 * i / std::max<int64_t>(1, fringe - 1) +
                        rng_.Between(-60, 60);
      const int64_t drop = x * x / 4000;  // the outline of the forehead
      const int64_t end = reach + rng_.Between(-90, 90) + drop;
      const int64_t thick = Strand() * rng_.Between(100, 190) / 100;
      Stroke(Bend(At(x, -820 + drop), At(x, (end - 820 + drop) / 2),
                  At(x + sweep, end)),
             thick, shade(), kHair);
    }
    for (int64_t i = rng_.Between(3, 9); i > 0; --i) {
      const int64_t a = rng_.Between(11, 25);  // around the upper half
      const int64_t rx = 940 + volume_ / 2;
      const int64_t ry = 720 + volume_;
      const int64_t x = Cosine(a) * rx / kOne;
      const int64_t y = -250 + Sine(a) * ry / kOne;
      // Leaves along the outline and falls outwards.
      const int64_t along = rng_.Between(150, 450) * (Cosine(a) < 0 ? -1 : 1);
      const int64_t out = rng_.Between(60, 240);
      const int64_t mx = x + Cosine(a) * out / kOne + along / 2;
      const int64_t my = y + Sine(a) * out / kOne - std::abs(along) / 6;
      const int64_t fall = rng_.Between(30, 420);
      Stroke(Bend(At(x, y), At(mx, my), At(mx + along / 2, my + fall)),
             Strand(), shade(), kHair);
    }
    if (style_ == 0) return;
    for (int64_t i = rng_.Between(3, 9); i > 0; --i) {  // along the neck
      const int64_t side = rng_.OneIn(2) ? 1 : -1;
      const int64_t x = side * rng_.Between(820, 1050);
      const int64_t end = length_ + rng_.Between(60, 420);
      const int64_t mx = x + rng_.Between(-130, 130);
      const int64_t ex = x + rng_.Between(-220, 220);
      Stroke(Bend(At(x, 100), At(mx, (100 + end) / 2), At(ex, end)), Strand(),
             shade(), kHair);
    }
  }

  Rng rng_;
  Canvas canvas_;
  int64_t height_, width_, side_;  // fixed point
  // Pose.
  Point centre_;
  int64_t half_height_ = 0, half_width_ = 0;
  int64_t cosine_ = kOne, sine_ = 0;  // of the tilt, in 1/kOne
  int64_t turn_ = 0, nod_ = 0;        // thousandths
  // Colours.
  Colour skin_ = {}, hair_ = {}, wall_ = {}, floor_ = {}, clothes_ = {};
  Colour iris_ = {}, brow_colour_ = {};
  Paint skin_paint_;
  int32_t hair_shade_ = 0, white_ = 0;
  // Shapes shared between parts, thousandths.
  int style_ = 0;
  int64_t volume_ = 0, length_ = 0;
  int64_t eye_x_ = 0, eye_wide_ = 0, eye_high_ = 0, eye_slant_ = 0, look_ = 0;
  int64_t brow_y_ = 0, brow_arch_ = 0, brow_slant_ = 0, brow_thick_ = 0;
  int64_t brow_inner_ = 0, brow_outer_ = 0;
};

}  // namespace

DatasetInfo FacesInfo() {
  DatasetInfo info;
  info.name = "faces";
  info.title = "Synthetic faces: the 11 labels of HELEN";
  info.class_names = {"background",  "face skin", "left brow", "right brow",
                      "left eye",    "right eye", "nose",      "upper lip",
                      "inner mouth", "lower lip", "hair"};
  info.palette = {{0, 0, 0},       {255, 204, 153}, {140, 86, 75},
                  {196, 156, 148}, {31, 119, 180},  {23, 190, 207},
                  {255, 127, 14},  {214, 39, 40},   {120, 20, 120},
                  {247, 120, 180}, {44, 160, 44}};
  info.flip_pairs = {{kLeftBrow, kRightBrow}, {kLeftEye, kRightEye}};
  return info;
}

Sample MakeFace(const FacesOptions& options, int64_t index) {
  FacePainter painter(options,
                      RandomKey({options.seed, static_cast<uint64_t>(index)}));
  painter.PaintAll();
  Sample sample;
  sample.id = absl::StrCat("face", index);
  sample.path = absl::StrCat("faces:", options.seed, ":", index);
  sample.image = painter.canvas().Image();
  sample.mask = painter.canvas().Mask();
  return sample;
}

std::shared_ptr<const Dataset> MakeFacesDataset(const FacesOptions& options,
                                                int64_t first, int64_t size) {
  return GeneratedDataset(
      FacesInfo(), "face", first, size,
      [options](int64_t index) { return MakeFace(options, index); });
}

}  // namespace seg
