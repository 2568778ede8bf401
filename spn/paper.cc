#include "spn/paper.h"

#include <c10/core/InferenceMode.h>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/image.h"
#include "spn/part_scores.h"
#include "spn/pictures.h"
#include "spn/task.h"

namespace seg {
namespace spn {
namespace {

absl::Status CheckTraining(const Config& config, const MainArgs& args) {
  if (config.refine.type != RefineType::kNone &&
      config.coarse.source == CoarseSource::kParser &&
      config.groups.coarse_lr == 0 && args.init_from.empty() && !args.resume) {
    return absl::InvalidArgumentError(
        "groups.coarse_lr: 0 keeps the parser as it starts; give a trained one "
        "by --init_from=RUN");
  }
  const bool refines = config.refine.type == RefineType::kSpn ||
                       config.refine.type == RefineType::kConvolution;
  if (!refines && (config.coarse.source != CoarseSource::kParser ||
                   config.groups.coarse_lr == 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "refine.type: ", EnumName(config.refine.type),
        " has nothing to train without a parser that learns; set "
        "coarse.source=parser and groups.coarse_lr above 0, or refine.type=spn "
        "or convolution"));
  }
  return absl::OkStatus();
}

absl::Status CheckPrediction(const Config& config) {
  if (config.coarse.source == CoarseSource::kTruth) {
    return absl::InvalidArgumentError(
        "coarse.source: truth needs labels, which photographs do not have; "
        "name a folder of probabilities or labels by data.probabilities and "
        "set coarse.source=data");
  }
  const std::vector<int64_t>& pixel = config.predict.affinity;
  if (pixel.empty() && !config.predict.gates) return absl::OkStatus();
  if (config.refine.type != RefineType::kSpn) {
    return absl::InvalidArgumentError(
        "predict.affinity, predict.gates: need refine.type=spn");
  }
  if (!pixel.empty() && pixel.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "predict.affinity: expected [x, y], got ", pixel.size(), " numbers"));
  }
  return absl::OkStatus();
}

// PREFIX_affinity.png and PREFIX_gates.png, as the configuration says.
absl::Status WritePictures(const std::string& prefix, const Sample& sample,
                           Restored<Paper>* restored) {
  const c10::InferenceMode inference;
  const PredictConfig& config = restored->config.predict;
  const int64_t height = sample.image.size(1);
  const int64_t width = sample.image.size(2);
  if (height * width > config.max_pixels) {
    LogWarning(absl::StrCat(
        sample.path,
        ": no pictures of gates and affinity, which take images of "
        "at most predict.max_pixels = ",
        config.max_pixels, " pixels; it has ", width, "x", height));
    return absl::OkStatus();
  }
  const Batch batch = MakeBatch(sample, restored->run.device);
  const at::Tensor gates = restored->models[0]->PredictGates(batch.images);
  const RefinementHeadOptions& head = restored->models[0]->head_options();
  const std::vector<int64_t>& pixel = config.affinity;
  if (!pixel.empty()) {
    SEG_RETURN_IF_ERROR(
        WriteImage(prefix + "_affinity.png",
                   AffinityPicture(sample.image, gates, pixel[0], pixel[1],
                                   head.units(), head.propagation())));
  }
  if (!config.gates) return absl::OkStatus();
  return WriteImage(prefix + "_gates.png",
                    GatesPicture(gates, head.propagation()));
}

}  // namespace

absl::Status Paper::Check(const Config& config, const DatasetInfo& /*info*/,
                          const MainArgs& args, const Command& command) {
  if (command == Command::kTrain) return CheckTraining(config, args);
  if (command == Command::kPredict) return CheckPrediction(config);
  return absl::OkStatus();
}

absl::StatusOr<Model> Paper::Build(const Config& config,
                                   const DatasetInfo& info) {
  return Model(config, info);
}

absl::Status Paper::LoadPretrained(const Config& /*config*/, Model& model) {
  return model->LoadPretrainedBackbones();
}

bool Paper::MayDiffer(const std::string& /*name*/, bool missing) {
  return !missing;
}

std::unique_ptr<Task> Paper::MakeTask(const Config& config, Model model,
                                      const DatasetInfo& info) {
  return std::make_unique<SpnTask>(config, model, info.ignore_label);
}

std::unique_ptr<Predictor> Paper::MakeSystem(const Config& /*config*/,
                                             std::vector<Model> models) {
  Model model = models[0];
  return std::make_unique<FunctionPredictor>(
      model->OutputNames(),
      [model](const Batch& batch) mutable { return model->Predict(batch); });
}

TilingOptions Paper::Tiling(const Config& config) {
  // The refinement sees the image reduced as a whole.
  if (config.refine.pad_to > 0) return WholeImages();
  return {config.predict.max_pixels, config.predict.tile,
          config.predict.overlap};
}

Measures Paper::MakeMeasures(const Config& config, Predictor& system,
                             const DatasetInfo& info, Moment moment) {
  Measures measures;
  auto scores = std::make_unique<SegmentationScores>(
      info, system.Names(), ScoresOf(config, info, moment));
  auto parts = std::make_unique<PartFMeasures>(scores.get());
  measures.push_back(std::move(scores));
  measures.push_back(std::move(parts));
  return measures;
}

absl::Status Paper::Predicting(Restored<Paper>& restored,
                               PredictOptions* options) {
  const PredictConfig& config = restored.config.predict;
  options->probabilities = restored.config.data.probabilities;
  if (config.affinity.empty() && !config.gates) return absl::OkStatus();
  options->endings = {"_affinity.png", "_gates.png"};
  options->after_image = [&restored](const std::string& prefix,
                                     const Sample& sample) {
    return WritePictures(prefix, sample, &restored);
  };
  return absl::OkStatus();
}

}  // namespace spn
}  // namespace seg
