#include "ganseg/generator_scores.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/testing/status_matchers.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

Findings Find(Model model, GeneratorScoresOptions options) {
  model->eval();
  GeneratorScores scores(model, options);
  Findings findings;
  EXPECT_OK(scores.Finish(&findings));
  return findings;
}

TEST(GeneratorScores, AFunctionOfItsSeed) {
  torch::manual_seed(3);
  Model model(TinyConfig());
  GeneratorScoresOptions options;
  options.samples = 40;
  const Metrics first = Find(model, options).scalars;
  at::rand({7});
  const Metrics second = Find(model, options).scalars;
  EXPECT_EQ(first, second);
  options.seed = 2;
  EXPECT_NE(first, Find(model, options).scalars);
}

// What training draws afterwards does not depend on it.
TEST(GeneratorScores, LeavesTheGeneratorsAsTheyWere) {
  Model model(TinyConfig());
  torch::manual_seed(3);
  const at::Tensor expected = at::rand({5});
  torch::manual_seed(3);
  Find(model, {});
  EXPECT_TRUE(at::equal(at::rand({5}), expected));
}

TEST(GeneratorScores, SharesAndUsage) {
  torch::manual_seed(3);
  Model model(TinyConfig());
  GeneratorScoresOptions options;
  options.samples = 40;
  const Findings findings = Find(model, options);
  for (const char* name : {"part_usage", "background_share", "sharpness"}) {
    EXPECT_GE(findings.scalars.at(name), 0) << name;
    EXPECT_LE(findings.scalars.at(name), 1) << name;
  }
  // Three masks that sum to one.
  EXPECT_GE(findings.scalars.at("sharpness"), 1.0 / 3);
  EXPECT_EQ(findings.json["part_usage_by_part"].size(), 2u);
  ASSERT_EQ(findings.report.pictures.size(), 1u);
  EXPECT_EQ(findings.report.pictures[0].panels.size(), 2u);
}

TEST(GeneratorScores, AGeneratorThatLearnedNothingDoesNotCount) {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    torch::manual_seed(seed);
    Model model(TinyConfig());
    GeneratorScoresOptions options;
    options.samples = 40;
    options.rule = Rule::kArticulated;
    const Metrics found = Find(model, options).scalars;
    EXPECT_EQ(found.at("generated_iou_gated"), 0) << seed;
    EXPECT_EQ(found.count("generated_iou_other"), 1u);
  }
}

TEST(GeneratorScores, APictureIsNoOtherOfItsOwn) {
  torch::manual_seed(1);
  Model model(TinyConfig());
  GeneratorScoresOptions options;
  options.rule = Rule::kArticulated;
  options.samples = 1;
  const Metrics alone = Find(model, options).scalars;
  EXPECT_TRUE(std::isnan(alone.at("generated_iou_other")));
  EXPECT_EQ(alone.at("generated_iou_gated"), 0);
  // The 33rd picture is a batch of its own.
  options.samples = 32;
  const Metrics batch = Find(model, options).scalars;
  options.samples = 33;
  EXPECT_EQ(Find(model, options).scalars.at("generated_iou_other"),
            batch.at("generated_iou_other"));
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
