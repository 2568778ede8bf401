// Soft-max of rows of labels, in place (internal).
#ifndef COMMON_LAYERS_MEAN_FIELD_SOFTMAX_ROWS_H_
#define COMMON_LAYERS_MEAN_FIELD_SOFTMAX_ROWS_H_

#include <cstdint>

namespace seg {
namespace mean_field {

// The logit of the unused entries of a row: their probability is zero. Finite,
// so that differences of two of them are defined.
constexpr double kUnusedLogit = -1e30;

// rows: [count][row] with row = permutohedral::RowLength(labels): 1, 2, 4 or a
// multiple of 8. T = float or double.
template <typename T>
void SoftmaxRows(int64_t count, int64_t row, T* rows);

}  // namespace mean_field
}  // namespace seg

#endif  // COMMON_LAYERS_MEAN_FIELD_SOFTMAX_ROWS_H_
