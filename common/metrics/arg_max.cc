#include "common/metrics/arg_max.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace seg {
namespace {

template <typename T>
inline bool Greater(T a, T b) {
  return a > b || (a != a && b == b);
}

// A row whose pixels lie one after the other, class by class.
template <typename T>
void PlanarRow(const T* row, int64_t classes, int64_t class_stride,
               int64_t width, T* best, uint8_t* labels) {
  std::copy(row, row + width, best);
  std::fill(labels, labels + width, uint8_t{0});
  for (int64_t c = 1; c < classes; ++c) {
    const T* scores = row + c * class_stride;
    const uint8_t label = static_cast<uint8_t>(c);
    for (int64_t x = 0; x < width; ++x) {
      const bool better = Greater(scores[x], best[x]);
      best[x] = better ? scores[x] : best[x];
      labels[x] = better ? label : labels[x];
    }
  }
}

// A row of any other layout, pixel by pixel.
template <typename T>
void StridedRow(const T* row, int64_t classes, int64_t class_stride,
                int64_t width, int64_t pixel_stride, uint8_t* labels) {
  for (int64_t x = 0; x < width; ++x) {
    const T* scores = row + x * pixel_stride;
    T best = scores[0];
    uint8_t label = 0;
    for (int64_t c = 1; c < classes; ++c) {
      const T score = scores[c * class_stride];
      if (!Greater(score, best)) continue;
      best = score;
      label = static_cast<uint8_t>(c);
    }
    labels[x] = label;
  }
}

template <typename T>
void ArgMax(const at::Tensor& scores, uint8_t* labels) {
  const int64_t classes = scores.size(1);
  const int64_t height = scores.size(2), width = scores.size(3);
  const T* data = scores.const_data_ptr<T>();
  constexpr int64_t kRows = 16;  // a piece of work
  at::parallel_for(0, scores.size(0) * height, kRows,
                   [&](int64_t begin, int64_t end) {
                     std::vector<T> best(width);
                     for (int64_t i = begin; i < end; ++i) {
                       const T* row = data + i / height * scores.stride(0) +
                                      i % height * scores.stride(2);
                       if (scores.stride(3) == 1) {
                         PlanarRow(row, classes, scores.stride(1), width,
                                   best.data(), labels + i * width);
                       } else {
                         StridedRow(row, classes, scores.stride(1), width,
                                    scores.stride(3), labels + i * width);
                       }
                     }
                   });
}

}  // namespace

at::Tensor ArgMaxLabels(const at::Tensor& scores) {
  TORCH_CHECK(scores.dim() == 3 || scores.dim() == 4,
              "ArgMaxLabels: scores must be [L,H,W] or [N,L,H,W], got ",
              scores.sizes());
  const int64_t axis = scores.dim() - 3;
  TORCH_CHECK(scores.size(axis) >= 1 && scores.size(axis) <= 256,
              "ArgMaxLabels: scores must have 1..256 classes, got ",
              scores.size(axis));
  if (!scores.is_cpu()) {
    return scores.argmax(axis).to(at::kCPU, at::kByte).contiguous();
  }
  const at::Tensor batch = scores.dim() == 3 ? scores.unsqueeze(0) : scores;
  at::Tensor labels =
      at::empty({batch.size(0), batch.size(2), batch.size(3)}, at::kByte);
  if (batch.scalar_type() == at::kDouble || !batch.is_floating_point()) {
    ArgMax<double>(batch.to(at::kDouble), labels.mutable_data_ptr<uint8_t>());
  } else {
    ArgMax<float>(batch.to(at::kFloat), labels.mutable_data_ptr<uint8_t>());
  }
  return scores.dim() == 3 ? labels.squeeze(0) : labels;
}

}  // namespace seg
