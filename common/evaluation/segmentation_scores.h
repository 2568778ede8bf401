// The scores of segmentation: counts of pixels, IoU by class, IoU near
// boundaries, for each output of a system; and the pictures of the report.
#ifndef COMMON_EVALUATION_SEGMENTATION_SCORES_H_
#define COMMON_EVALUATION_SEGMENTATION_SCORES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/evaluation/picture_book.h"
#include "common/metrics/boundary_iou.h"
#include "common/metrics/confusion_matrix.h"

namespace seg {

struct SegmentationScoresOptions {
  // Half widths, in pixels, of the bands around the true boundaries in which
  // IoU is counted too.
  std::vector<double> boundary_radii = {};
  // Of the report, at each end: with two or more outputs the images that gain
  // most and lose most against the second one, with one the best and the worst.
  int64_t pictures = 0;
  // Classes over which the mean IoU is found too; none: not.
  std::vector<int64_t> chosen = {};
  // Keeps the counts of each image, for measures that pick or pair outputs.
  bool by_image = false;
};

// `chosen` by the classes' names, ascending. An error says that the key
// eval.mean_classes names a class that the data does not have.
absl::StatusOr<std::vector<int64_t>> ChosenClasses(
    const std::vector<std::string>& names, const DatasetInfo& info);

// Those of a moment: boundaries and pictures at the end of training and in
// eval, by image never.
SegmentationScoresOptions ScoresAt(Moment moment, int64_t pictures);

// Finds, for the main output without a prefix and for another as "NAME/..":
//   mean_iou, pixel_accuracy, class_accuracy, boundary_iou_R,
//   chosen_mean_iou (options.chosen)
// and in JSON "per_class" of the main output ({CLASS: IoU}) and
// "per_class_by_output" of the others ({NAME: {CLASS: IoU}}); in the report
// facts, classes, confusion and pictures of the main output. Warns of masks
// whose labels look wrong (label_census.h).
class SegmentationScores : public Measure {
 public:
  // outputs: the names of the predictor's outputs.
  SegmentationScores(const DatasetInfo& info, std::vector<std::string> outputs,
                     SegmentationScoresOptions options = {});

  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

  const DatasetInfo& info() const { return info_; }
  const std::vector<std::string>& outputs() const { return outputs_; }
  // Counts over all images so far.
  const ConfusionMatrix& confusion(size_t output) const {
    return total_.at(output);
  }
  // By image, in the data set's order; with options.by_image.
  const std::vector<ConfusionMatrix>& by_image(size_t output) const {
    return images_.at(output);
  }

 private:
  double ChosenMeanIou(size_t output) const;
  std::string Table() const;
  void AddToReport(ReportData* report) const;

  DatasetInfo info_;
  std::vector<std::string> outputs_;
  SegmentationScoresOptions options_;
  std::vector<ConfusionMatrix> total_;
  std::vector<std::vector<ConfusionMatrix>> images_;
  std::vector<TrimapIou> boundaries_;  // none without radii
  PictureBook book_;
  int64_t masks_ = 0, void_pixels_ = 0;
};

}  // namespace seg

#endif  // COMMON_EVALUATION_SEGMENTATION_SCORES_H_
