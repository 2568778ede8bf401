#include "segnet_rerank/paper.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/backbones/image_features.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/evaluation/segmentation_scores.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/reporting/overlay.h"
#include "common/training/run_folder.h"
#include "segnet_rerank/contour_network.h"
#include "segnet_rerank/measures.h"
#include "segnet_rerank/picks.h"
#include "segnet_rerank/segnet_task.h"
#include "segnet_rerank/stages.h"

namespace seg {
namespace segnet_rerank {
namespace {

// SegNetTask on the network of a model: the buffers are part of checkpoints.
class ModelTask : public Task {
 public:
  ModelTask(const Config& config, Model model, int64_t ignore_label)
      : model_(std::move(model)),
        network_(config.loss, model_->segnet(), ignore_label) {}
  torch::nn::Module& module() override { return *model_; }
  std::vector<Phase> Phases() override { return network_.Phases(); }
  std::vector<ScalarBound> Bounds() override { return network_.Bounds(); }
  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override {
    return network_.Loss(phase, batch, step);
  }

 private:
  Model model_;
  SegNetTask network_;
};

// Proposals side by side, in rows of six.
at::Tensor ProposalGrid(const at::Tensor& labels, const Palette& palette) {
  constexpr int64_t kColumns = 6, kGap = 4;
  std::vector<at::Tensor> rows;
  const int64_t count = labels.size(0);
  for (int64_t first = 0; first < count; first += kColumns) {
    std::vector<at::Tensor> row;
    for (int64_t m = first; m < std::min(count, first + kColumns); ++m) {
      row.push_back(ColourMask(labels[m], palette));
    }
    rows.push_back(SideBySide(row, kGap));
  }
  const int64_t width = rows[0].size(2);
  for (at::Tensor& row : rows) {
    row = at::constant_pad_nd(row, {0, width - row.size(2), 0, kGap}, 255);
  }
  return at::cat(rows, 1);
}

absl::Status WriteFindings(const std::string& prefix, const Sample& sample,
                           const System& system, const DatasetInfo& outputs) {
  const Proposals& proposals = system.proposals(0);
  SEG_RETURN_IF_ERROR(WriteMask(
      prefix + "_coarse.png",
      NaiveLabels(system.coarse(0), sample.image.size(1), sample.image.size(2)),
      outputs.palette));
  SEG_RETURN_IF_ERROR(
      WriteImage(prefix + "_proposals.png",
                 ProposalGrid(proposals.labels, outputs.palette)));
  return WriteNpy(prefix + "_proposals.npy", proposals.labels);
}

absl::Status CheckGenerator(const Config& config) {
  if (config.generator == Generator::kCrf) {
    if (config.regions.boundaries == Boundaries::kContours) {
      return absl::InvalidArgumentError(
          "regions.boundaries: contours are of regions, which generator=crf "
          "does not make");
    }
    if (config.stage != Stage::kO2p) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "stage: o2p: generator=crf has no such stage");
  }
  if (config.background) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "generator: o2p paints objects on a background; with background=false "
      "set generator=crf");
}

// A frozen trunk sees each image twice, as it is and mirrored.
absl::Status CheckAugmentation(const Config& config) {
  if (!TrunkIsFrozen(config.segnet) || config.data.augment_once) {
    return absl::OkStatus();
  }
  AugmentOptions flip;
  flip.flip = config.data.augment.flip;
  if (nlohmann::json(config.data.augment) == nlohmann::json(flip)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "data.augment: a frozen trunk's features are kept, so that only flip "
      "changes anything; remove the other keys or set "
      "segnet.freeze_trunk=false");
}

// Config::stages says where. A run that is continued knows its folder, however
// it was started: its stages are in it or beside it.
std::string StagesRoot(const Config& config, const RunOptions& run) {
  constexpr char kStages[] = "/stages";
  if (!config.stages.empty()) return config.stages;
  if (run.work_dir.empty()) return RunsRoot(Paper::kName) + kStages;
  const std::string inside = run.work_dir + kStages;
  const std::filesystem::path folder =
      std::filesystem::absolute(run.work_dir + "/.").lexically_normal();
  const std::string beside =
      folder.parent_path().parent_path().string() + kStages;
  const bool kept_beside = run.resume && !std::filesystem::exists(inside) &&
                           std::filesystem::exists(beside);
  return kept_beside ? beside : inside;
}

StageRun StagesOf(const Config& config, const RunOptions& run) {
  StageRun stages;
  stages.root = StagesRoot(config, run);
  stages.seed = run.seed;
  stages.device = run.device;
  return stages;
}

}  // namespace

absl::Status Paper::Check(const Config& config, const DatasetInfo& info,
                          const MainArgs& /*args*/, const Command& command) {
  if (info.num_classes() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        info.name, ": has ", info.num_classes(),
        " classes; expected a background and at least one of objects"));
  }
  SEG_RETURN_IF_ERROR(CheckGenerator(config));
  if (command == Command::kTrain) {
    SEG_RETURN_IF_ERROR(CheckAugmentation(config));
  }
  if (config.rank.c.empty()) {
    return absl::InvalidArgumentError("rank.c: must not be empty");
  }
  SEG_RETURN_IF_ERROR(ContourNetwork::Load(config.regions).status());
  return CheckConfig(config.segnet);
}

absl::StatusOr<Model> Paper::Build(const Config& config,
                                   const DatasetInfo& info) {
  return Model(config, info.num_classes());
}

absl::Status Paper::LoadPretrained(const Config& /*config*/, Model& model) {
  return LoadTrunk(&model->segnet());
}

absl::StatusOr<bool> Paper::Prepare(const Config& config,
                                    const TrainingSets& sets,
                                    const RunOptions& run, Model& model) {
  if (!run.init_from.empty()) return config.stage == Stage::kAll;
  const Dataset& train = *sets.train;
  if (config.stage == Stage::kAll && train.size() < config.train.batch_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(train.info().name, ": ", train.size(),
                     " samples do not fill a batch of ",
                     config.train.batch_size, "; lower train.batch_size"));
  }
  SEG_ASSIGN_OR_RETURN(const std::optional<Fitted> fitted,
                       RunStages(config, sets.train, StagesOf(config, run)));
  if (fitted.has_value()) model->SetFitted(*fitted);
  return fitted.has_value();
}

absl::StatusOr<seg::TrainingData> Paper::Learning(const Config& config,
                                                  const TrainingSets& sets,
                                                  const RunOptions& run) {
  if (run.dry_run) {
    // There are no features yet, and photographs differ in size.
    Config one = config;
    if (TrunkIsFrozen(config.segnet)) one.train.batch_size = 1;
    return PaperDefaults::Learning(one, sets, run);
  }
  return LearningData(config, sets.train, StagesOf(config, run));
}

std::unique_ptr<Task> Paper::MakeTask(const Config& config, Model model,
                                      const DatasetInfo& info) {
  return std::make_unique<ModelTask>(config, std::move(model),
                                     info.ignore_label);
}

std::unique_ptr<System> Paper::MakeSystem(const Config& config,
                                          std::vector<Model> models) {
  absl::StatusOr<ImageFeatures> features =
      ImageFeatures::EfficientNetLite0(c10::kCPU);
  // Its weights come with the build.
  TORCH_CHECK(features.ok(), std::string(features.status().message()));
  absl::StatusOr<ContourNetwork> contours =
      ContourNetwork::Load(config.regions);
  TORCH_CHECK(contours.ok(), std::string(contours.status().message()));
  return std::make_unique<System>(config, models[0], *std::move(features),
                                  *std::move(contours));
}

TilingOptions Paper::Tiling(const Config& /*config*/) { return WholeImages(); }

absl::Status Paper::Predicting(Restored<Paper>& restored,
                               PredictOptions* options) {
  options->endings = {"_coarse.png", "_proposals.png", "_proposals.npy"};
  options->after_image = [&restored](const std::string& prefix,
                                     const Sample& sample) {
    return WriteFindings(prefix, sample, *restored.system, restored.outputs);
  };
  return absl::OkStatus();
}

Measures Paper::MakeMeasures(const Config& config, System& system,
                             const DatasetInfo& info, Moment moment) {
  Measures measures;
  SegmentationScoresOptions scores = ScoresOf(config, info, moment);
  ProposalScoresOptions options;
  options.chosen = scores.chosen;
  options.background = config.background;
  measures.push_back(std::make_unique<SegmentationScores>(info, system.Names(),
                                                          std::move(scores)));
  options.pictures = moment == Moment::kValidation ? 0 : config.report_pictures;
  measures.push_back(std::make_unique<ProposalScores>(
      info, &system, System::Methods(), options));
  return measures;
}

}  // namespace segnet_rerank
}  // namespace seg
