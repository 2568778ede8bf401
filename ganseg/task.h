// GANSeg as the Trainer sees it: discriminator and generator by turns, then the
// segmenter on what the generator makes.
#ifndef GANSEG_TASK_H_
#define GANSEG_TASK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/training/task.h"
#include "ganseg/config.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {

// An auto-encoder has one phase, "autoencoder". Else phases "discriminator" and
// "generator" in the first FirstSegmenterStep() updates, "segmenter" in the
// rest. Batches are photographs; the segmenter's phase makes its own. Noise
// comes from LibTorch's default generator, which the Trainer seeds by (seed,
// step), and is fresh in each phase.
class GansegTask : public Task {
 public:
  GansegTask(const Config& config, Model model);

  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override;
  // The alarms of a GAN that collapses.
  std::vector<ScalarBound> Bounds() override;
  // A segmenter that learns alone starts anew, whatever the run of its
  // generator has.
  bool TakesFromOtherRun(const std::string& name) const override;
  // Generator and discriminator stay as they are while the segmenter learns.
  void SetTraining(int64_t step) override;
  std::optional<int64_t> KindOfStep(int64_t phase, int64_t step) const override;
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override;

 private:
  StepLoss LossOfDiscriminator(const Batch& batch, int64_t step);
  StepLoss LossOfGenerator(const Batch& batch, int64_t step);
  StepLoss LossOfSegmenter();
  StepLoss LossOfAutoencoder(const Batch& batch, int64_t step);
  // Adds concentration and area where they are due.
  void AddShapeTerms(const Generated& generated, int64_t step,
                     StepLoss* result) const;

  Config config_;
  Model model_;
  std::vector<Phase> phases_;
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_TASK_H_
