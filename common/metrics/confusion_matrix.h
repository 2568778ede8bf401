// Confusion matrix of a segmentation and the scores that come from it.
#ifndef COMMON_METRICS_CONFUSION_MATRIX_H_
#define COMMON_METRICS_CONFUSION_MATRIX_H_

#include <cstdint>
#include <vector>

#include "ATen/core/Tensor.h"

namespace seg {

// counts()[t][p]: pixels of true class t predicted as p, exact in 64 bits.
// Scores are fractions in [0,1]. A class that occurs neither in truth nor in
// prediction has no IoU (NaN) and is left out of the mean, as in the VOC
// devkit.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int64_t num_classes, int64_t ignore_label = 255);

  // prediction, target: equal sizes, any integer dtype, any shape; pixels whose
  // target is the ignore label are passed over. Throws for labels outside the
  // classes.
  void Add(const at::Tensor& prediction, const at::Tensor& target);
  // Adds the counts of another matrix of the same size.
  void Merge(const ConfusionMatrix& other);

  int64_t num_classes() const { return num_classes_; }
  int64_t ignore_label() const { return ignore_label_; }
  std::vector<std::vector<int64_t>> counts() const;
  int64_t total() const;

  std::vector<double> Iou() const;   // TP / (TP + FP + FN) by class
  double MeanIou() const;            // over the classes that have one
  double PixelAccuracy() const;      // correct / all; NaN when empty
  double MeanClassAccuracy() const;  // mean recall of the classes in the truth
  std::vector<double> Precision() const;
  std::vector<double> Recall() const;
  std::vector<double> F1() const;

 private:
  int64_t num_classes_;
  int64_t ignore_label_;
  std::vector<int64_t> counts_;  // row-major [truth][prediction]
};

}  // namespace seg

#endif  // COMMON_METRICS_CONFUSION_MATRIX_H_
