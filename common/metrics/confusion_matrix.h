// Counts of (target, prediction) pairs of labelled pixels, and the usual
// scores.
//
// Scores are over all pixels added so far (not means over images). A score
// whose denominator is zero is NaN and is left out of means; so
//   IoU of class c: NaN if c occurs neither in targets nor in predictions;
//     0 if it is predicted but never true (it counts in the mean then);
//   accuracy (recall) of class c: NaN if c is in no target.
// A mean with no term is NaN.

#ifndef COMMON_METRICS_CONFUSION_MATRIX_H_
#define COMMON_METRICS_CONFUSION_MATRIX_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace seg {

class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int64_t num_classes, int64_t ignore_label = 255);

  // prediction, target: same sizes, any integer types (each its own), any
  // strides. Pixels whose target is ignore_label are skipped, whatever their
  // prediction. A class outside of 0..num_classes-1 at another pixel is an
  // error that names it; nothing is added then.
  // mask, if given: bool, same sizes; only pixels that are true are counted.
  void Add(const at::Tensor& prediction, const at::Tensor& target);
  void Add(const at::Tensor& prediction, const at::Tensor& target,
           const at::Tensor& mask);

  // Adds the counts of a matrix of the same number of classes.
  void Merge(const ConfusionMatrix& other);
  void Reset();

  int64_t num_classes() const { return num_classes_; }
  int64_t ignore_label() const { return ignore_label_; }
  int64_t count(int64_t target, int64_t prediction) const;
  int64_t total() const;      // counted pixels
  at::Tensor counts() const;  // int64 [target, prediction], a copy

  // Per class c, with t = true pixels, p = predicted pixels, i = both:
  std::vector<double> Iou() const;        // i / (t + p - i)
  std::vector<double> Recall() const;     // i / t, also "class accuracy"
  std::vector<double> Precision() const;  // i / p
  std::vector<double> F1() const;         // 2 i / (t + p)

  double MeanIou() const;
  double MeanClassAccuracy() const;
  double PixelAccuracy() const;         // sum i / total
  double FrequencyWeightedIou() const;  // sum t IoU / total

 private:
  std::vector<int64_t> Diagonal() const;
  std::vector<int64_t> TargetSums() const;
  std::vector<int64_t> PredictionSums() const;

  int64_t num_classes_;
  int64_t ignore_label_;
  std::vector<int64_t> counts_;  // row-major [target][prediction]
};

// Mean of the entries that are not NaN; NaN if there is none.
double MeanWithoutNan(const std::vector<double>& values);

}  // namespace seg

#endif  // COMMON_METRICS_CONFUSION_MATRIX_H_
