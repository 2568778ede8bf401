#include "cgm/paper.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cgm/evaluation.h"
#include "cgm/pictures.h"
#include "cgm/task.h"
#include "common/base/status_macros.h"
#include "common/evaluation/picture_book.h"
#include "common/io/image.h"

namespace seg {
namespace cgm {
namespace {

// PREFIX_samples.png, PREFIX_entropy.png, PREFIX_variance.png.
absl::Status WritePictures(const std::string& prefix, const Sample& sample,
                           Restored<Paper>* restored) {
  const c10::InferenceMode inference;
  Model& model = restored->models[0];
  const Batch batch = MakeBatch(sample, restored->run.device);
  at::Generator generator =
      MakeGenerator(static_cast<uint64_t>(restored->config.inference.seed));
  const at::Tensor posteriors =
      SamplePosteriors(model, model->Prepare(batch.images),
                       restored->config.predict.samples, generator);
  SEG_RETURN_IF_ERROR(WriteImage(
      prefix + "_samples.png",
      SamplesPicture(sample.image, posteriors, restored->run.info.palette,
                     OverlayFor(restored->run.info))));
  const Uncertainty maps = Summarize(posteriors);
  // Of one class both are zero, whatever the scale.
  const double classes =
      static_cast<double>(std::max<int64_t>(2, model->classes()));
  SEG_RETURN_IF_ERROR(WriteImage(prefix + "_entropy.png",
                                 GreyPicture(maps.entropy, std::log(classes))));
  return WriteImage(prefix + "_variance.png",
                    GreyPicture(maps.variance, 1 - 1 / classes));
}

}  // namespace

absl::Status Paper::Check(const Config& config, const DatasetInfo& info,
                          const MainArgs& /*args*/, const Command& command) {
  SEG_RETURN_IF_ERROR(CheckClasses(config, info));
  const ModelType type = config.model.type;
  if (command == Command::kPredict && config.predict.samples > 0 &&
      (type == ModelType::kCnn || type == ModelType::kGdnn)) {
    return absl::InvalidArgumentError(
        absl::StrCat("predict.samples: the run's model.type is ",
                     EnumName(type), ", which does not sample"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Model> Paper::Build(const Config& config,
                                   const DatasetInfo& info) {
  return Model(config.model, info.num_classes());
}

bool Paper::MayDiffer(const std::string& name, bool /*missing*/) {
  return absl::StartsWith(name, "cnn.head_half.") ||
         absl::StartsWith(name, "cnn.head_quarter.");
}

std::vector<std::string> Paper::Ensemble(const Config& config) {
  return config.inference.ensemble;
}

std::unique_ptr<Task> Paper::MakeTask(const Config& config, Model model,
                                      const DatasetInfo& /*info*/) {
  return std::make_unique<CgmTask>(config, model);
}

std::unique_ptr<System> Paper::MakeSystem(const Config& config,
                                          std::vector<Model> models) {
  return std::make_unique<System>(std::move(models), config.inference);
}

TilingOptions Paper::Tiling(const Config& /*config*/) {
  return WholeImages();  // a shape is one sample
}

Measures Paper::MakeMeasures(const Config& config, System& system,
                             const DatasetInfo& info, Moment moment) {
  Config asked = config;
  EvaluationConfig& evaluation = asked.evaluation;
  if (moment != Moment::kEval) evaluation.omission_block = 0;
  auto scores = std::make_unique<SegmentationScores>(
      info, system.Names(), ScoresOf(config, info, moment));
  auto paths =
      std::make_unique<PathScores>(scores.get(), evaluation.foreground);
  Measures measures;
  measures.push_back(std::move(scores));
  measures.push_back(std::move(paths));
  if (moment != Moment::kValidation &&
      (evaluation.generative || evaluation.omission_block > 0)) {
    measures.push_back(
        std::make_unique<GenerativeMeasure>(info, asked, &system));
  }
  return measures;
}

absl::Status Paper::Predicting(Restored<Paper>& restored,
                               PredictOptions* options) {
  if (restored.config.predict.samples == 0) return absl::OkStatus();
  options->endings = {"_samples.png", "_entropy.png", "_variance.png"};
  options->after_image = [&restored](const std::string& prefix,
                                     const Sample& sample) {
    return WritePictures(prefix, sample, &restored);
  };
  return absl::OkStatus();
}

}  // namespace cgm
}  // namespace seg
