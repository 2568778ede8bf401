// What an evaluation measures, and what it finds.
//
// A data set is passed over once (evaluate.h): the system sees each image once,
// and every measure sees each image with what the system made of it.
#ifndef COMMON_EVALUATION_MEASURE_H_
#define COMMON_EVALUATION_MEASURE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/predictor.h"
#include "common/reporting/report.h"
#include "nlohmann/json.hpp"

namespace seg {

using Metrics = std::map<std::string, double>;

// Everything that stdout, --json, validation, events and the report show.
struct Findings {
  // The one place where a metric gets its name: "mean_iou" of the main output,
  // "fcn/mean_iou" of another. Validation logs them, train.best_metric names
  // one, and in JSON the slashes are levels: {"metrics": {"fcn": {"mean_iou"..
  // Fractions in [0,1]; NaN where undefined.
  Metrics scalars;
  nlohmann::json json = nlohmann::json::object();  // what is no scalar
  std::vector<std::string> tables;                 // text, in order
  std::vector<std::string> warnings;               // about the data
  ReportData report;  // facts, charts, classes, confusion, pictures
};

// `json` with the scalars under "metrics". NaN becomes null.
nlohmann::json ToJson(const Findings& findings);

// The tables below one another.
std::string ToText(const Findings& findings);

// One image, seen once.
struct Scored {
  const Sample& sample;
  const Batch& batch;            // of this image alone, on the device
  const Prediction& prediction;  // likewise: [1,...]
  int64_t index = 0;             // in the data set
  // The image's row in the batch that the predictor saw last: for measures
  // that look into their predictor.
  int64_t row = 0;
};

// A measure looks at the images in the data set's order, in inference mode.
class Measure {
 public:
  virtual ~Measure() = default;
  // Whether samples must have masks. Evaluate refuses data without them.
  virtual bool needs_masks() const { return true; }
  virtual absl::Status Add(const Scored& image) = 0;
  // Called once, after the last image.
  virtual absl::Status Finish(Findings* findings) = 0;
};

using Measures = std::vector<std::unique_ptr<Measure>>;

// What is measured depends on when: little during training, all at the end.
enum class Moment { kValidation, kFinal, kEval };

}  // namespace seg

#endif  // COMMON_EVALUATION_MEASURE_H_
