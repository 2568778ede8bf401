// A paper that learns from photographs alone and finds parts of its own, in the
// commands that every paper has and in one that is its own.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/app/command.h"
#include "common/app/eval.h"
#include "common/app/paper.h"
#include "common/app/paper_config.h"
#include "common/app/predict.h"
#include "common/app/train.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/io/tensor_map.h"
#include "common/testing/status_matchers.h"
#include "common/training/checkpoint.h"
#include "common/training/run_options.h"
#include "common/training/task.h"
#include "nlohmann/json.hpp"
#include "torch/nn/modules/conv.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Config : PaperConfig {
  EvalConfig eval;
  int64_t parts = 2;

  static std::vector<KeyRule> Rules() { return PaperRules({{"parts", 1, 9}}); }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Config, SEG_PAPER_KEYS, eval,
                                                parts)

struct PartsTask : Task {
  explicit PartsTask(torch::nn::Conv2d model) : model(std::move(model)) {}
  torch::nn::Module& module() override { return *model; }
  std::vector<Phase> Phases() override {
    return {{"main", {{"all", model->parameters()}}}};
  }
  StepLoss Loss(int64_t, const Batch& batch, int64_t) override {
    TORCH_CHECK(!batch.masks.defined(), "the photographs have no masks");
    return {model->forward(batch.images / 255).square().mean()};
  }
  torch::nn::Conv2d model;
};

// Classes of the data, and parts.
class ClassesAndParts : public Measure {
 public:
  explicit ClassesAndParts(int64_t classes) : classes_(classes) {}
  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& image) override {
    parts_ = image.prediction.probabilities[0].size(1);
    return absl::OkStatus();
  }
  absl::Status Finish(Findings* findings) override {
    findings->json["classes"] = classes_;
    findings->json["parts"] = parts_;
    return absl::OkStatus();
  }

 private:
  int64_t classes_, parts_ = 0;
};

struct Paper : PaperDefaults<Config, torch::nn::Conv2d> {
  static constexpr char kName[] = "parts";
  static constexpr bool kTrainsOnMasks = false;

  static absl::StatusOr<Model> Build(const Config& config, const DatasetInfo&) {
    return Model(torch::nn::Conv2dOptions(3, config.parts + 1, 1));
  }
  static std::unique_ptr<Task> MakeTask(const Config&, Model model,
                                        const DatasetInfo&) {
    return std::make_unique<PartsTask>(std::move(model));
  }
  static std::unique_ptr<Predictor> MakeSystem(const Config&,
                                               std::vector<Model> models) {
    return std::make_unique<FunctionPredictor>(
        std::vector<std::string>{"parts"},
        [model = models[0]](const Batch& batch) mutable {
          return std::vector<at::Tensor>{
              at::softmax(model->forward(batch.images / 255), 1)};
        });
  }
  static std::optional<DatasetInfo> OutputClasses(const Config& config,
                                                  const DatasetInfo&) {
    DatasetInfo parts;
    parts.class_names = {"background"};
    parts.palette.push_back({9, 9, 9});
    for (uint8_t k = 1; k <= config.parts; ++k) {
      parts.class_names.push_back("part " + std::to_string(k));
      parts.palette.push_back({k, 0, 200});
    }
    return parts;
  }
  static Measures MakeMeasures(const Config&, Predictor&,
                               const DatasetInfo& info, Moment) {
    Measures measures;
    measures.push_back(std::make_unique<ClassesAndParts>(info.num_classes()));
    return measures;
  }
};

// A run on three photographs.
class FrameTest : public testing::Test {
 protected:
  FrameTest() : root_(testing::TempDir() + "/frame_test") {
    fs::remove_all(root_);
    fs::create_directories(root_);
    photographs_.WriteWhole(3, 8, 6);
    photographs_.WriteText("dataset.yaml", "has_masks: false\n");
    photographs_.WriteText("val.txt", "s0\n");
    const std::string config = root_ + "/parts.yaml";
    EXPECT_OK(WriteFileAtomically(
        config,
        "{train: {steps: 2, batch_size: 2, best_metric: \"\"},\n"
        " data: {pack: \"" +
            photographs_.folder() + "\", workers: 0}}\n"));
    MainArgs args = Args();
    args.config = config;
    args.work_dir = root_ + "/run";
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_OK(RunTrain<Paper>(args));
    testing::internal::GetCapturedStdout();
    log_ = testing::internal::GetCapturedStderr();
  }

  MainArgs Args() const {
    MainArgs args;
    args.paper = Paper::kName;
    args.device = "cpu";
    args.checkpoint = root_ + "/run";
    return args;
  }

  const std::string root_;
  const PackFixture photographs_{"photographs"};
  std::string log_;
};

TEST_F(FrameTest, TrainingNeedsNoMasks) {
  EXPECT_TRUE(fs::exists(root_ + "/run/report.html"));
  EXPECT_THAT(log_, Not(HasSubstr("warning")));
}

// A pipeline before the training: it may end there, and what it leaves in the
// model's buffers is in the checkpoint.
struct PipelinePaper : Paper {
  static inline int64_t prepared = 0;
  static inline bool train = true;
  static absl::StatusOr<bool> Prepare(const Config&, const TrainingSets& sets,
                                      const RunOptions& run, Model& model) {
    ++prepared;
    EXPECT_EQ(sets.train->size(), 3);
    EXPECT_EQ(run.seed, 7);
    const at::NoGradGuard no_grad;
    model->bias.fill_(41);
    return train;
  }
};

TEST_F(FrameTest, APipelineRunsBeforeTheTraining) {
  MainArgs args = Args();
  args.config = root_ + "/parts.yaml";
  args.work_dir = root_ + "/pipeline";
  args.seed = 7;
  args.overrides = {"train.optimizer.lr=0"};
  const auto train = [&] {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    EXPECT_OK(RunTrain<PipelinePaper>(args));
    testing::internal::GetCapturedStderr();
    return testing::internal::GetCapturedStdout();
  };
  PipelinePaper::train = false;
  EXPECT_EQ(train(), "");
  EXPECT_EQ(PipelinePaper::prepared, 1);
  EXPECT_FALSE(fs::exists(args.work_dir));
  PipelinePaper::train = true;
  args.dry_run = true;
  EXPECT_THAT(train(), HasSubstr("dry run"));
  EXPECT_EQ(PipelinePaper::prepared, 1);
  args.dry_run = false;
  EXPECT_THAT(train(), HasSubstr("report.html"));
  EXPECT_EQ(PipelinePaper::prepared, 2);
  ASSERT_OK_AND_ASSIGN(
      const TensorMap kept,
      ReadCheckpointModel(args.work_dir + "/checkpoints/last"));
  EXPECT_EQ(kept.at("bias")[0].item<float>(), 41);
  args.resume = true;
  args.overrides.clear();
  args.config = "";
  train();
  EXPECT_EQ(PipelinePaper::prepared, 2);
}

TEST_F(FrameTest, PredictDrawsThePartsThatItFound) {
  MainArgs args = Args();
  args.input = photographs_.folder() + "/images/s1.png";
  args.out = root_ + "/out";
  args.probabilities = args.overlay = true;
  testing::internal::CaptureStdout();
  const absl::Status status = RunPaperPredict<Paper>(args);
  testing::internal::GetCapturedStdout();
  ASSERT_OK(status);
  ASSERT_OK_AND_ASSIGN(const at::Tensor probabilities,
                       ReadNpy(args.out + "/s1_probabilities.npy"));
  EXPECT_EQ(probabilities.sizes(), at::IntArrayRef({3, 8, 6}));
  ASSERT_OK_AND_ASSIGN(const at::Tensor labels, ReadMask(args.out + "/s1.png"));
  ASSERT_OK_AND_ASSIGN(const at::Tensor drawn, ReadImage(args.out + "/s1.png"));
  const int64_t part = labels[0][0].item<int64_t>();
  EXPECT_EQ(drawn[2][0][0].item<int64_t>(), part == 0 ? 9 : 200);
  EXPECT_EQ(drawn[0][0][0].item<int64_t>(), part == 0 ? 9 : part);
}

TEST_F(FrameTest, EvalTakesDataOfAnyClasses) {
  const PackFixture labelled{"labelled"};
  labelled.WriteWhole(2, 8, 6);
  const auto eval = [&](const std::string& pack) {
    MainArgs args = Args();
    args.split = "train";
    args.json = true;
    args.overrides = {"data.pack=" + pack};
    testing::internal::CaptureStdout();
    EXPECT_OK(RunPaperEval<Paper>(args));
    return nlohmann::json::parse(testing::internal::GetCapturedStdout());
  };
  const nlohmann::json with = eval(labelled.folder());
  EXPECT_EQ(with["classes"], 3);
  EXPECT_EQ(with["parts"], 3);
  EXPECT_EQ(eval(photographs_.folder())["classes"], 0);
}

TEST_F(FrameTest, AMeanOverAClassThatIsNotThere) {
  const auto refused =
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("eval.mean_classes: photographs has no class 'cat'"));
  MainArgs args = Args();
  args.overrides = {"eval.mean_classes=[cat]"};
  EXPECT_THAT(Restore<Paper>(args, Command::kEval).status(), refused);
  args.config = root_ + "/parts.yaml";
  args.work_dir = root_ + "/other";
  EXPECT_THAT(RunTrain<Paper>(args), refused);
}

TEST_F(FrameTest, WeightsWithoutTheirRun) {
  const std::string loose = root_ + "/loose.safetensors";
  fs::copy_file(root_ + "/run/checkpoints/last/model.safetensors", loose);
  MainArgs args = Args();
  args.checkpoint = loose;
  EXPECT_THAT(Restore<Paper>(args, Command::kEval).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("loose.safetensors: lies in no run"),
                             HasSubstr("--config"))));
  args.config = root_ + "/parts.yaml";
  EXPECT_THAT(Restore<Paper>(args, Command::kEval).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("the weights lie in no run folder")));
}

// Of a run: a random number for each part.
TEST_F(FrameTest, ACommandOfItsOwn) {
  constexpr Command kSample = {"sample", kRunFlag | kOutFlag};
  at::Tensor drawn;
  const CommandBody<Paper> body = [&](const MainArgs& args,
                                      Restored<Paper>& restored) {
    drawn = at::rand({restored.outputs.num_classes()});
    return WriteFileAtomically(args.out + "/sample.txt", "x");
  };
  MainArgs args = Args();
  args.out = root_ + "/samples";
  args.seed = 5;
  ASSERT_OK(RunCommand<Paper>(args, kSample, body));
  EXPECT_TRUE(fs::exists(root_ + "/samples/sample.txt"));
  EXPECT_FALSE(fs::exists(root_ + "/samples/.lock"));
  const at::Tensor first = drawn;
  EXPECT_EQ(first.size(0), 3);
  ASSERT_OK(RunCommand<Paper>(args, kSample, body));
  EXPECT_TRUE(drawn.equal(first));
  args.seed = 6;
  ASSERT_OK(RunCommand<Paper>(args, kSample, body));
  EXPECT_FALSE(drawn.equal(first));

  // Errors before the body: a folder in use, a key, a run that is not there.
  drawn = at::Tensor();
  {
    ASSERT_OK_AND_ASSIGN(const FolderLock lock, ClaimOut(args.out));
    EXPECT_THAT(RunCommand<Paper>(args, kSample, body),
                StatusIs(absl::StatusCode::kAlreadyExists,
                         HasSubstr("samples: is in use")));
  }
  args.overrides = {"part=3"};
  EXPECT_THAT(RunCommand<Paper>(args, kSample, body),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("did you mean 'parts'?")));
  args.overrides = {"parts=3"};
  EXPECT_THAT(RunCommand<Paper>(args, kSample, body),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no tensor of the weights fits the model")));
  args.checkpoint = root_ + "/nowhere";
  EXPECT_THAT(
      RunCommand<Paper>(args, kSample, body),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("holds no checkpoint")));
  EXPECT_FALSE(drawn.defined());
}

}  // namespace
}  // namespace seg
