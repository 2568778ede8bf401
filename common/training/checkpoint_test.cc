#include "common/training/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/base/interrupt.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    run_ = testing::TempDir() + "run_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(run_);
    fs::create_directories(run_ + "/checkpoints");
  }

  absl::Status Save(int64_t step, int64_t best_step, int64_t keep = 2) {
    CheckpointState state;
    state.step = step;
    state.seed = 7;
    state.has_best = best_step > 0;
    state.best_step = best_step;
    state.best_value = 0.5;
    return SaveCheckpoint(run_,
                          {{"w", at::full({2}, static_cast<double>(step))}},
                          {{"main.g.0.first", at::zeros({2})}}, state, keep);
  }

  // Saves a step 2 large enough to take a while in a child process, which gets
  // `signal` once the save has begun; its wait status.
  int SignalDuringSave(int signal) {
    const pid_t child = fork();
    if (child == 0) {
      const InterruptScope scope;
      CheckpointState state;
      state.step = 2;
      const absl::Status status =
          SaveCheckpoint(run_, {{"w", at::full({1 << 24}, 2.0)}}, {}, state, 2);
      // The signal may still be on its way.
      while (status.ok() && !Interrupted()) sched_yield();
      _exit(status.ok() ? 0 : 1);
    }
    int status = 0;
    while (!fs::exists(run_ + "/checkpoints/.tmp-step-2") &&
           !fs::exists(run_ + "/checkpoints/step-2")) {
      if (waitpid(child, &status, WNOHANG) != 0) return status;  // failed
      sched_yield();
    }
    kill(child, signal);
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }

  double Weight(const std::string& path) {
    const auto found = FindCheckpoint(path);
    EXPECT_OK(found);
    const auto model = ReadCheckpointModel(*found);
    EXPECT_OK(model);
    return model->at("w")[0].item<double>();
  }

  std::string run_;
};

TEST_F(CheckpointTest, KeepsTheNewestAndTheBest) {
  for (const int64_t step : {1, 2, 3, 4}) ASSERT_OK(Save(step, 1));
  EXPECT_EQ(Weight(run_ + "/checkpoints/last"), 4.0);
  EXPECT_EQ(Weight(run_ + "/checkpoints/best"), 1.0);
  EXPECT_TRUE(fs::exists(run_ + "/checkpoints/step-3"));
  EXPECT_FALSE(fs::exists(run_ + "/checkpoints/step-2"));
  ASSERT_OK_AND_ASSIGN(const CheckpointState state,
                       ReadCheckpointState(run_ + "/checkpoints/last"));
  EXPECT_EQ(state.step, 4);
  EXPECT_EQ(state.seed, 7);
  EXPECT_TRUE(state.has_best);
  EXPECT_EQ(state.best_step, 1);
  EXPECT_EQ(state.best_value, 0.5);
}

TEST_F(CheckpointTest, RunFolderMeansItsBestElseItsLast) {
  ASSERT_OK(Save(1, 0));
  ASSERT_OK(Save(2, 0));
  EXPECT_EQ(Weight(run_), 2.0);
  ASSERT_OK(Save(3, 3));
  ASSERT_OK(Save(4, 3));
  EXPECT_EQ(Weight(run_), 3.0);
  EXPECT_EQ(Weight(run_ + "/checkpoints/step-4"), 4.0);
  EXPECT_EQ(Weight(run_ + "/checkpoints/step-4/model.safetensors"), 4.0);
}

TEST_F(CheckpointTest, WhatAKillLeavesBehindIsNotACheckpoint) {
  ASSERT_OK(Save(1, 0));
  // Killed while step 2 was being written: a temporary folder, half a file.
  fs::create_directories(run_ + "/checkpoints/.tmp-step-2");
  std::ofstream(run_ + "/checkpoints/.tmp-step-2/model.safetensors") << "half";
  fs::create_symlink("step-2", run_ + "/checkpoints/.tmp-last");
  EXPECT_EQ(Weight(run_), 1.0);
  ASSERT_OK(Save(2, 0));
  EXPECT_EQ(Weight(run_), 2.0);
}

TEST_F(CheckpointTest, KillDuringASaveLeavesAWholeCheckpoint) {
  ASSERT_OK(Save(1, 0));
  const int status = SignalDuringSave(SIGKILL);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  // Nearly always the first; the second where the kill came too late.
  EXPECT_THAT(Weight(run_), ::testing::AnyOf(1.0, 2.0));
  EXPECT_OK(ReadCheckpointOptimizer(run_ + "/checkpoints/last"));
  EXPECT_OK(ReadCheckpointState(run_ + "/checkpoints/last"));
  ASSERT_OK(Save(2, 0));
  ASSERT_OK(Save(3, 0));
  EXPECT_EQ(Weight(run_), 3.0);
}

TEST_F(CheckpointTest, InterruptionDuringASaveLetsItEnd) {
  ASSERT_OK(Save(1, 0));
  const int status = SignalDuringSave(SIGINT);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(Weight(run_), 2.0);
}

TEST_F(CheckpointTest, AFullDiskLeavesTheLastCheckpoint) {
  ASSERT_OK(Save(1, 1));
  // A limit on the size of files fails in the middle, as a full disk does.
  rlimit saved;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &saved), 0);
  rlimit small = saved;
  small.rlim_cur = 16;
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = Save(2, 2);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &saved), 0);
  signal(SIGXFSZ, handler);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("model.safetensors: cannot write")));
  EXPECT_EQ(Weight(run_), 1.0);
  EXPECT_OK(ReadCheckpointOptimizer(run_ + "/checkpoints/last"));
  ASSERT_OK(Save(2, 2));
  EXPECT_EQ(Weight(run_), 2.0);
}

TEST_F(CheckpointTest, AnUnwritableFolderLeavesTheLastCheckpoint) {
  ASSERT_OK(Save(1, 0));
  // A plain file where the temporary folder has to be.
  const std::string blocked = run_ + "/other";
  std::ofstream(blocked) << "x";
  EXPECT_THAT(SaveCheckpoint(blocked, {}, {}, {}, 1),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(blocked)));
  EXPECT_EQ(Weight(run_), 1.0);
}

TEST_F(CheckpointTest, ErrorsNamePathAndRemedy) {
  EXPECT_THAT(FindCheckpoint(run_), StatusIs(absl::StatusCode::kNotFound,
                                             HasSubstr("holds no checkpoint")));
  EXPECT_THAT(NewestRun(run_ + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("train one")));
  ASSERT_OK(Save(1, 0));
  std::ofstream(run_ + "/checkpoints/step-1/state.json") << "{\"step\": -1}";
  EXPECT_THAT(ReadCheckpointState(run_ + "/checkpoints/step-1"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("state.json")));
}

TEST_F(CheckpointTest, FindsRunsAndTheirFolders) {
  ASSERT_OK(Save(1, 0));
  EXPECT_EQ(RunOfCheckpoint(run_ + "/checkpoints/step-1"), "");
  std::ofstream(run_ + "/config.yaml") << "a: 1\n";
  EXPECT_THAT(RunOfCheckpoint(run_ + "/checkpoints/step-1"),
              EndsWith(fs::path(run_).filename().string()));
  ASSERT_OK_AND_ASSIGN(const std::string newest,
                       NewestRun(fs::path(run_).parent_path().string()));
  EXPECT_TRUE(fs::exists(newest + "/checkpoints/last"));
}

}  // namespace
}  // namespace seg
