// CPU core of modulated_norm.h: raw pointers and sizes, one thread, no tensor
// library. Maps are channels-last: element (image n, pixel p, channel c) of x
// lies at x[(n * pixels + p) * channels + c].

#ifndef COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_CPU_H_
#define COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_CPU_H_

#include <cstdint>

namespace seg {

struct ModulatedNormSizes {
  int64_t images = 0;
  int64_t pixels = 0;  // of an image
  int64_t channels = 0;
};

// The most modulations of one x.
constexpr int kMaxModulations = 2;

// gamma and beta of a pixel: `channels` values each, one after the other, at
// gamma_beta[n * image_stride + p * pixel_stride]. pixel_stride is 2 channels
// or 0 (the same for all pixels), for all modulations of a call alike.
template <typename T>
struct ModulationView {
  const T* gamma_beta = nullptr;
  int64_t image_stride = 0, pixel_stride = 0;
  T slope = 1;
};

// Work is split in blocks of pixels of one image, a fixed partition; functions
// below do the blocks [begin, end), independent of each other.
int64_t ModulatedNormBlocks(const ModulatedNormSizes& sizes);
int64_t ModulatedNormBlocksOfImage(const ModulatedNormSizes& sizes);

// mean[b * channels + c] and the sum of squares about it, of each block.
template <typename T>
void ModulatedNormStatistics(const ModulatedNormSizes& sizes, const T* x,
                             T* mean, T* squares, int64_t begin, int64_t end);

// Those of all blocks together: mean[c], and squares[c] as above.
template <typename T>
void ModulatedNormCombine(const ModulatedNormSizes& sizes, const T* block_means,
                          const T* block_squares, double* mean,
                          double* squares);

// y_j = LReLU((1 + gamma_j) (x - mean) inverse + beta_j), inverse [channels].
template <typename T>
void ModulatedNormForward(const ModulatedNormSizes& sizes, const T* x,
                          const T* mean, const T* inverse, int count,
                          const ModulationView<T>* modulations, T* const* y,
                          int64_t begin, int64_t end);

// With h = (x - mean) inverse, and the gradients g_j of y_j:
//   x_gradient      that of h
//   gamma_beta_gradients[j]  as gamma_beta, where pixel_stride is not 0
//   sums            of each block, channels values each:
//                   pixel_stride 0: for each j sum d_j h, sum d_j, with d_j the
//                   gradient before the LReLU; else sum e, sum e h, with e the
//                   gradient of h
template <typename T>
void ModulatedNormBackward(const ModulatedNormSizes& sizes, const T* x,
                           const T* mean, const T* inverse, int count,
                           const ModulationView<T>* modulations,
                           const T* const* y_gradients, T* x_gradient,
                           T* const* gamma_beta_gradients, T* sums,
                           int64_t begin, int64_t end);
// Values of `sums` that a block has.
int64_t ModulatedNormSums(const ModulatedNormSizes& sizes, int count,
                          bool by_pixel);

// x_gradient = inverse (x_gradient - shift - h scale), in place.
template <typename T>
void ModulatedNormBackwardInput(const ModulatedNormSizes& sizes, const T* x,
                                const T* mean, const T* inverse, const T* shift,
                                const T* scale, T* x_gradient, int64_t begin,
                                int64_t end);

}  // namespace seg

#endif  // COMMON_LAYERS_CONDITIONAL_NORM_MODULATED_NORM_CPU_H_
