#include "crfgrad/paper.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/backbones/pretrained.h"
#include "common/base/status_macros.h"
#include "common/evaluation/segmentation_scores.h"
#include "crfgrad/convergence.h"
#include "crfgrad/states.h"
#include "crfgrad/task.h"

namespace seg {
namespace crfgrad {

namespace {

bool FromFolder(const Config& config) {
  return config.unary.source == UnarySource::kFolder;
}

absl::Status CheckUnary(const Config& config, const Command& command) {
  const bool named = !config.data.probabilities.empty();
  if (FromFolder(config) && !named) {
    return absl::InvalidArgumentError(
        "unary.source: folder reads class probabilities of each image; name "
        "their folder by data.probabilities");
  }
  if (!FromFolder(config) && named) {
    return absl::InvalidArgumentError(
        "data.probabilities: not read by unary.source=network; set "
        "unary.source=folder");
  }
  const Inference inference = config.model.inference;
  const bool learns =
      inference == Inference::kCrfGrad || inference == Inference::kCrfRnn;
  if (command == Command::kTrain && FromFolder(config) && !learns) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.inference: ", EnumName(inference),
        " has nothing to train on a folder of probabilities; set it to crfgrad "
        "or crf_rnn, or unary.source=network"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Paper::Check(const Config& config, const DatasetInfo& info,
                          const MainArgs& /*args*/, const Command& command) {
  SEG_RETURN_IF_ERROR(CheckUnary(config, command));
  const bool has_crf = config.model.inference == Inference::kCrfGrad;
  if (command == Command::kEval && config.eval.convergence && !has_crf) {
    return absl::InvalidArgumentError(
        "eval.convergence: needs model.inference=crfgrad");
  }
  if (command == Command::kPredict && config.predict.states && !has_crf) {
    return absl::InvalidArgumentError(
        "predict.states: needs model.inference=crfgrad");
  }
  if (command == kFigures && !has_crf) {
    return absl::InvalidArgumentError("figures: needs model.inference=crfgrad");
  }
  return absl::OkStatus();
}

DataConfig Paper::TrainingData(const Config& config) {
  DataConfig data = config.data;
  if (config.model.input_size > 0) {
    data.resize_height = data.resize_width = config.model.input_size;
  }
  return data;
}

absl::StatusOr<Model> Paper::Build(const Config& config,
                                   const DatasetInfo& info) {
  return Model(config, info.num_classes());
}

absl::Status Paper::LoadPretrained(const Config& config, Model& model) {
  if (!model->has_fcn()) return absl::OkStatus();
  return seg::LoadPretrained(config.model.weights, &model->fcn());
}

bool Paper::MayDiffer(const std::string& name, bool missing) {
  return absl::StartsWith(name, "crf.") ||
         (!missing && absl::StartsWith(name, "fcn."));
}

std::unique_ptr<Task> Paper::MakeTask(const Config& config, Model model,
                                      const DatasetInfo& info) {
  return std::make_unique<CrfGradTask>(config, model, info.ignore_label);
}

std::unique_ptr<System> Paper::MakeSystem(const Config& /*config*/,
                                          std::vector<Model> models) {
  return std::make_unique<System>(models[0]);
}

TilingOptions Paper::Tiling(const Config& config) {
  const PredictConfig& predict = config.predict;
  // The network sees the image reduced as a whole, or its states are asked for.
  if ((config.model.input_size > 0 && !FromFolder(config)) ||
      config.eval.convergence) {
    return WholeImages();
  }
  return {predict.max_pixels, predict.tile, predict.overlap};
}

Measures Paper::MakeMeasures(const Config& config, System& system,
                             const DatasetInfo& info, Moment moment) {
  Measures measures;
  measures.push_back(std::make_unique<SegmentationScores>(
      info, system.Names(), ScoresOf(config, info, moment)));
  if (moment == Moment::kEval && config.eval.convergence) {
    measures.push_back(
        std::make_unique<Convergence>(info, config.eval.speck_area, &system));
  }
  return measures;
}

absl::Status Paper::Predicting(Restored<Paper>& restored,
                               PredictOptions* options) {
  options->probabilities = restored.config.data.probabilities;
  if (!restored.config.predict.states) return absl::OkStatus();
  for (int64_t t = 0; t <= restored.config.crf.iterations; ++t) {
    options->endings.push_back(absl::StrCat("_state-", t, ".png"));
  }
  options->after_image = [&restored](const std::string& prefix,
                                     const Sample& sample) {
    return WriteStates(prefix, sample, restored.run.info.palette,
                       restored.run.device, &restored.models[0]);
  };
  return absl::OkStatus();
}

}  // namespace crfgrad
}  // namespace seg
