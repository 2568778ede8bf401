#include "common/testing/golden.h"

#include <cmath>
#include <map>
#include <string>

#include "ATen/ATen.h"

namespace seg {
namespace {

constexpr int64_t kSamples = 48;

}  // namespace

at::Tensor GoldenImage(int64_t n, int64_t height, int64_t width) {
  const at::TensorOptions options = at::TensorOptions(at::kDouble);
  const at::Tensor i = at::arange(n, options).view({n, 1, 1, 1});
  const at::Tensor c = at::arange(3, options).view({1, 3, 1, 1});
  const at::Tensor y = at::arange(height, options).view({1, 1, height, 1});
  const at::Tensor x = at::arange(width, options).view({1, 1, 1, width});
  const at::Tensor wave = (0.11 * y * (c + 1) + 0.9 * i).sin() +
                          (0.07 * x * (c + 2) - 0.05 * y).cos();
  return 127.5 + 63.0 * wave;
}

void GoldenFill(at::Tensor target, double scale, int64_t seed) {
  const at::NoGradGuard no_grad;
  const at::Tensor values = at::empty(target.sizes(), at::kDouble);
  double* out = values.data_ptr<double>();
  for (int64_t k = 0; k < values.numel(); ++k) {
    uint32_t h = static_cast<uint32_t>(k) * 2654435761u +
                 static_cast<uint32_t>(seed) * 40503u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    out[k] = scale * (static_cast<double>(h) / 2147483648.0 - 1.0);
  }
  target.copy_(values);
}

at::Tensor GoldenFilled(at::IntArrayRef sizes, double scale, int64_t seed) {
  at::Tensor target = at::empty(sizes, at::kDouble);
  GoldenFill(target, scale, seed);
  return target;
}

void GoldenFillParameters(const torch::nn::Module& module) {
  std::map<std::string, at::Tensor> sorted;
  for (const auto& item : module.named_parameters()) {
    sorted[item.key()] = item.value();
  }
  int64_t seed = 0;
  for (const auto& [name, value] : sorted) {
    const double fan_in = static_cast<double>(value.numel() / value.size(0));
    GoldenFill(value, value.dim() > 1 ? std::sqrt(6 / fan_in) : 0.3, seed++);
  }
}

at::Tensor GoldenSample(const at::Tensor& x) {
  const at::Tensor flat = x.detach().contiguous().view({-1});
  const at::Tensor index =
      (at::arange(kSamples, at::kLong) * (flat.numel() - 1))
          .div(kSamples - 1, "floor");
  return flat.index_select(0, index);
}

double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.sizes() == b.sizes(), "RelativeError: ", a.sizes(), " and ",
              b.sizes());
  return ((a.detach() - b).abs().max() / b.abs().max()).item<double>();
}

}  // namespace seg
