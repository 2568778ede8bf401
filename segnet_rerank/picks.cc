#include "segnet_rerank/picks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "common/metrics/arg_max.h"
#include "segnet_rerank/coarse.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kMaxClasses = 256;  // of a uint8 label

void CheckMap(const at::Tensor& ph, const char* name) {
  TORCH_CHECK(ph.dim() == 3 && ph.size(1) == ph.size(2) && ph.numel() > 0, name,
              ": ph must be [C,g,g], got ", ph.sizes());
  TORCH_CHECK(ph.scalar_type() == at::kFloat || ph.scalar_type() == at::kDouble,
              name, ": ph must be float32 or float64, got ", ph.scalar_type());
  TORCH_CHECK(ph.is_cpu(), name, ": ph must be on the CPU, got ", ph.device());
}

void CheckClasses(const at::Tensor& ph, const char* name) {
  TORCH_CHECK(ph.size(0) <= kMaxClasses, name, ": ph must have at most ",
              kMaxClasses, " classes, got ", ph.size(0));
}

// The cell of the centre of each of `size` pixels.
std::vector<int64_t> CentreCells(int64_t size, int64_t grid) {
  std::vector<int64_t> cells(size);
  for (int64_t i = 0; i < size; ++i) cells[i] = (2 * i + 1) * grid / (2 * size);
  return cells;
}

void CheckShares(const at::Tensor& shares, const char* argument) {
  TORCH_CHECK((shares >= 0).all().item<bool>(), "CoarseDivergence: ", argument,
              " must be >= 0, got ", shares.min().item<double>());
}

}  // namespace

at::Tensor NaiveLabels(const at::Tensor& ph, int64_t height, int64_t width) {
  CheckMap(ph, "NaiveLabels");
  CheckClasses(ph, "NaiveLabels");
  TORCH_CHECK(height >= 1 && width >= 1,
              "NaiveLabels: height and width must be >= 1, got ", height, " x ",
              width);
  const int64_t grid = ph.size(1);
  const at::Tensor coarse = ArgMaxLabels(ph);
  const std::vector<int64_t> columns = CentreCells(width, grid);
  const std::vector<int64_t> rows = CentreCells(height, grid);
  at::Tensor labels = at::empty({height, width}, at::kByte);
  uint8_t* to = labels.mutable_data_ptr<uint8_t>();
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* cells = coarse.const_data_ptr<uint8_t>() + rows[y] * grid;
    for (int64_t x = 0; x < width; ++x) *to++ = cells[columns[x]];
  }
  return labels;
}

at::Tensor SuperpixelShares(const at::Tensor& ph,
                            const at::Tensor& superpixels) {
  CheckMap(ph, "SuperpixelShares");
  TORCH_CHECK(superpixels.dim() == 2 && superpixels.is_cpu() &&
                  superpixels.scalar_type() == at::kInt,
              "SuperpixelShares: superpixels must be int32 [H,W] on the CPU, "
              "got ",
              superpixels.scalar_type(), " ", superpixels.sizes(), " on ",
              superpixels.device());
  const int64_t classes = ph.size(0), grid = ph.size(1);
  if (superpixels.numel() == 0) return at::empty({0, classes}, at::kDouble);
  const int64_t height = superpixels.size(0), width = superpixels.size(1);
  const auto [least, most] = superpixels.aminmax();
  TORCH_CHECK(
      least.item<int64_t>() >= 0 && most.item<int64_t>() < superpixels.numel(),
      "SuperpixelShares: superpixels must be 0 .. S-1 with S <= H W = ",
      superpixels.numel(), ", got ", least.item<int64_t>(), " .. ",
      most.item<int64_t>());

  const at::Tensor cells =
      ph.to(at::kDouble).permute({1, 2, 0}).contiguous();  // [g,g,C]
  const double* p = cells.const_data_ptr<double>();
  const at::Tensor dense = superpixels.contiguous();
  const int32_t* ids = dense.const_data_ptr<int32_t>();
  at::Tensor shares =
      at::zeros({most.item<int64_t>() + 1, classes}, at::kDouble);
  double* mass = shares.mutable_data_ptr<double>();
  std::vector<int64_t> area(shares.size(0));
  for (int64_t y = 0; y < height; ++y) {
    const int32_t* row = ids + y * width;
    for (int64_t x = 0; x < width;) {
      int64_t end = x + 1;  // of the run of this superpixel
      while (end < width && row[end] == row[x]) ++end;
      double* to = mass + row[x] * classes;
      area[row[x]] += end - x;
      ForEachCell(y, y + 1, height, grid, [&](int64_t i, int64_t rows) {
        ForEachCell(x, end, width, grid, [&](int64_t j, int64_t columns) {
          const double part = static_cast<double>(rows * columns);
          const double* from = p + (i * grid + j) * classes;
          for (int64_t c = 0; c < classes; ++c) to[c] += part * from[c];
        });
      });
      x = end;
    }
  }
  // Parts of pixels were counted in 1 / grid^2.
  for (int64_t s = 0; s < shares.size(0); ++s) {
    const double whole =
        static_cast<double>(std::max<int64_t>(1, area[s]) * grid * grid);
    for (int64_t c = 0; c < classes; ++c) mass[s * classes + c] /= whole;
  }
  return shares;
}

at::Tensor SuperpixelLabels(const at::Tensor& ph,
                            const at::Tensor& superpixels) {
  CheckClasses(ph, "SuperpixelLabels");
  const at::Tensor shares = SuperpixelShares(ph, superpixels);
  if (shares.size(0) == 0) return at::empty(superpixels.sizes(), at::kByte);
  return shares.argmax(1)
      .to(at::kByte)
      .index_select(0, superpixels.flatten().to(at::kLong))
      .view(superpixels.sizes());
}

at::Tensor CoarseDivergence(const at::Tensor& ph, const at::Tensor& q,
                            const CoarseDivergenceOptions& options) {
  CheckMap(ph, "CoarseDivergence");
  TORCH_CHECK(q.dim() == 4 && q.sizes().slice(1) == ph.sizes(),
              "CoarseDivergence: q must be [M,C,g,g] with the sizes of ph, ",
              ph.sizes(), ", got ", q.sizes());
  TORCH_CHECK(q.is_floating_point() && q.is_cpu(),
              "CoarseDivergence: q must be floating point, on the CPU, got ",
              q.scalar_type(), " on ", q.device());
  TORCH_CHECK(options.smoothing >= 0,
              "CoarseDivergence: smoothing must be >= 0, got ",
              options.smoothing);
  if (q.size(0) == 0) return at::zeros({0, 3}, at::kDouble);
  const at::Tensor p = ph.detach().to(at::kDouble).unsqueeze(0);
  const at::Tensor shares = q.detach().to(at::kDouble);
  CheckShares(p, "ph");
  CheckShares(shares, "q");
  const at::Tensor is_void =
      (p.sum(1, /*keepdim=*/true) == 0)
          .logical_or(shares.sum(1, /*keepdim=*/true) == 0);  // [M,1,g,g]

  const double e = options.smoothing;
  const double total = 1 + e * static_cast<double>(ph.size(0));
  const at::Tensor a = (p + e) / total;
  const at::Tensor b = (shares + e) / total;
  const auto sum = [&](const at::Tensor& terms) {
    return terms.masked_fill(is_void, 0).sum({1, 2, 3});
  };
  // xlogy(0, 0) is 0.
  const at::Tensor background = shares.narrow(1, 0, 1);
  return at::stack({sum(at::xlogy(a, a) - at::xlogy(a, b)),
                    sum(at::xlogy(b, b) - at::xlogy(b, a)),
                    sum(options.background_weight * background)},
                   1);
}

int64_t KlPick(const at::Tensor& ph, const at::Tensor& q,
               const CoarseDivergenceOptions& options) {
  const at::Tensor terms = CoarseDivergence(ph, q, options);
  TORCH_CHECK(terms.size(0) >= 1,
              "KlPick: q must have one labelling or more, got ", q.sizes());
  const at::Tensor score = terms.sum(1).contiguous();
  const double* begin = score.const_data_ptr<double>();
  return std::min_element(begin, begin + score.numel()) - begin;
}

}  // namespace segnet_rerank
}  // namespace seg
