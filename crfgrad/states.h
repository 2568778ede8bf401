// How CRF-Grad's inference went, as pictures.
#ifndef CRFGRAD_STATES_H_
#define CRFGRAD_STATES_H_

#include <string>

#include "absl/status/status.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/io/image.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {

// Writes PREFIX_state-T.png, T = 0 .. crf.iterations: the labels (palette PNG
// of the arg-max) before the first iteration and after each.
//   sample: the photograph, with probabilities where the model's unary is a
//   folder's. model: on `device`, with a CRF-Grad layer.
absl::Status WriteStates(const std::string& prefix, const Sample& sample,
                         const Palette& palette, c10::Device device,
                         Model* model);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_STATES_H_
