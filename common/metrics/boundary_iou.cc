#include "common/metrics/boundary_iou.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/metrics/boundary_band.h"
#include "common/metrics/distance_transform.h"

namespace seg {
namespace {

// [H, W] or [N, H, W] labels as [N, H, W] on the CPU, contiguous: bytes as they
// are, other integers as int64.
at::Tensor AsLabels(const char* op, const at::Tensor& labels) {
  TORCH_CHECK(labels.dim() == 2 || labels.dim() == 3, op,
              ": labels must be [H, W] or [N, H, W], got sizes ",
              labels.sizes());
  TORCH_CHECK(at::isIntegralType(labels.scalar_type(), false), op,
              ": labels must be integers, got ", labels.scalar_type());
  const bool bytes = labels.scalar_type() == at::kByte;
  const at::Tensor batch =
      labels.cpu().to(bytes ? at::kByte : at::kLong).contiguous();
  return batch.dim() == 2 ? batch.unsqueeze(0) : batch;
}

at::Tensor AsBatch(const char* op, const at::Tensor& labels) {
  return AsLabels(op, labels).to(at::kLong);
}

// A view of `values`, which must outlive it.
at::Tensor AsTensor(std::vector<int64_t>* values) {
  return at::from_blob(values->data(), {static_cast<int64_t>(values->size())},
                       at::kLong);
}

void CheckSizes(const char* op, const at::Tensor& prediction,
                const at::Tensor& target) {
  TORCH_CHECK(prediction.sizes() == target.sizes(), op,
              ": prediction must have the sizes of target ", target.sizes(),
              ", got ", prediction.sizes());
}

// Labels that occur, each once.
std::vector<int64_t> Occurring(const at::Tensor& labels) {
  const at::Tensor flat = labels.contiguous();
  const int64_t* data = flat.const_data_ptr<int64_t>();
  std::vector<int64_t> result;
  for (int64_t i = 0; i < flat.numel(); ++i) {
    if (i > 0 && data[i] == data[i - 1]) continue;
    if (std::find(result.begin(), result.end(), data[i]) == result.end()) {
      result.push_back(data[i]);
    }
  }
  return result;
}

}  // namespace

at::Tensor SquaredDistanceToBoundary(const at::Tensor& target,
                                     int64_t ignore_label) {
  TORCH_CHECK(target.dim() == 2 && target.scalar_type() == at::kLong,
              "SquaredDistanceToBoundary: target must be int64 [H, W], got ",
              target.scalar_type(), " ", target.sizes());
  const at::Tensor labels = target.cpu();
  at::Tensor result = at::full(labels.sizes(), kNoSource, at::kLong);
  for (int64_t label : Occurring(labels)) {
    if (label == ignore_label) continue;
    const at::Tensor inside = labels == label;
    result = at::where(inside, SquaredDistanceTransform(~inside), result);
  }
  return result;
}

TrimapIou::TrimapIou(int64_t num_classes, TrimapOptions options)
    : num_classes_(num_classes), options_(std::move(options)) {
  for (double radius : options_.radii) {
    TORCH_CHECK(radius > 0.0, "TrimapIou: radii must be positive, got ",
                radius);
    matrices_.emplace_back(num_classes, options_.ignore_label);
  }
}

void TrimapIou::Add(const at::Tensor& prediction, const at::Tensor& target) {
  CheckSizes("TrimapIou", prediction, target);
  if (matrices_.empty()) return;
  const at::Tensor p = AsLabels("TrimapIou", prediction);
  const at::Tensor t = AsLabels("TrimapIou", target);
  for (int64_t n = 0; n < t.size(0); ++n) {
    // Only the pixels of the widest band are looked at again.
    BoundaryBand band = FindBoundaryBand(
        t[n], *std::max_element(options_.radii.begin(), options_.radii.end()),
        options_.ignore_label);
    const at::Tensor pixels = AsTensor(&band.pixels);
    const at::Tensor p_near = p[n].flatten().index_select(0, pixels);
    const at::Tensor t_near = t[n].flatten().index_select(0, pixels);
    const at::Tensor distance = AsTensor(&band.squared_distances);
    for (size_t i = 0; i < matrices_.size(); ++i) {
      // Distances are integers: compare with the integer part of r^2.
      const double squared = std::floor(options_.radii[i] * options_.radii[i]);
      matrices_[i].Add(p_near, t_near,
                       distance <= static_cast<int64_t>(squared));
    }
  }
}

void TrimapIou::Merge(const TrimapIou& other) {
  TORCH_CHECK(other.options_.radii == options_.radii,
              "TrimapIou: cannot merge evaluators of different radii");
  for (size_t i = 0; i < matrices_.size(); ++i) {
    matrices_[i].Merge(other.matrices_[i]);
  }
}

at::Tensor InnerBoundary(const at::Tensor& mask, int64_t d) {
  TORCH_CHECK(mask.dim() == 2 && mask.scalar_type() == at::kBool,
              "InnerBoundary: mask must be bool [H, W], got ",
              mask.scalar_type(), " ", mask.sizes());
  TORCH_CHECK(d >= 0, "InnerBoundary: d must not be negative, got ", d);
  const int64_t height = mask.size(0), width = mask.size(1);
  const at::Tensor input = mask.cpu().contiguous();
  const bool* in = input.const_data_ptr<bool>();
  // Sums of rectangles from the origin; a pixel survives the erosion if its
  // window is inside the image and full.
  std::vector<int64_t> sums((height + 1) * (width + 1), 0);
  const int64_t row = width + 1;
  for (int64_t y = 0; y < height; ++y) {
    int64_t line = 0;
    for (int64_t x = 0; x < width; ++x) {
      line += in[y * width + x] ? 1 : 0;
      sums[(y + 1) * row + x + 1] = sums[y * row + x + 1] + line;
    }
  }
  at::Tensor result = input.clone();
  bool* out = result.mutable_data_ptr<bool>();
  const int64_t full = (2 * d + 1) * (2 * d + 1);
  for (int64_t y = d; y < height - d; ++y) {
    for (int64_t x = d; x < width - d; ++x) {
      const int64_t top = (y - d) * row, bottom = (y + d + 1) * row;
      const int64_t left = x - d, right = x + d + 1;
      const int64_t count = sums[bottom + right] - sums[bottom + left] -
                            sums[top + right] + sums[top + left];
      if (count == full) out[y * width + x] = false;
    }
  }
  return result;
}

BoundaryIou::BoundaryIou(int64_t num_classes, double ratio,
                         int64_t ignore_label)
    : num_classes_(num_classes),
      ratio_(ratio),
      ignore_label_(ignore_label),
      intersections_(std::max<int64_t>(num_classes, 0), 0),
      unions_(std::max<int64_t>(num_classes, 0), 0) {
  TORCH_CHECK(num_classes >= 1,
              "BoundaryIou: num_classes must be at least 1, got ", num_classes);
  TORCH_CHECK(ratio > 0.0, "BoundaryIou: ratio must be positive, got ", ratio);
}

void BoundaryIou::Add(const at::Tensor& prediction, const at::Tensor& target) {
  CheckSizes("BoundaryIou", prediction, target);
  const at::Tensor ps = AsBatch("BoundaryIou", prediction);
  const at::Tensor ts = AsBatch("BoundaryIou", target);
  const double diagonal = std::hypot(static_cast<double>(ts.size(1)),
                                     static_cast<double>(ts.size(2)));
  const int64_t d = std::max<int64_t>(
      1, static_cast<int64_t>(std::llround(ratio_ * diagonal)));
  // Refuses labels out of range, with their value.
  ConfusionMatrix(num_classes_, ignore_label_).Add(ps, ts);
  for (int64_t n = 0; n < ts.size(0); ++n) {
    const at::Tensor p = ps[n], t = ts[n];
    const at::Tensor valid = t != ignore_label_;
    for (int64_t c = 0; c < num_classes_; ++c) {
      const at::Tensor in_t = t == c, in_p = p == c;
      if (!(in_t | in_p).any().item<bool>()) continue;
      const at::Tensor a = InnerBoundary(in_t, d) & valid;
      const at::Tensor b = InnerBoundary(in_p, d) & valid;
      intersections_[c] += (a & b).sum().item<int64_t>();
      unions_[c] += (a | b).sum().item<int64_t>();
    }
  }
}

void BoundaryIou::Merge(const BoundaryIou& other) {
  TORCH_CHECK(other.num_classes_ == num_classes_ && other.ratio_ == ratio_,
              "BoundaryIou: cannot merge ", other.num_classes_,
              " classes at ratio ", other.ratio_, " into ", num_classes_,
              " at ", ratio_);
  for (int64_t c = 0; c < num_classes_; ++c) {
    intersections_[c] += other.intersections_[c];
    unions_[c] += other.unions_[c];
  }
}

std::vector<double> BoundaryIou::Iou() const {
  std::vector<double> result(num_classes_);
  for (int64_t c = 0; c < num_classes_; ++c) {
    result[c] = unions_[c] == 0 ? std::numeric_limits<double>::quiet_NaN()
                                : static_cast<double>(intersections_[c]) /
                                      static_cast<double>(unions_[c]);
  }
  return result;
}

double BoundaryIou::MeanIou() const { return MeanWithoutNan(Iou()); }

}  // namespace seg
