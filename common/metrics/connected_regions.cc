#include "common/metrics/connected_regions.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace seg {

at::Tensor ConnectedRegions(const at::Tensor& mask) {
  TORCH_CHECK(mask.dim() == 2 && mask.scalar_type() == at::kBool,
              "ConnectedRegions: mask must be bool [H,W], got ",
              mask.scalar_type(), " ", mask.sizes());
  const at::Tensor inside = mask.cpu().contiguous();
  const int64_t height = mask.size(0), width = mask.size(1);
  at::Tensor regions = at::zeros({height, width}, at::kLong);
  const bool* in = inside.data_ptr<bool>();
  int64_t* out = regions.data_ptr<int64_t>();
  std::vector<int64_t> stack;
  int64_t count = 0;
  for (int64_t start = 0; start < height * width; ++start) {
    if (!in[start] || out[start] != 0) continue;
    out[start] = ++count;
    stack.push_back(start);
    while (!stack.empty()) {
      const int64_t y = stack.back() / width, x = stack.back() % width;
      stack.pop_back();
      const int64_t bottom = std::min(y + 1, height - 1);
      const int64_t right = std::min(x + 1, width - 1);
      for (int64_t v = std::max<int64_t>(y - 1, 0); v <= bottom; ++v) {
        for (int64_t u = std::max<int64_t>(x - 1, 0); u <= right; ++u) {
          const int64_t i = v * width + u;
          if (!in[i] || out[i] != 0) continue;
          out[i] = count;
          stack.push_back(i);
        }
      }
    }
  }
  return regions;
}

at::Tensor Specks(const at::Tensor& prediction, const at::Tensor& target,
                  int64_t label, int64_t max_area, int64_t ignore_label,
                  int64_t* count) {
  TORCH_CHECK(prediction.sizes() == target.sizes(),
              "Specks: prediction and target must have the same size, got ",
              prediction.sizes(), " and ", target.sizes());
  const at::Tensor regions = ConnectedRegions(prediction == label);
  const at::Tensor founded =
      ((target == label) | (target == ignore_label)).cpu();
  const int64_t number =
      regions.numel() == 0 ? 0 : regions.max().item<int64_t>();
  const at::Tensor area = at::bincount(regions.flatten(), {}, number + 1);
  const at::Tensor truth = at::bincount(
      regions.flatten(), founded.flatten().to(at::kDouble), number + 1);
  at::Tensor speck = (area < max_area) & (truth == 0);
  speck[0] = false;  // what is not predicted
  const at::Tensor order = speck.to(at::kLong).cumsum(0) * speck;
  if (count != nullptr) *count = order.max().item<int64_t>();
  return order.index({regions});
}

}  // namespace seg
