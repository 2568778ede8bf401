#include "common/training/run_folder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"
#include "common/training/checkpoint.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Each test works in an empty folder of its own, as a user does.
class RunFolderTest : public ::testing::Test {
 protected:
  RunFolderTest()
      : before_(fs::current_path()),
        root_(fs::canonical(::testing::TempDir()) / "run_folder_test") {
    fs::remove_all(root_);
    fs::create_directories(root_);
    fs::current_path(root_);
    args_.paper = "paper";
    args_.device = "cpu";
  }
  ~RunFolderTest() override { fs::current_path(before_); }

  // A run with a checkpoint of step 1 that is `hours` old.
  void MakeRun(const std::string& run, int hours = 0) const {
    fs::create_directories(fs::path(run) / "checkpoints");
    EXPECT_OK(WriteFileAtomically(run + "/config.yaml", "steps: 1\n"));
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

  const fs::path before_;
  const fs::path root_;
  MainArgs args_;
};

TEST_F(RunFolderTest, NewRunsAreNamedAfterConfigurationAndTime) {
  ASSERT_OK_AND_ASSIGN(RunFolder run, OpenRunFolder(args_));
  EXPECT_THAT(run.path, MatchesRegex("runs/paper/demo-[0-9]+-[0-9]+"));
  EXPECT_TRUE(fs::is_directory(run.path + "/checkpoints"));
  args_.config = "some/folder/big.yaml";
  ASSERT_OK_AND_ASSIGN(run, OpenRunFolder(args_));
  EXPECT_THAT(run.path, MatchesRegex("runs/paper/big-[0-9]+-[0-9]+"));
  args_.work_dir = "mine/a";
  ASSERT_OK_AND_ASSIGN(run, OpenRunFolder(args_));
  EXPECT_EQ(run.path, "mine/a");
  EXPECT_TRUE(fs::is_directory("mine/a/checkpoints"));
}

TEST_F(RunFolderTest, RunsOfOneSecondGetAFolderEach) {
  std::set<std::string> folders;
  std::vector<RunFolder> runs;
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK_AND_ASSIGN(RunFolder run, OpenRunFolder(args_));
    folders.insert(run.path);
    runs.push_back(std::move(run));
  }
  EXPECT_EQ(folders.size(), 6u);
}

TEST_F(RunFolderTest, AFolderInUseIsRefused) {
  args_.work_dir = "mine";
  {
    ASSERT_OK_AND_ASSIGN(const RunFolder run, OpenRunFolder(args_));
    EXPECT_THAT(OpenRunFolder(args_),
                StatusIs(absl::StatusCode::kAlreadyExists,
                         AllOf(HasSubstr("mine: is in use by process"),
                               HasSubstr("--work_dir"))));
    MakeRun("mine");
    args_.resume = true;
    EXPECT_THAT(OpenRunFolder(args_), StatusIs(absl::StatusCode::kAlreadyExists,
                                               HasSubstr("mine: is in use")));
  }
  EXPECT_OK(OpenRunFolder(args_));
}

TEST_F(RunFolderTest, ARunIsNotWrittenOverNorThroughAFile) {
  MakeRun("mine");
  args_.work_dir = "mine";
  EXPECT_THAT(OpenRunFolder(args_),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("mine: holds a run already"),
                             HasSubstr("--resume"))));
  ASSERT_OK(WriteFileAtomically("file", ""));
  args_.work_dir = "file/run";
  EXPECT_THAT(OpenRunFolder(args_),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("file/run: cannot be made")));
}

TEST_F(RunFolderTest, WhatNeverSavedACheckpointDoesNotHoldItsFolder) {
  args_.work_dir = "mine";
  ASSERT_OK(OpenRunFolder(args_));
  for (const char* file : {"env.json", "config.yaml", "classes.json", "log.txt",
                           "metrics.jsonl", "events.out.tfevents.1"}) {
    ASSERT_OK(WriteFileAtomically(std::string("mine/") + file,
                                  Environment(args_).dump()));
  }
  fs::create_directories("mine/checkpoints/.tmp-step-3");
  ASSERT_OK(WriteFileAtomically("mine/notes.txt", "of the user"));
  ASSERT_OK(OpenRunFolder(args_));
  std::set<std::string> left;
  for (const auto& entry : fs::recursive_directory_iterator("mine")) {
    left.insert(entry.path().string());
  }
  EXPECT_THAT(left, ElementsAre("mine/checkpoints", "mine/notes.txt"));
}

TEST_F(RunFolderTest, AConfigurationOfTheUsersIsNotTakenForARun) {
  fs::create_directories("mine");
  ASSERT_OK(WriteFileAtomically("mine/config.yaml", "steps: 1\n"));
  args_.work_dir = "mine";
  EXPECT_THAT(OpenRunFolder(args_),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("mine: holds a config.yaml that no run")));
  EXPECT_EQ(ReadFile("mine/config.yaml").value(), "steps: 1\n");
}

TEST_F(RunFolderTest, ACheckpointThatIsNotLinkedHoldsItsFolder) {
  MakeRun("mine");
  fs::remove("mine/checkpoints/last");
  args_.work_dir = "mine";
  EXPECT_FALSE(OpenRunFolder(args_).ok());
}

TEST_F(RunFolderTest, TrialFoldersAreMadeWhereTheRunWouldBe) {
  ASSERT_OK_AND_ASSIGN(std::string folder, MakeTrialFolder(args_));
  EXPECT_EQ(fs::path(folder).parent_path(), root_);
  fs::create_directories("a/b");
  args_.work_dir = "a/b/run/1";
  ASSERT_OK_AND_ASSIGN(folder, MakeTrialFolder(args_));
  EXPECT_EQ(fs::path(folder).parent_path(), root_ / "a/b");
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(RunFolderTest, ResumeTakesTheNamedElseTheNewestRun) {
  args_.resume = true;
  EXPECT_THAT(OpenRunFolder(args_),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("runs/paper: holds no run")));
  MakeRun("runs/paper/z-old", 2);
  MakeRun("runs/paper/a-new", 1);
  MakeRun("runs/other/newest", 0);
  // Newer, but without a checkpoint: interrupted before its first.
  fs::create_directories("runs/paper/empty/checkpoints");
  {
    ASSERT_OK_AND_ASSIGN(const RunFolder run, OpenRunFolder(args_));
    EXPECT_EQ(run.path, "runs/paper/a-new");
  }
  args_.work_dir = "runs/paper/z-old";
  ASSERT_OK_AND_ASSIGN(const RunFolder run, OpenRunFolder(args_));
  EXPECT_EQ(run.path, "runs/paper/z-old");
  args_.work_dir = "runs/paper/empty";
  EXPECT_THAT(OpenRunFolder(args_),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("runs/paper/empty: holds no checkpoint")));
}

TEST_F(RunFolderTest, ResumeTakesTheRunsOwnConfiguration) {
  MakeRun("runs/paper/own");
  ASSERT_OK(ResolveResume(&args_));
  EXPECT_EQ(args_.work_dir, "");
  EXPECT_EQ(args_.config, "");
  args_.resume = true;
  ASSERT_OK(ResolveResume(&args_));
  EXPECT_EQ(args_.work_dir, "runs/paper/own");
  EXPECT_EQ(args_.config, "runs/paper/own/config.yaml");
  EXPECT_EQ(args_.seed, 5);  // as MakeRun has it
  args_.seed = 6;
  args_.seed_given = true;
  EXPECT_THAT(ResolveResume(&args_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("started with --seed=5, got --seed=6")));
  args_.seed = 5;
  args_.config = "given.yaml";
  ASSERT_OK(ResolveResume(&args_));
  EXPECT_EQ(args_.config, "given.yaml");
  args_.work_dir = "elsewhere";
  EXPECT_FALSE(ResolveResume(&args_).ok());
}

TEST_F(RunFolderTest, ResolveCheckpointTakesTheNewestRunAndItsConfiguration) {
  MakeRun("runs/paper/old", 2);
  MakeRun("runs/paper/new", 1);
  ASSERT_OK_AND_ASSIGN(const std::string checkpoint, ResolveCheckpoint(&args_));
  EXPECT_EQ(checkpoint, Path("runs/paper/new/checkpoints/step-1"));
  EXPECT_EQ(args_.config, Path("runs/paper/new/config.yaml"));
}

TEST_F(RunFolderTest, ResolveCheckpointByRelativeAndAbsoluteNames) {
  MakeRun("runs/paper/a");
  const std::string step = Path("runs/paper/a/checkpoints/step-1");
  for (const std::string& name :
       {std::string("runs/paper/a"), std::string("runs/paper/a/"),
        std::string("runs/paper/../paper/a"),
        std::string("runs/paper/a/checkpoints/last"),
        std::string("runs/paper/a/checkpoints/step-1"), step}) {
    args_.checkpoint = name;
    args_.config.clear();
    ASSERT_OK_AND_ASSIGN(const std::string checkpoint,
                         ResolveCheckpoint(&args_));
    EXPECT_EQ(checkpoint, step) << name;
    EXPECT_EQ(args_.config, Path("runs/paper/a/config.yaml")) << name;
  }
  // A weight file stays as it is named; the run above it gives the rest.
  args_.checkpoint = "runs/paper/a/checkpoints/last/model.safetensors";
  args_.config.clear();
  ASSERT_OK_AND_ASSIGN(const std::string file, ResolveCheckpoint(&args_));
  EXPECT_EQ(file, args_.checkpoint);
  EXPECT_EQ(args_.config, Path("runs/paper/a/config.yaml"));
  // From inside the run.
  fs::current_path("runs/paper/a");
  args_.checkpoint = ".";
  args_.config.clear();
  ASSERT_OK_AND_ASSIGN(const std::string here, ResolveCheckpoint(&args_));
  EXPECT_EQ(here, step);
  // A configuration given by the user stays.
  args_.config = "mine.yaml";
  ASSERT_OK(ResolveCheckpoint(&args_));
  EXPECT_EQ(args_.config, "mine.yaml");
}

TEST_F(RunFolderTest, ResolveCheckpointErrorsNamePathAndRemedy) {
  EXPECT_THAT(ResolveCheckpoint(&args_),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("runs/paper"), HasSubstr("train one"))));
  args_.checkpoint = "no/such";
  EXPECT_THAT(ResolveCheckpoint(&args_),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("no/such: holds no checkpoint")));
  ASSERT_OK(WriteFileAtomically("loose.safetensors", ""));
  args_.checkpoint = "loose.safetensors";
  EXPECT_THAT(ResolveCheckpoint(&args_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("loose.safetensors: lies in no run"),
                             HasSubstr("--config"))));
}

TEST_F(RunFolderTest, EnvironmentSaysWhatRanWhere) {
  args_.seed = 7;
  args_.overrides = {"a.b=1"};
  const nlohmann::json environment = Environment(args_);
  EXPECT_EQ(environment.at("paper"), "paper");
  EXPECT_EQ(environment.at("device"), "cpu");
  EXPECT_EQ(environment.at("seed"), 7);
  EXPECT_EQ(environment.at("threads"), at::get_num_threads());
  EXPECT_EQ(environment.at("overrides"), nlohmann::json({"a.b=1"}));
  EXPECT_THAT(environment.at("torch").get<std::string>(),
              MatchesRegex("[0-9]+\\.[0-9]+.*"));
  for (const char* key : {"compiler", "cpu", "started"}) {
    EXPECT_FALSE(environment.at(key).get<std::string>().empty()) << key;
  }
  EXPECT_TRUE(environment.at("commit").is_string());
  EXPECT_TRUE(environment.at("cuda").is_boolean());
}

TEST_F(RunFolderTest, ClassesRoundTrip) {
  DatasetInfo info;
  info.name = "tiny";
  info.class_names = {"background", "hörse \"x\""};
  info.palette = {{0, 0, 0}, {255, 1, 128}};
  info.ignore_label = 200;
  ASSERT_OK(WriteClasses(".", info));
  ASSERT_OK_AND_ASSIGN(const DatasetInfo back, ReadClasses("."));
  EXPECT_EQ(back.name, info.name);
  EXPECT_EQ(back.class_names, info.class_names);
  EXPECT_EQ(back.palette, info.palette);
  EXPECT_EQ(back.ignore_label, 200);
}

TEST_F(RunFolderTest, ClassesThatCannotBeRead) {
  EXPECT_THAT(
      ReadClasses("no_run"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no_run/classes.json")));
  EXPECT_THAT(ReadClasses(""), StatusIs(absl::StatusCode::kNotFound,
                                        HasSubstr("lie in no run folder")));
  for (const char* text :
       {"", "{", "[]", "{\"name\": \"a\"}",
        "{\"name\": 1, \"classes\": [], \"palette\": [], \"ignore_label\": 1}",
        "{\"name\": \"a\", \"classes\": [\"x\"], \"palette\": [[1, 2]], "
        "\"ignore_label\": 255}"}) {
    ASSERT_OK(WriteFileAtomically("classes.json", text));
    EXPECT_THAT(ReadClasses("."), StatusIs(absl::StatusCode::kDataLoss,
                                           HasSubstr("./classes.json: ")))
        << text;
  }
}

TEST(PeakMemoryTest, IsPositive) { EXPECT_GT(PeakMemoryMib(), 0); }

}  // namespace
}  // namespace seg
