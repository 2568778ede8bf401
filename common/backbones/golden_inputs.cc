#include "common/backbones/golden_inputs.h"

#include <cstdlib>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "common/backbones/state_dict.h"
#include "common/io/file.h"
#include "common/io/safetensors.h"

namespace seg {
namespace {

constexpr char kTestdata[] = "common/backbones/testdata/";
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

at::Tensor GoldenSample(const at::Tensor& x) {
  const at::Tensor flat = x.detach().contiguous().view({-1});
  const at::Tensor index =
      (at::arange(kSamples, at::kLong) * (flat.numel() - 1))
          .div(kSamples - 1, "floor");
  return flat.index_select(0, index);
}

TensorMap ReadGoldens() {
  absl::StatusOr<TensorMap> map =
      ReadSafetensors(absl::StrCat(kTestdata, "goldens.safetensors"));
  TORCH_CHECK(map.ok(), map.status().ToString());
  return *std::move(map);
}

std::string ReadGoldenNames(const std::string& file) {
  absl::StatusOr<std::string> text = ReadFile(absl::StrCat(kTestdata, file));
  TORCH_CHECK(text.ok(), text.status().ToString());
  return *std::move(text);
}

std::string NamesAndShapes(const torch::nn::Module& module) {
  std::string text;
  for (const auto& [name, t] : StateDict(module)) {
    absl::StrAppend(
        &text, name, " [",
        absl::StrJoin(absl::MakeConstSpan(t.sizes().data(), t.sizes().size()),
                      ","),
        "]\n");
  }
  return text;
}

double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  TORCH_CHECK(a.sizes() == b.sizes(), "RelativeError: ", a.sizes(), " and ",
              b.sizes());
  return ((a.detach() - b).abs().max() / b.abs().max()).item<double>();
}

std::string LiteWeightsPath(int64_t variant) {
  return absl::StrCat(std::getenv("TEST_SRCDIR"), "/efficientnet_lite", variant,
                      "_weights/efficientnet_lite", variant, ".pth");
}

}  // namespace seg
