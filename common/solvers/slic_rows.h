// The inner loop of SLIC (superpixels.h): one centre against a run of pixels.
#ifndef COMMON_SOLVERS_SLIC_ROWS_H_
#define COMMON_SOLVERS_SLIC_ROWS_H_

#include <cstdint>

namespace seg {

// What TakeNearer may read and write behind a run, and leaves as it was: the
// lanes of the widest vectors less one, rounded up.
inline constexpr int64_t kSlicSlack = 64;

// Gives label `k` to each pixel of a run that is nearer to a centre than to the
// one it has, by the square of Achanta et al. 2012, Eq. 3:
//   (l - l_k)^2 + (a - a_k)^2 + (b - b_k)^2 + space (dy2 + (x - x_k)^2)
//   colour:   the three planes at the run's first pixel
//   centre:   l_k, a_k, b_k
//   dx:       x - x_k at each pixel, as an array of `count`
//   distance, label: of what each pixel has; written where the new distance is
//             less (so the first of equals stays)
// All arrays but `centre` have kSlicSlack elements behind them. The same bits
// on every instruction set: no product is fused with a sum.
void TakeNearer(const float* const colour[3], const float centre[3],
                const float* dx, float dy2, float space, int32_t k,
                int64_t count, float* distance, int32_t* label);

}  // namespace seg

#endif  // COMMON_SOLVERS_SLIC_ROWS_H_
