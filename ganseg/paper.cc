#include "ganseg/paper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/backbones/image_features.h"
#include "common/backbones/pretrained.h"
#include "common/backbones/state_dict.h"
#include "common/base/status_macros.h"
#include "common/datasets/open.h"
#include "common/evaluation/landmark_error.h"
#include "common/evaluation/part_agreement.h"
#include "common/io/voc_palette.h"
#include "common/training/checkpoint.h"
#include "ganseg/embedding_map.h"
#include "ganseg/frechet_score.h"
#include "ganseg/generator_scores.h"
#include "ganseg/task.h"

namespace seg {
namespace ganseg {
namespace {

// Enough of them to see a collapse.
constexpr int64_t kValidationSamples = 64;

absl::StatusOr<ImageFeatures> OpenFeatures(const std::string& inception,
                                           c10::Device device) {
  return inception.empty() ? ImageFeatures::EfficientNetLite0(device)
                           : ImageFeatures::Inception(inception, device);
}

// The generator that a segmenter learns from must come whole.
absl::Status CheckGenerator(const Config& config, const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const RunRef run, FindRun(path));
  SEG_ASSIGN_OR_RETURN(const TensorMap tensors,
                       ReadCheckpointModel(run.checkpoint));
  const Generator generator(ToOptions(config.generator));
  std::vector<std::string> prefixes = {"generator."};
  if (config.generator_ema > 0) prefixes.push_back("generator_ema.");
  for (const std::string& prefix : prefixes) {
    for (const auto& [name, own] : StateDict(*generator)) {
      const auto found = tensors.find(prefix + name);
      if (found != tensors.end() && found->second.sizes() == own.sizes()) {
        continue;
      }
      return absl::InvalidArgumentError(absl::StrCat(
          "--init_from: ", run.checkpoint, " has another generator: ", prefix,
          name,
          found == tensors.end()
              ? std::string(" is missing")
              : absl::StrCat(" is [", absl::StrJoin(found->second.sizes(), ","),
                             "], by this configuration [",
                             absl::StrJoin(own.sizes(), ","), "]"),
          "; take the generator section of that run's config.yaml, and its "
          "generator_ema"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTraining(const Config& config, const DatasetInfo& info,
                           const MainArgs& args) {
  const std::string& fitted = config.eval.landmark_split;
  if (!fitted.empty() && info.has_points) {
    const auto opened =
        OpenFilledDataset(config.data, args.data_root, fitted, false);
    if (!opened.ok()) {
      return absl::Status(
          opened.status().code(),
          absl::StrCat("eval.landmark_split: ", opened.status().message()));
    }
    SEG_ASSIGN_OR_RETURN(const Sample sample, (*opened)->Get(0));
    const int64_t landmarks =
        sample.points.defined() ? sample.points.size(0) : 0;
    for (const int64_t eye : config.eval.eyes) {
      if (eye < landmarks) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("eval.eyes: there is no row ", eye, " of ", landmarks,
                       " landmarks in ", info.name));
    }
  }
  if (config.stage == Stage::kSegmenter && !args.resume) {
    if (args.init_from.empty()) {
      return absl::InvalidArgumentError(
          "stage: segmenter needs a trained generator; give its run by "
          "--init_from=RUN, or set stage=all");
    }
    return CheckGenerator(config, args.init_from);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Paper::Check(const Config& config, const DatasetInfo& info,
                          const MainArgs& args, const Command& command) {
  SEG_RETURN_IF_ERROR(CheckNetworks(config));
  const std::vector<int64_t>& eyes = config.eval.eyes;
  if (eyes.size() != 2 || eyes[0] == eyes[1]) {
    return absl::InvalidArgumentError(
        absl::StrCat("eval.eyes: expected two different rows of landmarks, "
                     "got [",
                     absl::StrJoin(eyes, ", "), "]"));
  }
  if (config.eval.frechet && !config.eval.inception.empty()) {
    SEG_RETURN_IF_ERROR(
        OpenFeatures(config.eval.inception, c10::kCPU).status());
  }
  if (command == Command::kTrain) return CheckTraining(config, info, args);
  if (config.has_encoder() && command.name == "sample") {
    return absl::InvalidArgumentError(
        "this run's generator is an auto-encoder's: it draws photographs "
        "again, and nothing from noise");
  }
  if (command == Command::kPredict && !config.has_segmenter() &&
      !config.has_encoder()) {
    return absl::InvalidArgumentError(
        "this run trained the GAN alone; train stage=segmenter with "
        "--init_from=RUN on its configuration, and predict with that");
  }
  return absl::OkStatus();
}

absl::Status Paper::Predicting(Restored<Paper>& restored,
                               PredictOptions* /*options*/) {
  if (restored.models[0]->segments()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the segmenter of ", restored.run.ref.checkpoint,
      " has not been trained; raise train.steps above gan_steps and go on with "
      "--resume"));
}

absl::StatusOr<Model> Paper::Build(const Config& config,
                                   const DatasetInfo& /*info*/) {
  SEG_RETURN_IF_ERROR(CheckNetworks(config));
  return Model(config);
}

absl::Status Paper::LoadPretrained(const Config& config, Model& model) {
  if (config.objective == Objective::kAutoencoderB) {
    return seg::LoadPretrained(config.segmenter.weights,
                               &model->encoder()->masks());
  }
  if (!config.has_segmenter()) return absl::OkStatus();
  return seg::LoadPretrained(config.segmenter.weights, &model->segmenter());
}

std::optional<DatasetInfo> Paper::OutputClasses(const Config& config,
                                                const DatasetInfo& data) {
  DatasetInfo parts;
  parts.name = absl::StrCat("parts of ", data.name);
  parts.class_names = {"background"};
  for (int64_t k = 1; k <= config.generator.parts; ++k) {
    parts.class_names.push_back(absl::StrCat("part ", k));
  }
  parts.palette = VocPalette(config.generator.parts + 1);
  return parts;
}

bool Paper::MayDiffer(const std::string& name, bool missing) {
  return !missing && absl::StartsWith(name, "generator_ema.");
}

std::unique_ptr<Task> Paper::MakeTask(const Config& config, Model model,
                                      const DatasetInfo& /*info*/) {
  return std::make_unique<GansegTask>(config, std::move(model));
}

std::unique_ptr<System> Paper::MakeSystem(const Config& /*config*/,
                                          std::vector<Model> models) {
  return std::make_unique<System>(models[0]);
}

TilingOptions Paper::Tiling(const Config& /*config*/) { return WholeImages(); }

void Paper::TakeSplits(const Config& config, System& system,
                       const std::string& split, const SplitOpener& open) {
  const std::string& fitted = config.eval.landmark_split;
  if (fitted.empty() || fitted == split) return;
  system.set_landmark_images([open, fitted] { return open(fitted); });
}

Measures Paper::MakeMeasures(const Config& config, System& system,
                             const DatasetInfo& info, Moment moment) {
  Measures measures;
  if (system.model()->segments() && info.has_masks) {
    measures.push_back(std::make_unique<PartAgreement>(info, system.Names()));
  }
  if (system.model()->segments() && moment != Moment::kValidation &&
      info.has_points) {
    LandmarkErrorOptions landmarks;
    landmarks.first = config.eval.eyes[0];
    landmarks.second = config.eval.eyes[1];
    landmarks.absolute_frame = config.eval.landmark_frame;
    landmarks.swap = config.eval.landmark_frame == 0;  // a body turns round
    LandmarkSource training;
    if (system.landmark_images()) {
      training = [&system, landmarks, device = system.model()->device()]()
          -> absl::StatusOr<std::vector<LandmarkSet>> {
        SEG_ASSIGN_OR_RETURN(const auto images, system.landmark_images()());
        return CollectLandmarks(*images, system, landmarks, device);
      };
    }
    measures.push_back(std::make_unique<LandmarkError>(
        system.Names(), landmarks, std::move(training)));
  }
  int64_t samples = config.eval.samples;
  if (moment == Moment::kValidation) {
    samples = std::min(samples, kValidationSamples);
  }
  Model& model = system.model();
  measures.push_back(std::make_unique<GeneratedPictures>(
      model, samples, static_cast<uint64_t>(config.eval.seed),
      MakePictureMeasures(config, model->device(), moment)));
  return measures;
}

PictureMeasures Paper::MakePictureMeasures(const Config& config,
                                           c10::Device device, Moment moment) {
  PictureMeasures measures;
  GeneratorScoresOptions scores;
  scores.rule = config.eval.rule;
  scores.grid = config.generator.grid;
  measures.push_back(std::make_unique<GeneratorScores>(scores));
  if (moment == Moment::kValidation) return measures;
  if (config.eval.frechet) {
    absl::StatusOr<ImageFeatures> features =
        OpenFeatures(config.eval.inception, device);
    // Check has opened a user's file once; the other comes with the build.
    TORCH_CHECK(features.ok(), std::string(features.status().message()));
    measures.push_back(std::make_unique<FrechetScore>(*std::move(features)));
  }
  if (config.eval.tsne) measures.push_back(std::make_unique<TsneMap>());
  return measures;
}

}  // namespace ganseg
}  // namespace seg
