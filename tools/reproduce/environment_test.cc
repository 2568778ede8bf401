#include "tools/reproduce/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"
#include "tools/reproduce/subprocess.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

std::string Fresh(const std::string& name) {
  const std::string folder = ::testing::TempDir() + "/" + name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

TEST(RunProcessTest, GivesExitCodesAndOutput) {
  const std::string folder = Fresh("process");
  Process process;
  process.argv = {"sh", "-c", "echo out $GREETING; exit 7"};
  process.environment = {{"GREETING", "hello"}};
  process.stdout_path = folder + "/out.txt";
  ASSERT_OK_AND_ASSIGN(ProcessEnd end, RunProcess(process));
  EXPECT_EQ(end.exit_code, 7);
  EXPECT_GE(end.seconds, 0);
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(folder + "/out.txt"));
  EXPECT_EQ(text, "out hello\n");

  process.argv = {"sh", "-c", "kill -KILL $$"};
  ASSERT_OK_AND_ASSIGN(end, RunProcess(process));
  EXPECT_EQ(end.exit_code, 128 + SIGKILL);
  process.argv = {folder + "/no_such_program"};
  ASSERT_OK_AND_ASSIGN(end, RunProcess(process));
  EXPECT_EQ(end.exit_code, 127);
  EXPECT_FALSE(Interrupted());
}

TEST(RunProcessTest, ForwardsSignalsToTheChildAndLivesOn) {
  ForwardSignals();
  Process process;
  // The child signals this program and waits for the signal to come back.
  process.argv = {"bash", "-c",
                  "trap 'kill $!; exit 42' TERM; sleep 60 & "
                  "kill -TERM $PPID; wait"};
  ASSERT_OK_AND_ASSIGN(const ProcessEnd end, RunProcess(process));
  EXPECT_EQ(end.exit_code, 42);
  EXPECT_TRUE(Interrupted());
  ClearInterrupted();
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
}

TEST(ReadTreeStateTest, TakesTheWordOfAPack) {
  const std::string scratch = Fresh("scratch");
  const std::string folder = Fresh("pack");
  ASSERT_OK(WriteFileAtomically(folder + "/COMMIT", "0123abcd\n"));
  ASSERT_OK_AND_ASSIGN(TreeState state, ReadTreeState(folder, {}, scratch));
  EXPECT_EQ(state.commit, "0123abcd");
  EXPECT_FALSE(state.dirty());
  ASSERT_OK(WriteFileAtomically(folder + "/COMMIT",
                                "0123abcd\n M cgm/task.cc\n?? notes\n"));
  ASSERT_OK_AND_ASSIGN(state, ReadTreeState(folder, {}, scratch));
  EXPECT_THAT(state.changes, ElementsAre("cgm/task.cc", "notes"));
  EXPECT_TRUE(state.dirty());
  ASSERT_OK(WriteFileAtomically(folder + "/COMMIT", ""));
  ASSERT_OK_AND_ASSIGN(state, ReadTreeState(folder, {}, scratch));
  EXPECT_EQ(state.commit, "unknown");
}

TEST(ReadTreeStateTest, TellsCommitAndChanges) {
  const std::string scratch = Fresh("scratch");
  const std::string folder = Fresh("tree");
  setenv("GIT_CEILING_DIRECTORIES", ::testing::TempDir().c_str(), 1);
  ASSERT_OK_AND_ASSIGN(TreeState state, ReadTreeState(folder, {}, scratch));
  EXPECT_EQ(state.commit, "unknown");
  EXPECT_TRUE(state.dirty());

  const auto git = [&](std::vector<std::string> arguments) {
    Process process;
    process.argv = {"git",
                    "-C",
                    folder,
                    "-c",
                    "user.name=t",
                    "-c",
                    "user.email=t@example.org"};
    process.argv.insert(process.argv.end(), arguments.begin(), arguments.end());
    process.environment = {{"GIT_CONFIG_GLOBAL", "/dev/null"}};
    process.quiet = true;
    process.stdout_path = "/dev/null";
    const absl::StatusOr<ProcessEnd> end = RunProcess(process);
    ASSERT_TRUE(end.ok() && end->exit_code == 0) << arguments[0];
  };
  git({"init"});
  fs::create_directories(folder + "/paper/results");
  ASSERT_OK(WriteFileAtomically(folder + "/paper/code.cc", "1"));
  ASSERT_OK(WriteFileAtomically(folder + "/paper/results/a.json", "1"));
  git({"add", "."});
  git({"commit", "-m", "first"});
  ASSERT_OK_AND_ASSIGN(state, ReadTreeState(folder, {}, scratch));
  EXPECT_THAT(state.commit, MatchesRegex("[0-9a-f]+"));
  EXPECT_FALSE(state.dirty());

  // What the measurement itself writes does not count.
  ASSERT_OK(WriteFileAtomically(folder + "/paper/results/a.json", "2"));
  ASSERT_OK_AND_ASSIGN(state,
                       ReadTreeState(folder, {"paper/results"}, scratch));
  EXPECT_THAT(state.changes, IsEmpty());
  ASSERT_OK(WriteFileAtomically(folder + "/paper/code.cc", "2"));
  ASSERT_OK(WriteFileAtomically(folder + "/new.cc", "2"));
  // Also from a folder further down.
  ASSERT_OK_AND_ASSIGN(
      state, ReadTreeState(folder + "/paper", {"paper/results"}, scratch));
  EXPECT_THAT(state.changes, ElementsAre("paper/code.cc", "new.cc"));
  EXPECT_TRUE(state.dirty());
}

TEST(ReadHardwareTest, SaysSomethingOfEach) {
  ASSERT_OK_AND_ASSIGN(const Hardware hardware, ReadHardware(Fresh("hw")));
  EXPECT_FALSE(hardware.cpu.empty());
  EXPECT_GE(hardware.cores, 1);
  EXPECT_FALSE(hardware.gpu.empty());
}

TEST(UtcNowTest, IsIso8601) {
  EXPECT_THAT(UtcNow(),
              MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+Z"));
}

}  // namespace
}  // namespace seg
