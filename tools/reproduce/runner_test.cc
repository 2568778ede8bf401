// Runs whole protocols against stand-ins for train and eval: shell scripts that
// note how they were called, leave a checkpoint, and fail or stop on demand.
#include "tools/reproduce/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/results.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "tools/reproduce/subprocess.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kTrain[] = R"sh(#!/bin/bash
for a in "$@"; do case $a in
  --work_dir=*) dir=${a#*=} ;;
  --seed=*) seed=${a#*=} ;;
  --resume) how=resume ;;
  --init_from=*) how="from $(cat "${a#*=}")" ;;
esac; done
name=$(basename "$(dirname "$dir")")
echo "train $name $seed ${how:-fresh}" >> "$FAKE/calls.txt"
echo "$*" > "$FAKE/last_train.txt"
step() { [ -e "$FAKE/$1_${name}_$seed" ] && rm "$FAKE/$1_${name}_$seed"; }
step early && exit 1
mkdir -p "$dir/checkpoints/step-1"
echo "$name $seed" > "$dir/checkpoints/step-1/model.safetensors"
ln -sfn step-1 "$dir/checkpoints/last"
if step signal; then
  trap 'kill $!; exit 130' TERM
  sleep 60 &
  kill -TERM $PPID
  wait
fi
step stop && exit 130
step fail && exit 1
exit 0
)sh";

// IoU: 0.7 for base, 0.8 for full, and a hundredth a seed.
constexpr char kEval[] = R"sh(#!/bin/bash
for a in "$@"; do case $a in --checkpoint=*) run=${a#*=} ;; esac; done
read name seed < "$run/checkpoints/last/model.safetensors"
echo "eval $name $seed" >> "$FAKE/calls.txt"
echo "$*" > "$FAKE/last_eval.txt"
[ -e "$FAKE/bad_eval" ] && { echo "no json"; exit 0; }
case $name in base) iou=0.7$seed ;; *) iou=0.8$seed ;; esac
echo "{\"data\": \"set\", \"device\": \"cuda:1\","
echo " \"metrics\": {\"mean_iou\": $iou, \"gain\": 0.1}, \"images\": 4,"
echo " \"per_class\": {\"horse\": $iou}, \"ms_per_image\": 1.5}"
)sh";

constexpr char kReported[] = R"(
paper: demo
rows:
  - {id: a, table: Table 1, dataset: S, method: base, metric: mean IoU,
     unit: "%", direction: higher, value: 70.0}
  - {id: b, table: Table 1, dataset: S, method: full, metric: mean IoU,
     unit: "%", direction: higher, value: 80.0}
claims:
  - {id: better, text: full beats base, source: T, better: b, worse: a}
)";

constexpr char kProtocol[] = R"(
paper: demo
metrics:
  mean IoU: {key: /metrics/mean_iou, scale: 100}
experiments:
  - {name: base, config: configs/base.yaml, seeds: [0, 1, 2], data: set,
     overrides: [a.b=1], answers: [a]}
  - {name: full, config: configs/full.yaml, init_from: base, seeds: [0, 1, 2],
     data: set, answers: [b], split: val}
  - {name: full_ten, eval_of: full, eval_overrides: [c.d=2], seeds: [0, 1, 2],
     data: set}
)";

class RunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = absl::StrCat(
        ::testing::TempDir(), "/runner_",
        ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ + "/demo/configs");
    setenv("FAKE", root_.c_str(), 1);
    setenv("GIT_CEILING_DIRECTORIES", ::testing::TempDir().c_str(), 1);
    Write("train", kTrain);
    Write("eval", kEval);
    for (const char* name : {"/train", "/eval"}) {
      fs::permissions(root_ + name, fs::perms::owner_all);
    }
    Write("demo/reported.yaml", kReported);
    Write("demo/protocol.yaml", kProtocol);
    Write("demo/configs/base.yaml", "lr: 1\n");
    Write("demo/configs/full.yaml", "lr: 2\n");
    Write("demo/README.md",
          absl::StrCat("# demo\n", kTableBegin, "\n", kTableEnd, "\nend\n"));
    options_.paper_dir = root_ + "/demo";
    options_.work_dir = root_ + "/work";
    options_.repository = root_;
    options_.train_binary = root_ + "/train";
    options_.eval_binary = root_ + "/eval";
    options_.allow_dirty = true;  // the temp folder is no git tree
  }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_OK(WriteFileAtomically(root_ + "/" + name, text));
  }
  std::string Read(const std::string& name) {
    const absl::StatusOr<std::string> text = ReadFile(root_ + "/" + name);
    return text.ok() ? *text : "";
  }
  // The calls since the last time.
  std::vector<std::string> Calls() {
    const std::vector<std::string> calls =
        absl::StrSplit(Read("calls.txt"), '\n', absl::SkipEmpty());
    fs::remove(root_ + "/calls.txt");
    return calls;
  }
  // Runs with the table that goes to stdout kept out of the test's log.
  absl::Status Run() {
    ::testing::internal::CaptureStdout();
    const absl::Status status = Reproduce(options_);
    table_ = ::testing::internal::GetCapturedStdout();
    return status;
  }
  ExperimentResult Result(const std::string& name) {
    const absl::StatusOr<ExperimentResult> result =
        ParseResult(Read("demo/results/" + name + ".json"), name);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : ExperimentResult();
  }

  std::string root_, table_;
  ReproduceOptions options_;
};

TEST_F(RunnerTest, LeavesOutWhatNeedsAGpu) {
  std::string protocol = kProtocol;
  protocol.replace(protocol.find("split: val"), 10, "split: val, gpu: true");
  Write("demo/protocol.yaml", protocol);
  options_.seeds = {0};
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train base 0 fresh", "eval base 0"));
  options_.device = "cuda:0";
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train full 0 from base 0", "eval full 0",
                                   "eval full 0"));
}

TEST_F(RunnerTest, OverridesMayHoldTheSeedAndTheFolderOfRuns) {
  Write("demo/protocol.yaml", R"(
paper: demo
metrics:
  mean IoU: {key: /metrics/mean_iou, scale: 100}
experiments:
  - {name: base, config: configs/base.yaml, seeds: [0, 1, 2], data: set,
     overrides: ["a.b={seed}", "c={work_dir}/shared"], answers: [a]}
  - {name: full, config: configs/full.yaml, seeds: [0, 1, 2], data: set,
     overrides: ["a.b={seed}"], answers: [b]}
)");
  options_.seeds = {1};
  options_.only = {"base"};
  ASSERT_OK(Run());
  EXPECT_THAT(
      Read("last_train.txt"),
      ::testing::EndsWith(absl::StrCat(" a.b=1 c=", root_, "/work/shared\n")));
  // On record they stand as they were written.
  EXPECT_THAT(Result("base").overrides,
              ElementsAre("a.b={seed}", "c={work_dir}/shared"));
}

TEST_F(RunnerTest, RunsTheProtocolAndRecordsEverything) {
  options_.device = "cpu";
  options_.data_root = "/packs";
  options_.threads = 2;
  ASSERT_OK(Run());
  EXPECT_THAT(
      Calls(),
      ElementsAre("train base 0 fresh", "eval base 0",
                  "train full 0 from base 0", "eval full 0", "eval full 0",
                  "train base 1 fresh", "eval base 1",
                  "train full 1 from base 1", "eval full 1", "eval full 1",
                  "train base 2 fresh", "eval base 2",
                  "train full 2 from base 2", "eval full 2", "eval full 2"));
  EXPECT_EQ(Read("last_train.txt"),
            absl::StrCat("--config=", root_,
                         "/demo/configs/full.yaml --seed=2 "
                         "--work_dir=",
                         root_, "/work/full/seed-2 --init_from=", root_,
                         "/work/base/seed-2/checkpoints/last/"
                         "model.safetensors --data_root=/packs --device=cpu "
                         "--threads=2\n"));
  EXPECT_EQ(Read("last_eval.txt"),
            absl::StrCat("--checkpoint=", root_,
                         "/work/full/seed-2 "
                         "--split=test --json --data_root=/packs --device=cpu "
                         "--threads=2 c.d=2\n"));

  const ExperimentResult full = Result("full");
  EXPECT_EQ(full.data, "set");
  EXPECT_EQ(full.split, "val");
  ASSERT_THAT(full.runs, SizeIs(3));
  ASSERT_THAT(full.answers, SizeIs(1));
  EXPECT_NEAR(full.answers[0].mean, 81, 1e-9);
  EXPECT_NEAR(full.answers[0].sd, 1, 1e-9);
  EXPECT_EQ(full.runs[1].eval["per_class"]["horse"], 0.81);
  // FNV-1a by another program: what is on record keeps its fingerprints.
  EXPECT_EQ(Result("base").runs[0].train_fingerprint, "f29622f91f896d05");
  EXPECT_EQ(full.runs[0].train_fingerprint, "15cf9a6783aaa3a2");
  EXPECT_EQ(full.runs[0].eval_fingerprint, "347645278e064b79");
  EXPECT_EQ(full.runs[1].device, "cuda:1");  // as eval says it
  EXPECT_EQ(full.runs[1].commit, "unknown");
  EXPECT_TRUE(full.runs[1].dirty);
  EXPECT_GT(full.runs[1].train_seconds, 0);
  EXPECT_GE(full.runs[1].hardware.cores, 1);
  EXPECT_EQ(Result("full_ten").runs[0].train_seconds, 0);

  ASSERT_OK_AND_ASSIGN(const auto verdicts,
                       ReadVerdicts(root_ + "/demo/results"));
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].statistics.verdict, Verdict::kHeld);
  EXPECT_THAT(Read("demo/RESULTS.md"),
              HasSubstr("| full | 80.0 | 81.0 ± 1.0† | +1.0 |"));
  EXPECT_THAT(
      Read("demo/README.md"),
      HasSubstr("[held 1, not held 0, undecided 0](RESULTS.md#claims)"));
  EXPECT_THAT(table_, HasSubstr("| full | 80.0 |"));
  EXPECT_OK(CheckPaper(root_ + "/demo"));
}

TEST_F(RunnerTest, DoesNotRepeatWhatIsFinished) {
  ASSERT_OK(Run());
  const std::string before = Read("demo/results/full.json");
  Calls();
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), IsEmpty());
  EXPECT_EQ(Read("demo/results/full.json"), before);
  // Even where the run folders are gone: the results are the record.
  fs::remove_all(root_ + "/work");
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(RunnerTest, ContinuesWhereTrainingStopped) {
  Write("stop_full_1", "");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kCancelled,
                              HasSubstr("interrupted at [5/9] full seed 1")));
  Calls();
  // What was measured so far is already in the table.
  EXPECT_THAT(Read("demo/RESULTS.md"), HasSubstr("| base | 70.0 | 70.5 "));
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train full 1 resume", "eval full 1",
                                   "eval full 1", "train base 2 fresh",
                                   "eval base 2", "train full 2 from base 2",
                                   "eval full 2", "eval full 2"));
  EXPECT_EQ(Result("full").runs[1].interruptions, 1);
  EXPECT_EQ(Result("full").runs[2].interruptions, 0);
}

TEST_F(RunnerTest, ASignalReachesTrainingAndStopsTheProtocol) {
  ForwardSignals();
  Write("signal_base_0", "");
  options_.only = {"base"};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kCancelled,
                              HasSubstr("interrupted at [1/3] base seed 0")));
  EXPECT_THAT(Calls(), ElementsAre("train base 0 fresh"));
  ClearInterrupted();
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  options_.seeds = {0};
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train base 0 resume", "eval base 0"));
}

TEST_F(RunnerTest, StartsAfreshWhereNoCheckpointWasLeft) {
  Write("early_base_0", "");
  options_.only = {"base"};
  options_.seeds = {0};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("base seed 0: train ended with exit "
                                        "code 1")));
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train base 0 fresh", "train base 0 fresh",
                                   "eval base 0"));
}

TEST_F(RunnerTest, AWorkFolderInUseIsRefused) {
  fs::create_directories(options_.work_dir);
  ASSERT_OK_AND_ASSIGN(const FolderLock lock,
                       FolderLock::Take(options_.work_dir, "--work_dir"));
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kAlreadyExists,
                              HasSubstr("is in use by process")));
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(RunnerTest, AFailureSparesWhatDoesNotDependOnIt) {
  Write("fail_base_1", "");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("1 of 9 failed: base seed 1")));
  const std::vector<std::string> calls = Calls();
  EXPECT_THAT(calls, Not(::testing::Contains(HasSubstr("full 1"))));
  EXPECT_THAT(calls, ::testing::Contains("eval full 2"));
  EXPECT_THAT(Result("full").runs, SizeIs(2));
}

TEST_F(RunnerTest, AChangedConfigurationIsMeasuredAnew) {
  ASSERT_OK(Run());
  Calls();
  Write("demo/configs/full.yaml", "lr: 3\n");
  options_.seeds = {0};
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train full 0 from base 0", "eval full 0",
                                   "eval full 0"));
  // Seeds of the old configuration are no longer averaged in.
  EXPECT_THAT(Result("full").runs, SizeIs(1));
  EXPECT_THAT(Result("base").runs, SizeIs(3));
  // A change of what the others start from reaches them.
  Write("demo/configs/base.yaml", "lr: 4\n");
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train base 0 fresh", "eval base 0",
                                   "train full 0 from base 0", "eval full 0",
                                   "eval full 0"));
}

TEST_F(RunnerTest, AChangedEvaluationNeedsNoTraining) {
  ASSERT_OK(Run());
  Calls();
  std::string protocol = kProtocol;
  protocol.replace(protocol.find("c.d=2"), 5, "c.d=3");
  Write("demo/protocol.yaml", protocol);
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(),
              ElementsAre("eval full 0", "eval full 1", "eval full 2"));
}

TEST_F(RunnerTest, ForceRepeatsAndSurvivesAnInterruption) {
  ASSERT_OK(Run());
  Calls();
  options_.only = {"base"};
  options_.force = true;
  Write("stop_base_1", "");
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(Calls(), ElementsAre("train base 0 fresh", "eval base 0",
                                   "train base 1 fresh"));
  // Without --force it goes on with what is still to be repeated.
  options_.force = false;
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train base 1 resume", "eval base 1",
                                   "train base 2 fresh", "eval base 2"));
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(RunnerTest, OnlyTrainsWhatItNeedsToStartFrom) {
  options_.only = {"full"};
  options_.seeds = {7};
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train base 7 fresh",
                                   "train full 7 from base 7", "eval full 7"));
  EXPECT_FALSE(fs::exists(root_ + "/demo/results/base.json"));
  options_.only = {"ful"};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("no experiment 'ful'; expected some of "
                                        "base, full, full_ten")));
}

TEST_F(RunnerTest, SeveralParentsAreTrainedFirstAndNamedToTrain) {
  Write("demo/configs/fold.yaml", "lr: 5\n");
  Write("demo/protocol.yaml", absl::StrCat(kProtocol, R"(
  - {name: fold, config: configs/fold.yaml, seeds: [0], data: set}
  - {name: both, config: configs/full.yaml, seeds: [0], data: set,
     overrides: [e.f=1], needs: {coarse: [fold, base], weights: base}}
)"));
  options_.only = {"both"};
  Write("stop_both_0", "");
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(Calls(), ElementsAre("train fold 0 fresh", "train base 0 fresh",
                                   "train both 0 from base 0"));
  const std::string needs =
      absl::StrCat(" e.f=1 needs.coarse=['", root_, "/work/fold/seed-0', '",
                   root_, "/work/base/seed-0']\n");
  EXPECT_THAT(Read("last_train.txt"), ::testing::EndsWith(needs));
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train both 0 resume", "eval both 0"));
  EXPECT_THAT(Read("last_train.txt"), ::testing::EndsWith(needs));
  const std::string fingerprint = Result("both").runs[0].train_fingerprint;

  // A change of any parent is a change of it.
  Write("demo/configs/fold.yaml", "lr: 6\n");
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), ElementsAre("train fold 0 fresh",
                                   "train both 0 from base 0", "eval both 0"));
  EXPECT_NE(Result("both").runs[0].train_fingerprint, fingerprint);

  // And a failure of any leaves it out.
  Write("demo/configs/fold.yaml", "lr: 7\n");
  Write("fail_fold_0", "");
  options_.only = {"fold", "both"};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("1 of 2 failed: fold seed 0")));
  EXPECT_THAT(Calls(), ElementsAre("train fold 0 fresh"));
}

TEST_F(RunnerTest, RenderOnlyMeasuresNothing) {
  ASSERT_OK(Run());
  Calls();
  fs::remove(root_ + "/demo/results/verdicts.json");
  const std::string readme = Read("demo/README.md");
  Write("demo/README.md", absl::StrCat(kTableBegin, "\n", kTableEnd, "\n"));
  fs::remove(root_ + "/demo/RESULTS.md");
  // A row can be answered from what was measured already.
  std::string protocol = kProtocol;
  protocol.replace(protocol.find("answers: [b]"), 12,
                   "answers: [{row: b, key: /per_class/horse, scale: 10}]");
  Write("demo/protocol.yaml", protocol);
  options_.render_only = true;
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), IsEmpty());
  EXPECT_THAT(Read("demo/RESULTS.md"), HasSubstr("| full | 80.0 | 8.1 "));
  EXPECT_THAT(
      Read("demo/README.md"),
      HasSubstr("[held 0, not held 1, undecided 0](RESULTS.md#claims)"));
  EXPECT_TRUE(fs::exists(root_ + "/demo/results/verdicts.json"));
}

TEST_F(RunnerTest, TakesTheRunsOfAnotherMachine) {
  options_.only = {"base", "full"};
  options_.seeds = {1, 2};
  ASSERT_OK(Run());
  fs::rename(root_ + "/demo/results", root_ + "/theirs");
  options_.seeds = {0, 1};
  options_.work_dir = root_ + "/own";
  ASSERT_OK(Run());
  // What is measured with another configuration is no result of this one.
  std::string full = Read("theirs/full.json");
  const size_t at = full.find("\"train_fingerprint\": \"");
  ASSERT_NE(at, std::string::npos);
  full[at + 22] = full[at + 22] == '0' ? '1' : '0';  // seed 1
  Write("theirs/full.json", full);

  Calls();
  options_.merge = {root_ + "/theirs"};
  options_.render_only = true;
  ASSERT_OK(Run());
  EXPECT_THAT(Calls(), IsEmpty());
  const auto seeds = [&](const std::string& name) {
    std::vector<int64_t> found;
    const auto result = ParseResult(Read(name), name);
    EXPECT_OK(result.status());
    if (!result.ok()) return found;
    for (const MeasuredRun& run : result->runs) found.push_back(run.seed);
    return found;
  };
  EXPECT_THAT(seeds("demo/results/base.json"), ElementsAre(0, 1, 2));
  EXPECT_THAT(seeds("demo/results/full.json"), ElementsAre(0, 1, 2));
  EXPECT_THAT(Read("demo/RESULTS.md"), HasSubstr("n = 3"));

  // Nothing but what fits is taken.
  fs::remove_all(root_ + "/demo/results");
  ASSERT_OK(Run());
  EXPECT_THAT(seeds("demo/results/base.json"), ElementsAre(1, 2));
  EXPECT_THAT(seeds("demo/results/full.json"), ElementsAre(2));

  options_.merge = {root_ + "/nowhere"};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("nowhere: no such folder")));
}

TEST_F(RunnerTest, RefusesADirtyTreeBeforeMeasuring) {
  options_.allow_dirty = false;
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kFailedPrecondition,
                              HasSubstr("--allow_dirty")));
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(RunnerTest, SaysWhatIsWrongWithTheOutputOfEval) {
  Write("bad_eval", "");
  options_.only = {"base"};
  options_.seeds = {0};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("base seed 0: eval --json must print "
                                        "one JSON object to stdout, got 'no "
                                        "json")));
  fs::remove(root_ + "/bad_eval");
  std::string protocol = kProtocol;
  protocol.replace(protocol.find("/metrics/mean_iou"), 17, "/metrics/iou");
  Write("demo/protocol.yaml", protocol);
  EXPECT_THAT(Run(),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("the output of eval has no /metrics/iou; "
                                 "correct the key in protocol.yaml")));
  EXPECT_FALSE(fs::exists(root_ + "/demo/results/base.json"));
}

TEST_F(RunnerTest, TheDataHasItsOwnName) {
  options_.only = {"base"};
  options_.seeds = {0};
  std::string protocol = kProtocol;
  const std::string claimed = "data: set,\n     overrides";
  ASSERT_NE(protocol.find(claimed), std::string::npos);
  protocol.replace(protocol.find(claimed), claimed.size(),
                   "data: famous benchmark,\n     overrides");
  Write("demo/protocol.yaml", protocol);
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInternal,
                              HasSubstr("measured on set, but protocol.yaml "
                                        "says data: famous benchmark")));
  EXPECT_FALSE(fs::exists(root_ + "/demo/results/base.json"));
}

TEST_F(RunnerTest, NeedsTheMarkersInTheReadme) {
  Write("demo/README.md", "# demo\n");
  options_.render_only = true;
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("README.md: marker")));
}

}  // namespace
}  // namespace seg
