#include "segnet_rerank/o2p/projection.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kBlock = 1024;  // rows or columns at a time in float64
constexpr double kLeast = 1e-10;  // energy, of the first axis's, that counts

}  // namespace

at::Tensor PrincipalAxes(const at::Tensor& rows, int64_t most) {
  TORCH_CHECK(
      rows.dim() == 2 && rows.numel() > 0 && rows.is_cpu() &&
          (rows.scalar_type() == at::kFloat ||
           rows.scalar_type() == at::kDouble),
      "PrincipalAxes: rows must be float32 or float64 [N,K] on the CPU, "
      "not empty, got ",
      rows.scalar_type(), " ", rows.sizes(), " on ", rows.device());
  TORCH_CHECK(most >= 1, "PrincipalAxes: most must be >= 1, got ", most);
  TORCH_CHECK(rows.isfinite().all().item<bool>(),
              "PrincipalAxes: rows must be finite");
  // The matrix of which few rows are many columns: [n, max(N,K)].
  const bool few_rows = rows.size(0) < rows.size(1);
  const at::Tensor wide = few_rows ? rows : rows.t();
  const int64_t size = wide.size(0), length = wide.size(1);
  const auto block = [&](int64_t begin) {
    return wide.slice(1, begin, std::min(begin + kBlock, length))
        .to(at::kDouble);
  };
  at::Tensor energy = at::zeros({size, size}, at::kDouble);
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    const at::Tensor part = block(begin);
    energy.addmm_(part, part.t());
  }
  const auto [values, vectors] = at::linalg_eigh(energy);  // ascending
  const double first = values[size - 1].item<double>();
  const int64_t rank =
      first > 0.0 ? (values > kLeast * first).sum().item<int64_t>() : 0;
  const int64_t number = std::min(most, rank);
  at::Tensor axes = vectors.narrow(1, size - number, number).flip({1});
  if (few_rows) {
    // An eigenvector u of rows rows^T gives the axis rows^T u / norm.
    at::Tensor mapped = at::empty({length, number}, at::kDouble);
    for (int64_t begin = 0; begin < length; begin += kBlock) {
      const at::Tensor part = block(begin);
      mapped.slice(0, begin, begin + part.size(1)).copy_(part.t().mm(axes));
    }
    axes = mapped / values.narrow(0, size - number, number).flip({0}).sqrt();
  }
  if (number > 0) {
    const at::Tensor largest = axes.abs().argmax(0, /*keepdim=*/true);
    axes = axes * axes.gather(0, largest).sign();
  }
  return axes.to(rows.scalar_type()).contiguous();
}

}  // namespace segnet_rerank
}  // namespace seg
