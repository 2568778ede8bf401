// What the support vector machines require of their arguments (internal). Each
// throws c10::Error whose message begins with `caller`.
#ifndef COMMON_SOLVERS_SVM_ARGUMENTS_H_
#define COMMON_SOLVERS_SVM_ARGUMENTS_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {

// The memory of features: float32 [N,F], contiguous, on the CPU.
const float* FeatureRows(const char* caller, const at::Tensor& features);

// values in double, contiguous: float32 or float64 on the CPU, finite, of `dim`
// dimensions, the last of `size`. `name` is that of the argument.
at::Tensor FiniteDoubles(const char* caller, const char* name,
                         const at::Tensor& values, int64_t dim, int64_t size);

void CheckSvmOptions(const char* caller, double c, double tolerance,
                     int64_t max_passes);

}  // namespace seg

#endif  // COMMON_SOLVERS_SVM_ARGUMENTS_H_
