// Whole runs of a small network with dropout, batch norm, Adam and augmentation
// on generated data. Each run is a child process, so that one can be killed.
#include "common/training/trainer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <torch/nn/functional/dropout.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/utils.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/datasets/open.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "common/io/json_lines.h"
#include "common/losses/cross_entropy.h"
#include "common/testing/status_matchers.h"
#include "common/training/checkpoint.h"
#include "common/training/training_data.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

struct Trial {
  std::string folder;
  bool resume = false;
  int64_t workers = 1;
  int64_t kill_at = kNever;       // SIGKILL inside this step
  int64_t interrupt_at = kNever;  // SIGINT inside this step
  int64_t bad_at = kNever;        // `bad` happens at this step
  enum { kNanInput, kNanLoss, kInfiniteLoss, kNanGradient } bad = kNanLoss;
  int64_t throw_at = kNever;  // LibTorch throws `text` in this step
  std::string text = "matmul: sizes differ";
  bool two_phases = false;
  double least_loss = 0;       // the run warns of two losses in a row below it
  bool head_sgd = false;       // the head's phase has an optimiser of its own
  bool generated = false;      // a network makes the batches
  int64_t freeze_at = kNever;  // the first layer is frozen from this step on
  bool dry_run = false;
  std::string best_metric = "mean_iou";
  Precision precision = Precision::kTf32;
  double metric_factor = 1;  // times what validation gives
  int64_t batch_size = 4;
  int64_t steps = 18;
  std::string config_text = "test: 1\n";
};

class NetImpl : public torch::nn::Module {
 public:
  explicit NetImpl(int64_t classes) {
    first_ = register_module(
        "first",
        torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 8, 3).padding(1)));
    norm_ = register_module("norm", torch::nn::BatchNorm2d(8));
    last_ = register_module(
        "last", torch::nn::Conv2d(torch::nn::Conv2dOptions(8, classes, 1)));
  }
  at::Tensor forward(const at::Tensor& images) {
    const at::Tensor x = at::relu(norm_(first_(images / 255)));
    return last_(at::dropout(x, 0.3, is_training()));
  }
  torch::nn::Module& first() { return *first_; }

 private:
  torch::nn::Conv2d first_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
  torch::nn::Conv2d last_{nullptr};
};
TORCH_MODULE(Net);

class NetTask : public Task {
 public:
  NetTask(const Trial& options, int64_t classes)
      : options_(options), net_(classes) {}

  torch::nn::Module& module() override { return *net_; }

  std::vector<Phase> Phases() override {
    const std::vector<at::Tensor> all = net_->parameters();
    if (!options_.two_phases) return {{"main", {{"all", all}}}};
    const std::vector<at::Tensor> head(all.end() - 2, all.end());
    const std::vector<at::Tensor> body(all.begin(), all.end() - 2);
    std::vector<Phase> phases = {{"body", {{"all", body}}},
                                 {"head", {{"all", head}}, 3}};
    if (options_.head_sgd) {
      phases[1].optimizer.emplace();
      phases[1].optimizer->lr = 0.5;
    }
    return phases;
  }

  std::vector<ScalarBound> Bounds() override {
    ScalarBound bound;
    bound.name = "double";
    bound.bound = 2 * options_.least_loss;
    bound.updates = 2;
    bound.message = "too good";
    return {bound};
  }

  void SetTraining(int64_t step) override {
    net_->train();
    if (step >= options_.freeze_at) Freeze(net_->first());
  }

  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override {
    if (step == options_.kill_at) raise(SIGKILL);
    if (step == options_.interrupt_at) raise(SIGINT);
    TORCH_CHECK(step != options_.throw_at, options_.text);
    calls_[phase] += 1;
    at::Tensor images = batch.images;
    if (step == options_.bad_at && options_.bad == Trial::kNanInput) {
      images = images.clone();
      images[1][2][3][4] = std::nan("");
    }
    const at::Tensor scores = net_->forward(images);
    TORCH_CHECK((scores.scalar_type() == at::kBFloat16) ==
                    (options_.precision == Precision::kBf16),
                "scores are ", scores.scalar_type());
    at::Tensor loss = CrossEntropy(scores.to(at::kFloat), batch.masks);
    if (step == options_.bad_at) {
      std::ofstream ids(options_.folder + ".ids");
      for (const std::string& id : batch.ids) ids << id << "\n";
      const at::Tensor weight = net_->parameters()[0];
      if (options_.bad == Trial::kNanLoss) {
        loss = loss * std::nan("");
      } else if (options_.bad == Trial::kInfiniteLoss) {
        loss = loss / 0.0;
      } else if (options_.bad == Trial::kNanGradient) {
        // Adds 0, whose gradient is 0 times infinity.
        loss = loss + (weight * 0).sqrt().sum();
      }
    }
    return {loss, {{"double", loss * 2}}};
  }

  Net net() const { return net_; }
  std::string Calls() const {
    return "body " + std::to_string(calls_[0]) + " head " +
           std::to_string(calls_[1]);
  }

 private:
  Trial options_;
  Net net_;
  int64_t calls_[2] = {0, 0};
};

// Nothing looks at the outputs: measures read the weights. (Threads that a
// network starts here would be missing in the children of later tests.)
class NoOutput : public Predictor {
 public:
  std::vector<std::string> Names() const override { return {"net"}; }
  Prediction Predict(const Batch& batch) override {
    return {{}, {at::zeros({batch.images.size(0), 1, 1}, at::kByte)}};
  }
};

// A function of the weights, as every real metric is.
class NetMeasure : public Measure {
 public:
  NetMeasure(const Trial& options, const NetTask& task, Moment moment)
      : options_(options), task_(task), moment_(moment) {}
  absl::Status Add(const Scored& /*image*/) override {
    return absl::OkStatus();
  }
  absl::Status Finish(Findings* findings) override {
    findings->scalars = {
        {"mean_iou",
         options_.metric_factor *
             task_.net()->parameters()[0].abs().mean().item<double>()},
        {"pixel_accuracy", 0.5}};
    if (moment_ == Moment::kValidation) return absl::OkStatus();
    ReportChart chart;
    chart.options.title = "what the task drew";
    chart.series = {{"a line", {0, 1}, {2, 3}}};
    findings->report.charts.push_back(chart);
    findings->tables.push_back(task_.Calls());
    return absl::OkStatus();
  }

 private:
  const Trial& options_;
  const NetTask& task_;
  const Moment moment_;
};

// Pictures and masks from noise: a network from which the segmenter learns.
class GeneratorImpl : public torch::nn::Module {
 public:
  explicit GeneratorImpl(int64_t classes) {
    up_ = register_module(
        "up",
        torch::nn::ConvTranspose2d(
            torch::nn::ConvTranspose2dOptions(6, 3 + classes, 8).stride(8)));
  }
  Batch Make() {
    const at::Tensor maps = up_(at::randn({4, 6, 2, 2}));
    Batch batch;
    batch.images = 255 * at::sigmoid(maps.narrow(1, 0, 3));
    batch.masks = maps.slice(1, 3).argmax(1);
    return batch;
  }

 private:
  torch::nn::ConvTranspose2d up_{nullptr};
};
TORCH_MODULE(Generator);

absl::Status RunHere(const Trial& options) {
  DataConfig data;
  data.workers = options.workers;
  data.synthetic = {};
  data.synthetic.height = 24;
  data.synthetic.width = 24;
  data.synthetic.train = 20;
  data.augment.crop_height = 16;
  data.augment.crop_width = 16;
  data.augment.scale_min = 0.8;
  data.augment.scale_max = 1.25;
  data.augment.flip = true;
  data.augment.brightness = 0.2;
  SEG_ASSIGN_OR_RETURN(const auto train, OpenDataset(data, "", "train"));
  TrainConfig config;
  config.steps = options.steps;  // 18: 3.6 epochs of 5 steps
  config.batch_size = options.batch_size;
  config.optimizer.type = OptimizerType::kAdam;
  config.best_metric = options.best_metric;
  config.schedule.type = ScheduleType::kPoly;
  config.precision = options.precision;
  config.clip_norm = 1.0;
  config.log_every = 1;
  config.checkpoint_every = 3;
  config.validate_every = 7;
  RunOptions run;
  run.paper = "test";
  run.seed = 3;
  run.work_dir = options.folder;
  run.resume = options.resume;
  run.dry_run = options.dry_run;
  torch::manual_seed(run.seed);
  NetTask task(options, train->info().num_classes());
  NoOutput predictor;
  EvaluationPlan plan;
  plan.val = plan.report = train;
  plan.report_split = "train";
  plan.predictor = &predictor;
  plan.measures = [&](const DatasetInfo& /*info*/, Moment moment) {
    Measures measures;
    measures.push_back(std::make_unique<NetMeasure>(options, task, moment));
    return measures;
  };
  const TrainerOptions trainer = {config, data, options.config_text, plan};
  if (options.generated) {
    Generator generator(train->info().num_classes());
    return Trainer(run, trainer, &task,
                   FromFunction(
                       train->info(), 5,
                       [&](int64_t, int64_t) { return generator->Make(); }))
        .Run();
  }
  return Trainer(run, trainer, &task, train).Run();
}

// Runs in a child process; its wait status, and the message it ended with.
int RunInChild(const Trial& options, std::string* message = nullptr) {
  const std::string path = options.folder + ".message";
  const pid_t child = fork();
  if (child == 0) {
    // stdout belongs to the test.
    if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(99);
    const std::string log = options.folder + ".stderr";
    if (std::freopen(log.c_str(), "w", stderr) == nullptr) _exit(98);
    const absl::Status status = RunHere(options);
    std::ofstream(path) << status.message();
    _exit(status.ok() ? 0 : static_cast<int>(status.code()));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (message != nullptr) {
    const auto text = ReadFile(path);
    *message = text.ok() ? *text : "";
  }
  return status;
}

std::string Folder(const std::string& name) {
  const std::string folder = testing::TempDir() + "trainer_" + name;
  fs::remove_all(folder);
  return folder;
}

// The bytes of what a run ended with.
std::vector<std::string> End(const std::string& folder) {
  std::vector<std::string> bytes;
  for (const char* file :
       {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    const auto content = ReadFile(folder + "/checkpoints/step-18/" + file);
    EXPECT_OK(content);
    bytes.push_back(content.ok() ? *content : "");
  }
  return bytes;
}

const std::vector<std::string>& Uninterrupted() {
  static const std::vector<std::string>* const end = [] {
    Trial options;
    options.folder = Folder("whole");
    EXPECT_EQ(RunInChild(options), 0);
    return new std::vector<std::string>(End(options.folder));
  }();
  return *end;
}

// A program that trains by itself gets no flags along.
TEST(TrainerTest, NoFlagsAreLinked) {
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    EXPECT_THAT(flag->Filename(), Not(HasSubstr("common/"))) << name;
  }
  for (const char* name : {"config", "device", "seed", "work_dir", "out"}) {
    EXPECT_EQ(absl::FindCommandLineFlag(name), nullptr) << name;
  }
}

TEST(TrainerTest, KilledInTheMiddleOfAnEpochAndResumedEndsWithEqualBits) {
  for (const int64_t workers : {0, 2}) {
    Trial options;
    options.folder = Folder("killed" + std::to_string(workers));
    options.workers = workers;
    options.kill_at = 8;  // the second epoch's fourth step
    const int status = RunInChild(options);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ASSERT_OK_AND_ASSIGN(
        const CheckpointState state,
        ReadCheckpointState(options.folder + "/checkpoints/last"));
    EXPECT_EQ(state.step, 7);
    options.kill_at = kNever;
    options.resume = true;
    ASSERT_EQ(RunInChild(options), 0);
    // (As a truth value: a difference would print both files.)
    EXPECT_TRUE(End(options.folder) == Uninterrupted())
        << workers << " workers";

    // Each step is logged once.
    ASSERT_OK_AND_ASSIGN(const std::vector<nlohmann::json> records,
                         ReadJsonLines(options.folder + "/metrics.jsonl"));
    std::vector<int64_t> steps;
    for (const nlohmann::json& record : records) {
      if (record.contains("train")) steps.push_back(record["step"]);
    }
    std::vector<int64_t> expected(18);
    for (int64_t i = 0; i < 18; ++i) expected[i] = i + 1;
    EXPECT_EQ(steps, expected);
  }
}

TEST(TrainerTest, Bfloat16IsForTheLossAlone) {
  Trial options;
  options.folder = Folder("bf16");
  options.precision = Precision::kBf16;
  ASSERT_EQ(RunInChild(options), 0);
  ASSERT_OK_AND_ASSIGN(
      const TensorMap model,
      ReadCheckpointModel(options.folder + "/checkpoints/last"));
  for (const auto& [name, tensor] : model) {
    EXPECT_NE(tensor.scalar_type(), at::kBFloat16) << name;
  }
  EXPECT_FALSE(End(options.folder) == Uninterrupted());
}

TEST(TrainerTest, OnACpuTf32IsFloat32) {
  Trial options;
  options.folder = Folder("float32");
  options.precision = Precision::kFloat32;
  ASSERT_EQ(RunInChild(options), 0);
  EXPECT_TRUE(End(options.folder) == Uninterrupted());
}

TEST(TrainerTest, AGeneratorNetworkTrainsASegmenterAndResumesWithEqualBits) {
  Trial options;
  options.generated = true;
  options.folder = Folder("generated");
  ASSERT_EQ(RunInChild(options), 0);
  const std::vector<std::string> whole = End(options.folder);
  options.folder = Folder("generated_killed");
  options.kill_at = 8;
  const int status = RunInChild(options);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  options.kill_at = kNever;
  options.resume = true;
  std::string message;
  ASSERT_EQ(RunInChild(options, &message), 0) << message;
  EXPECT_TRUE(End(options.folder) == whole);
  // It learns what the generator shows: the loss falls.
  ASSERT_OK_AND_ASSIGN(const std::vector<nlohmann::json> records,
                       ReadJsonLines(options.folder + "/metrics.jsonl"));
  double first = 0, last = 0;
  for (const nlohmann::json& record : records) {
    if (!record.contains("train")) continue;
    const double loss = record["train"]["loss"];
    if (record["step"] == 1) first = loss;
    last = loss;
  }
  EXPECT_LT(last, first);

  // Its batches are named by seed and step where a step fails.
  options.folder = Folder("generated_throws");
  options.resume = false;
  options.throw_at = 2;
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(message, HasSubstr("images: made:3:2:0, made:3:2:1, made:3:2:2, "
                                 "made:3:2:3"));
}

TEST(TrainerTest, WhatSetTrainingFreezesStaysAlsoAfterAResume) {
  Trial options;
  options.freeze_at = 9;
  options.folder = Folder("frozen");
  ASSERT_EQ(RunInChild(options), 0);
  const std::vector<std::string> whole = End(options.folder);
  EXPECT_FALSE(whole == Uninterrupted());
  options.folder = Folder("frozen_killed");
  options.kill_at = 13;
  ASSERT_NE(RunInChild(options), 0);
  const auto model = [&](int64_t step) {
    const auto tensors = ReadCheckpointModel(
        options.folder + "/checkpoints/step-" + std::to_string(step));
    EXPECT_OK(tensors);
    return tensors.ok() ? *tensors : TensorMap();
  };
  const TensorMap before = model(9), after = model(12);
  EXPECT_TRUE(before.at("first.weight").equal(after.at("first.weight")));
  EXPECT_FALSE(before.at("last.weight").equal(after.at("last.weight")));
  options.kill_at = kNever;
  options.resume = true;
  ASSERT_EQ(RunInChild(options), 0);
  EXPECT_TRUE(End(options.folder) == whole);
}

TEST(TrainerTest, InterruptSavesAndResumes) {
  Trial options;
  options.folder = Folder("interrupted");
  options.interrupt_at = 4;
  std::string message;
  const int status = RunInChild(options, &message);
  EXPECT_EQ(WEXITSTATUS(status),
            static_cast<int>(absl::StatusCode::kCancelled));
  EXPECT_THAT(message, HasSubstr("after step 5 of 18"));
  EXPECT_THAT(message, HasSubstr("--resume --work_dir=" + options.folder));
  options.interrupt_at = kNever;
  options.resume = true;
  ASSERT_EQ(RunInChild(options), 0);
  EXPECT_TRUE(End(options.folder) == Uninterrupted());
}

TEST(TrainerTest, WhatIsNotFiniteStopsAndKeepsTheLastCheckpoint) {
  for (const auto bad : {Trial::kNanInput, Trial::kNanLoss,
                         Trial::kInfiniteLoss, Trial::kNanGradient}) {
    Trial options;
    options.folder = Folder("bad");
    options.bad_at = 10;
    options.bad = bad;
    std::string message;
    const int status = RunInChild(options, &message);
    EXPECT_EQ(WEXITSTATUS(status),
              static_cast<int>(absl::StatusCode::kDataLoss));
    EXPECT_THAT(message, HasSubstr("step 11"));
    EXPECT_THAT(message, HasSubstr("not finite"));
    // Every image of the batch, one after the other.
    ASSERT_OK_AND_ASSIGN(std::string ids, ReadFile(options.folder + ".ids"));
    EXPECT_EQ(std::count(ids.begin(), ids.end(), '\n'), 4);
    ids.pop_back();
    EXPECT_THAT(message, HasSubstr("images: " +
                                   absl::StrReplaceAll(ids, {{"\n", ", "}})));
    ASSERT_OK_AND_ASSIGN(
        const CheckpointState state,
        ReadCheckpointState(options.folder + "/checkpoints/last"));
    EXPECT_EQ(state.step, 9);
    ASSERT_OK_AND_ASSIGN(
        const TensorMap model,
        ReadCheckpointModel(options.folder + "/checkpoints/step-9"));
    for (const auto& [name, tensor] : model) {
      EXPECT_TRUE(at::isfinite(tensor.to(at::kFloat)).all().item<bool>())
          << name;
    }
  }
}

TEST(TrainerTest, PhasesAlternate) {
  Trial options;
  options.folder = Folder("phases");
  options.two_phases = true;
  std::string message;
  EXPECT_EQ(RunInChild(options, &message), 0) << message;
  ASSERT_OK_AND_ASSIGN(
      const TensorMap state,
      ReadCheckpointOptimizer(options.folder + "/checkpoints/step-18"));
  // Adam's own counts of updates: every step, and every third.
  EXPECT_EQ(state.at("body.all.0.steps").item<float>(), 18.0f);
  EXPECT_EQ(state.at("head.all.0.steps").item<float>(), 6.0f);
}

TEST(TrainerTest, APhaseMayHaveItsOwnOptimiser) {
  Trial options;
  options.folder = Folder("own_optimiser");
  options.two_phases = true;
  options.head_sgd = true;
  std::string message;
  EXPECT_EQ(RunInChild(options, &message), 0) << message;
  ASSERT_OK_AND_ASSIGN(
      const TensorMap state,
      ReadCheckpointOptimizer(options.folder + "/checkpoints/step-18"));
  EXPECT_EQ(state.count("body.all.0.steps"), 1u);  // Adam
  EXPECT_EQ(state.count("head.all.0.steps"), 0u);  // SGD
  EXPECT_EQ(state.count("head.all.0.first"), 1u);
  ASSERT_OK_AND_ASSIGN(const std::vector<nlohmann::json> records,
                       ReadJsonLines(options.folder + "/metrics.jsonl"));
  const nlohmann::json& first = records.front();
  EXPECT_EQ(first["train"]["head_lr"], 0.5);
  EXPECT_EQ(first["lr"], 0.01);
  EXPECT_FALSE(first["train"].contains("body_lr"));
}

TEST(TrainerTest, DryRunWritesNothing) {
  Trial options;
  options.folder = Folder("dry");
  options.dry_run = true;
  EXPECT_EQ(RunInChild(options), 0);
  EXPECT_FALSE(fs::exists(options.folder));
  for (const auto& entry :
       fs::directory_iterator(fs::path(options.folder).parent_path())) {
    EXPECT_THAT(entry.path().filename().string(), Not(StartsWith(".trial-")));
  }
}

TEST(TrainerTest, DryRunOfAResumedRunChangesNothing) {
  Trial options;
  options.folder = Folder("dry_resumed");
  options.interrupt_at = 4;
  ASSERT_NE(RunInChild(options), 0);
  const std::string metrics = options.folder + "/metrics.jsonl";
  ASSERT_OK_AND_ASSIGN(const std::string before, ReadFile(metrics));
  options.interrupt_at = kNever;
  options.resume = options.dry_run = true;
  ASSERT_EQ(RunInChild(options), 0);
  EXPECT_EQ(ReadFile(metrics).value(), before);
  options.dry_run = false;
  ASSERT_EQ(RunInChild(options), 0);
  EXPECT_TRUE(End(options.folder) == Uninterrupted());
}

TEST(TrainerTest, BestMetricMustBeOneThatValidationGives) {
  for (const bool dry_run : {false, true}) {
    Trial options;
    options.folder = Folder("metric");
    options.best_metric = "mean_io";
    options.dry_run = dry_run;
    options.kill_at = 0;  // no step is taken
    EXPECT_THAT(
        RunHere(options),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("train.best_metric: "),
                       HasSubstr("no 'mean_io'; did you mean 'mean_iou"),
                       HasSubstr("mean_iou, pixel_accuracy"))));
    EXPECT_FALSE(fs::exists(options.folder));
  }
}

TEST(TrainerTest, WhatLibTorchSaysComesWithStepAndImages) {
  Trial options;
  options.folder = Folder("throws");
  options.throw_at = 2;
  std::string message;
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(message, MatchesRegex("step 3, phase main: matmul: sizes differ; "
                                    "the batch's images: [^,]+(, [^,]+){3}"));
  options.folder = Folder("throws_known");
  options.text = "Expected more than 1 value per channel when training, got ..";
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(message, AllOf(HasSubstr("step 3, phase main: batch normal"),
                             HasSubstr("raise train.batch_size"),
                             HasSubstr("the batch's images: ")));
  options.folder = Folder("throws_lost");
  options.text = "CUDA error: unspecified launch failure\nFor debugging ..\n";
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(
      message,
      AllOf(HasSubstr("CUDA error: unspecified launch failure. The GPU"),
            HasSubstr("--resume"), Not(HasSubstr("\n"))));
}

TEST(TrainerTest, WhereMemoryEndsTheLastCheckpointStays) {
  Trial options;
  options.folder = Folder("memory");
  options.throw_at = 8;
  options.text =
      "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
      "capacity of 79.19 GiB of which 1.31 GiB is free.";
  std::string message;
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(message,
              AllOf(HasSubstr("step 9, phase main: the memory does not"),
                    HasSubstr("lower train.batch_size")));
  options.throw_at = kNever;
  options.resume = true;
  EXPECT_EQ(RunInChild(options, &message), 0) << message;
  EXPECT_TRUE(End(options.folder) == Uninterrupted());
  ASSERT_OK_AND_ASSIGN(const std::vector<nlohmann::json> records,
                       ReadJsonLines(options.folder + "/metrics.jsonl"));
  EXPECT_EQ(records.size(), 18u + 3u);
}

TEST(TrainerTest, AFailedStartDoesNotHoldItsFolder) {
  Trial options;
  options.folder = Folder("failed");
  options.batch_size = 21;  // of 20 images
  std::string message;
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(message, HasSubstr("20 samples do not fill a batch of 21"));
  EXPECT_FALSE(fs::exists(options.folder));
  options.batch_size = 4;
  options.throw_at = 1;
  EXPECT_NE(RunInChild(options), 0);
  EXPECT_TRUE(fs::exists(options.folder + "/config.yaml"));
  options.throw_at = kNever;
  options.kill_at = 2;  // before the first checkpoint
  EXPECT_NE(RunInChild(options), 0);
  options.kill_at = kNever;
  EXPECT_EQ(RunInChild(options, &message), 0) << message;
  EXPECT_TRUE(End(options.folder) == Uninterrupted());
  ASSERT_OK_AND_ASSIGN(const std::vector<nlohmann::json> records,
                       ReadJsonLines(options.folder + "/metrics.jsonl"));
  EXPECT_EQ(records.front()["step"], 1);
  EXPECT_EQ(records.size(), 18u + 3u);
}

TEST(TrainerTest, ARunInUseIsRefused) {
  Trial options;
  options.folder = Folder("used");
  fs::create_directories(options.folder);
  ASSERT_OK_AND_ASSIGN(const FolderLock lock,
                       FolderLock::Take(options.folder, "--work_dir"));
  std::string message;
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(message, HasSubstr("used: is in use by process"));
}

TEST(TrainerTest, ALongerRunGoesOnAndRecordsIt) {
  Trial options;
  options.folder = Folder("longer");
  options.config_text = "train:\n  steps: 18\n";
  ASSERT_EQ(RunInChild(options), 0);
  options.resume = true;
  options.steps = 20;
  options.config_text = "train:\n  steps: 20\n";
  ASSERT_EQ(RunInChild(options), 0);
  EXPECT_TRUE(fs::exists(options.folder + "/checkpoints/step-20"));
  EXPECT_EQ(ReadFile(options.folder + "/config.yaml").value(),
            options.config_text);
  EXPECT_THAT(ReadFile(options.folder + "/log.txt").value(),
              AllOf(HasSubstr("from step 18 on, train.steps: 18 -> 20"),
                    HasSubstr("schedule (poly) follows the new length")));
}

TEST(TrainerTest, ValidationWithoutANumberIsSaidOnce) {
  Trial options;
  options.folder = Folder("nan");
  options.metric_factor = std::nan("");
  ASSERT_EQ(RunInChild(options), 0);
  ASSERT_OK_AND_ASSIGN(const std::string log,
                       ReadFile(options.folder + "/log.txt"));
  std::vector<std::string> warnings;
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    if (absl::StartsWith(line, "warning: ")) warnings.emplace_back(line);
  }
  EXPECT_THAT(warnings,
              ElementsAre(HasSubstr("step 7: validation gives no number for "
                                    "mean_iou; are all pixels"),
                          HasSubstr("no validation gave a number for "
                                    "train.best_metric (mean_iou)")));
}

TEST(TrainerTest, AScalarBeyondItsBoundIsSaidOnce) {
  Trial options;
  options.folder = Folder("beyond");
  options.least_loss = 1e6;
  ASSERT_EQ(RunInChild(options), 0);
  ASSERT_OK_AND_ASSIGN(const std::string log,
                       ReadFile(options.folder + "/log.txt"));
  EXPECT_THAT(log, HasSubstr("warning: step 2: too good\n"));
  EXPECT_EQ(log.find("too good"), log.rfind("too good"));
}

TEST(TrainerTest, AMetricThatStaysIsSaidOnce) {
  Trial options;
  options.folder = Folder("plateau");
  options.best_metric = "pixel_accuracy";
  options.steps = 50;  // seven validations and the last
  ASSERT_EQ(RunInChild(options), 0);
  ASSERT_OK_AND_ASSIGN(const std::string log,
                       ReadFile(options.folder + "/log.txt"));
  const std::string warning =
      "warning: step 35: val/pixel_accuracy was exactly 0.5 in the last 5";
  EXPECT_THAT(log, HasSubstr(warning));
  EXPECT_EQ(log.find("warning: "), log.rfind("warning: "));
}

TEST(TrainerTest, TheReportShowsTheCurvesAndTheTasksCharts) {
  Trial options;
  options.folder = Folder("charts");
  ASSERT_EQ(RunInChild(options), 0);
  ASSERT_OK_AND_ASSIGN(const std::string report,
                       ReadFile(options.folder + "/report.html"));
  EXPECT_THAT(report, HasSubstr("mean_iou"));
  EXPECT_THAT(report, HasSubstr("what the task drew"));
}

TEST(TrainerTest, ARunIsNotOverwritten) {
  Trial options;
  options.folder = Folder("twice");
  ASSERT_EQ(RunInChild(options), 0);
  for (const char* file : {"config.yaml", "env.json", "log.txt",
                           "metrics.jsonl", "classes.json", "report.html"}) {
    EXPECT_TRUE(fs::exists(options.folder + "/" + file)) << file;
  }
  std::string message;
  EXPECT_NE(RunInChild(options, &message), 0);
  EXPECT_THAT(message, HasSubstr("holds a run already"));
}

}  // namespace
}  // namespace seg
