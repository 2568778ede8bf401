// What can be checked of the paper in seconds: exact facts. Its claims on
// generated images: claims_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/base/runfiles.h"
#include "common/reproduction/ledger.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace cgm {
namespace {

TEST(ReproductionTest, EveryReportedNumberIsThere) {
  ASSERT_OK_AND_ASSIGN(const Ledger ledger,
                       ReadLedger(Runfile("cgm/reported.yaml")));
  EXPECT_EQ(ledger.paper, "cgm");
  EXPECT_EQ(ledger.rows.size(), 134u);
}

// reported.yaml, results/ and the rendered documents agree.
TEST(ReproductionTest, TheRecordFitsTogether) {
  EXPECT_OK(CheckPaper(Runfile("cgm")));
}

}  // namespace
}  // namespace cgm
}  // namespace seg
