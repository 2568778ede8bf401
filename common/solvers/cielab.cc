#include "common/solvers/cielab.h"

#include <cmath>
#include <cstring>

namespace seg {
namespace {

// Linear light of each sRGB value (IEC 61966-2-1).
std::array<float, 256> MakeLinear() {
  std::array<float, 256> linear;
  for (int i = 0; i < 256; ++i) {
    const double v = i / 255.0;
    linear[i] = static_cast<float>(
        v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4));
  }
  return linear;
}

// The cube root of a normal number > 0, rounded to float: a third of the
// exponent (within 4 %), then twice Halley's rule, which cubes the error. Three
// times as fast as std::cbrt.
float CubeRoot(float t) {
  uint32_t bits;
  std::memcpy(&bits, &t, sizeof(bits));
  bits = bits / 3 + 0x2a5137a0u;
  float start;
  std::memcpy(&start, &bits, sizeof(start));
  const double x = t;
  double y = start;
  for (int i = 0; i < 2; ++i) {
    const double cube = y * y * y;
    y *= (cube + 2.0 * x) / (2.0 * cube + x);
  }
  return static_cast<float>(y);
}

// The cube root of CIE 15, with its straight part below (6/29)^3.
float Compress(float t) {
  constexpr float kEdge = 216.0f / 24389.0f;
  return t > kEdge ? CubeRoot(t) : t * (841.0f / 108.0f) + 4.0f / 29.0f;
}

}  // namespace

std::array<float, 3> SrgbToLab(uint8_t red, uint8_t green, uint8_t blue) {
  static const std::array<float, 256> linear = MakeLinear();
  const float r = linear[red], g = linear[green], b = linear[blue];
  // IEC 61966-2-1. White is the sum of each row, so that a grey has a = b = 0.
  constexpr float kX = 0.4124f + 0.3576f + 0.1805f;
  constexpr float kZ = 0.0193f + 0.1192f + 0.9505f;
  const float x = Compress((0.4124f * r + 0.3576f * g + 0.1805f * b) / kX);
  const float y = Compress(0.2126f * r + 0.7152f * g + 0.0722f * b);
  const float z = Compress((0.0193f * r + 0.1192f * g + 0.9505f * b) / kZ);
  return {116.0f * y - 16.0f, 500.0f * (x - y), 200.0f * (y - z)};
}

}  // namespace seg
