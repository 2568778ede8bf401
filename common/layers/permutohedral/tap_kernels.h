// Vector kernels of the learnable filter on rows of labels (internal).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_TAP_KERNELS_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_TAP_KERNELS_H_

#include <cstdint>

namespace seg {
namespace permutohedral {

// out[target[i]] += sum_m filter[m] in[source[i]][m] for i < count: `count`
// row-vector by matrix products. filter: [labels_in][row_out].
template <typename T>
void ApplyTap(const T* filter, const T* in, int64_t labels_in, int64_t row_in,
              const int32_t* source, const uint8_t* target, int64_t count,
              int64_t row_out, T* out);

// grad[l][m] += sum_{i < count} a[target[i]][l] b[source[i]][m] for l <
// labels_a. Sums within the call in T, across calls in double.
template <typename T>
void AddOuterProducts(const T* a, int64_t labels_a, int64_t row_a, const T* b,
                      int64_t row_b, const int32_t* source,
                      const uint8_t* target, int64_t count, double* grad);

}  // namespace permutohedral
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_TAP_KERNELS_H_
