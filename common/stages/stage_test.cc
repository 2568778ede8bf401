// A pipeline of three stages, toys of a real one: "proposals" are four numbers,
// "features" two numbers of each proposal, and "ranker" what is fitted to all
// features, in one file that is not written by items.
#include "common/stages/stage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/interrupt.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr int64_t kItems = 4;

struct Pipeline {
  std::string work;      // stages/ is in it, and made.txt: what was made
  int64_t seed = 3;      // of the proposals
  double penalty = 0.5;  // of the ranker
  std::string kill;      // SIGKILL in the middle of making this

  void Note(const std::string& what) const {
    std::ofstream(work + "/made.txt", std::ios::app) << what << "\n";
    if (what == kill) raise(SIGKILL);
  }
  static std::string Item(int64_t i) { return absl::StrCat("set/", i, ".txt"); }

  StageKey Proposals() const { return {"proposals", {{"seed", seed}}, {}}; }
  StageKey Features() const {
    return {"features", json::object(), {Fingerprint(Proposals())}};
  }
  StageKey Ranker() const {
    return {"ranker",
            {{"penalty", penalty}},
            {Fingerprint(Proposals()), Fingerprint(Features())}};
  }
  std::string Folder(const StageKey& key) const {
    return absl::StrCat(work, "/stages/", key.name, "-", Fingerprint(key));
  }

  absl::Status MakeProposals(const std::string& folder) const {
    for (int64_t i = 0; i < kItems; ++i) {
      SEG_RETURN_IF_ERROR(
          EnsureItem(folder, Item(i), [&]() -> absl::StatusOr<std::string> {
            Note(absl::StrCat("proposal ", i));
            return absl::StrCat(10 * seed + i);
          }));
    }
    return absl::OkStatus();
  }

  absl::Status MakeFeatures(const std::string& folder,
                            const std::string& proposals) const {
    for (int64_t i = 0; i < kItems; ++i) {
      SEG_RETURN_IF_ERROR(
          EnsureItem(folder, Item(i), [&]() -> absl::StatusOr<std::string> {
            SEG_ASSIGN_OR_RETURN(const std::string text,
                                 ReadFile(proposals + "/" + Item(i)));
            Note(absl::StrCat("feature ", i));
            return absl::StrCat(text, " ", text, "00");
          }));
    }
    return absl::OkStatus();
  }

  absl::Status FitRanker(const std::string& folder,
                         const std::string& features) const {
    std::ofstream weights(folder + "/weights.txt");
    weights << penalty << std::flush;  // a half that a kill leaves
    Note("ranker");
    int64_t sum = 0;
    for (int64_t i = 0; i < kItems; ++i) {
      SEG_ASSIGN_OR_RETURN(const std::string text,
                           ReadFile(features + "/" + Item(i)));
      for (const auto& word : absl::StrSplit(text, ' ')) {
        int64_t number = 0;
        if (!absl::SimpleAtoi(word, &number)) {
          return absl::DataLossError("no number");
        }
        sum += number;
      }
    }
    weights << " " << sum << "\n";
    fs::remove(folder + "/best");
    fs::create_symlink("weights.txt", folder + "/best");
    return absl::OkStatus();
  }

  // What the ranker has learnt.
  absl::StatusOr<std::string> Run() const {
    fs::create_directories(work);
    const std::string root = work + "/stages";
    SEG_ASSIGN_OR_RETURN(
        const std::string proposals,
        EnsureStage(root, Proposals(), [&](const std::string& folder) {
          return MakeProposals(folder);
        }));
    SEG_ASSIGN_OR_RETURN(
        const std::string features,
        EnsureStage(root, Features(), [&](const std::string& folder) {
          return MakeFeatures(folder, proposals);
        }));
    SEG_ASSIGN_OR_RETURN(
        const std::string ranker,
        EnsureStage(root, Ranker(), [&](const std::string& folder) {
          return FitRanker(folder, features);
        }));
    return ReadFile(ranker + "/best");
  }
};

// 30 + .. + 33 = 126 and a hundred times that.
constexpr char kResult[] = "0.5 12726\n";

class StageTest : public testing::Test {
 protected:
  void SetUp() override {
    pipeline_.work = absl::StrCat(
        testing::TempDir(), "/stage_",
        testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(pipeline_.work);
    fs::create_directories(pipeline_.work);
    ASSERT_OK(SetLogFile(pipeline_.work + "/log.txt"));
  }
  void TearDown() override { ASSERT_OK(SetLogFile("")); }

  // What was made, or logged, since the last time.
  std::vector<std::string> Take(const std::string& file) {
    const std::string path = pipeline_.work + "/" + file;
    const auto text = ReadFile(path);
    if (!text.ok()) return {};
    fs::resize_file(path, 0);
    return absl::StrSplit(*text, '\n', absl::SkipEmpty());
  }
  std::vector<std::string> Made() { return Take("made.txt"); }
  std::vector<std::string> Warnings() {
    std::vector<std::string> warnings;
    for (const std::string& line : Take("log.txt")) {
      if (line.rfind("warning: ", 0) == 0) warnings.push_back(line);
    }
    return warnings;
  }
  // Nothing but whole stages is left in the folder of stages.
  void ExpectThreeStages() {
    int64_t count = 0;
    for (const auto& entry :
         fs::directory_iterator(pipeline_.work + "/stages")) {
      EXPECT_TRUE(fs::exists(entry.path() / "done.json")) << entry.path();
      ++count;
    }
    EXPECT_EQ(count, 3);
  }

  Pipeline pipeline_;
};

TEST_F(StageTest, MakesEachOnce) {
  ASSERT_OK_AND_ASSIGN(const std::string result, pipeline_.Run());
  EXPECT_EQ(result, kResult);
  EXPECT_THAT(Made(), ElementsAre("proposal 0", "proposal 1", "proposal 2",
                                  "proposal 3", "feature 0", "feature 1",
                                  "feature 2", "feature 3", "ranker"));
  EXPECT_EQ(pipeline_.Run().value(), kResult);
  EXPECT_THAT(Made(), IsEmpty());
  EXPECT_THAT(Warnings(), IsEmpty());
  ExpectThreeStages();
}

TEST_F(StageTest, WhatDependsOnAChangeIsMadeAnewInAFolderOfItsOwn) {
  ASSERT_OK(pipeline_.Run());
  Made();
  pipeline_.penalty = 0.25;
  EXPECT_EQ(pipeline_.Run().value(), "0.25 12726\n");
  EXPECT_THAT(Made(), ElementsAre("ranker"));
  pipeline_.seed = 4;
  EXPECT_EQ(pipeline_.Run().value(), "0.25 16766\n");
  EXPECT_EQ(Made().size(), 2 * kItems + 1u);
  pipeline_.seed = 3;  // the first ones are still there
  pipeline_.penalty = 0.5;
  EXPECT_EQ(pipeline_.Run().value(), kResult);
  EXPECT_THAT(Made(), IsEmpty());
}

TEST_F(StageTest, KilledInEachStageItGoesOnItemByItem) {
  const std::vector<std::string> all = {
      "proposal 0", "proposal 1", "proposal 2", "proposal 3", "feature 0",
      "feature 1",  "feature 2",  "feature 3",  "ranker"};
  for (const size_t at : {2u, 5u, 8u}) {
    fs::remove_all(pipeline_.work + "/stages");
    pipeline_.kill = all[at];
    const pid_t child = fork();
    if (child == 0) {
      pipeline_.Run().IgnoreError();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << at;
    EXPECT_EQ(Made(),
              std::vector<std::string>(all.begin(), all.begin() + at + 1));
    pipeline_.kill = "";
    ASSERT_OK_AND_ASSIGN(const std::string result, pipeline_.Run());
    EXPECT_EQ(result, kResult);
    // The one that was in the making, and those behind it.
    EXPECT_EQ(Made(), std::vector<std::string>(all.begin() + at, all.end()));
    EXPECT_THAT(Warnings(), IsEmpty());
    ExpectThreeStages();
  }
}

TEST_F(StageTest, DamageInEachCacheIsFoundToldAndMended) {
  ASSERT_OK(pipeline_.Run());
  Made();
  struct Case {
    StageKey key;
    std::string file;
    std::vector<std::string> made;  // where the file is damaged
    std::vector<std::string> all;   // where done.json is
    std::vector<std::string> none;  // where only something is too much
  };
  const std::vector<Case> cases = {
      {pipeline_.Proposals(),
       Pipeline::Item(1),
       {"proposal 1"},
       {"proposal 0", "proposal 1", "proposal 2", "proposal 3"},
       {}},
      {pipeline_.Features(),
       Pipeline::Item(2),
       {"feature 2"},
       {"feature 0", "feature 1", "feature 2", "feature 3"},
       {}},
      {pipeline_.Ranker(), "weights.txt", {"ranker"}, {"ranker"}, {"ranker"}}};
  for (const Case& c : cases) {
    const std::string folder = pipeline_.Folder(c.key);
    const std::string path = folder + "/" + c.file;
    const auto expect = [&](const std::string& told,
                            const std::vector<std::string>& made) {
      ASSERT_OK_AND_ASSIGN(const std::string result, pipeline_.Run());
      EXPECT_EQ(result, kResult) << told;
      EXPECT_EQ(Made(), made) << told;
      EXPECT_THAT(
          Warnings(),
          ElementsAre(AllOf(StartsWith("warning: stage " + c.key.name + ": "),
                            HasSubstr("is damaged: " + told),
                            HasSubstr("is made anew"))));
      ExpectThreeStages();
    };
    fs::resize_file(path, 1);
    expect(c.file + " has changed", c.made);
    std::string bytes = ReadFile(path).value();
    bytes[0] ^= 1;  // as long as before
    std::ofstream(path) << bytes;
    expect(c.file + " has changed", c.made);
    fs::remove(path);
    expect(c.file + " is missing", c.made);
    std::ofstream(folder + "/more.txt") << "7";
    expect("more.txt does not belong there", c.none);
    EXPECT_FALSE(fs::exists(folder + "/more.txt"));
    for (const char* text : {"{\"stage\": \"pro", "[]", "{}", ""}) {
      std::ofstream(folder + "/done.json") << text;
      expect("done.json is not that of this stage; all of it", c.all);
    }
    fs::remove(folder + "/done.json");
    expect("done.json is missing; all of it", c.all);
  }
}

TEST_F(StageTest, AKillBetweenTheMarkerAndTheRenameCostsNothing) {
  ASSERT_OK(pipeline_.Run());
  Made();
  const std::string folder = pipeline_.Folder(pipeline_.Features());
  fs::create_directories(folder + ".part");
  fs::rename(folder, folder + ".part/result");
  EXPECT_EQ(pipeline_.Run().value(), kResult);
  EXPECT_THAT(Made(), IsEmpty());
  EXPECT_THAT(Warnings(), IsEmpty());
  ExpectThreeStages();
  // And one while damage is taken out leaves it to be found.
  fs::create_directories(folder + ".part");
  fs::rename(folder, folder + ".part/result");
  fs::remove(folder + ".part/result/" + Pipeline::Item(3));
  EXPECT_EQ(pipeline_.Run().value(), kResult);
  EXPECT_THAT(Made(), ElementsAre("feature 3"));
  EXPECT_THAT(Warnings(), ElementsAre(HasSubstr("set/3.txt is missing")));
}

TEST_F(StageTest, WhatAnInterruptedWriteLeftIsNoPartOfTheResult) {
  const StageKey key = {"one", 1, {}};
  ASSERT_OK_AND_ASSIGN(
      const std::string folder,
      EnsureStage(pipeline_.work, key, [](const std::string& in) {
        std::ofstream(in + "/.a.txt.tmp-12-0") << "half";
        std::ofstream(in + "/a.txt") << "whole";
        return absl::OkStatus();
      }));
  EXPECT_TRUE(fs::exists(folder + "/a.txt"));
  EXPECT_FALSE(fs::exists(folder + "/.a.txt.tmp-12-0"));
}

TEST_F(StageTest, ErrorsNameTheStageAndKeepItsItems) {
  const StageKey key = {"proposals", json::object(), {}};
  int64_t made = 0;
  const auto make = [&](const std::string& folder) -> absl::Status {
    SEG_RETURN_IF_ERROR(
        EnsureItem(folder, "a", [&]() -> absl::StatusOr<std::string> {
          ++made;
          return "x";
        }));
    return absl::NotFoundError("no weights");
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(EnsureStage(pipeline_.work, key, make),
                StatusIs(absl::StatusCode::kNotFound,
                         HasSubstr("stage proposals: no weights")));
  }
  EXPECT_EQ(made, 1);
  // An interrupted program begins no further item.
  NoteInterrupt();
  EXPECT_THAT(EnsureStage(pipeline_.work, {"other", 1, {}}, make),
              StatusIs(absl::StatusCode::kCancelled,
                       HasSubstr("stage other: interrupted")));
  ClearInterrupted();
}

TEST_F(StageTest, OneProgramAtATimeMakesAStage) {
  const std::string part = pipeline_.Folder(pipeline_.Proposals()) + ".part";
  fs::create_directories(part);
  ASSERT_OK_AND_ASSIGN(const FolderLock lock,
                       FolderLock::Take(part, "--work_dir"));
  EXPECT_THAT(pipeline_.Run(), StatusIs(absl::StatusCode::kAlreadyExists,
                                        HasSubstr("is in use by process")));
  EXPECT_THAT(Made(), IsEmpty());
}

TEST_F(StageTest, BadNamesAreRefused) {
  const auto nothing = [](const std::string&) { return absl::OkStatus(); };
  for (const char* name : {"", "a/b", "..", "a b"}) {
    EXPECT_THAT(EnsureStage(pipeline_.work, {name, 1, {}}, nothing),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("expected a name of letters")));
  }
  const auto item = []() -> absl::StatusOr<std::string> { return "x"; };
  for (const char* name :
       {"", "/etc/x", "../x", "a/../../x", "a/", "done.json"}) {
    EXPECT_THAT(EnsureItem(pipeline_.work, name, item),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("expected a file's name inside")));
  }
}

TEST(FingerprintTest, DependsOnNameConfigurationAndInputs) {
  const StageKey key = {"a", {{"x", 1}}, {"1", "2"}};
  EXPECT_EQ(Fingerprint(key).size(), 16u);
  EXPECT_EQ(Fingerprint(key), Fingerprint({"a", {{"x", 1}}, {"1", "2"}}));
  for (const StageKey& other : {StageKey{"b", {{"x", 1}}, {"1", "2"}},
                                StageKey{"a", {{"x", 2}}, {"1", "2"}},
                                StageKey{"a", {{"x", 1}}, {"2", "1"}},
                                StageKey{"a", {{"x", 1}}, {"12"}}}) {
    EXPECT_NE(Fingerprint(key), Fingerprint(other));
  }
  const std::string path = testing::TempDir() + "/weights";
  std::ofstream(path) << "foobar";
  EXPECT_EQ(FileFingerprint(path).value(), "85944171f73967e8");
  EXPECT_THAT(FileFingerprint(path + "2"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("weights2")));
}

}  // namespace
}  // namespace seg
