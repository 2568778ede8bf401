// How well the centres of a system's parts predict landmarks: linear regression
// (landmark_regression.h), for data with Sample::points.
#ifndef COMMON_EVALUATION_LANDMARK_ERROR_H_
#define COMMON_EVALUATION_LANDMARK_ERROR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/evaluation/predictor.h"

namespace seg {

// What a regression is fitted or tested on: an image a row.
struct LandmarkSet {
  at::Tensor centres;    // float64 [N,K,2], PartCentres
  at::Tensor landmarks;  // float64 [N,P,2], (row, column), pixels
  at::Tensor visible;    // bool [N,P]
};

// The sets that a regression is fitted on, one an output.
using LandmarkSource =
    std::function<absl::StatusOr<std::vector<LandmarkSet>>()>;

struct LandmarkErrorOptions {
  // Rows of Sample::points whose distance is the unit of the error: the eyes,
  // the left one first as the viewer sees them.
  int64_t first = 0;
  int64_t second = 1;
  // They are swapped on images where the first lies right of the second: some
  // data have such faces. false for landmarks that may stand either way.
  bool swap = true;
  // > 0: finds the measure of Taichi too, in pixels of a frame as wide as this
  // whatever the size of the images (256 in the paper).
  double absolute_frame = 0.0;
};

// Collects centres and landmarks of a whole data set, one set an output of the
// predictor: the training images of a regression. Errors: as of LandmarkError,
// and of Evaluate.
absl::StatusOr<std::vector<LandmarkSet>> CollectLandmarks(
    const Dataset& dataset, Predictor& predictor,
    const LandmarkErrorOptions& options, c10::Device device);

// Finds, for the main output without a prefix and for another as "NAME/..":
//   landmark_error            regression without bias, as the paper has it
//   landmark_error_with_bias  with a constant
// (fractions of the distance between the two landmarks), and once
//   mean_landmark_error       of the constant alone, that is, of the mean face
// and with absolute_frame > 0 "landmark_absolute_error" (a sum over coordinates
// of mean absolute errors, regression with a constant) and
// "mean_landmark_absolute_error".
// The centres are those of all probabilities but the first (the background).
// NaN where there are too few images. Errors: an output without probabilities,
// a sample without points (names data.landmarks), a row of points out of range.
class LandmarkError : public Measure {
 public:
  // training: gives CollectLandmarks of other images with the same outputs and
  //   options. Called once, after the last image; the regression is fitted on
  //   what it gives and tested on all images of the pass. Without it the first
  //   half of the pass (in the data set's order, rounded down) is for fitting
  //   and the second for testing; the table says so.
  explicit LandmarkError(std::vector<std::string> outputs,
                         LandmarkErrorOptions options = {},
                         LandmarkSource training = nullptr);

  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

  // What the pass has given so far, of one output.
  LandmarkSet Collected(size_t output) const;

 private:
  std::vector<std::string> outputs_;
  LandmarkErrorOptions options_;
  LandmarkSource training_;
  std::vector<std::vector<at::Tensor>> centres_;  // by output, then image
  std::vector<at::Tensor> landmarks_, visible_;
};

}  // namespace seg

#endif  // COMMON_EVALUATION_LANDMARK_ERROR_H_
