// GANSeg as the commands see it (common/app/paper.h).
#ifndef GANSEG_PAPER_H_
#define GANSEG_PAPER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/app/paper.h"
#include "common/app/predict.h"
#include "common/app/restore.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/predictor.h"
#include "common/training/task.h"
#include "ganseg/config.h"
#include "ganseg/generated_pictures.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {

// The segmenter, or an auto-encoder's encoder, in use; its measures look at the
// generator too.
class System : public Predictor {
 public:
  explicit System(Model model) : model_(std::move(model)) {}
  std::vector<std::string> Names() const override {
    return {model_->has_encoder() ? "encoder" : "segmenter"};
  }
  Prediction Predict(const Batch& batch) override {
    return {{model_->Segment(batch.images)}, {}};
  }
  Model& model() { return model_; }

  // Opens the images that a regression of landmarks is fitted on; null: half of
  // those that are measured.
  using Opener =
      std::function<absl::StatusOr<std::shared_ptr<const Dataset>>()>;
  const Opener& landmark_images() const { return landmark_images_; }
  void set_landmark_images(Opener open) { landmark_images_ = std::move(open); }

 private:
  Model model_;
  Opener landmark_images_;
};

struct Paper : PaperDefaults<Config, Model, System> {
  static constexpr char kName[] = "ganseg";
  static constexpr bool kTrainsOnMasks = false;
  static constexpr int64_t kValidationBatch = 16;

  static absl::Status Check(const Config& config, const DatasetInfo& info,
                            const MainArgs& args, const Command& command);
  static absl::StatusOr<Model> Build(const Config& config,
                                     const DatasetInfo& info);
  static absl::Status LoadPretrained(const Config& config, Model& model);
  static std::optional<DatasetInfo> OutputClasses(const Config& config,
                                                  const DatasetInfo& data);
  // A run with an average of its generator is judged without it by
  // generator_ema=0.
  static bool MayDiffer(const std::string& name, bool missing);
  static std::unique_ptr<Task> MakeTask(const Config& config, Model model,
                                        const DatasetInfo& info);
  static std::unique_ptr<System> MakeSystem(const Config& config,
                                            std::vector<Model> models);
  // Photographs have the generator's size: never cut.
  static TilingOptions Tiling(const Config& config);
  // Of the generator always; of the segmenter once it was trained, where the
  // data has masks.
  static absl::Status Predicting(Restored<Paper>& restored,
                                 PredictOptions* options);
  static void TakeSplits(const Config& config, System& system,
                         const std::string& split, const SplitOpener& open);
  static Measures MakeMeasures(const Config& config, System& system,
                               const DatasetInfo& info, Moment moment);
  // Those of them that look at generated pictures; `device` of features.
  static PictureMeasures MakePictureMeasures(const Config& config,
                                             c10::Device device, Moment moment);
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_PAPER_H_
