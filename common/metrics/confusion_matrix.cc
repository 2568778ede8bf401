#include "common/metrics/confusion_matrix.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstddef>
#include <limits>

namespace seg {
namespace {

double Ratio(int64_t numerator, int64_t denominator) {
  if (denominator == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(numerator) / static_cast<double>(denominator);
}

double MeanOfDefined(const std::vector<double>& values) {
  double sum = 0;
  int64_t count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count)
                   : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int64_t num_classes, int64_t ignore_label)
    : num_classes_(num_classes), ignore_label_(ignore_label) {
  TORCH_CHECK(num_classes >= 1,
              "ConfusionMatrix: num_classes must be positive, got ",
              num_classes);
  counts_.resize(static_cast<size_t>(num_classes * num_classes));
}

void ConfusionMatrix::Add(const at::Tensor& prediction,
                          const at::Tensor& target) {
  TORCH_CHECK(prediction.sizes() == target.sizes(),
              "ConfusionMatrix: prediction must match target ", target.sizes(),
              ", got ", prediction.sizes());
  TORCH_CHECK(!prediction.is_floating_point() && !target.is_floating_point(),
              "ConfusionMatrix: labels must be integers, got ",
              prediction.scalar_type(), " and ", target.scalar_type());
  const at::Tensor p = prediction.to(at::kCPU, at::kLong).contiguous();
  const at::Tensor t = target.to(at::kCPU, at::kLong).contiguous();
  const int64_t* predicted = p.data_ptr<int64_t>();
  const int64_t* truth = t.data_ptr<int64_t>();
  for (int64_t i = 0; i < p.numel(); ++i) {
    if (truth[i] == ignore_label_) continue;
    TORCH_CHECK(truth[i] >= 0 && truth[i] < num_classes_ && predicted[i] >= 0 &&
                    predicted[i] < num_classes_,
                "ConfusionMatrix: labels must lie in [0,", num_classes_,
                ") or be ", ignore_label_, " in the target, got target ",
                truth[i], " and prediction ", predicted[i]);
    ++counts_[static_cast<size_t>(truth[i] * num_classes_ + predicted[i])];
  }
}

void ConfusionMatrix::Merge(const ConfusionMatrix& other) {
  TORCH_CHECK(other.num_classes_ == num_classes_,
              "ConfusionMatrix: cannot merge ", other.num_classes_,
              " classes into ", num_classes_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::vector<std::vector<int64_t>> ConfusionMatrix::counts() const {
  std::vector<std::vector<int64_t>> rows;
  for (int64_t t = 0; t < num_classes_; ++t) {
    const auto begin = counts_.begin() + t * num_classes_;
    rows.emplace_back(begin, begin + num_classes_);
  }
  return rows;
}

int64_t ConfusionMatrix::total() const {
  int64_t sum = 0;
  for (const int64_t count : counts_) sum += count;
  return sum;
}

std::vector<double> ConfusionMatrix::Iou() const {
  std::vector<double> iou;
  const auto rows = counts();
  for (size_t c = 0; c < rows.size(); ++c) {
    int64_t either = -rows[c][c];
    for (size_t k = 0; k < rows.size(); ++k) either += rows[c][k] + rows[k][c];
    iou.push_back(Ratio(rows[c][c], either));
  }
  return iou;
}

double ConfusionMatrix::MeanIou() const { return MeanOfDefined(Iou()); }

double ConfusionMatrix::PixelAccuracy() const {
  int64_t correct = 0;
  for (int64_t c = 0; c < num_classes_; ++c) {
    correct += counts_[static_cast<size_t>(c * (num_classes_ + 1))];
  }
  return Ratio(correct, total());
}

double ConfusionMatrix::MeanClassAccuracy() const {
  return MeanOfDefined(Recall());
}

std::vector<double> ConfusionMatrix::Precision() const {
  std::vector<double> precision;
  const auto rows = counts();
  for (size_t c = 0; c < rows.size(); ++c) {
    int64_t predicted = 0;
    for (const auto& row : rows) predicted += row[c];
    precision.push_back(Ratio(rows[c][c], predicted));
  }
  return precision;
}

std::vector<double> ConfusionMatrix::Recall() const {
  std::vector<double> recall;
  const auto rows = counts();
  for (size_t c = 0; c < rows.size(); ++c) {
    int64_t present = 0;
    for (const int64_t count : rows[c]) present += count;
    recall.push_back(Ratio(rows[c][c], present));
  }
  return recall;
}

std::vector<double> ConfusionMatrix::F1() const {
  std::vector<double> f1;
  const auto rows = counts();
  for (size_t c = 0; c < rows.size(); ++c) {
    int64_t sum = 0;
    for (size_t k = 0; k < rows.size(); ++k) sum += rows[c][k] + rows[k][c];
    f1.push_back(Ratio(2 * rows[c][c], sum));
  }
  return f1;
}

}  // namespace seg
