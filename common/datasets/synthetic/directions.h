// Directions in integers, for the generated pictures: vectors of length
// kDirectionLength.
#ifndef COMMON_DATASETS_SYNTHETIC_DIRECTIONS_H_
#define COMMON_DATASETS_SYNTHETIC_DIRECTIONS_H_

#include <cstdint>

#include "common/datasets/synthetic/canvas.h"

namespace seg {

constexpr int64_t kDirectionLength = 4096;  // the length of a direction

// The direction at twice the angle whose tangent is `tangent` / 1000.
inline Point Direction(int64_t tangent) {
  const int64_t square = tangent * tangent;
  const int64_t whole = 1000 * 1000 + square;
  return {kDirectionLength * (1000 * 1000 - square) / whole,
          kDirectionLength * 2000 * tangent / whole};
}

// The angles of both, added.
inline Point Turned(Point a, Point b) {
  return {(a.x * b.x - a.y * b.y) / kDirectionLength,
          (a.x * b.y + a.y * b.x) / kDirectionLength};
}

inline Point Ahead(Point from, Point direction, int64_t length) {
  return {from.x + direction.x * length / kDirectionLength,
          from.y + direction.y * length / kDirectionLength};
}

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_DIRECTIONS_H_
