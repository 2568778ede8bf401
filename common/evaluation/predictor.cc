#include "common/evaluation/predictor.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include "common/metrics/arg_max.h"

namespace seg {

Prediction Row(const Prediction& prediction, int64_t n) {
  Prediction row;
  for (const at::Tensor& output : prediction.probabilities) {
    row.probabilities.push_back(output.narrow(0, n, 1));
  }
  for (const at::Tensor& output : prediction.labels) {
    row.labels.push_back(output.narrow(0, n, 1));
  }
  return row;
}

Prediction Run(Predictor& predictor, const Batch& batch,
               const std::string& who) {
  const c10::InferenceMode inference;
  try {
    Prediction prediction = predictor.Predict(batch);
    if (prediction.labels.empty()) {
      for (const at::Tensor& output : prediction.probabilities) {
        prediction.labels.push_back(ArgMaxLabels(output));
      }
    }
    const size_t names = predictor.Names().size();
    TORCH_CHECK(prediction.labels.size() == names, "Predictor: expected ",
                names, " outputs, got ", prediction.labels.size());
    return prediction;
  } catch (const c10::Error& e) {
    TORCH_CHECK(false, who, ": ", e.what_without_backtrace());
  }
}

}  // namespace seg
