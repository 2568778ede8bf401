// The predict command of every paper: images in, label maps out.
#ifndef COMMON_INFERENCE_PREDICT_H_
#define COMMON_INFERENCE_PREDICT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/config/main.h"
#include "common/datasets/dataset.h"
#include "common/inference/evaluate.h"
#include "common/inference/tiling.h"

namespace seg {

// The image files that --input means: a file, all .jpg, .jpeg and .png of a
// folder (sorted), or a glob. kNotFound names the input.
absl::StatusOr<std::vector<std::string>> ListInputs(const std::string& input);

struct PredictOptions {
  c10::Device device = c10::kCPU;
  TilingOptions tiling;
  // A folder with the class probabilities of each input, by its name without
  // extension (common/datasets/probabilities.h). Empty: none.
  std::string probabilities;
  // Called after each image with its stem-based output prefix ("OUT/NAME") and
  // the sample, for what only one paper writes. May be empty.
  std::function<absl::Status(const std::string& prefix, const Sample& sample,
                             const std::vector<at::Tensor>& outputs)>
      after_image;
};

// For each input NAME.ext writes into --out (default "predictions"):
//   NAME.png               palette PNG of the arg-max of the first output
//   NAME_overlay.png       with --overlay: labels drawn over the image
//   NAME_probabilities.npy with --probabilities: float32 [L,H,W], >= 0, sum 1
// and one line a file to stdout. A folder that another program predicts into is
// refused (usage). Two inputs of one name are an error, and so is
// an input that its own labels would replace. Stops at the first error.
absl::Status RunPredict(const MainArgs& args, const DatasetInfo& info,
                        const PredictFn& predict,
                        const PredictOptions& options);

}  // namespace seg

#endif  // COMMON_INFERENCE_PREDICT_H_
