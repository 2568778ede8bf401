#include "segnet_rerank/label_pairs.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <vector>

namespace seg {
namespace segnet_rerank {
namespace {

// Sums over the pixels of each class; of x and y, of 2 x + 1 and 2 y + 1.
struct Sums {
  explicit Sums(int64_t classes)
      : count(classes), twice_x(classes), twice_y(classes) {}
  std::vector<int64_t> count, twice_x, twice_y;
};

// Labellings have long runs of one label along a row. The odd numbers 2 x + 1
// from x = begin to end - 1 add up to end^2 - begin^2.
void AddRow(const uint8_t* row, int64_t width, int64_t y, Sums* sums) {
  int64_t begin = 0;
  for (int64_t x = 1; x <= width; ++x) {
    if (x < width && row[x] == row[begin]) continue;
    const uint8_t label = row[begin];
    sums->count[label] += x - begin;
    sums->twice_x[label] += x * x - begin * begin;
    sums->twice_y[label] += (x - begin) * (2 * y + 1);
    begin = x;
  }
}

// bool [M,P]: both classes of the pair are present.
at::Tensor BothPresent(const LabelPlaces& places, const at::Tensor& pairs) {
  const at::Tensor present = places.area.gt(0);
  return present.index_select(1, pairs[0]) & present.index_select(1, pairs[1]);
}

at::Tensor DivideBySum(const at::Tensor& rows) {
  const at::Tensor sum = rows.sum(1, /*keepdim=*/true);
  return rows / sum.where(sum.gt(0), at::ones_like(sum));
}

}  // namespace

LabelPlaces FindLabels(const at::Tensor& labels, int64_t classes) {
  TORCH_CHECK(labels.dim() == 3 && labels.scalar_type() == at::kByte &&
                  labels.is_cpu() && labels.numel() > 0,
              "FindLabels: labels must be uint8 [M,H,W] on the CPU, not empty, "
              "got ",
              labels.scalar_type(), " ", labels.sizes(), " on ",
              labels.device());
  const int64_t greatest = labels.max().item<int64_t>();
  TORCH_CHECK(greatest < classes, "FindLabels: labels must be below ", classes,
              ", got ", greatest);
  const at::Tensor input = labels.contiguous();
  const int64_t m = input.size(0), height = input.size(1),
                width = input.size(2);
  const uint8_t* const pixels = input.const_data_ptr<uint8_t>();
  LabelPlaces places;
  places.area = at::zeros({m, classes}, at::kDouble);
  places.centre = at::zeros({m, classes, 2}, at::kDouble);
  double* const area = places.area.mutable_data_ptr<double>();
  double* const centre = places.centre.mutable_data_ptr<double>();
  at::parallel_for(0, m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Sums sums(classes);
      for (int64_t y = 0; y < height; ++y) {
        AddRow(pixels + (i * height + y) * width, width, y, &sums);
      }
      for (int64_t c = 0; c < classes; ++c) {
        if (sums.count[c] == 0) continue;
        const double count = static_cast<double>(sums.count[c]);
        const int64_t cell = i * classes + c;
        area[cell] = count / static_cast<double>(height * width);
        centre[2 * cell] = static_cast<double>(sums.twice_x[c]) /
                           (2 * count * static_cast<double>(width));
        centre[2 * cell + 1] = static_cast<double>(sums.twice_y[c]) /
                               (2 * count * static_cast<double>(height));
      }
    }
  });
  return places;
}

at::Tensor ClassPairs(int64_t classes) {
  return at::triu_indices(classes, classes, 1, at::kLong);
}

at::Tensor CentroidDifferences(const LabelPlaces& places) {
  const at::Tensor pairs = ClassPairs(places.area.size(1));
  const at::Tensor difference = places.centre.index_select(1, pairs[1]) -
                                places.centre.index_select(1, pairs[0]);
  const at::Tensor both = BothPresent(places, pairs).unsqueeze(2);
  return difference.where(both, at::zeros_like(difference)).flatten(1);
}

at::Tensor PairMass(const LabelPlaces& places) {
  const at::Tensor pairs = ClassPairs(places.area.size(1));
  const at::Tensor mass = places.area.index_select(1, pairs[0]) +
                          places.area.index_select(1, pairs[1]);
  return DivideBySum(
      mass.where(BothPresent(places, pairs), at::zeros_like(mass)));
}

at::Tensor CoOccurrence(const LabelPlaces& places) {
  const at::Tensor pairs = ClassPairs(places.area.size(1));
  return DivideBySum(BothPresent(places, pairs).to(at::kDouble));
}

}  // namespace segnet_rerank
}  // namespace seg
