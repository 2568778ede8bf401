#include "common/solvers/svm_arguments.h"

#include <ATen/ATen.h>

#include <cmath>

namespace seg {

const float* FeatureRows(const char* caller, const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 2 && features.scalar_type() == at::kFloat &&
                  features.is_cpu() && features.is_contiguous(),
              caller,
              ": features must be float32 [N,F], contiguous, on the CPU, got ",
              features.scalar_type(), " ", features.sizes(), ", strides ",
              features.strides(), ", on ", features.device());
  return features.const_data_ptr<float>();
}

at::Tensor FiniteDoubles(const char* caller, const char* name,
                         const at::Tensor& values, int64_t dim, int64_t size) {
  TORCH_CHECK(
      values.dim() == dim && values.size(-1) == size && values.is_cpu() &&
          (values.scalar_type() == at::kFloat ||
           values.scalar_type() == at::kDouble),
      caller, ": ", name, " must be float32 or float64 on the CPU, of ", dim,
      " dimensions, the last of size ", size, ", got ", values.scalar_type(),
      " ", values.sizes(), " on ", values.device());
  TORCH_CHECK(at::isfinite(values).all().item<bool>(), caller, ": ", name,
              " must be finite");
  return values.to(at::kDouble).contiguous();
}

void CheckSvmOptions(const char* caller, double c, double tolerance,
                     int64_t max_passes) {
  TORCH_CHECK(std::isfinite(c) && c > 0.0, caller,
              ": c must be finite and > 0, got ", c);
  TORCH_CHECK(tolerance > 0.0, caller, ": tolerance must be > 0, got ",
              tolerance);
  TORCH_CHECK(max_passes >= 1, caller, ": max_passes must be >= 1, got ",
              max_passes);
}

}  // namespace seg
