// How the kernels walk a row of numbers (RowLength in row_kernels.h): by whole
// vectors, then by vectors of at most 8. Highway compiles the files that
// include this once for each instruction set; hence the guard that toggles.
#if defined(COMMON_LAYERS_PERMUTOHEDRAL_ROW_TAGS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef COMMON_LAYERS_PERMUTOHEDRAL_ROW_TAGS_INL_H_
#undef COMMON_LAYERS_PERMUTOHEDRAL_ROW_TAGS_INL_H_
#else
#define COMMON_LAYERS_PERMUTOHEDRAL_ROW_TAGS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace permutohedral {
namespace HWY_NAMESPACE {

// Rows of 1, 2 and 4 numbers are one (partial) vector, of kCap numbers; longer
// ones are multiples of 8.
template <typename T, size_t kCap>
struct RowTags {
  using Full = hwy::HWY_NAMESPACE::CappedTag<T, kCap>;
  using Tail = hwy::HWY_NAMESPACE::CappedTag<T, (kCap < 8 ? kCap : 8)>;

  static HWY_INLINE int64_t FullStep() {
    return static_cast<int64_t>(hwy::HWY_NAMESPACE::Lanes(Full()));
  }
  static HWY_INLINE int64_t TailStep() {
    return static_cast<int64_t>(hwy::HWY_NAMESPACE::Lanes(Tail()));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace permutohedral
}  // namespace seg
HWY_AFTER_NAMESPACE();

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_ROW_TAGS_INL_H_
