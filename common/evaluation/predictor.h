// A trained system in use: what validation, eval, predict and reports call.
#ifndef COMMON_EVALUATION_PREDICTOR_H_
#define COMMON_EVALUATION_PREDICTOR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/dataset.h"

namespace seg {

// The outputs of a system on N images, in the order of Predictor::Names().
struct Prediction {
  // [N,L,H,W] each, on the device: class probabilities, whose sum may differ
  // from one a little (a leaky projection). Empty for a system that gives
  // labels alone (proposals).
  std::vector<at::Tensor> probabilities;
  // uint8 [N,H,W] each, on the CPU. May be left empty where there are
  // probabilities: Run fills in their arg-max.
  std::vector<at::Tensor> labels;
};

// Row n of a prediction, as a prediction of one image; views.
Prediction Row(const Prediction& prediction, int64_t n);

class Predictor {
 public:
  virtual ~Predictor() = default;

  // One name an output; the first is the main one.
  virtual std::vector<std::string> Names() const = 0;

  // batch: images (and probabilities, where the data has them) on the device;
  // its masks are for systems that are studied with the truth in hand, and
  // absent where a user predicts. What LibTorch has to object is thrown.
  virtual Prediction Predict(const Batch& batch) = 0;
};

// Class probabilities [N,L,H,W] of a batch, one tensor an output.
using ProbabilitiesFn =
    std::function<std::vector<at::Tensor>(const Batch& batch)>;

// A predictor that is one function.
class FunctionPredictor : public Predictor {
 public:
  FunctionPredictor(std::vector<std::string> names, ProbabilitiesFn predict)
      : names_(std::move(names)), predict_(std::move(predict)) {}
  std::vector<std::string> Names() const override { return names_; }
  Prediction Predict(const Batch& batch) override {
    return {predict_(batch), {}};
  }

 private:
  std::vector<std::string> names_;
  ProbabilitiesFn predict_;
};

// `predictor` on a batch in inference mode, with labels for every name. What is
// thrown begins with "WHO: ", the images that it is about.
Prediction Run(Predictor& predictor, const Batch& batch,
               const std::string& who);

}  // namespace seg

#endif  // COMMON_EVALUATION_PREDICTOR_H_
