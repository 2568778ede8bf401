// Features of mean 0 and deviation 1 on the training rows.
#ifndef SEGNET_RERANK_STANDARDISER_H_
#define SEGNET_RERANK_STANDARDISER_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {
namespace segnet_rerank {

// What a model keeps.
struct Standardiser {
  at::Tensor mean;               // float64 [F]
  at::Tensor inverse_deviation;  // float64 [F]; 0: constant in training

  // (rows - mean) * inverse_deviation, float32. rows: floating [..,F]. A
  // feature that was constant in training is 0.
  at::Tensor Apply(const at::Tensor& rows) const;
};

// Its statistics, in one pass over rows that come in pieces. In float64; means
// and squared differences of the pieces are joined (Chan, Golub and LeVeque
// 1979), so that a large mean costs no accuracy.
class StandardiserFit {
 public:
  explicit StandardiserFit(int64_t features);

  // rows: floating [N,F] on the CPU, N >= 0.
  void Add(const at::Tensor& rows);

  int64_t rows() const { return rows_; }
  // The deviation is that of the rows, divided by their number. Throws before
  // the first row.
  Standardiser Finish() const;

 private:
  int64_t rows_ = 0;
  at::Tensor mean_, squares_;    // [F]
  at::Tensor least_, greatest_;  // [F]: constant is where they are equal
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_STANDARDISER_H_
