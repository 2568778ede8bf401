// Sums over rows of features, by the best instruction set of this CPU
// (internal): float32 in memory, double in the sums.
#ifndef COMMON_SOLVERS_FEATURE_ROWS_H_
#define COMMON_SOLVERS_FEATURE_ROWS_H_

#include <cstdint>

namespace seg {

// The sum of x[i] w[i] over i < size. The order of its terms depends on the
// size and the CPU alone.
double Dot(const float* x, const double* w, int64_t size);
double Dot(const float* x, const float* w, int64_t size);

// w += scale * x
void AddScaled(double scale, const float* x, int64_t size, double* w);

}  // namespace seg

#endif  // COMMON_SOLVERS_FEATURE_ROWS_H_
