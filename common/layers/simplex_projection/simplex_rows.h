// Vector kernels of the simplex projection (internal): pixels whose memory is
// adjacent, solved by whole vectors, by the best instruction set of this CPU.
#ifndef COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_ROWS_H_
#define COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_ROWS_H_

#include <cstdint>

namespace seg {
namespace simplex {

// Where a group of pixels with adjacent memory is read and written: label l is
// `row` elements after label 0. `gradient` may be null.
template <typename T>
struct Rows {
  const T* x;
  int64_t x_row;
  const T* gradient;
  int64_t gradient_row;
  T* y;
  int64_t y_row;
};

// Pixels in a vector, for T = float and double.
template <typename T>
int64_t VectorLanes();

// Elements of scratch memory, aligned for vectors, that ProjectRows needs.
template <typename T>
int64_t ScratchSize(int64_t labels);

// y = projection of x - step * gradient (of x where gradient is null), for
// `pixels` pixels, a multiple of VectorLanes.
void ProjectRows(const Rows<float>& rows, int64_t labels, int64_t pixels,
                 float step, float leak, float* scratch);
void ProjectRows(const Rows<double>& rows, int64_t labels, int64_t pixels,
                 double step, double leak, double* scratch);

// y = J^T gradient, J the Jacobian of the projection whose output was x.
void BackwardRows(const Rows<float>& rows, int64_t labels, int64_t pixels,
                  float leak);
void BackwardRows(const Rows<double>& rows, int64_t labels, int64_t pixels,
                  double leak);

}  // namespace simplex
}  // namespace seg

#endif  // COMMON_LAYERS_SIMPLEX_PROJECTION_SIMPLEX_ROWS_H_
