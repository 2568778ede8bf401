#include "common/metrics/confusion_matrix.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace seg {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double Ratio(int64_t numerator, int64_t denominator) {
  return denominator == 0 ? kNan
                          : static_cast<double>(numerator) /
                                static_cast<double>(denominator);
}

// Contiguous, on the CPU, of one of the three types that Count knows.
at::Tensor Countable(const at::Tensor& labels) {
  const at::Tensor x = labels.cpu().contiguous();
  const bool known = x.scalar_type() == at::kByte ||
                     x.scalar_type() == at::kInt ||
                     x.scalar_type() == at::kLong;
  return known ? x : x.to(at::kLong);
}

// Adds to counts; `mask` may be null.
template <typename P, typename T>
void Count(const P* prediction, const T* target, const bool* mask,
           int64_t pixels, int64_t classes, int64_t ignore_label,
           int64_t* counts) {
  const auto inside = [classes](int64_t label) {
    return static_cast<uint64_t>(label) < static_cast<uint64_t>(classes);
  };
  for (int64_t i = 0; i < pixels; ++i) {
    const int64_t t = static_cast<int64_t>(target[i]);
    if (t == ignore_label || (mask != nullptr && !mask[i])) continue;
    const int64_t p = static_cast<int64_t>(prediction[i]);
    TORCH_CHECK(inside(t), "ConfusionMatrix: target has label ", t,
                " at pixel ", i, ", which is neither in 0..", classes - 1,
                " nor the ignore label ", ignore_label);
    TORCH_CHECK(inside(p), "ConfusionMatrix: prediction has label ", p,
                " at pixel ", i, ", expected 0..", classes - 1);
    ++counts[t * classes + p];
  }
}

template <typename P>
void CountTarget(const P* prediction, const at::Tensor& target,
                 const bool* mask, int64_t classes, int64_t ignore_label,
                 int64_t* counts) {
  const int64_t pixels = target.numel();
  switch (target.scalar_type()) {
    case at::kByte:
      return Count(prediction, target.const_data_ptr<uint8_t>(), mask, pixels,
                   classes, ignore_label, counts);
    case at::kInt:
      return Count(prediction, target.const_data_ptr<int32_t>(), mask, pixels,
                   classes, ignore_label, counts);
    default:
      return Count(prediction, target.const_data_ptr<int64_t>(), mask, pixels,
                   classes, ignore_label, counts);
  }
}

}  // namespace

double MeanWithoutNan(const std::vector<double>& values) {
  double sum = 0.0;
  int64_t count = 0;
  for (double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? kNan : sum / static_cast<double>(count);
}

ConfusionMatrix::ConfusionMatrix(int64_t num_classes, int64_t ignore_label)
    : num_classes_(num_classes), ignore_label_(ignore_label) {
  TORCH_CHECK(num_classes >= 1,
              "ConfusionMatrix: num_classes must be at least 1, got ",
              num_classes);
  Reset();
}

void ConfusionMatrix::Reset() {
  counts_.assign(num_classes_ * num_classes_, 0);
}

void ConfusionMatrix::Add(const at::Tensor& prediction,
                          const at::Tensor& target) {
  Add(prediction, target, at::Tensor());
}

void ConfusionMatrix::Add(const at::Tensor& prediction,
                          const at::Tensor& target, const at::Tensor& mask) {
  TORCH_CHECK(prediction.sizes() == target.sizes(),
              "ConfusionMatrix: prediction must have the sizes of target ",
              target.sizes(), ", got ", prediction.sizes());
  TORCH_CHECK(at::isIntegralType(prediction.scalar_type(), false) &&
                  at::isIntegralType(target.scalar_type(), false),
              "ConfusionMatrix: prediction and target must be integers, got ",
              prediction.scalar_type(), " and ", target.scalar_type());
  TORCH_CHECK(!mask.defined() || (mask.scalar_type() == at::kBool &&
                                  mask.sizes() == target.sizes()),
              "ConfusionMatrix: mask must be bool with sizes ", target.sizes());
  const at::Tensor p = Countable(prediction);
  const at::Tensor t = Countable(target);
  const at::Tensor m = mask.defined() ? mask.cpu().contiguous() : mask;
  const bool* m_data = m.defined() ? m.const_data_ptr<bool>() : nullptr;
  std::vector<int64_t> counts = counts_;  // kept if a label is refused
  switch (p.scalar_type()) {
    case at::kByte:
      CountTarget(p.const_data_ptr<uint8_t>(), t, m_data, num_classes_,
                  ignore_label_, counts.data());
      break;
    case at::kInt:
      CountTarget(p.const_data_ptr<int32_t>(), t, m_data, num_classes_,
                  ignore_label_, counts.data());
      break;
    default:
      CountTarget(p.const_data_ptr<int64_t>(), t, m_data, num_classes_,
                  ignore_label_, counts.data());
  }
  counts_.swap(counts);
}

void ConfusionMatrix::Merge(const ConfusionMatrix& other) {
  TORCH_CHECK(other.num_classes_ == num_classes_,
              "ConfusionMatrix: cannot merge ", other.num_classes_,
              " classes into ", num_classes_);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

int64_t ConfusionMatrix::count(int64_t target, int64_t prediction) const {
  TORCH_CHECK(target >= 0 && target < num_classes_ && prediction >= 0 &&
                  prediction < num_classes_,
              "ConfusionMatrix: no entry (", target, ", ", prediction,
              ") with ", num_classes_, " classes");
  return counts_[target * num_classes_ + prediction];
}

int64_t ConfusionMatrix::total() const {
  int64_t sum = 0;
  for (int64_t count : counts_) sum += count;
  return sum;
}

at::Tensor ConfusionMatrix::counts() const {
  return at::tensor(counts_, at::kLong).view({num_classes_, num_classes_});
}

std::vector<int64_t> ConfusionMatrix::Diagonal() const {
  std::vector<int64_t> result(num_classes_);
  for (int64_t c = 0; c < num_classes_; ++c) {
    result[c] = counts_[c * num_classes_ + c];
  }
  return result;
}

std::vector<int64_t> ConfusionMatrix::TargetSums() const {
  std::vector<int64_t> result(num_classes_, 0);
  for (int64_t t = 0; t < num_classes_; ++t) {
    for (int64_t p = 0; p < num_classes_; ++p) {
      result[t] += counts_[t * num_classes_ + p];
    }
  }
  return result;
}

std::vector<int64_t> ConfusionMatrix::PredictionSums() const {
  std::vector<int64_t> result(num_classes_, 0);
  for (int64_t t = 0; t < num_classes_; ++t) {
    for (int64_t p = 0; p < num_classes_; ++p) {
      result[p] += counts_[t * num_classes_ + p];
    }
  }
  return result;
}

std::vector<double> ConfusionMatrix::Iou() const {
  const std::vector<int64_t> both = Diagonal(), t = TargetSums(),
                             p = PredictionSums();
  std::vector<double> result(num_classes_);
  for (int64_t c = 0; c < num_classes_; ++c) {
    result[c] = Ratio(both[c], t[c] + p[c] - both[c]);
  }
  return result;
}

std::vector<double> ConfusionMatrix::Recall() const {
  const std::vector<int64_t> both = Diagonal(), t = TargetSums();
  std::vector<double> result(num_classes_);
  for (int64_t c = 0; c < num_classes_; ++c) result[c] = Ratio(both[c], t[c]);
  return result;
}

std::vector<double> ConfusionMatrix::Precision() const {
  const std::vector<int64_t> both = Diagonal(), p = PredictionSums();
  std::vector<double> result(num_classes_);
  for (int64_t c = 0; c < num_classes_; ++c) result[c] = Ratio(both[c], p[c]);
  return result;
}

std::vector<double> ConfusionMatrix::F1() const {
  const std::vector<int64_t> both = Diagonal(), t = TargetSums(),
                             p = PredictionSums();
  std::vector<double> result(num_classes_);
  for (int64_t c = 0; c < num_classes_; ++c) {
    result[c] = Ratio(2 * both[c], t[c] + p[c]);
  }
  return result;
}

double ConfusionMatrix::MeanIou() const { return MeanWithoutNan(Iou()); }

double ConfusionMatrix::MeanClassAccuracy() const {
  return MeanWithoutNan(Recall());
}

double ConfusionMatrix::PixelAccuracy() const {
  int64_t correct = 0;
  for (int64_t count : Diagonal()) correct += count;
  return Ratio(correct, total());
}

double ConfusionMatrix::FrequencyWeightedIou() const {
  const std::vector<int64_t> t = TargetSums();
  const std::vector<double> iou = Iou();
  double sum = 0.0;
  for (int64_t c = 0; c < num_classes_; ++c) {
    if (t[c] > 0) sum += static_cast<double>(t[c]) * iou[c];
  }
  const int64_t pixels = total();
  return pixels == 0 ? kNan : sum / static_cast<double>(pixels);
}

}  // namespace seg
