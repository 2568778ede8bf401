#include "common/datasets/synthetic/canvas.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ATen/ATen.h"
#include "common/base/random.h"

namespace seg {
namespace {

int64_t SquareRoot(int64_t n) {  // floor of the root, n >= 0
  int64_t root = 0;
  for (int64_t bit = int64_t{1} << 30; bit > 0; bit >>= 1) {
    const int64_t trial = root + bit;
    if (trial * trial <= n) root = trial;
  }
  return root;
}

// Rounds towards minus infinity.
int64_t FloorDivide(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

// Adds bilinear noise of `cell` pixels and the given amplitude to `plane`.
void AddClouds(int64_t height, int64_t width, int64_t cell, int32_t amplitude,
               uint64_t key, std::vector<int32_t>* plane) {
  const int64_t columns = width / cell + 2;
  std::vector<int32_t> above(columns);
  std::vector<int32_t> below(columns);
  Rng rng(key);
  const auto draw = [&](std::vector<int32_t>* row) {
    for (int32_t& v : *row) {
      v = static_cast<int32_t>(rng.Between(-amplitude, amplitude));
    }
  };
  draw(&below);
  for (int64_t y = 0; y < height; ++y) {
    const int64_t fy = y % cell;
    if (fy == 0) {
      above.swap(below);
      draw(&below);
    }
    int32_t* out = plane->data() + y * width;
    for (int64_t cx = 0, x = 0; x < width; ++cx) {
      const int64_t left = above[cx] * (cell - fy) + below[cx] * fy;
      const int64_t right = above[cx + 1] * (cell - fy) + below[cx + 1] * fy;
      // cell^2 * 1024 offsets the division to positive numbers.
      int64_t sum = left * cell + cell * cell * 1024;
      for (int64_t fx = 0; fx < cell && x < width; ++fx, ++x) {
        out[x] += static_cast<int32_t>(sum / (cell * cell)) - 1024;
        sum += right - left;
      }
    }
  }
}

}  // namespace

Colour FromHsv(int64_t hue, int64_t saturation, int64_t value) {
  hue = ((hue % kHues) + kHues) % kHues;
  const int64_t f = hue % 256;
  const int64_t p = value * (255 - saturation) / 255;
  const int64_t q = value * (255 * 256 - saturation * f) / (255 * 256);
  const int64_t t = value * (255 * 256 - saturation * (256 - f)) / (255 * 256);
  const int64_t table[6][3] = {{value, t, p}, {q, value, p}, {p, value, t},
                               {p, q, value}, {t, p, value}, {value, p, q}};
  const int64_t* c = table[hue / 256];
  return {static_cast<int32_t>(c[0]), static_cast<int32_t>(c[1]),
          static_cast<int32_t>(c[2])};
}

int64_t Distance(const Colour& a, const Colour& b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

Canvas::Canvas(int64_t height, int64_t width, uint64_t noise_key)
    : height_(height),
      width_(width),
      rgb_(3 * height * width),
      mask_(height * width),
      grain_(height * width),
      clouds_(height * width) {
  Rng rng(RandomKey({noise_key, 1}));
  uint64_t bits = 0;
  for (size_t i = 0; i < grain_.size(); ++i) {
    if (i % 4 == 0) bits = rng.Bits();
    // The sum of two bytes: a triangular distribution in -127..127.
    grain_[i] = static_cast<int8_t>(
        static_cast<int>((bits & 255) + ((bits >> 8) & 255)) / 2 - 127);
    bits >>= 16;
  }
  const int64_t coarse = std::max<int64_t>(4, std::min(height, width) / 5);
  std::vector<int32_t> plane(height * width, 0);
  AddClouds(height, width, coarse, 70, RandomKey({noise_key, 2}), &plane);
  AddClouds(height, width, std::max<int64_t>(2, coarse / 4), 50,
            RandomKey({noise_key, 3}), &plane);
  for (size_t i = 0; i < clouds_.size(); ++i) {
    clouds_[i] = static_cast<int8_t>(std::clamp(plane[i], -128, 127));
  }
}

void Canvas::Blend(int64_t pixel, const Colour& colour, int64_t alpha) {
  for (int c = 0; c < 3; ++c) {
    uint8_t& target = rgb_[c * height_ * width_ + pixel];
    const int64_t value = std::clamp(colour[c], 0, 255);
    target = static_cast<uint8_t>(
        (value * alpha + target * (kUnit - alpha) + kUnit / 2) / kUnit);
  }
}

void Canvas::Set(int64_t x, int64_t y, const Colour& colour, int32_t grain) {
  const int64_t pixel = y * width_ + x;
  const int32_t noise = grain_[pixel] * grain / 128;
  Blend(pixel, {colour[0] + noise, colour[1] + noise, colour[2] + noise},
        kUnit);
  mask_[pixel] = 0;
}

// `coverage(x, y)`: distance from the edge to the inside, in fixed point, of
// the pixel centre (x, y); half a pixel either way is blended.
template <typename Coverage>
void Canvas::Fill(Point low, Point high, const Coverage& coverage,
                  const Paint& paint, int label) {
  const int64_t x0 = std::max<int64_t>(0, FloorDivide(low.x, kUnit) - 1);
  const int64_t y0 = std::max<int64_t>(0, FloorDivide(low.y, kUnit) - 1);
  const int64_t x1 = std::min(width_, FloorDivide(high.x, kUnit) + 2);
  const int64_t y1 = std::min(height_, FloorDivide(high.y, kUnit) + 2);
  for (int64_t y = y0; y < y1; ++y) {
    const int64_t py = y * kUnit + kUnit / 2;
    const int64_t shade = std::clamp(
        (py - paint.origin.y) * paint.shade / paint.extent,
        -int64_t{std::abs(paint.shade)}, int64_t{std::abs(paint.shade)});
    const int64_t v = FloorDivide(py - paint.origin.y, kUnit);
    for (int64_t x = x0; x < x1; ++x) {
      const int64_t px = x * kUnit + kUnit / 2;
      const int64_t alpha =
          std::clamp<int64_t>(coverage(px, py) + kUnit / 2, 0, kUnit);
      if (alpha == 0) continue;
      const int64_t pixel = y * width_ + x;
      int64_t tone = grain_[pixel] * paint.grain / 128 - shade;
      const Colour* colour = &paint.base;
      if (paint.pattern == Paint::Pattern::kHalves) {
        const int64_t right = (py - paint.origin.y) * paint.along.x -
                              (px - paint.origin.x) * paint.along.y;
        if (right > 0) colour = &paint.other;
      } else if (paint.pattern != Paint::Pattern::kPlain) {
        const int64_t p = paint.period;
        const int64_t u = FloorDivide(px - paint.origin.x, kUnit);
        bool second = false;
        if (paint.pattern == Paint::Pattern::kStripes) {
          second = FloorDivide(2 * u + v, p) & 1;
        } else if (paint.pattern == Paint::Pattern::kChecks) {
          second = (u < 0) != (v < 0);
        } else {
          const int64_t row = FloorDivide(v, p);
          const int64_t su = u + (row & 1) * (p / 2);
          const int64_t du = su - FloorDivide(su, p) * p - p / 2;
          const int64_t dv = v - row * p - p / 2;
          second = 9 * (du * du + dv * dv) < p * p;
        }
        tone += second ? paint.contrast : -paint.contrast;
      }
      const int32_t t = static_cast<int32_t>(tone);
      Blend(pixel, {(*colour)[0] + t, (*colour)[1] + t, (*colour)[2] + t},
            alpha);
      if (label >= 0 && alpha >= kUnit / 2) {
        mask_[pixel] = static_cast<uint8_t>(label);
      }
    }
  }
}

void Canvas::Ellipse(Point centre, int64_t radius_x, int64_t radius_y,
                     const Paint& paint, int label) {
  const int64_t a = std::max<int64_t>(radius_x, kUnit / 4);
  const int64_t b = std::max<int64_t>(radius_y, kUnit / 4);
  constexpr int64_t kOne = 1 << 16;
  const int64_t small = std::min(a, b);
  Fill(
      {centre.x - a, centre.y - b}, {centre.x + a, centre.y + b},
      [&](int64_t x, int64_t y) {
        const int64_t u = (x - centre.x) * kOne / a;
        const int64_t v = (y - centre.y) * kOne / b;
        const int64_t inside = kOne - (u * u + v * v) / kOne;
        return inside * small / (2 * kOne);  // first order at the edge
      },
      paint, label);
}

void Canvas::TurnedEllipse(Point centre, Point along, int64_t radius_along,
                           int64_t radius_across, const Paint& paint,
                           int label) {
  const int64_t a = std::max<int64_t>(radius_along, kUnit / 4);
  const int64_t b = std::max<int64_t>(radius_across, kUnit / 4);
  const int64_t length =
      std::max<int64_t>(1, SquareRoot(along.x * along.x + along.y * along.y));
  constexpr int64_t kOne = 1 << 16;
  constexpr int64_t kFine = 1 << 12;
  const int64_t reach = std::max(a, b);
  Fill(
      {centre.x - reach, centre.y - reach},
      {centre.x + reach, centre.y + reach},
      [&](int64_t x, int64_t y) -> int64_t {
        const int64_t dx = x - centre.x;
        const int64_t dy = y - centre.y;
        const int64_t u = (dx * along.x + dy * along.y) / length * kOne / a;
        const int64_t v = (dy * along.x - dx * along.y) / length * kOne / b;
        const int64_t inside = kOne - (u * u + v * v) / kOne;
        // Over the length of its gradient: the distance, to first order.
        const int64_t gu = u * kFine / a;
        const int64_t gv = v * kFine / b;
        const int64_t slope = 2 * SquareRoot(gu * gu + gv * gv);
        return slope == 0 ? kUnit : inside * kFine / slope;
      },
      paint, label);
}

void Canvas::Ring(Point centre, int64_t radius_x, int64_t radius_y,
                  int64_t hole, const Paint& paint, int label) {
  const int64_t a = std::max<int64_t>(radius_x, kUnit / 4);
  const int64_t b = std::max<int64_t>(radius_y, kUnit / 4);
  constexpr int64_t kOne = 1 << 16;
  const int64_t small = std::min(a, b);
  const int64_t inner = std::max<int64_t>(1, hole * kOne / kUnit);
  Fill(
      {centre.x - a, centre.y - b}, {centre.x + a, centre.y + b},
      [&](int64_t x, int64_t y) {
        const int64_t u = (x - centre.x) * kOne / a;
        const int64_t v = (y - centre.y) * kOne / b;
        const int64_t square = (u * u + v * v) / kOne;
        // First order at either edge.
        const int64_t from_outside = (kOne - square) * small / (2 * kOne);
        const int64_t from_hole =
            (square - inner * inner / kOne) * small / (2 * inner);
        return std::min(from_outside, from_hole);
      },
      paint, label);
}

void Canvas::Line(Point from, Point to, int64_t radius, const Paint& paint,
                  int label) {
  const int64_t dx = to.x - from.x;
  const int64_t dy = to.y - from.y;
  const int64_t length2 = std::max<int64_t>(1, dx * dx + dy * dy);
  const int64_t reach = radius + kUnit;
  const int64_t far = reach * (SquareRoot(length2) + 1);
  Fill(
      {std::min(from.x, to.x) - radius, std::min(from.y, to.y) - radius},
      {std::max(from.x, to.x) + radius, std::max(from.y, to.y) + radius},
      [&](int64_t x, int64_t y) -> int64_t {
        const int64_t across = (x - from.x) * dy - (y - from.y) * dx;
        if (std::abs(across) > far) return -kUnit;  // the usual case, cheap
        const int64_t along = std::clamp<int64_t>(
            (x - from.x) * dx + (y - from.y) * dy, 0, length2);
        // The nearest point of the segment; the shifts keep the products
        // within 64 bits.
        const int64_t nx = from.x + (along >> 4) * dx / ((length2 >> 4) + 1);
        const int64_t ny = from.y + (along >> 4) * dy / ((length2 >> 4) + 1);
        const int64_t d2 = (x - nx) * (x - nx) + (y - ny) * (y - ny);
        if (d2 >= reach * reach) return -kUnit;
        return radius - SquareRoot(d2);
      },
      paint, label);
}

void Canvas::Polygon(const std::vector<Point>& corners, const Paint& paint,
                     int label) {
  struct Edge {
    int64_t nx, ny, offset;  // inside distance = (nx x + ny y - offset) / kOne
  };
  constexpr int64_t kOne = 1 << 12;
  std::vector<Edge> edges;
  Point low = corners[0];
  Point high = corners[0];
  int64_t area = 0;
  for (size_t i = 0; i < corners.size(); ++i) {
    const Point& p = corners[i];
    const Point& q = corners[(i + 1) % corners.size()];
    area += p.x * q.y - q.x * p.y;
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const int64_t sense = area < 0 ? -1 : 1;
  for (size_t i = 0; i < corners.size(); ++i) {
    const Point& p = corners[i];
    const Point& q = corners[(i + 1) % corners.size()];
    const int64_t dx = q.x - p.x;
    const int64_t dy = q.y - p.y;
    const int64_t length = std::max<int64_t>(1, SquareRoot(dx * dx + dy * dy));
    Edge edge;
    edge.nx = -dy * sense * kOne / length;
    edge.ny = dx * sense * kOne / length;
    edge.offset = edge.nx * p.x + edge.ny * p.y;
    edges.push_back(edge);
  }
  Fill(
      low, high,
      [&](int64_t x, int64_t y) {
        int64_t inside = kUnit;
        for (const Edge& e : edges) {
          inside = std::min(inside,
                            FloorDivide(e.nx * x + e.ny * y - e.offset, kOne));
        }
        return inside;
      },
      paint, label);
}

void Canvas::Shadow(Point centre, int64_t radius_x, int64_t radius_y,
                    int percent) {
  const int64_t a = std::max<int64_t>(radius_x, kUnit);
  const int64_t b = std::max<int64_t>(radius_y, kUnit);
  const int64_t x0 = std::max<int64_t>(0, (centre.x - a) / kUnit);
  const int64_t x1 = std::min(width_, (centre.x + a) / kUnit + 1);
  const int64_t y0 = std::max<int64_t>(0, (centre.y - b) / kUnit);
  const int64_t y1 = std::min(height_, (centre.y + b) / kUnit + 1);
  for (int64_t y = y0; y < y1; ++y) {
    for (int64_t x = x0; x < x1; ++x) {
      const int64_t u = (x * kUnit + kUnit / 2 - centre.x) * 1024 / a;
      const int64_t v = (y * kUnit + kUnit / 2 - centre.y) * 1024 / b;
      const int64_t inside = 1024 - (u * u + v * v) / 1024;
      if (inside <= 0) continue;
      const int64_t keep = 100 * 1024 - percent * inside;
      for (int c = 0; c < 3; ++c) {
        uint8_t& t = rgb_[(c * height_ + y) * width_ + x];
        t = static_cast<uint8_t>(t * keep / (100 * 1024));
      }
    }
  }
}

at::Tensor Canvas::Image() const {
  at::Tensor out = at::empty({3, height_, width_}, at::kByte);
  std::memcpy(out.data_ptr<uint8_t>(), rgb_.data(), rgb_.size());
  return out;
}

at::Tensor Canvas::Mask() const {
  at::Tensor out = at::empty({height_, width_}, at::kByte);
  std::memcpy(out.data_ptr<uint8_t>(), mask_.data(), mask_.size());
  return out;
}

}  // namespace seg
