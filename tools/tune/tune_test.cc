// Tunes a stand-in for eval: a shell script that prints what its overrides say.
#include "tools/tune/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(GridTest, TriesEveryCombination) {
  ASSERT_OK_AND_ASSIGN(const auto grid,
                       Grid({"a=1", "b.c=2", "d=5", "b.c=3", "d=6"}));
  EXPECT_THAT(grid, ElementsAre(ElementsAre("a=1", "b.c=2", "d=5"),
                                ElementsAre("a=1", "b.c=2", "d=6"),
                                ElementsAre("a=1", "b.c=3", "d=5"),
                                ElementsAre("a=1", "b.c=3", "d=6")));
}

TEST(GridTest, RefusesWhatIsNoGrid) {
  const auto refused = [](const std::string& text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(Grid({}), refused("expected a key with two values"));
  EXPECT_THAT(Grid({"a=1", "b=2"}), refused("expected a key with two values"));
  EXPECT_THAT(Grid({"a=1", "a=1"}), refused("a: the value occurs twice"));
  EXPECT_THAT(Grid({"a"}), refused("expected key.path=value, got 'a'"));
}

// x=N gives mean_iou 0.N, no number for x=9, and the wrong usage for x=0.
constexpr char kEval[] = R"sh(#!/bin/bash
echo "$*" >> "$(dirname "$0")/calls.txt"
for a in "$@"; do case $a in x=*) x=${a#*=} ;; esac; done
[ $x == 0 ] && exit 2
[ $x == 1 ] && kill -TERM $$
[ $x == 9 ] && iou=null || iou=0.$x
echo "{\"metrics\": {\"mean_iou\": $iou}, \"data\": \"set\", \"images\": 3}"
)sh";

class TuneTest : public testing::Test {
 protected:
  TuneTest() : root_(testing::TempDir() + "/tune_test") {
    fs::remove_all(root_);
    fs::create_directories(root_);
    options_.eval_binary = root_ + "/eval";
    EXPECT_OK(WriteFileAtomically(options_.eval_binary, kEval));
    fs::permissions(options_.eval_binary, fs::perms::owner_all);
  }

  // The values of x in the order of the settings.
  std::string Order() {
    const auto settings = Tune(options_);
    if (!settings.ok()) return std::string(settings.status().message());
    std::vector<std::string> names;
    for (const Setting& s : *settings) {
      names.push_back(absl::StrJoin(s.overrides, ","));
    }
    return absl::StrJoin(names, " ");
  }

  std::string root_;
  TuneOptions options_;
};

TEST_F(TuneTest, TheBestIsTheLast) {
  options_.overrides = {"x=5", "x=9", "x=7", "x=3"};
  EXPECT_EQ(Order(), "x=9 x=3 x=5 x=7");
  options_.lowest = true;
  EXPECT_EQ(Order(), "x=9 x=7 x=5 x=3");
  ASSERT_OK_AND_ASSIGN(const auto settings, Tune(options_));
  EXPECT_TRUE(std::isnan(settings.front().value));
  EXPECT_EQ(settings.back().value, 0.3);
}

TEST_F(TuneTest, PassesItsOptionsOnAndChoosesOnVal) {
  options_.overrides = {"y=1", "x=5", "x=6"};
  EXPECT_EQ(Order(), "y=1,x=5 y=1,x=6");
  options_.checkpoint = "run";
  options_.data_root = "packs";
  options_.device = "cuda:1";
  options_.threads = 3;
  options_.split = "test";
  options_.overrides = {"x=5", "x=6"};
  Order();
  ASSERT_OK_AND_ASSIGN(const std::string calls, ReadFile(root_ + "/calls.txt"));
  EXPECT_EQ(calls,
            "--json --split=val y=1 x=5\n"
            "--json --split=val y=1 x=6\n"
            "--json --split=test --checkpoint=run --data_root=packs "
            "--device=cuda:1 --threads=3 x=5\n"
            "--json --split=test --checkpoint=run --data_root=packs "
            "--device=cuda:1 --threads=3 x=6\n");
}

TEST_F(TuneTest, SaysWhatWentWrong) {
  const auto code = [&] { return Tune(options_).status().code(); };
  options_.overrides = {"x=5", "x=0"};
  EXPECT_EQ(Order(), "x=0: eval ended with exit code 2");
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  options_.overrides = {"x=5", "x=1"};
  EXPECT_EQ(Order(), "interrupted at x=1");
  EXPECT_EQ(code(), absl::StatusCode::kCancelled);
  options_.overrides = {"x=5", "x=6"};
  options_.metric = "/metrics/mean_uoi";
  EXPECT_EQ(Order(),
            "--metric=/metrics/mean_uoi: eval --json prints no such number; it "
            "prints /images, /metrics/mean_iou");
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  options_.metric = "/data";
  EXPECT_THAT(Order(), HasSubstr("expected a number, got \"set\""));
  options_.metric = "mean_iou";
  EXPECT_THAT(Order(), HasSubstr("--metric: expected a JSON pointer"));
  options_.eval_binary = root_ + "/nowhere";
  options_.metric = "/images";
  EXPECT_THAT(Order(), HasSubstr("exit code 127"));
}

}  // namespace
}  // namespace seg
