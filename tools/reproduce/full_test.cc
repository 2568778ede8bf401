// The full reproduction test of a paper, the same for all (see
// seg_reproduction_full_test in defs.bzl): everything on record fits together,
// and one seed of the whole protocol, trained and evaluated anew on the real
// data, agrees with it. Skips the second part where a data set is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/runfiles.h"
#include "common/reproduction/claims.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/protocol.h"
#include "common/reproduction/results.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "tools/reproduce/runner.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

class FullTest : public testing::Test {
 protected:
  void SetUp() override {
    paper_ = Environment("SEG_PAPER");
    ASSERT_NE(paper_, "") << "the BUILD rule names the paper";
    folder_ = Runfile(paper_);
    ASSERT_OK_AND_ASSIGN(ledger_, ReadLedger(folder_ + "/reported.yaml"));
    ASSERT_OK_AND_ASSIGN(protocol_,
                         ReadProtocol(folder_ + "/protocol.yaml", ledger_));
    ASSERT_OK_AND_ASSIGN(results_, ReadResults(folder_ + "/results"));
  }

  std::string paper_, folder_;
  Ledger ledger_;
  Protocol protocol_;
  std::vector<ExperimentResult> results_;
};

TEST_F(FullTest, TheRecordFitsTogether) { EXPECT_OK(CheckPaper(folder_)); }

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

TEST_F(FullTest, OneSeedMeasuredAnewAgrees) {
  const std::string data_root = Environment("SEG_DATA_ROOT");
  for (const Experiment& e : protocol_.experiments) {
    // `data` begins with the pack's name.
    const std::string pack = e.data.substr(0, e.data.find(' '));
    if (data_root.empty() || !fs::exists(data_root + "/" + pack)) {
      GTEST_SKIP() << "needs the pack " << pack << " in SEG_DATA_ROOT";
    }
  }
  const std::string root = testing::TempDir() + "/full";
  const std::string copy = root + "/" + paper_;
  fs::create_directories(copy);
  for (const char* name : {"reported.yaml", "protocol.yaml", "README.md"}) {
    fs::copy_file(folder_ + "/" + name, copy + "/" + name,
                  fs::copy_options::overwrite_existing);
  }
  fs::copy(folder_ + "/configs", copy + "/configs",
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);

  ReproduceOptions options;
  options.paper_dir = copy;
  options.work_dir = root + "/runs";
  options.repository = root;
  options.train_binary = Runfile(paper_ + "/train");
  options.eval_binary = Runfile(paper_ + "/eval");
  options.seeds = {protocol_.experiments[0].seeds[0]};
  options.data_root = data_root;
  options.allow_dirty = true;
  ASSERT_OK(Reproduce(options));
  ASSERT_OK_AND_ASSIGN(const std::vector<ExperimentResult> fresh,
                       ReadResults(copy + "/results"));

  std::map<std::string, const ExperimentResult*> recorded;
  for (const ExperimentResult& r : results_) recorded[r.experiment] = &r;
  for (const ExperimentResult& now : fresh) {
    ASSERT_EQ(recorded.count(now.experiment), 1u)
        << now.experiment << ": no result on record";
    const std::vector<Answer>& then = recorded[now.experiment]->answers;
    ASSERT_EQ(now.answers.size(), then.size()) << now.experiment;
    for (size_t i = 0; i < then.size(); ++i) {
      EXPECT_NEAR(now.answers[i].mean, then[i].mean, Allowed(then[i]))
          << now.experiment << ", " << then[i].row;
    }
  }
  // A verdict held on record means that every seed favours the claim.
  ASSERT_OK_AND_ASSIGN(const std::vector<ClaimVerdict> verdicts,
                       ReadVerdicts(folder_ + "/results"));
  ASSERT_OK_AND_ASSIGN(const std::vector<ClaimVerdict> news,
                       ComputeVerdicts(ledger_, fresh));
  for (const ClaimVerdict& v : verdicts) {
    const auto one =
        std::find_if(news.begin(), news.end(), [&](const ClaimVerdict& n) {
          return n.claim == v.claim && n.data == v.data;
        });
    ASSERT_NE(one, news.end()) << v.claim;
    const double difference = one->statistics.differences[0];
    if (v.statistics.verdict == Verdict::kHeld) {
      EXPECT_GT(difference, 0) << v.claim;
    } else if (v.statistics.verdict == Verdict::kNotHeld) {
      EXPECT_LT(difference, 0) << v.claim;
    }
  }
}

}  // namespace
}  // namespace seg
