#include "tools/reproduce/needed_pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

TEST(NeededPackTest, ReadsTheConfigurationUnderTheOverrides) {
  const std::string folder = testing::TempDir();
  Experiment e;
  e.config = "needed_pack.yaml";
  const auto write = [&](const std::string& text) {
    ASSERT_OK(WriteFileAtomically(folder + "/" + e.config, text));
  };
  const auto pack = [&] {
    const absl::StatusOr<std::string> result = NeededPack(folder, e);
    return result.ok() ? *result : std::string(result.status().message());
  };
  write("data:\n  pack: horses\n");
  EXPECT_EQ(pack(), "horses");
  write("data:\n  pack: helen:faces\n");
  EXPECT_EQ(pack(), "faces");
  for (const char* generated :
       {"data:\n  pack: synthetic:strands\n", "train:\n  steps: 1\n"}) {
    write(generated);
    EXPECT_EQ(pack(), "") << generated;
  }
  e.overrides = {"train.steps=2", "data.pack=camvid"};
  EXPECT_EQ(pack(), "camvid");
  e.eval_overrides = {"data.pack=synthetic:faces"};
  EXPECT_EQ(pack(), "");
  e.config = "nowhere.yaml";
  EXPECT_THAT(pack(), testing::HasSubstr("nowhere.yaml"));
}

}  // namespace
}  // namespace seg
