// CPU core of the label convolution: raw pointers and sizes, one thread, no
// tensor library. See label_convolution.h for the definition.
//
// All kernels read planes with a border of zeros: rows of `row` elements, pixel
// (y, x) of a plane at (y + kernel_height / 2) * row + x + kernel_width / 2, so
// every tap of every output pixel, rounded up to whole vectors, is in memory.

#ifndef COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_CPU_H_
#define COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_CPU_H_

#include <cstdint>

namespace seg {

struct LabelConvolutionSizes {
  int64_t images = 0;
  int64_t in_labels = 0;
  int64_t out_labels = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t kernel_height = 0;  // odd
  int64_t kernel_width = 0;   // odd

  int64_t padded_row() const;    // elements
  int64_t padded_plane() const;  // elements
};

// Copies one plane with any strides into a bordered one; writes all of it.
template <typename T>
void PadPlane(const LabelConvolutionSizes& sizes, const T* plane,
              int64_t row_stride, int64_t column_stride, T* padded);

// out[n,l,y,x] = sum over m and taps of weight * padded for the rows
// [begin, end) of the images * height rows.
//   padded: [N, L_in] bordered planes.
//   weight: [L_in, kernel_height, kernel_width, L_out], contiguous.
//   out:    [N, L_out, H, W], contiguous.
template <typename T>
void CorrelateRows(const LabelConvolutionSizes& sizes, const T* padded,
                   const T* weight, T* out, int64_t begin, int64_t end);

// gradient[l,m,ky,kx] += sum over the rows [begin, end) of
// padded_out_gradient[n,l,y,x] * padded[n,m,y+ky,x+kx].
//   padded_out_gradient: [N, L_out] bordered planes.
//   gradient: [L_out, L_in, kernel_height, kernel_width], contiguous. Sums of a
//             few rows are taken in T, all others in double.
template <typename T>
void AccumulateWeightGradient(const LabelConvolutionSizes& sizes,
                              const T* padded, const T* padded_out_gradient,
                              double* gradient, int64_t begin, int64_t end);

}  // namespace seg

#endif  // COMMON_LAYERS_LABEL_CONVOLUTION_LABEL_CONVOLUTION_CPU_H_
