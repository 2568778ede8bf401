// CPU core of narrow_convolution.h: raw pointers and sizes, one thread, no
// tensor library. Maps are channels-last: element (pixel p, channel c) of an
// image lies at [p * channels + c].

#ifndef COMMON_LAYERS_NARROW_CONVOLUTION_NARROW_CONVOLUTION_CPU_H_
#define COMMON_LAYERS_NARROW_CONVOLUTION_NARROW_CONVOLUTION_CPU_H_

#include <cstdint>

namespace seg {

struct NarrowConvolutionSizes {
  int64_t height = 0, width = 0;
  int64_t in = 0, out = 0;  // channels
};

// Channels rounded up to whole vectors of T.
template <typename T>
int64_t NarrowConvolutionPadded(int64_t channels);

// weight [out,in,3,3] in the order of the kernels: 9 * in * padded(out) values.
template <typename T>
void NarrowConvolutionPack(const NarrowConvolutionSizes& sizes, const T* weight,
                           T* packed);
// The same of the convolution that takes the gradient of y to that of x: 9 *
// padded(out) * padded(in) values.
template <typename T>
void NarrowConvolutionPackTransposed(const NarrowConvolutionSizes& sizes,
                                     const T* weight, T* packed);

// Chunks of rows that an image is done in, a fixed partition.
template <typename T>
int64_t NarrowConvolutionChunks(const NarrowConvolutionSizes& sizes);
// Values of scratch memory for a call of either function below.
template <typename T>
int64_t NarrowConvolutionScratch(const NarrowConvolutionSizes& sizes);

// Rows of one chunk of an image. bias: padded(out) values.
template <typename T>
void NarrowConvolutionForward(const NarrowConvolutionSizes& sizes,
                              int64_t chunk, const T* x, const T* packed,
                              const T* bias, T slope, T* y, T* scratch);

// All gradients of one image. y is read only where slope is not 1.
//   x_gradient       null, or written
//   weight_gradient  null, or written: [3,3,in,padded(out)]
//   bias_gradient    written where weight_gradient is: padded(out) values
template <typename T>
void NarrowConvolutionBackward(const NarrowConvolutionSizes& sizes, const T* x,
                               const T* y, const T* y_gradient,
                               const T* packed_transposed, T slope,
                               T* x_gradient, T* weight_gradient,
                               T* bias_gradient, T* scratch);

}  // namespace seg

#endif  // COMMON_LAYERS_NARROW_CONVOLUTION_NARROW_CONVOLUTION_CPU_H_
