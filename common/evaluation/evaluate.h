// One pass over a data set, the same for validation, the final report and eval.
#ifndef COMMON_EVALUATION_EVALUATE_H_
#define COMMON_EVALUATION_EVALUATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/evaluation/predictor.h"

namespace seg {

struct EvaluateOptions {
  c10::Device device = c10::kCPU;
  // Neighbours of one size go through the system together, up to this many.
  int64_t batch_size = 1;
};

// Runs `predictor` once on every sample, at the sample's own size, shows each
// to all `measures`, and adds to what they find "data", "images" and
// "ms_per_image" (median wall time of Run, over the images of its batch).
// Errors: a sample that cannot be read; an empty split; data without masks
// where a measure needs them; the first error of a measure.
absl::StatusOr<Findings> Evaluate(const Dataset& dataset, Predictor& predictor,
                                  const Measures& measures,
                                  const EvaluateOptions& options);

// What a training run measures, and on what.
struct EvaluationPlan {
  std::shared_ptr<const Dataset> val;
  std::shared_ptr<const Dataset> report;  // of the final report; may be `val`
  std::string report_split;               // its name, for the table
  Predictor* predictor = nullptr;         // outlives the plan
  std::function<Measures(const DatasetInfo& info, Moment moment)> measures;
  c10::Device device = c10::kCPU;
  // Images of one size that validation predicts together; the final report
  // takes one at a time, as its timing says.
  int64_t validation_batch = 1;
};

// The findings of a moment: kValidation on `val`, else on `report`, whose
// tables begin with a line that names data, split and number of images.
absl::StatusOr<Findings> EvaluateAt(const EvaluationPlan& plan, Moment moment);

// Final report and validation on a sample of each split, before the first step:
// finds what would stop the run later. Returns what validation finds.
absl::StatusOr<Findings> Rehearse(const EvaluationPlan& plan);

}  // namespace seg

#endif  // COMMON_EVALUATION_EVALUATE_H_
