// What can be checked of the paper in seconds: exact facts. Its claims on
// generated images: claims_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cgm/config.h"
#include "cgm/model.h"
#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "common/reproduction/ledger.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace cgm {
namespace {

TEST(ReproductionTest, EveryConfigurationIsValid) {
  ASSERT_OK_AND_ASSIGN(const Ledger ledger,
                       ReadLedger(Runfile("cgm/reported.yaml")));
  EXPECT_EQ(ledger.paper, "cgm");
  for (const char* name : {"demo", "flowers17_cnn", "celebamask_hybrid"}) {
    const std::string path =
        Runfile(std::string("cgm/configs/") + name + ".yaml");
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    Config config;
    EXPECT_OK(ParseConfig(text, path, {}, &config)) << name;
  }
}

// Test forward passes cost the same for all CGMs: 1.85 to 1.99 of the CNN's
// multiply-adds, where the paper's clock said 1.6.
TEST(ReproductionTest, CostOfATestForwardPass) {
  for (const int64_t classes : {2, 4}) {
    for (const bool fused : {false, true}) {
      ModelConfig config;
      double first = 0;
      for (const char* type : {"gdnn", "gsnn", "cvae", "hybrid"}) {
        config.type = type;
        const Cost cost = MultiplyAdds(config, classes, 128, 128, fused);
        const double ratio =
            static_cast<double>(cost.total()) / static_cast<double>(cost.cnn);
        EXPECT_GT(ratio, 1.8) << type;
        EXPECT_LT(ratio, 2.05) << type;
        if (first == 0) first = ratio;
        EXPECT_EQ(ratio, first) << type;
      }
    }
  }
}

}  // namespace
}  // namespace cgm
}  // namespace seg
