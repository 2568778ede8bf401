// One drawing of the generator for everything that looks at its pictures.
#ifndef GANSEG_GENERATED_PICTURES_H_
#define GANSEG_GENERATED_PICTURES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/evaluation/measure.h"
#include "ganseg/generator.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {

// What a measure of generated pictures does: sees the images of the pass, then
// the pictures, and finds something.
class PictureMeasure {
 public:
  virtual ~PictureMeasure() = default;
  virtual absl::Status AddImage(const Scored& /*image*/) {
    return absl::OkStatus();
  }
  // A batch of pictures, without gradients, on the model's device.
  virtual void AddPictures(const Generated& batch) = 0;
  // Called once, after the last batch.
  virtual absl::Status Finish(Findings* findings) = 0;
};

using PictureMeasures = std::vector<std::unique_ptr<PictureMeasure>>;

// At the end of the pass draws `samples` pictures (DrawSamples) and shows each
// to all `measures`, which find in their order. An auto-encoder's pictures are
// those of the first `samples` images of the pass.
class GeneratedPictures : public Measure {
 public:
  GeneratedPictures(Model model, int64_t samples, uint64_t seed,
                    PictureMeasures measures);

  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  void Reconstruct();

  Model model_;
  int64_t samples_;
  uint64_t seed_;
  PictureMeasures measures_;
  std::vector<at::Tensor> images_;  // to be reconstructed
  int64_t reconstructed_ = 0;
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_GENERATED_PICTURES_H_
