#include "segnet_rerank/coarse.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace seg {
namespace segnet_rerank {
namespace {

void Check(const at::Tensor& labels, int64_t classes, int64_t grid) {
  TORCH_CHECK(labels.dim() == 3, "ClassShares: labels must be [N,H,W], got ",
              labels.sizes());
  TORCH_CHECK(
      labels.scalar_type() == at::kByte || labels.scalar_type() == at::kLong,
      "ClassShares: labels must be uint8 or int64, got ", labels.scalar_type());
  TORCH_CHECK(labels.size(1) >= 1 && labels.size(2) >= 1,
              "ClassShares: labels must not be empty in H or W, got ",
              labels.sizes());
  TORCH_CHECK(classes >= 1, "ClassShares: classes must be >= 1, got ", classes);
  TORCH_CHECK(grid >= 1, "ClassShares: grid must be >= 1, got ", grid);
}

// A label map and the grid over it.
struct Split {
  int64_t height, width, classes, ignore_label, grid;
};

// Adds the areas of the classes in row `i` of the cells to areas
// [grid,classes], in 1 / grid^2 pixels.
template <typename T>
void AddAreas(const T* labels, const Split& split, int64_t i, int64_t* areas) {
  const int64_t grid = split.grid;
  const int64_t top = i * split.height, bottom = top + split.height;
  for (int64_t y = top / grid; y * grid < bottom; ++y) {
    const int64_t rows =
        std::min((y + 1) * grid, bottom) - std::max(y * grid, top);
    const T* row = labels + y * split.width;
    for (int64_t x = 0; x < split.width;) {
      const T value = row[x];
      int64_t end = x + 1;  // of the run of this label
      while (end < split.width && row[end] == value) ++end;
      const int64_t label = static_cast<int64_t>(value);
      if (label != split.ignore_label) {
        TORCH_CHECK(label >= 0 && label < split.classes,
                    "ClassShares: labels must be 0 .. ", split.classes - 1,
                    " or ", split.ignore_label, ", got ", label);
        ForEachCell(x, end, split.width, grid,
                    [&](int64_t cell, int64_t length) {
                      areas[cell * split.classes + label] += rows * length;
                    });
      }
      x = end;
    }
  }
}

// How much of each pixel lies in each cell, [grid,size].
at::Tensor Overlaps(int64_t size, int64_t grid, at::Device device) {
  const auto options = at::TensorOptions(device).dtype(at::kLong);
  const at::Tensor cells = at::arange(grid, options).unsqueeze(1);
  const at::Tensor pixels = at::arange(size, options).unsqueeze(0);
  const at::Tensor begin = at::maximum(cells * size, pixels * grid);
  const at::Tensor end = at::minimum((cells + 1) * size, (pixels + 1) * grid);
  return (end - begin).clamp_min(0).to(at::kFloat);
}

}  // namespace

at::Tensor ClassShares(const at::Tensor& labels, int64_t classes,
                       int64_t ignore_label, int64_t grid) {
  if (!labels.is_cpu()) {
    return ClassSharesComposed(labels, classes, ignore_label, grid);
  }
  Check(labels, classes, grid);
  const at::Tensor dense = labels.contiguous();
  const int64_t images = labels.size(0);
  const Split split{labels.size(1), labels.size(2), classes, ignore_label,
                    grid};
  at::Tensor shares = at::empty({images, classes, grid, grid},
                                labels.options().dtype(at::kFloat));
  float* to = shares.mutable_data_ptr<float>();
  at::parallel_for(0, images * grid, 1, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> areas(grid * classes);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / grid, i = task % grid;
      std::fill(areas.begin(), areas.end(), 0);
      const int64_t offset = n * split.height * split.width;
      if (dense.scalar_type() == at::kByte) {
        AddAreas(dense.const_data_ptr<uint8_t>() + offset, split, i,
                 areas.data());
      } else {
        AddAreas(dense.const_data_ptr<int64_t>() + offset, split, i,
                 areas.data());
      }
      for (int64_t j = 0; j < grid; ++j) {
        const int64_t* area = &areas[j * classes];
        int64_t valid = 0;
        for (int64_t c = 0; c < classes; ++c) valid += area[c];
        const double total = static_cast<double>(std::max<int64_t>(valid, 1));
        for (int64_t c = 0; c < classes; ++c) {
          to[((n * classes + c) * grid + i) * grid + j] =
              static_cast<float>(static_cast<double>(area[c]) / total);
        }
      }
    }
  });
  return shares;
}

at::Tensor ClassSharesComposed(const at::Tensor& labels, int64_t classes,
                               int64_t ignore_label, int64_t grid) {
  Check(labels, classes, grid);
  const at::Device device = labels.device();
  const at::Tensor values = labels.to(at::kLong).unsqueeze(1);
  const at::Tensor ids =
      at::arange(classes, values.options()).view({1, classes, 1, 1});
  const at::Tensor planes = (values == ids)
                                .logical_and(values != ignore_label)
                                .to(at::kFloat);  // [N,C,H,W]
  const at::Tensor rows =
      at::matmul(Overlaps(labels.size(1), grid, device), planes);
  const at::Tensor areas =
      at::matmul(rows, Overlaps(labels.size(2), grid, device).t());
  const at::Tensor valid = areas.sum(1, /*keepdim=*/true);
  return areas / valid.masked_fill(valid == 0, 1);
}

}  // namespace segnet_rerank
}  // namespace seg
