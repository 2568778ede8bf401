#include "segnet_rerank/chi_square_map.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

namespace seg {
namespace segnet_rerank {

at::Tensor ChiSquareMap(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 2 && (x.scalar_type() == at::kFloat ||
                               x.scalar_type() == at::kDouble),
              "ChiSquareMap: x must be float32 or float64 [M,K], got ",
              x.scalar_type(), " ", x.sizes());
  TORCH_CHECK(!x.lt(0).any().item<bool>(),
              "ChiSquareMap: x must not be negative");
  constexpr double kPi = 3.14159265358979323846;
  constexpr double kStep = 0.5;  // L; the rest of the spectrum is 2 % of it
  const auto spectrum = [](double frequency) {
    return 1 / std::cosh(kPi * frequency);
  };
  // log 0 only meets sqrt 0, once it is finite.
  const at::Tensor log = x.where(x.gt(0), at::ones_like(x)).log();
  const at::Tensor root = x.sqrt();
  std::vector<at::Tensor> parts = {root * std::sqrt(kStep * spectrum(0))};
  for (int64_t j = 1; j <= 2; ++j) {
    const double frequency = kStep * static_cast<double>(j);
    const at::Tensor size = root * std::sqrt(2 * kStep * spectrum(frequency));
    parts.push_back(size * (log * frequency).cos());
    parts.push_back(size * (log * frequency).sin());
  }
  return at::stack(parts, 2).flatten(1);
}

}  // namespace segnet_rerank
}  // namespace seg
