#include "common/training/resume.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "common/datasets/data_config.h"
#include "common/datasets/open.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"
#include "common/training/checkpoint.h"
#include "common/training/run_folder.h"

namespace seg {

struct ResumedConfig {
  DataConfig data;
  TrainConfig train;

  static std::vector<KeyRule> Rules() { return {}; }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ResumedConfig, data, train)

namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A run of step 50 of 100 with the poly schedule.
class ResumeTest : public ::testing::Test {
 protected:
  ResumeTest() : run_(::testing::TempDir() + "resume_test") {
    fs::remove_all(run_);
    fs::create_directories(run_ + "/checkpoints");
    config_.train.steps = 100;
    config_.train.schedule.type = ScheduleType::kPoly;
    config_.train.schedule.power = 1;
    EXPECT_OK(WriteFileAtomically(run_ + "/config.yaml", Text(config_)));
    state_.seed = 5;
    for (const int64_t step : {50, 60}) {
      state_.step = step;
      EXPECT_OK(SaveCheckpoint(run_, {{"w", at::ones({2})}}, {}, state_, 9));
    }
    state_.step = 50;
  }

  static std::string Text(const ResumedConfig& config) {
    return ToYaml(nlohmann::json(config));
  }

  absl::Status Load(std::vector<std::string> overrides,
                    const std::string& config = "") {
    loaded_ = ResumedConfig();
    SEG_RETURN_IF_ERROR(LoadConfigFile(
        {config.empty() ? run_ + "/config.yaml" : config, std::move(overrides)},
        &loaded_));
    return CheckResumeConfig(run_, loaded_);
  }

  const std::string run_;
  ResumedConfig config_, loaded_;
  CheckpointState state_;
};

TEST_F(ResumeTest, WhatHasNoPartInTheUpdatesMayChange) {
  ASSERT_OK(
      Load({"data.workers=3", "train.log_every=7", "train.validate_every=5",
            "data.cache_mb=0", "train.keep_checkpoints=4", "train.steps=150"}));
  EXPECT_EQ(loaded_.data.workers, 3);
  EXPECT_EQ(loaded_.train.steps, 150);
  EXPECT_EQ(loaded_.train.schedule.type, ScheduleType::kPoly);  // the run's own
}

TEST_F(ResumeTest, WhatChangesTheRunIsRefusedWithItsKeys) {
  EXPECT_THAT(
      Load({"train.optimizer.lr=0.0001", "data.pack=OTHER", "data.workers=3"}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("train.optimizer.lr: 0.01 -> 0.0001"),
                     HasSubstr("data.pack: \"synthetic:scenes\" -> OTHER"),
                     HasSubstr("--init_from=" + run_),
                     Not(HasSubstr("data.workers: ")))));
  EXPECT_THAT(Load({"train.steps=99"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("train.steps: 100 -> 99 (it may only grow)")));
  EXPECT_FALSE(Load({"train.steps=0"}).ok());
  EXPECT_FALSE(Load({"data.augment.flip=true"}).ok());
  EXPECT_FALSE(Load({"train.best_metric=other"}).ok());
  // An override that says what is so is none.
  EXPECT_OK(Load({"train.optimizer.lr=0.01"}));
}

TEST_F(ResumeTest, AConfigurationFileIsHeldAgainstTheRunsOwn) {
  const std::string file = ::testing::TempDir() + "resume_test.yaml";
  config_.data.workers = 2;
  ASSERT_OK(WriteFileAtomically(file, Text(config_)));
  EXPECT_OK(Load({}, file));
  EXPECT_EQ(loaded_.data.workers, 2);
  config_.train.batch_size = 3;
  ASSERT_OK(WriteFileAtomically(file, Text(config_)));
  EXPECT_THAT(Load({}, file), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("train.batch_size: 8 -> 3")));
}

TEST_F(ResumeTest, TheSeedIsTheRunsOwn) {
  ASSERT_OK_AND_ASSIGN(const RunRef run, FindRunToResume(run_));
  EXPECT_EQ(ResumedSeed(run, {}).value(), 5);
  EXPECT_EQ(ResumedSeed(run, 5).value(), 5);
  EXPECT_THAT(ResumedSeed(run, 6),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(run_ + " was started with --seed=5, got "
                                              "--seed=6"),
                             HasSubstr("leave the flag out"))));
}

TEST_F(ResumeTest, TheDataMustBeWhatItWas) {
  ASSERT_OK_AND_ASSIGN(const auto train, OpenDataset({}, "", "train"));
  ASSERT_OK(WriteClasses(run_, train->info()));
  EXPECT_OK(CheckResumeData(run_, state_, train->info(),
                            train->size()));  // of an older version
  state_.samples = train->size();
  EXPECT_OK(CheckResumeData(run_, state_, train->info(), train->size()));
  state_.samples = 300;
  EXPECT_THAT(CheckResumeData(run_, state_, train->info(), train->size()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("trained on 300 images"),
                             HasSubstr("has 256"))));
  DatasetInfo info = train->info();
  info.class_names[1] = "dragon";
  ASSERT_OK(WriteClasses(run_, info));
  EXPECT_THAT(
      CheckResumeData(run_, state_, train->info(), train->size()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dragon")));
}

TEST_F(ResumeTest, TheFilesGoOnFromTheStepAndRecordTheChange) {
  const std::string metrics = run_ + "/metrics.jsonl";
  ASSERT_OK(WriteFileAtomically(
      metrics, "{\"step\":40}\n{\"step\":50}\n{\"step\":55}\n"));
  ASSERT_OK(ContinueRunFiles(run_, 50, Text(config_), config_.train, 10));
  EXPECT_EQ(ReadFile(metrics).value(), "{\"step\":40}\n{\"step\":50}\n");
  EXPECT_EQ(ReadFile(run_ + "/config.yaml").value(), Text(config_));
  EXPECT_TRUE(fs::exists(run_ + "/checkpoints/step-60"));

  config_.train.steps = 200;
  config_.data.workers = 2;
  ::testing::internal::CaptureStderr();
  ASSERT_OK(ContinueRunFiles(run_, 50, Text(config_), config_.train, 10));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("from step 50 on, data.workers: 1 -> 2\n"),
                    HasSubstr("from step 50 on, train.steps: 100 -> 200\n"),
                    HasSubstr("to step 200 instead of 100"),
                    HasSubstr("rate after step 50 is 0.0075, it was 0.005")));
  EXPECT_EQ(ReadFile(run_ + "/config.yaml").value(), Text(config_));
  // Step 60 will be another's.
  EXPECT_FALSE(fs::exists(run_ + "/checkpoints/step-60"));
  EXPECT_TRUE(fs::exists(run_ + "/checkpoints/step-50"));
}

TEST_F(ResumeTest, AScheduleWithoutALengthSaysSo) {
  config_.train.schedule.type = ScheduleType::kConstant;
  ASSERT_OK(WriteFileAtomically(run_ + "/config.yaml", Text(config_)));
  config_.train.steps = 200;
  ::testing::internal::CaptureStderr();
  ASSERT_OK(ContinueRunFiles(run_, 50, Text(config_), config_.train, 10));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("(constant) does not depend on the length"));
}

}  // namespace
}  // namespace seg
