// Compares stand-ins for the papers' programs: shell scripts whose numbers are
// said by their overrides.
#include "tools/shootout/shootout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"
#include "tools/shootout/refiners.h"
#include "tools/shootout/shootout_report.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kList[] = R"(
refiners:
  - {name: learned, title: A learned one, paper: p, config: c.yaml, grid: [x=2, x=4, x=3]}
  - {name: fixed, title: A fixed one, run_of: learned, overrides: [y=1], grid: [x=5, x=6]}
  - {name: none, title: None, run_of: learned, overrides: [x=1]}
)";

TEST(RefinersTest, ReadsTheList) {
  ASSERT_OK_AND_ASSIGN(const auto refiners, ParseRefiners(kList, "r.yaml"));
  ASSERT_EQ(refiners.size(), 3u);
  EXPECT_TRUE(refiners[0].learned());
  EXPECT_EQ(refiners[0].config, "c.yaml");
  EXPECT_FALSE(refiners[1].learned());
  EXPECT_EQ(refiners[1].paper, "p");
  EXPECT_THAT(refiners[1].overrides, ElementsAre("y=1"));
}

TEST(RefinersTest, ErrorsNameFileAndRefiner) {
  const auto refused = [](const std::string& list, const std::string& text) {
    EXPECT_THAT(ParseRefiners("refiners: [" + list + "]", "r.yaml"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("r.yaml"), HasSubstr(text))));
  };
  const std::string a = "{name: a, title: A, paper: p, config: c.yaml}";
  refused("", "must not be empty");
  refused("{title: A, paper: p, config: c}", "name");
  refused("{name: A b, title: A, paper: p, config: c}", "a-z 0-9 _ only");
  refused(a + ", " + a, "(a): name: occurs twice");
  refused("{name: b, title: B, run_of: a}", "no learned refiner 'a'");
  refused(a + ", {name: b, title: B, run_of: a, paper: p}",
          "has no meaning with run_of");
  refused("{name: a, title: A, paper: p, config: c, input: masks}",
          "expected probabilities or proposals, got 'masks'");
  refused("{name: a, title: A, paper: p, config: c, grid: [x=1]}",
          "two values");
  refused("{name: a, title: A, paper: p, config: c, overrides: [x]}",
          "expected key.path=value, got 'x'");
  refused("{name: a, title: A, paper: p, config: c, colour: red}", "colour");
}

// The list that the tool comes with, and the configurations that it names.
TEST(RefinersTest, OurOwnList) {
  const std::string path = Runfile("tools/shootout/refiners.yaml");
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
  ASSERT_OK_AND_ASSIGN(const auto refiners, ParseRefiners(text, path));
  for (const Refiner& refiner : refiners) {
    if (!refiner.learned()) continue;
    EXPECT_TRUE(fs::exists(fs::path(path).parent_path() / refiner.config))
        << refiner.name;
  }
}

// x=N of the training gives mean_iou 0.N on val, 0.N1 on test; an x=N of the
// evaluation goes before it.
constexpr char kProgram[] = R"sh(#!/bin/bash
echo "$(basename "$0") $*" >> "$(dirname "$0")/calls.txt"
for a in "$@"; do
  case $a in
    x=*) x=${a#*=} ;;
    --work_dir=*) run=${a#*=} ;;
    --checkpoint=*) run=${a#*=} ;;
    --split=test) more=1 ;;
    --threads=*) threads=${a#*=} ;;
  esac
done
[ "$x" == 7 ] && exit 2
if [ "$(basename "$0")" == train ]; then
  mkdir "$run" && echo "$x" > "$run/x"
  exit
fi
[ -n "$x" ] || x=$(cat "$run/x")
echo "{\"metrics\": {\"mean_iou\": 0.$x$more}, \"parameters\": 12,
       \"per_class\": {\"a/b\": 0.$x},
       \"ms_per_image\": $((20 / threads))}"
)sh";

class ShootoutTest : public testing::Test {
 protected:
  ShootoutTest() : root_(testing::TempDir() + "/shootout_test") {
    fs::remove_all(root_);
    fs::create_directories(root_ + "/work");
    for (const char* name : {"train", "eval"}) {
      EXPECT_OK(WriteFileAtomically(root_ + "/" + name, kProgram));
      fs::permissions(root_ + "/" + name, fs::perms::owner_all);
    }
    options_.refiners = *ParseRefiners(kList, "r.yaml");
    options_.configs_dir = "lists";
    options_.program = [this](const std::string&, const std::string& name) {
      return root_ + "/" + name;
    };
    options_.probabilities = "probabilities";
    options_.work_dir = root_ + "/work";
    options_.data = {"data.pack=p"};
    options_.steps = 9;
    options_.seeds = {0, 1};
  }

  std::vector<std::string> Calls() const {
    return absl::StrSplit(ReadFile(root_ + "/calls.txt").value_or(""), '\n',
                          absl::SkipEmpty());
  }

  const std::string root_;
  ShootoutOptions options_;
};

TEST_F(ShootoutTest, ChoosesOnValAndReportsOnTest) {
  ASSERT_OK_AND_ASSIGN(const std::vector<Shot> shots, RunShootout(options_));
  ASSERT_EQ(shots.size(), 3u);
  EXPECT_THAT(shots[0].chosen, ElementsAre("x=4"));
  ASSERT_EQ(shots[0].settings.size(), 3u);
  EXPECT_EQ(shots[0].settings[1].value, 0.4);
  ASSERT_EQ(shots[0].eval.size(), 2u);  // seeds
  EXPECT_EQ(shots[0].eval[1]["metrics"]["mean_iou"], 0.41);
  EXPECT_EQ(shots[0].parameters, 12);
  EXPECT_EQ(shots[0].ms_one_thread, 20.0);
  EXPECT_EQ(shots[0].ms_two_threads, 10.0);
  EXPECT_GT(shots[0].peak_mib, 0);
  EXPECT_THAT(shots[1].chosen, ElementsAre("y=1", "x=6"));
  EXPECT_EQ(shots[1].eval[0]["metrics"]["mean_iou"], 0.61);
  EXPECT_EQ(shots[1].parameters, 0);
  EXPECT_EQ(shots[2].eval[0]["metrics"]["mean_iou"], 0.11);

  const std::vector<std::string> calls = Calls();
  EXPECT_EQ(calls[0], "train --config=lists/c.yaml --seed=0 --work_dir=" +
                          options_.work_dir +
                          "/learned/setting-0 data.pack=p "
                          "data.probabilities=probabilities train.steps=9 x=2");
  int trainings = 0;
  for (const std::string& call : calls) {
    if (call[0] == 't') {
      ++trainings;
    } else if (call.find("/fixed/") == std::string::npos) {
      // A run's own settings are not given to eval again.
      EXPECT_THAT(call, Not(HasSubstr("x=4")));
    }
  }
  EXPECT_EQ(trainings, 4);  // three settings, and the second seed
}

TEST_F(ShootoutTest, GoesOnAfterAnInterruption) {
  options_.refiners[1].grid = {"x=5", "x=7"};  // a wrong usage
  EXPECT_THAT(RunShootout(options_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("ended with exit code 2")));
  const size_t before = Calls().size();
  options_.refiners[1].grid = {"x=5", "x=6"};
  ASSERT_OK_AND_ASSIGN(const auto shots, RunShootout(options_));
  // fixed: x=6 on val, and both refiners without a training on test: one
  // thread, two threads, the second seed.
  EXPECT_EQ(Calls().size(), before + 1 + 2 * 3);
  EXPECT_EQ(shots[0].eval[0]["metrics"]["mean_iou"], 0.41);
  // Another budget is another training.
  options_.steps = 10;
  options_.refiners.resize(1);
  EXPECT_OK(RunShootout(options_));
  // 4 trainings, 3 times val, 3 times test.
  EXPECT_EQ(Calls().size(), before + 7 + 10);
}

TEST_F(ShootoutTest, OtherProbabilitiesAreAnotherTraining) {
  options_.refiners.resize(1);
  options_.probabilities = root_ + "/probabilities";
  fs::create_directories(options_.probabilities);
  ASSERT_OK(WriteFileAtomically(options_.probabilities + "/a.npy", "one"));
  ASSERT_OK(RunShootout(options_).status());
  const size_t once = Calls().size();
  ASSERT_OK(RunShootout(options_).status());
  EXPECT_EQ(Calls().size(), once);
  ASSERT_OK(WriteFileAtomically(options_.probabilities + "/a.npy", "other"));
  ASSERT_OK(RunShootout(options_).status());
  EXPECT_EQ(Calls().size(), 2 * once);
}

TEST_F(ShootoutTest, ProposalsTakeThePlaceOfProbabilities) {
  ASSERT_OK_AND_ASSIGN(
      options_.refiners,
      ParseRefiners("refiners: [{name: picks, title: Picks, paper: p, config: "
                    "c.yaml, input: proposals, overrides: [x=3]}, {name: first,"
                    " title: First, run_of: picks, overrides: [x=2]}]",
                    "r.yaml"));
  ASSERT_OK_AND_ASSIGN(std::vector<Shot> shots, RunShootout(options_));
  EXPECT_TRUE(shots.empty());
  options_.proposals = "theirs";
  ASSERT_OK_AND_ASSIGN(shots, RunShootout(options_));
  ASSERT_EQ(shots.size(), 2u);
  EXPECT_EQ(shots[0].eval[0]["metrics"]["mean_iou"], 0.31);
  for (const std::string& call : Calls()) {
    EXPECT_THAT(call, Not(HasSubstr("data.probabilities")));
    if (call[0] == 'e') EXPECT_THAT(call, HasSubstr("proposals_folder=theirs"));
  }
}

TEST_F(ShootoutTest, AMetricThatIsNotThere) {
  options_.metric = "/metrics/other";
  EXPECT_THAT(RunShootout(options_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--metric=/metrics/other: eval --json")));
  options_.metric = "other";
  EXPECT_THAT(RunShootout(options_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a JSON pointer")));
}

TEST_F(ShootoutTest, TableAndPage) {
  ASSERT_OK_AND_ASSIGN(const std::vector<Shot> shots, RunShootout(options_));
  const nlohmann::json tree = ShootoutJson(options_, shots, {{"cpu", "a CPU"}});
  const std::string table = ShootoutTable(tree);
  // What learns nothing comes first.
  EXPECT_LT(table.find("A fixed one"), table.find("A learned one"));
  EXPECT_THAT(table, HasSubstr("41.0"));
  EXPECT_THAT(table, Not(HasSubstr("chosen")));
  EXPECT_THAT(
      ShootoutClasses(tree),
      HasSubstr("| a/b | 60.0 \xC2\xB1 0.0 | 10.0 \xC2\xB1 0.0 | 40.0"));
  EXPECT_OK(WriteShootout(tree, options_.work_dir));
  for (const char* name : {"shootout.json", "table.md", "classes.md",
                           "accuracy.svg", "report.html"}) {
    EXPECT_TRUE(fs::exists(options_.work_dir + "/" + name)) << name;
  }
  const auto read = nlohmann::json::parse(
      ReadFile(options_.work_dir + "/shootout.json").value());
  EXPECT_EQ(read["refiners"][0]["settings"][1]["val"], 0.4);
  EXPECT_EQ(read["environment"]["cpu"], "a CPU");
  // All else is drawn from this file.
  EXPECT_EQ(ShootoutTable(read), table);
  EXPECT_EQ(ShootoutPlot(read), ShootoutPlot(tree));
}

TEST_F(ShootoutTest, MeansOverChosenClassesHaveAColumn) {
  options_.metric = "/metrics/chosen_mean_iou";
  Shot shot;
  shot.refiner = options_.refiners[0];
  shot.ms_two_threads = 3;
  shot.eval = {{{"metrics", {{"mean_iou", 0.25}, {"chosen_mean_iou", 0.75}}}}};
  const nlohmann::json tree = ShootoutJson(options_, {shot}, {});
  EXPECT_THAT(ShootoutTable(tree),
              AllOf(HasSubstr("mean IoU of chosen classes"),
                    HasSubstr("| 25.0 | 75.0 |")));
  EXPECT_THAT(ShootoutPlot(tree), HasSubstr("mean IoU of chosen classes"));
}

}  // namespace
}  // namespace seg
