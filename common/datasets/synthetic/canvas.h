// A picture with labels that anti-aliased shapes are painted onto, in integer
// arithmetic only, so that a synthetic picture is the same on every machine.
// Lengths and positions are fixed point: kUnit is one pixel, and the centre of
// pixel (x, y) lies at ((x + 1/2) kUnit, (y + 1/2) kUnit).
#ifndef COMMON_DATASETS_SYNTHETIC_CANVAS_H_
#define COMMON_DATASETS_SYNTHETIC_CANVAS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

constexpr int64_t kUnit = 256;

using Colour = std::array<int32_t, 3>;  // RGB, clamped to 0..255 when painted

// hue in [0, kHues) (0 red, 512 green, 1024 blue), any other is wrapped;
// saturation and value 0..255.
constexpr int64_t kHues = 6 * 256;
Colour FromHsv(int64_t hue, int64_t saturation, int64_t value);

// Sum of absolute differences.
int64_t Distance(const Colour& a, const Colour& b);

struct Point {
  int64_t x = 0;
  int64_t y = 0;
};

// How a shape is coloured: a base colour, a linear shade from top to bottom,
// and an optional pattern of a second tone, or of a second colour (kHalves).
struct Paint {
  enum class Pattern { kPlain, kStripes, kSpots, kChecks, kHalves };
  Colour base = {0, 0, 0};
  int32_t shade = 0;  // added at the bottom and subtracted at the top
  Pattern pattern = Pattern::kPlain;
  int32_t contrast = 0;  // of the pattern's second tone
  int64_t period = 8;    // of the pattern, in pixels
  // kHalves: the colour on the right of a line through the origin, which runs
  // along a vector (any length to 2^20).
  Colour other = {0, 0, 0};
  Point along = {0, 1};
  Point origin;        // of pattern and shade, fixed point
  int64_t extent = 1;  // half height over which the shade acts, fixed point
  int32_t grain = 8;   // amplitude of the noise
};

class Canvas {
 public:
  // `noise_key` fixes the grain of every paint.
  Canvas(int64_t height, int64_t width, uint64_t noise_key);

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  // Smooth noise in -128..127 at a pixel, for backgrounds.
  int32_t Clouds(int64_t x, int64_t y) const { return clouds_[y * width_ + x]; }

  // Sets one pixel, label 0.
  void Set(int64_t x, int64_t y, const Colour& colour, int32_t grain);
  // `label` < 0 paints the colour and keeps the labels (a shadow on the
  // ground).
  void Ellipse(Point centre, int64_t radius_x, int64_t radius_y,
               const Paint& paint, int label);
  // An ellipse whose first radius points along a vector (any length from kUnit
  // to 2^20).
  void TurnedEllipse(Point centre, Point along, int64_t radius_along,
                     int64_t radius_across, const Paint& paint, int label);
  // An ellipse with a hole of its proportions, `hole` / kUnit as large.
  void Ring(Point centre, int64_t radius_x, int64_t radius_y, int64_t hole,
            const Paint& paint, int label);
  // A line of round ends, 2 * radius wide.
  void Line(Point from, Point to, int64_t radius, const Paint& paint,
            int label);
  // A convex polygon, corners in either sense of rotation.
  void Polygon(const std::vector<Point>& corners, const Paint& paint,
               int label);
  // Darkens by `percent`; labels stay.
  void Shadow(Point centre, int64_t radius_x, int64_t radius_y, int percent);

  at::Tensor Image() const;  // uint8 [3,H,W]
  at::Tensor Mask() const;   // uint8 [H,W]

 private:
  template <typename Coverage>
  void Fill(Point low, Point high, const Coverage& coverage, const Paint& paint,
            int label);
  void Blend(int64_t pixel, const Colour& colour, int64_t alpha);

  int64_t height_;
  int64_t width_;
  std::vector<uint8_t> rgb_;   // [3,H,W]
  std::vector<uint8_t> mask_;  // [H,W]
  std::vector<int8_t> grain_;  // [H,W]
  std::vector<int8_t> clouds_;
};

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_CANVAS_H_
