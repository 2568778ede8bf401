// Evaluation of segmentation networks over a data set, the same for all papers:
// per-image prediction at the sample's own size, confusion counts, boundary
// IoU, and for several outputs of one network the paired comparison of the
// first with the second (a layer against the same network without it).
#ifndef COMMON_INFERENCE_EVALUATE_H_
#define COMMON_INFERENCE_EVALUATE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/metrics/confusion_matrix.h"
#include "common/reporting/report.h"
#include "nlohmann/json.hpp"

namespace seg {

// batch: images (and probabilities, where the data has them) on the network's
// device; its masks are for networks that are studied with the truth in hand,
// and absent where a user predicts.
// returns: one tensor [N,L,H,W] an output: class probabilities, whose sum may
// differ from one a little (a leaky projection). The label is the arg-max over
// L; scores of another kind would make `predict --probabilities` wrong.
using PredictFn = std::function<std::vector<at::Tensor>(const Batch& batch)>;

struct EvaluateOptions {
  // Names of the outputs, in PredictFn's order; the first is the main one.
  std::vector<std::string> outputs = {"prediction"};
  // Half widths, in pixels, of the bands around the true boundaries in which
  // boundary IoU is counted.
  std::vector<double> boundary_radii = {2, 5};
  c10::Device device = c10::kCPU;
};

struct OutputResult {
  std::string name;
  ConfusionMatrix confusion;
  std::vector<double> boundary_iou;    // mean IoU in the band, by radius
  std::vector<double> image_mean_iou;  // by image, in the data set's order
};

struct EvaluateResult {
  DatasetInfo info;
  std::vector<std::string> ids;
  std::vector<double> boundary_radii;
  std::vector<OutputResult> outputs;
  int64_t void_pixels = 0;            // with the ignore label, over all masks
  double milliseconds_per_image = 0;  // median of PredictFn, wall clock
};

// Predicts every sample of `dataset` (batch of one, its own size) in inference
// mode. Errors: a sample that cannot be read; a data set without masks or
// empty.
absl::StatusOr<EvaluateResult> Evaluate(const Dataset& dataset,
                                        const PredictFn& predict,
                                        const EvaluateOptions& options);

// How labels of this data are drawn: a class 0 called "background" shows the
// photograph.
OverlayOptions OverlayFor(const DatasetInfo& info);

// `predict` on a batch; what LibTorch says against it begins with "WHO: ", the
// images that it is about.
std::vector<at::Tensor> PredictBatch(const PredictFn& predict,
                                     const Batch& batch,
                                     const std::string& who);

// One sample through `predict`, on the device, in inference mode.
std::vector<at::Tensor> PredictSample(const PredictFn& predict,
                                      const Sample& sample, c10::Device device);

// {"metrics": {"mean_iou": ..., "OUTPUT/mean_iou": ...}, "per_class": ...,
//  "images": n, "ms_per_image": ...}; fractions in [0,1], null where undefined.
// The main output's metrics carry no prefix.
nlohmann::json ToJson(const EvaluateResult& result);

// Text table: one row an output, percentages.
std::string ToTable(const EvaluateResult& result);

// Facts, per-class bars, confusion and pictures of the main output. With two or
// more outputs the pictures are the `pictures` images that gain most and lose
// most against the second one, each shown as image, truth, both predictions and
// the difference; with one output the best and the worst. A picture whose
// longer side is above 1,024 is shown at 1,024.
absl::Status FillReport(const Dataset& dataset, const EvaluateResult& result,
                        const PredictFn& predict, c10::Device device,
                        int64_t pictures, ReportData* report);

}  // namespace seg

#endif  // COMMON_INFERENCE_EVALUATE_H_
