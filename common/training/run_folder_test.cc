#include "common/training/run_folder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
    options_.paper = "paper";
    options_.name = "demo";
  }
  ~RunFolderTest() override { fs::current_path(before_); }

  // A run with a checkpoint of step 1.
  void MakeRun(const std::string& run) const {
    fs::create_directories(fs::path(run) / "checkpoints");
    EXPECT_OK(WriteFileAtomically(run + "/config.yaml", "steps: 1\n"));
    CheckpointState state;
    state.step = 1;
    EXPECT_OK(SaveCheckpoint(run, {{"w", at::ones({2})}}, {}, state, 1));
  }

  const fs::path before_;
  const fs::path root_;
  RunOptions options_;
};

TEST_F(RunFolderTest, NewRunsAreNamedAfterConfigurationAndTime) {
  ASSERT_OK_AND_ASSIGN(RunFolder run, OpenRunFolder(options_));
  EXPECT_THAT(run.path, MatchesRegex("runs/paper/demo-[0-9]+-[0-9]+"));
  EXPECT_TRUE(fs::is_directory(run.path + "/checkpoints"));
  options_.name = "big";
  ASSERT_OK_AND_ASSIGN(run, OpenRunFolder(options_));
  EXPECT_THAT(run.path, MatchesRegex("runs/paper/big-[0-9]+-[0-9]+"));
  options_.work_dir = "mine/a";
  ASSERT_OK_AND_ASSIGN(run, OpenRunFolder(options_));
  EXPECT_EQ(run.path, "mine/a");
  EXPECT_TRUE(fs::is_directory("mine/a/checkpoints"));
}

TEST_F(RunFolderTest, RunsOfOneSecondGetAFolderEach) {
  std::set<std::string> folders;
  std::vector<RunFolder> runs;
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK_AND_ASSIGN(RunFolder run, OpenRunFolder(options_));
    folders.insert(run.path);
    runs.push_back(std::move(run));
  }
  EXPECT_EQ(folders.size(), 6u);
}

TEST_F(RunFolderTest, AFolderInUseIsRefused) {
  options_.work_dir = "mine";
  {
    ASSERT_OK_AND_ASSIGN(const RunFolder run, OpenRunFolder(options_));
    EXPECT_THAT(OpenRunFolder(options_),
                StatusIs(absl::StatusCode::kAlreadyExists,
                         AllOf(HasSubstr("mine: is in use by process"),
                               HasSubstr("--work_dir"))));
    EXPECT_THAT(CheckRunFolderIsFree(options_),
                StatusIs(absl::StatusCode::kAlreadyExists,
                         HasSubstr("mine: is in use by process")));
    MakeRun("mine");
    options_.resume = true;
    EXPECT_THAT(OpenRunFolder(options_),
                StatusIs(absl::StatusCode::kAlreadyExists,
                         HasSubstr("mine: is in use")));
  }
  EXPECT_OK(OpenRunFolder(options_));
}

TEST_F(RunFolderTest, ARunIsNotWrittenOverNorThroughAFile) {
  MakeRun("mine");
  options_.work_dir = "mine";
  EXPECT_THAT(OpenRunFolder(options_),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("mine: holds a run already"),
                             HasSubstr("--resume"))));
  EXPECT_THAT(CheckRunFolderIsFree(options_),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("mine: holds a run already")));
  EXPECT_FALSE(fs::exists("mine/.lock"));
  ASSERT_OK(WriteFileAtomically("file", ""));
  options_.work_dir = "file/run";
  EXPECT_THAT(OpenRunFolder(options_),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("file/run: cannot be made")));
}

TEST_F(RunFolderTest, WhatNeverSavedACheckpointDoesNotHoldItsFolder) {
  options_.work_dir = "mine";
  ASSERT_OK(CheckRunFolderIsFree(options_));
  EXPECT_FALSE(fs::exists("mine"));
  ASSERT_OK(OpenRunFolder(options_));
  for (const char* file : {"env.json", "config.yaml", "classes.json", "log.txt",
                           "metrics.jsonl", "events.out.tfevents.1"}) {
    ASSERT_OK(WriteFileAtomically(std::string("mine/") + file,
                                  Environment(options_).dump()));
  }
  fs::create_directories("mine/checkpoints/.tmp-step-3");
  fs::create_directories("mine/pictures/step-3");
  ASSERT_OK(WriteFileAtomically("mine/notes.txt", "of the user"));
  ASSERT_OK(CheckRunFolderIsFree(options_));
  ASSERT_OK(OpenRunFolder(options_));
  std::set<std::string> left;
  for (const auto& entry : fs::recursive_directory_iterator("mine")) {
    left.insert(entry.path().string());
  }
  EXPECT_THAT(left, ElementsAre("mine/checkpoints", "mine/notes.txt"));
}

TEST_F(RunFolderTest, AConfigurationOfTheUsersIsNotTakenForARun) {
  fs::create_directories("mine");
  ASSERT_OK(WriteFileAtomically("mine/config.yaml", "steps: 1\n"));
  options_.work_dir = "mine";
  EXPECT_THAT(OpenRunFolder(options_),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("mine: holds a config.yaml that no run")));
  EXPECT_EQ(ReadFile("mine/config.yaml").value(), "steps: 1\n");
}

TEST_F(RunFolderTest, ACheckpointThatIsNotLinkedHoldsItsFolder) {
  MakeRun("mine");
  fs::remove("mine/checkpoints/last");
  options_.work_dir = "mine";
  EXPECT_FALSE(OpenRunFolder(options_).ok());
}

TEST_F(RunFolderTest, TrialFoldersAreMadeWhereTheRunWouldBe) {
  ASSERT_OK_AND_ASSIGN(std::string folder, MakeTrialFolder(options_));
  EXPECT_EQ(fs::path(folder).parent_path(), root_);
  fs::create_directories("a/b");
  options_.work_dir = "a/b/run/1";
  ASSERT_OK_AND_ASSIGN(folder, MakeTrialFolder(options_));
  EXPECT_EQ(fs::path(folder).parent_path(), root_ / "a/b");
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(RunFolderTest, ARunToResumeHoldsACheckpoint) {
  options_.resume = true;
  MakeRun("runs/paper/a");
  fs::create_directories("runs/paper/empty/checkpoints");
  options_.work_dir = "runs/paper/a";
  ASSERT_OK_AND_ASSIGN(const RunFolder run, OpenRunFolder(options_));
  EXPECT_EQ(run.path, "runs/paper/a");
  options_.work_dir = "runs/paper/empty";
  EXPECT_THAT(OpenRunFolder(options_),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("runs/paper/empty: holds no checkpoint")));
}

TEST_F(RunFolderTest, EnvironmentSaysWhatRanWhere) {
  options_.seed = 7;
  options_.overrides = {"a.b=1"};
  const nlohmann::json environment = Environment(options_);
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
