// CIELAB, the colour space in which distances are roughly those that are seen.
#ifndef COMMON_SOLVERS_CIELAB_H_
#define COMMON_SOLVERS_CIELAB_H_

#include <array>
#include <cstdint>

namespace seg {

// CIE L*, a*, b* of an sRGB colour (IEC 61966-2-1), white point D65.
//   returns: L in [0,100], a and b about in [-110,110].
// Computed in float; the error is below 1e-3.
std::array<float, 3> SrgbToLab(uint8_t red, uint8_t green, uint8_t blue);

}  // namespace seg

#endif  // COMMON_SOLVERS_CIELAB_H_
