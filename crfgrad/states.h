// How CRF-Grad's inference went, as pictures.
#ifndef CRFGRAD_STATES_H_
#define CRFGRAD_STATES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/io/image.h"
#include "common/reporting/report.h"
#include "crfgrad/model.h"
#include "crfgrad/system.h"

namespace seg {
namespace crfgrad {

// Writes PREFIX_state-T.png, T = 0 .. crf.iterations: the labels (palette PNG
// of the arg-max) before the first iteration and after each.
//   sample: the photograph, with probabilities where the model's unary is a
//   folder's. model: on `device`, with a CRF-Grad layer.
absl::Status WriteStates(const std::string& prefix, const Sample& sample,
                         const Palette& palette, c10::Device device,
                         Model* model);

// A labelling as a picture: each pixel is the mixture of the classes' colours
// in the shares of q. q: [L,H,W] on the simplex. palette: L colours or more.
// Returns uint8 [3,H,W] on the CPU.
at::Tensor MixColours(const at::Tensor& q, const Palette& palette);

// Adds to the report the labellings of the first `count` images: image, truth,
// and q (of the descent without leak) after 0, 1, 2, 3, 5, 10, 20, 50 .. and T
// iterations.
class StatePictures : public Measure {
 public:
  // system: that of the evaluation, of a model with a CRF-Grad layer; outlives
  // this object and is made to keep its states.
  StatePictures(const DatasetInfo& info, int64_t count, System* system);

  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  DatasetInfo info_;
  size_t count_;
  System& system_;
  std::vector<ReportPicture> pictures_;
};

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_STATES_H_
