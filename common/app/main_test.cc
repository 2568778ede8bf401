#include "common/app/main.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/base/device.h"
#include "common/base/log.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {

struct ToyOptimizer {
  double lr = 0.5;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ToyOptimizer, lr)

struct ToyConfig {
  std::string mode = "fast";
  int64_t steps = 10;
  ToyOptimizer optimizer;

  static std::vector<KeyRule> Rules() {
    return {{"steps", 1, 1000}, OneOf("mode", {"fast", "slow"})};
  }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ToyConfig, mode, steps,
                                                optimizer)

namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using Body = std::function<absl::Status(const MainArgs&)>;

struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
};

std::string Scratch(const std::string& name) {
  return ::testing::TempDir() + "/main_test_" + name;
}

std::string WriteText(const std::string& name, const std::string& text) {
  const std::string path = Scratch(name);
  EXPECT_OK(WriteFileAtomically(path, text));
  return path;
}

// What a program with this main() prints and returns. It is a child process:
// flags and the working folder belong to the whole process.
Outcome RunProgram(const Command& command, std::vector<std::string> arguments,
                   const Body& body) {
  const std::string out = Scratch("stdout");
  const std::string err = Scratch("stderr");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    for (const auto& [path, descriptor] :
         {std::pair{out, STDOUT_FILENO}, std::pair{err, STDERR_FILENO}}) {
      dup2(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), descriptor);
    }
    arguments.insert(arguments.begin(), "some/folder/toy");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int code = RunMain(static_cast<int>(arguments.size()), argv.data(),
                             command, "no_paper", body);
    std::fflush(nullptr);
    _exit(code);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return {WEXITSTATUS(status), ReadFile(out).value_or("?"),
          ReadFile(err).value_or("?")};
}

// Reads its configuration as every main does, then says that it ran.
absl::Status Train(const MainArgs& args) {
  ToyConfig config;
  SEG_RETURN_IF_ERROR(LoadConfig(args, DemoConfig(args), &config));
  SEG_RETURN_IF_ERROR(ResolveDevice(args.device).status());
  LogInfo("working");
  std::printf("steps %d\n", static_cast<int>(config.steps));
  return absl::OkStatus();
}

Outcome RunTrain(std::vector<std::string> arguments) {
  arguments.push_back("--config=" + WriteText("toy.yaml", "steps: 20\n"));
  return RunProgram(Command::kTrain, arguments, Train);
}

// Wrong usage: exit code 2, nothing on stdout, one line that begins with the
// program's name.
void ExpectUsageError(const Outcome& outcome, const std::string& message) {
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err,
              AllOf(StartsWith("toy: "), HasSubstr(message), EndsWith("\n")));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1)
      << outcome.err;
}

TEST(RunMainTest, StdoutCarriesResultsOnly) {
  const Outcome outcome = RunTrain({"steps=30"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "steps 30\n");
  EXPECT_EQ(outcome.err, "working\n");
}

TEST(RunMainTest, UnknownFlag) {
  ExpectUsageError(RunTrain({"--setps=3"}), "unknown flag --setps; --help");
  ExpectUsageError(RunTrain({"-x"}), "unknown flag -x");
  ExpectUsageError(RunTrain({"--no"}), "unknown flag --no");
  // A flag of another command, and one of Abseil's own.
  ExpectUsageError(RunTrain({"--input=a.png"}), "unknown flag --input");
  ExpectUsageError(RunTrain({"--flagfile=a"}), "unknown flag --flagfile");
}

TEST(RunMainTest, FlagWithoutOrWithWrongValue) {
  ExpectUsageError(RunTrain({"--seed=one"}), "flag --seed: cannot take 'one'");
  ExpectUsageError(RunTrain({"--seed=99999999999999999999"}), "flag --seed");
  ExpectUsageError(RunTrain({"--seed=-1"}), "must not be negative, got -1");
  ExpectUsageError(RunTrain({"--threads=5000"}), "[0, 4096], got 5000");
  ExpectUsageError(RunTrain({"--resume=maybe"}), "cannot take 'maybe'");
  ExpectUsageError(RunTrain({"--nothreads"}), "flag --threads needs a value");
  ExpectUsageError(RunTrain({"--device=gpu"}),
                   "flag --device: expected auto, cpu or cuda:N, got 'gpu'");
  ExpectUsageError(RunTrain({"--device=cuda:-1"}), "flag --device");
  ExpectUsageError(RunTrain({"--resume", "--init_from=a"}), "one of them");
  ExpectUsageError(RunProgram(Command::kTrain, {"--config"}, Train),
                   "flag --config needs a value");
}

TEST(RunMainTest, UnknownKeyNamesTheNearest) {
  ExpectUsageError(RunTrain({"stepz=3"}),
                   "override 'stepz=3': unknown key 'stepz'; did you mean "
                   "'steps'?");
  const std::string path = WriteText("unknown.yaml", "optimizer: {rl: 1}\n");
  ExpectUsageError(RunProgram(Command::kTrain, {"--config=" + path}, Train),
                   path +
                       ": unknown key 'optimizer.rl'; did you mean "
                       "'optimizer.lr'?");
}

TEST(RunMainTest, BadValueInConfigurationOrOverride) {
  ExpectUsageError(RunTrain({"steps=3.5"}),
                   "steps: expected an integer, got a number (3.5)");
  ExpectUsageError(RunTrain({"steps=0"}), "steps: must lie in [1, 1000]");
  ExpectUsageError(RunTrain({"mode=quick"}), "mode: must be one of fast, slow");
  ExpectUsageError(RunTrain({"steps"}), "expected key.path=value");
  for (const char* text : {"steps: 0\n", "steps: [\n", "mode: '\xff'\n"}) {
    const std::string path = WriteText("bad.yaml", text);
    ExpectUsageError(RunProgram(Command::kTrain, {"--config=" + path}, Train),
                     path);
  }
}

TEST(RunMainTest, NoSuchConfiguration) {
  ExpectUsageError(
      RunProgram(Command::kTrain, {"--config=/no/such.yaml"}, Train),
      "/no/such.yaml: cannot open");
  ExpectUsageError(
      RunProgram(Command::kTrain, {"--config=" + ::testing::TempDir()}, Train),
      "directory");
  ExpectUsageError(RunProgram(Command::kTrain, {}, Train),
                   "no_paper/configs/demo.yaml");
  const std::string large =
      WriteText("large.yaml", std::string((1 << 20) + 1, ' '));
  ExpectUsageError(RunProgram(Command::kTrain, {"--config=" + large}, Train),
                   "larger than 1048576 bytes");
}

TEST(RunMainTest, PredictNeedsAnInput) {
  const Body body = [](const MainArgs&) { return absl::OkStatus(); };
  ExpectUsageError(RunProgram(Command::kPredict, {}, body),
                   "flag --input is missing");
  ExpectUsageError(RunProgram(Command::kPredict, {"--input="}, body),
                   "--input");
  EXPECT_EQ(RunProgram(Command::kPredict, {"--input=a.png"}, body).exit_code,
            0);
  EXPECT_EQ(RunProgram(Command::kPredict, {"--print_config"}, body).exit_code,
            0);
}

TEST(RunMainTest, FailureIsOneLineAndExitCode1) {
  const auto fails = [](const Body& body) {
    const Outcome outcome = RunProgram(Command::kTrain, {}, body);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.out, IsEmpty());
    return outcome.err;
  };
  EXPECT_EQ(fails([](const MainArgs&) {
              return absl::NotFoundError("a.png: no such file");
            }),
            "toy: a.png: no such file\n");
  // Exceptions of LibTorch come without their backtrace.
  EXPECT_EQ(fails([](const MainArgs&) -> absl::Status {
              TORCH_CHECK(false, "Op: x must be [N], got [2]");
            }),
            "toy: Op: x must be [N], got [2]\n");
  EXPECT_EQ(fails([](const MainArgs&) -> absl::Status {
              TORCH_CHECK(false, "Op: several\nlines");
            }),
            "toy: Op: several lines\n");
  EXPECT_EQ(fails([](const MainArgs&) -> absl::Status {
              throw std::runtime_error("bad");
            }),
            "toy: bad\n");
}

TEST(RunMainTest, InterruptionIsExitCode130) {
  const Outcome outcome = RunProgram(Command::kTrain, {}, [](const MainArgs&) {
    return absl::CancelledError("interrupted; saved");
  });
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_EQ(outcome.err, "toy: interrupted; saved\n");
}

TEST(RunMainTest, PrintConfigPrintsYamlThatGivesTheSameConfiguration) {
  const Outcome outcome =
      RunTrain({"--print_config", "optimizer.lr=1e-3", "mode=slow"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  ToyConfig config;
  ASSERT_OK(ParseConfig(outcome.out, "printed", {}, &config));
  EXPECT_EQ(config.steps, 20);
  EXPECT_EQ(config.mode, "slow");
  EXPECT_EQ(config.optimizer.lr, 1e-3);
  // As a file for --config it prints itself.
  const Outcome again = RunProgram(
      Command::kTrain,
      {"--config=" + WriteText("printed.yaml", outcome.out), "--print_config"},
      Train);
  EXPECT_EQ(again.out, outcome.out);
  // Its errors are those of a run.
  ExpectUsageError(RunTrain({"--print_config", "steps=0"}), "steps");
}

TEST(RunMainTest, HelpListsTheFlagsOfTheCommand) {
  const Outcome outcome = RunProgram(Command::kEval, {"--help"}, Train);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("--checkpoint"), HasSubstr("--json"),
                    HasSubstr("--data_root"), Not(HasSubstr("--resume"))));
}

// A paper's own command has the flags that it names, those of all, and a folder
// to write to.
TEST(RunMainTest, FurtherCommandsNameTheirFlags) {
  constexpr Command kSample = {"sample", kRunFlag | kOutFlag, "samples"};
  const Body print = [](const MainArgs& args) {
    std::printf("%s %s %d", args.checkpoint.c_str(), args.out.c_str(),
                static_cast<int>(args.seed));
    return absl::OkStatus();
  };
  EXPECT_EQ(RunProgram(kSample, {"--checkpoint=k", "--seed=7"}, print).out,
            "k samples 7");
  EXPECT_EQ(RunProgram(kSample, {"--out=o"}, print).out, " o 0");
  ExpectUsageError(RunProgram(kSample, {"--input=a.png"}, print),
                   "unknown flag --input");
  ExpectUsageError(RunProgram(kSample, {"--resume"}, print), "--resume");
  EXPECT_THAT(RunProgram(kSample, {"--help"}, print).out,
              AllOf(HasSubstr("--checkpoint"), HasSubstr("--out"),
                    HasSubstr("--device"), Not(HasSubstr("--split"))));
  EXPECT_EQ(RunProgram(Command::kPredict, {"--input=a"}, print).out,
            " predictions 0");
  EXPECT_EQ(RunProgram(Command::kEval, {}, print).out, "  0");
}

TEST(RunMainTest, FlagsReachTheBody) {
  const auto holds = [](const Command& command,
                        std::vector<std::string> arguments,
                        const std::function<bool(const MainArgs&)>& check) {
    return RunProgram(command, std::move(arguments), [&](const MainArgs& args) {
             return check(args) ? absl::OkStatus()
                                : absl::InternalError("other values");
           }).exit_code == 0;
  };
  EXPECT_TRUE(holds(Command::kTrain,
                    {"--config=c", "--data_root", "d", "--device=cpu",
                     "--seed=7", "--threads=1", "--work_dir=w", "-dry_run",
                     "--noresume", "a=1", "--", "-b=2"},
                    [](const MainArgs& args) {
                      return args.paper == "no_paper" && args.config == "c" &&
                             args.data_root == "d" && args.device == "cpu" &&
                             args.seed == 7 && args.seed_given &&
                             args.threads == 1 && args.work_dir == "w" &&
                             args.dry_run && !args.resume &&
                             args.init_from.empty() &&
                             args.overrides ==
                                 std::vector<std::string>{"a=1", "-b=2"} &&
                             at::get_num_threads() == 1;
                    }));
  EXPECT_TRUE(
      holds(Command::kTrain, {"--init_from=i"}, [](const MainArgs& args) {
        return args.init_from == "i" && !args.dry_run &&
               args.device == "auto" && args.seed == 0 && !args.seed_given;
      }));
  EXPECT_TRUE(holds(Command::kEval,
                    {"--checkpoint=k", "--split=val", "--out=o", "--json"},
                    [](const MainArgs& args) {
                      return args.checkpoint == "k" && args.split == "val" &&
                             args.out == "o" && args.json;
                    }));
  EXPECT_TRUE(holds(Command::kPredict,
                    {"--input=i", "--probabilities", "--overlay=false"},
                    [](const MainArgs& args) {
                      return args.input == "i" && args.probabilities &&
                             !args.overlay && args.split == "test";
                    }));
}

TEST(RunMainTest, TheEnvironmentNamesDataRootAndWorkingFolder) {
  const std::string folder = Scratch("folder");
  fs::create_directories(folder);
  ASSERT_OK(WriteFileAtomically(folder + "/here.yaml", "steps: 7\n"));
  const auto with = [](const char* name, const std::string& value,
                       const std::vector<std::string>& arguments,
                       const Body& body) {
    const char* before = std::getenv(name);
    const std::string kept = before == nullptr ? "" : before;
    setenv(name, value.c_str(), 1);
    const Outcome outcome = RunProgram(Command::kTrain, arguments, body);
    before == nullptr ? unsetenv(name) : setenv(name, kept.c_str(), 1);
    return outcome;
  };
  // `bazel run` starts programs elsewhere: relative paths are the caller's.
  EXPECT_EQ(
      with("BUILD_WORKING_DIRECTORY", folder, {"--config=here.yaml"}, Train)
          .out,
      "steps 7\n");
  EXPECT_EQ(with("BUILD_WORKING_DIRECTORY", "/no/such", {}, Train).exit_code,
            1);
  const Body print = [](const MainArgs& args) {
    std::printf("%s", args.data_root.c_str());
    return absl::OkStatus();
  };
  EXPECT_EQ(with("SEG_DATA_ROOT", "/packs", {}, print).out, "/packs");
  EXPECT_EQ(with("SEG_DATA_ROOT", "/packs", {"--data_root=/mine"}, print).out,
            "/mine");
}

TEST(RunMainTest, TildeIsTheHomeInEveryPath) {
  const auto body = [](const MainArgs& args) {
    for (const std::string& path :
         {args.config, args.data_root, args.work_dir, args.init_from}) {
      std::printf("%s\n", path.c_str());
    }
    return absl::OkStatus();
  };
  setenv("HOME", "/h", 1);
  EXPECT_EQ(RunProgram(Command::kTrain,
                       {"--config=~/c", "--data_root=~/d", "--work_dir=~/w",
                        "--init_from=~/i"},
                       body)
                .out,
            "/h/c\n/h/d\n/h/w\n/h/i\n");
  const auto predict = [](const MainArgs& args) {
    std::printf("%s %s %s", args.checkpoint.c_str(), args.input.c_str(),
                args.out.c_str());
    return absl::OkStatus();
  };
  EXPECT_EQ(RunProgram(Command::kPredict,
                       {"--checkpoint=~/r", "--input=~", "--out=./~"}, predict)
                .out,
            "/h/r /h ./~");
}

TEST(RunMainTest, NoRawByteReachesTheTerminal) {
  const auto body = [](const MainArgs& args) {
    LogWarning(args.data_root + ": odd");
    return absl::NotFoundError(args.data_root + "\n: not there");
  };
  const Outcome outcome =
      RunProgram(Command::kTrain, {"--data_root=caf\xE9\x1B[31m"}, body);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err,
            "warning: caf\\xe9\\x1b[31m: odd\n"
            "toy: caf\\xe9\\x1b[31m\\n: not there\n");
  const Outcome usage = RunProgram(Command::kTrain, {"--o\xFFps"}, body);
  EXPECT_EQ(usage.exit_code, 2);
  EXPECT_THAT(usage.err, HasSubstr("unknown flag --o\\xffps"));
}

}  // namespace
}  // namespace seg
