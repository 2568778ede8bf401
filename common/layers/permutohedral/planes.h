// Between label planes, as tensors hold them, and rows of labels, as the
// kernels take them (internal).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_PLANES_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_PLANES_H_

#include <cstdint>

namespace seg {
namespace permutohedral {

// A [labels][points] matrix with strides.
template <typename T>
struct Planes {
  T* data;
  int64_t label_stride;
  int64_t point_stride;
};

// Points [begin,end) of `in`, times `factor`, as rows (the rest of a row zero).
template <typename T>
void LoadPoints(const Planes<const T>& in, int64_t labels, const T* factor,
                int64_t begin, int64_t end, int64_t row, T* out);

// The reverse: rows times scale times factor into the points of `out`.
template <typename T>
void StorePoints(const T* rows, int64_t row, T scale, const T* factor,
                 int64_t begin, int64_t end, int64_t labels,
                 const Planes<T>& out);

}  // namespace permutohedral
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_PLANES_H_
