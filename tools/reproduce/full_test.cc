// The full reproduction test of a paper, the same for all (see
// seg_reproduction_full_test in defs.bzl): everything on record fits together,
// and one seed of the experiments that the protocol marks quick, trained and
// evaluated anew, agrees with it. An experiment whose pack is missing is
// skipped; generated sets need none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/base/runfiles.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/paper_record.h"
#include "common/reproduction/protocol.h"
#include "common/reproduction/results.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "tools/reproduce/needed_pack.h"
#include "tools/reproduce/runner.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

// The quick part must leave room to the 45 minutes that the whole test may
// take: seconds, on the machine that left the record.
constexpr double kMaxQuickSeconds = 2400;

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

std::string Folder() { return Runfile(Environment("SEG_PAPER")); }

const ExperimentResult* FindResult(const std::vector<ExperimentResult>& results,
                                   const std::string& experiment) {
  for (const ExperimentResult& r : results) {
    if (r.experiment == experiment) return &r;
  }
  return nullptr;
}

std::vector<std::string> QuickExperiments() {
  std::vector<std::string> names;
  const absl::StatusOr<PaperRecord> record = ReadPaperRecord(Folder());
  if (!record.ok()) return names;  // TheRecordFitsTogether tells
  for (const Experiment& e : record->protocol.experiments) {
    if (e.quick) names.push_back(e.name);
  }
  return names;
}

TEST(FullTest, TheRecordFitsTogether) { EXPECT_OK(CheckPaper(Folder())); }

TEST(FullTest, TheQuickPartIsQuick) {
  ASSERT_OK_AND_ASSIGN(const PaperRecord record, ReadPaperRecord(Folder()));
  const std::vector<std::string> quick = QuickExperiments();
  EXPECT_FALSE(quick.empty()) << "mark experiments `quick: true`";
  double seconds = 0;
  for (const std::string& name : quick) {
    const ExperimentResult* result = FindResult(record.results, name);
    ASSERT_NE(result, nullptr) << name << ": no result on record";
    seconds += result->runs[0].train_seconds + result->runs[0].eval_seconds;
  }
  EXPECT_LT(seconds, kMaxQuickSeconds);
}

// How far one more seed may lie from the mean of those on record: the 95 %
// prediction interval (Student's t, n - 1 degrees of freedom), and never less
// than 1 % of the value, since a few seeds may agree by chance.
double Allowed(const Answer& answer) {
  constexpr double kStudent[] = {0, 12.71, 4.30, 3.18, 2.78, 2.57};
  const size_t n = answer.values.size();
  const double t = kStudent[std::min<size_t>(n - 1, 5)];
  return std::max(t * answer.sd * std::sqrt(1 + 1.0 / n),
                  0.01 * std::abs(answer.mean));
}

// How many of `count` answers may lie outside of that: the least number that
// chance exceeds in at most 5 % of all cases (binomial).
size_t AllowedOutside(size_t count) {
  constexpr double kOutside = 0.05;
  double probability = std::pow(1 - kOutside, count);  // of `outside`
  double above = 1 - probability;
  size_t outside = 0;
  while (above > kOutside * (1 + 1e-9)) {
    probability *= static_cast<double>(count - outside) /
                   static_cast<double>(outside + 1) * kOutside / (1 - kOutside);
    above -= probability;
    ++outside;
  }
  return outside;
}

TEST(FullTest, ChanceMayPutSomeAnswersOutside) {
  EXPECT_EQ(AllowedOutside(0), 0u);
  EXPECT_EQ(AllowedOutside(1), 0u);  // 5 %
  EXPECT_EQ(AllowedOutside(2), 1u);  // 9.75 % for one
  EXPECT_EQ(AllowedOutside(9), 2u);  // 7.1 % for two, 0.8 % for three
}

class MeasuredAnewTest : public testing::TestWithParam<std::string> {
 protected:
  // A copy of the paper's folder without results, for the new ones.
  static void SetUpTestSuite() {
    fs::remove_all(Root());
    fs::create_directories(Copy());
    for (const auto& entry : fs::directory_iterator(Folder())) {
      const fs::path path = entry.path();
      if (path.extension() == ".yaml" || path.extension() == ".md") {
        fs::copy_file(path, Copy() / path.filename());
      }
    }
    fs::copy(Folder() + "/configs", Copy() / "configs",
             fs::copy_options::recursive);
  }
  static fs::path Root() { return fs::path(testing::TempDir()) / "full"; }
  static fs::path Copy() { return Root() / Environment("SEG_PAPER"); }

  // Trains (with what it starts from) and evaluates the first seed.
  static absl::Status Measure(const Experiment& e) {
    ReproduceOptions options;
    options.paper_dir = Copy();
    options.work_dir = Root() / "runs";
    options.repository = Root();
    options.train_binary = Folder() + "/train";
    options.eval_binary = Folder() + "/eval";
    options.only = {e.name};
    options.seeds = {e.seeds[0]};
    options.data_root = Environment("SEG_DATA_ROOT");
    options.allow_dirty = true;
    testing::internal::CaptureStdout();  // the table
    const absl::Status status = Reproduce(options);
    testing::internal::GetCapturedStdout();
    return status;
  }
};

TEST_P(MeasuredAnewTest, AgreesWithTheRecord) {
  ASSERT_OK_AND_ASSIGN(const PaperRecord record, ReadPaperRecord(Folder()));
  const Experiment& e = *record.protocol.Find(GetParam());
  ASSERT_OK_AND_ASSIGN(const std::string pack, NeededPack(Folder(), e));
  const std::string data_root = Environment("SEG_DATA_ROOT");
  if (!pack.empty() &&
      (data_root.empty() || !fs::exists(data_root + "/" + pack))) {
    GTEST_SKIP() << e.name << " needs the pack " << pack << " in SEG_DATA_ROOT";
  }
  ASSERT_OK(Measure(e));
  const ExperimentResult* then = FindResult(record.results, e.name);
  ASSERT_NE(then, nullptr) << e.name << ": no result on record";
  ASSERT_OK_AND_ASSIGN(const std::vector<ExperimentResult> fresh,
                       ReadResults((Copy() / "results").string()));
  const ExperimentResult* now = FindResult(fresh, e.name);
  ASSERT_NE(now, nullptr);
  const auto compare = [](const std::vector<Answer>& now,
                          const std::vector<Answer>& then) {
    ASSERT_EQ(now.size(), then.size());
    std::vector<std::string> outside;
    for (size_t i = 0; i < then.size(); ++i) {
      const double allowed = Allowed(then[i]);
      // No chance puts one so far out.
      EXPECT_NEAR(now[i].mean, then[i].mean, 3 * allowed) << then[i].row;
      if (std::abs(now[i].mean - then[i].mean) > allowed) {
        outside.push_back(absl::StrCat(then[i].row, ": ", now[i].mean,
                                       ", then ", then[i].mean, " +- ",
                                       allowed));
      }
    }
    EXPECT_LE(outside.size(), AllowedOutside(then.size()))
        << absl::StrJoin(outside, "\n");
  };
  compare(now->answers, then->answers);
  compare(now->stands_in_for, then->stands_in_for);
  // The claims that this experiment, and those before it, speak of.
  static auto* judged = new std::set<std::pair<std::string, std::string>>;
  ASSERT_OK_AND_ASSIGN(const std::vector<ClaimVerdict> news,
                       ComputeVerdicts(record.ledger, fresh));
  for (const ClaimVerdict& v : news) {
    if (!judged->insert({v.claim, v.data}).second) continue;
    EXPECT_OK(CheckNewVerdict(record.ledger, record.verdicts, v.claim, v.data,
                              v.statistics));
  }
}

INSTANTIATE_TEST_SUITE_P(Quick, MeasuredAnewTest,
                         testing::ValuesIn(QuickExperiments()),
                         [](const testing::TestParamInfo<std::string>& info) {
                           return absl::StrReplaceAll(info.param, {{"-", "_"}});
                         });

}  // namespace
}  // namespace seg
