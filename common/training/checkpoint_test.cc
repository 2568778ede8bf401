#include "common/training/checkpoint.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "common/base/interrupt.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
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
    const auto found = FindRun(path);
    EXPECT_OK(found);
    const auto model = ReadCheckpointModel(found->checkpoint);
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
  EXPECT_THAT(FindRun(run_), StatusIs(absl::StatusCode::kNotFound,
                                      HasSubstr("holds no checkpoint")));
  EXPECT_THAT(FindRun("", run_ + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("train one")));
  ASSERT_OK(Save(1, 0));
  std::ofstream(run_ + "/checkpoints/step-1/state.json") << "{\"step\": -1}";
  EXPECT_THAT(ReadCheckpointState(run_ + "/checkpoints/step-1"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("state.json")));
}

// What users name, from the folder that they work in.
class FindRunTest : public testing::Test {
 protected:
  FindRunTest()
      : before_(fs::current_path()),
        root_(fs::canonical(testing::TempDir()) / "find_run_test") {
    fs::remove_all(root_);
    fs::create_directories(root_);
    fs::current_path(root_);
  }
  ~FindRunTest() override { fs::current_path(before_); }

  // A run with a checkpoint of step 1 that is `hours` old.
  void MakeRun(const std::string& run, int hours = 0) const {
    fs::create_directories(fs::path(run) / "checkpoints");
    std::ofstream(run + "/config.yaml") << "steps: 1\n";
    CheckpointState state;
    state.step = 1;
    state.seed = 5;
    EXPECT_OK(SaveCheckpoint(run, {{"w", at::ones({2})}}, {}, state, 1));
    fs::last_write_time(
        run + "/checkpoints/last/state.json",
        fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  std::string Path(const std::string& name) const {
    return (root_ / name).string();
  }

  const fs::path before_, root_;
};

TEST_F(FindRunTest, WithoutANameTheNewest) {
  MakeRun("runs/paper/old", 2);
  MakeRun("runs/paper/new", 1);
  MakeRun("runs/other/newest", 0);
  ASSERT_OK_AND_ASSIGN(const RunRef run, FindRun("", "runs/paper"));
  EXPECT_EQ(run.folder, Path("runs/paper/new"));
  EXPECT_EQ(run.checkpoint, Path("runs/paper/new/checkpoints/step-1"));
}

TEST_F(FindRunTest, ByRelativeAndAbsoluteNames) {
  MakeRun("runs/paper/a");
  const std::string step = Path("runs/paper/a/checkpoints/step-1");
  for (const std::string& name :
       {std::string("runs/paper/a"), std::string("runs/paper/a/"),
        std::string("runs/paper/../paper/a"),
        std::string("runs/paper/a/checkpoints/last"),
        std::string("runs/paper/a/checkpoints/step-1"), step}) {
    ASSERT_OK_AND_ASSIGN(const RunRef run, FindRun(name, "runs/paper"));
    EXPECT_EQ(run.checkpoint, step) << name;
    EXPECT_EQ(run.folder, Path("runs/paper/a")) << name;
  }
  // A weight file stays as it is named; the run above it gives the rest.
  const std::string file = "runs/paper/a/checkpoints/last/model.safetensors";
  ASSERT_OK_AND_ASSIGN(RunRef run, FindRun(file));
  EXPECT_EQ(run.checkpoint, file);
  EXPECT_EQ(run.folder, Path("runs/paper/a"));
  // From inside the run.
  fs::current_path("runs/paper/a");
  ASSERT_OK_AND_ASSIGN(run, FindRun("."));
  EXPECT_EQ(run.checkpoint, step);
}

TEST_F(FindRunTest, AFileThatLiesInNoRun) {
  std::ofstream("loose.safetensors") << "";
  ASSERT_OK_AND_ASSIGN(const RunRef run, FindRun("loose.safetensors"));
  EXPECT_EQ(run.checkpoint, "loose.safetensors");
  EXPECT_EQ(run.folder, "");
}

TEST_F(FindRunTest, ErrorsNamePathAndRemedy) {
  EXPECT_THAT(FindRun("", "runs/paper"),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::AllOf(HasSubstr("runs/paper"),
                                      HasSubstr("train one"))));
  EXPECT_THAT(FindRun("no/such", "runs/paper"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("no/such: holds no checkpoint")));
  EXPECT_FALSE(FindRun("").ok());
}

TEST_F(FindRunTest, ResumeTakesTheNamedElseTheNewestRun) {
  EXPECT_THAT(FindRunToResume("", "runs/paper"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("runs/paper: holds no run")));
  MakeRun("runs/paper/z-old", 2);
  MakeRun("runs/paper/a-new", 1);
  // Newer, but without a checkpoint: interrupted before its first.
  fs::create_directories("runs/paper/empty/checkpoints");
  ASSERT_OK_AND_ASSIGN(RunRef run, FindRunToResume("", "runs/paper"));
  EXPECT_EQ(run.folder, "runs/paper/a-new");
  ASSERT_OK_AND_ASSIGN(run, FindRunToResume("runs/paper/z-old", "runs/paper"));
  EXPECT_EQ(run.folder, "runs/paper/z-old");
  EXPECT_EQ(run.checkpoint, Path("runs/paper/z-old/checkpoints/step-1"));
  EXPECT_THAT(FindRunToResume("runs/paper/empty", "runs/paper"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("runs/paper/empty: holds no checkpoint that "
                                 "--resume could continue")));
}

// The last checkpoint goes on, the best one is used.
TEST_F(FindRunTest, ResumeMeansTheLastCheckpoint) {
  MakeRun("run");
  CheckpointState state;
  state.has_best = true;
  state.best_step = state.step = 2;
  EXPECT_OK(SaveCheckpoint("run", {{"w", at::ones({2})}}, {}, state, 9));
  state.step = 3;
  EXPECT_OK(SaveCheckpoint("run", {{"w", at::ones({2})}}, {}, state, 9));
  EXPECT_EQ(FindRun("run")->checkpoint, Path("run/checkpoints/step-2"));
  EXPECT_EQ(FindRunToResume("run")->checkpoint, Path("run/checkpoints/step-3"));
}

// eval and predict of a run that trains: what they found stays until they end.
TEST_F(FindRunTest, ATrainingRemovesNoCheckpointThatIsRead) {
  MakeRun("run");
  const auto save = [](int64_t step) {
    CheckpointState state;
    state.step = step;
    return SaveCheckpoint("run", {{"w", at::full({2}, double(step))}}, {},
                          state, /*keep=*/1);
  };
  std::optional<RunRef> run;
  { ASSERT_OK_AND_ASSIGN(run, FindRun("run")); }
  EXPECT_OK(save(2));
  EXPECT_OK(save(3));
  EXPECT_OK(ReadCheckpointModel(run->checkpoint));
  EXPECT_FALSE(fs::exists("run/checkpoints/step-2"));
  run.reset();
  EXPECT_OK(save(4));
  EXPECT_FALSE(fs::exists("run/checkpoints/step-1"));
}

// A reader beside a training that saves as fast as it can.
TEST_F(FindRunTest, ReadsBesideATraining) {
  MakeRun("run");
  const pid_t child = fork();
  if (child == 0) {
    CheckpointState state;
    for (state.step = 2;; ++state.step) {
      if (!SaveCheckpoint("run", {{"w", at::ones({2})}}, {}, state, 1).ok()) {
        _exit(1);
      }
    }
  }
  std::string first;
  std::string last;
  for (int i = 0; i < 200 || first == last; ++i) {
    ASSERT_OK_AND_ASSIGN(const RunRef run, FindRun("run"));
    EXPECT_OK(ReadCheckpointModel(run.checkpoint));
    EXPECT_OK(ReadCheckpointState(run.checkpoint));
    if (i == 0) first = run.checkpoint;
    last = run.checkpoint;
  }
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);  // it was not stopped
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace seg
