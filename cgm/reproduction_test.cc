// What can be checked of the paper in seconds: exact facts. Its claims on
// generated images: claims_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "cgm/config.h"
#include "cgm/model.h"
#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace cgm {
namespace {

TEST(ReproductionTest, EveryConfigurationIsValid) {
  ASSERT_OK_AND_ASSIGN(const Ledger ledger,
                       ReadLedger(Runfile("cgm/reported.yaml")));
  EXPECT_EQ(ledger.paper, "cgm");
  EXPECT_EQ(ledger.rows.size(), 134u);
  int64_t configurations = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(Runfile("cgm/configs"))) {
    const std::string path = entry.path().string();
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    Config config;
    EXPECT_OK(ParseConfig(text, path, {}, &config)) << path;
    Model(config.model, 3);  // throws where it excludes itself
    ++configurations;
  }
  EXPECT_EQ(configurations, 17);
}

// reported.yaml, results/ and the rendered documents agree.
TEST(ReproductionTest, TheRecordFitsTogether) {
  EXPECT_OK(CheckPaper(Runfile("cgm")));
}

}  // namespace
}  // namespace cgm
}  // namespace seg
