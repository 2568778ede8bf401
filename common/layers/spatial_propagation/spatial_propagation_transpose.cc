#include "common/layers/spatial_propagation/spatial_propagation_scan.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE \
  "common/layers/spatial_propagation/spatial_propagation_transpose.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "common/layers/spatial_propagation/spatial_propagation_transpose-inl.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace seg {
namespace HWY_NAMESPACE {

// Not templates: what HWY_EXPORT takes.
void TransposeFloat(const float* from, int64_t from_stride, int64_t rows,
                    int64_t columns, float* to, int64_t to_stride) {
  Transpose(from, from_stride, rows, columns, to, to_stride, false);
}
void TransposeDouble(const double* from, int64_t from_stride, int64_t rows,
                     int64_t columns, double* to, int64_t to_stride) {
  Transpose(from, from_stride, rows, columns, to, to_stride, false);
}
void TransposeBytes(const uint8_t* from, int64_t from_stride, int64_t rows,
                    int64_t columns, uint8_t* to, int64_t to_stride) {
  Transpose(from, from_stride, rows, columns, to, to_stride, false);
}

}  // namespace HWY_NAMESPACE
}  // namespace seg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seg {

HWY_EXPORT(TransposeFloat);
HWY_EXPORT(TransposeDouble);
HWY_EXPORT(TransposeBytes);

namespace spatial_propagation {

void Transpose(const float* from, int64_t from_stride, int64_t rows,
               int64_t columns, float* to, int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeFloat)
  (from, from_stride, rows, columns, to, to_stride);
}
void Transpose(const double* from, int64_t from_stride, int64_t rows,
               int64_t columns, double* to, int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeDouble)
  (from, from_stride, rows, columns, to, to_stride);
}
void Transpose(const uint8_t* from, int64_t from_stride, int64_t rows,
               int64_t columns, uint8_t* to, int64_t to_stride) {
  HWY_DYNAMIC_DISPATCH(TransposeBytes)
  (from, from_stride, rows, columns, to, to_stride);
}

void FlushStream() { hwy::FlushStream(); }

}  // namespace spatial_propagation
}  // namespace seg
#endif  // HWY_ONCE
