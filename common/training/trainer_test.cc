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

#include "absl/strings/str_replace.h"
#include "common/datasets/open.h"
#include "common/io/file.h"
#include "common/io/json_lines.h"
#include "common/losses/cross_entropy.h"
#include "common/testing/status_matchers.h"
#include "common/training/checkpoint.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

struct RunOptions {
  std::string folder;
  bool resume = false;
  int64_t workers = 1;
  int64_t kill_at = kNever;       // SIGKILL inside this step
  int64_t interrupt_at = kNever;  // SIGINT inside this step
  int64_t bad_at = kNever;        // `bad` happens at this step
  enum { kNanInput, kNanLoss, kInfiniteLoss, kNanGradient } bad = kNanLoss;
  bool two_phases = false;
  bool dry_run = false;
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

 private:
  torch::nn::Conv2d first_{nullptr};
  torch::nn::BatchNorm2d norm_{nullptr};
  torch::nn::Conv2d last_{nullptr};
};
TORCH_MODULE(Net);

class NetTask : public Task {
 public:
  NetTask(const RunOptions& options, int64_t classes)
      : options_(options), net_(classes) {}

  torch::nn::Module& module() override { return *net_; }

  std::vector<Phase> Phases() override {
    const std::vector<at::Tensor> all = net_->parameters();
    if (!options_.two_phases) return {{"main", {{"all", all}}}};
    const std::vector<at::Tensor> head(all.end() - 2, all.end());
    const std::vector<at::Tensor> body(all.begin(), all.end() - 2);
    return {{"body", {{"all", body}}}, {"head", {{"all", head}}, 3}};
  }

  StepLoss Loss(int64_t phase, const Batch& batch, int64_t step) override {
    if (step == options_.kill_at) raise(SIGKILL);
    if (step == options_.interrupt_at) raise(SIGINT);
    calls_[phase] += 1;
    at::Tensor images = batch.images;
    if (step == options_.bad_at && options_.bad == RunOptions::kNanInput) {
      images = images.clone();
      images[1][2][3][4] = std::nan("");
    }
    at::Tensor loss = CrossEntropy(net_->forward(images), batch.masks);
    if (step == options_.bad_at) {
      std::ofstream ids(options_.folder + ".ids");
      for (const std::string& id : batch.ids) ids << id << "\n";
      const at::Tensor weight = net_->parameters()[0];
      if (options_.bad == RunOptions::kNanLoss) {
        loss = loss * std::nan("");
      } else if (options_.bad == RunOptions::kInfiniteLoss) {
        loss = loss / 0.0;
      } else if (options_.bad == RunOptions::kNanGradient) {
        // Adds 0, whose gradient is 0 times infinity.
        loss = loss + (weight * 0).sqrt().sum();
      }
    }
    return {loss, {{"double", loss * 2}}};
  }

  absl::StatusOr<Metrics> Validate() override {
    // A function of the weights, as every real metric is.
    return Metrics{
        {"mean_iou", net_->parameters()[0].abs().mean().item<double>()}};
  }

  absl::StatusOr<std::string> Finish(ReportData*) override {
    return "body " + std::to_string(calls_[0]) + " head " +
           std::to_string(calls_[1]);
  }

 private:
  RunOptions options_;
  Net net_;
  int64_t calls_[2] = {0, 0};
};

absl::Status RunHere(const RunOptions& options) {
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
  config.steps = 18;  // 3.6 epochs of 5 steps
  config.batch_size = 4;
  config.optimizer.type = "adam";
  config.schedule.type = "poly";
  config.clip_norm = 1.0;
  config.log_every = 1;
  config.checkpoint_every = 3;
  config.validate_every = 7;
  MainArgs args;
  args.paper = "test";
  args.device = "cpu";
  args.seed = 3;
  args.work_dir = options.folder;
  args.resume = options.resume;
  args.dry_run = options.dry_run;
  torch::manual_seed(args.seed);
  NetTask task(options, train->info().num_classes());
  return Trainer(args, {config, data, "test: 1\n"}, &task, train).Run();
}

// Runs in a child process; its wait status, and the message it ended with.
int RunInChild(const RunOptions& options, std::string* message = nullptr) {
  const std::string path = options.folder + ".message";
  const pid_t child = fork();
  if (child == 0) {
    // stdout belongs to the test.
    if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(99);
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
    RunOptions options;
    options.folder = Folder("whole");
    EXPECT_EQ(RunInChild(options), 0);
    return new std::vector<std::string>(End(options.folder));
  }();
  return *end;
}

TEST(TrainerTest, KilledInTheMiddleOfAnEpochAndResumedEndsWithEqualBits) {
  for (const int64_t workers : {0, 2}) {
    RunOptions options;
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

TEST(TrainerTest, InterruptSavesAndResumes) {
  RunOptions options;
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
  for (const auto bad : {RunOptions::kNanInput, RunOptions::kNanLoss,
                         RunOptions::kInfiniteLoss, RunOptions::kNanGradient}) {
    RunOptions options;
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
  RunOptions options;
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

TEST(TrainerTest, DryRunWritesNothing) {
  RunOptions options;
  options.folder = Folder("dry");
  options.dry_run = true;
  EXPECT_EQ(RunInChild(options), 0);
  EXPECT_FALSE(fs::exists(options.folder));
}

TEST(TrainerTest, ARunIsNotOverwritten) {
  RunOptions options;
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
