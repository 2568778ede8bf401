#include "ganseg/generator_scores.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"
#include "ganseg/generated_pictures.h"
#include "ganseg/geometry.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

Findings Find(Model model, int64_t samples, uint64_t seed = 1,
              const GeneratorScoresOptions& options = {}) {
  model->eval();
  PictureMeasures measures;
  measures.push_back(std::make_unique<GeneratorScores>(options));
  GeneratedPictures pictures(model, samples, seed, std::move(measures));
  Findings findings;
  EXPECT_OK(pictures.Finish(&findings));
  return findings;
}

GeneratorScoresOptions WithRule() {
  GeneratorScoresOptions options;
  options.rule = Rule::kArticulated;
  return options;
}

TEST(GeneratorScores, AFunctionOfItsSeed) {
  torch::manual_seed(3);
  Model model(TinyConfig());
  const Metrics first = Find(model, 40).scalars;
  at::rand({7});
  const Metrics second = Find(model, 40).scalars;
  EXPECT_EQ(first, second);
  EXPECT_NE(first, Find(model, 40, 2).scalars);
}

// What training draws afterwards does not depend on it.
TEST(GeneratorScores, LeavesTheGeneratorsAsTheyWere) {
  Model model(TinyConfig());
  torch::manual_seed(3);
  const at::Tensor expected = at::rand({5});
  torch::manual_seed(3);
  Find(model, 320);
  EXPECT_TRUE(at::equal(at::rand({5}), expected));
}

TEST(GeneratorScores, SharesAndUsage) {
  torch::manual_seed(3);
  Model model(TinyConfig());
  const Findings findings = Find(model, 40);
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
    const Metrics found = Find(model, 40, 1, WithRule()).scalars;
    EXPECT_EQ(found.at("generated_iou_gated"), 0) << seed;
    EXPECT_EQ(found.count("generated_iou_other"), 1u);
  }
}

TEST(GeneratorScores, APictureIsNoOtherOfItsOwn) {
  torch::manual_seed(1);
  Model model(TinyConfig());
  const auto found = [&](int64_t samples) {
    return Find(model, samples, 1, WithRule()).scalars;
  };
  EXPECT_TRUE(std::isnan(found(1).at("generated_iou_other")));
  EXPECT_EQ(found(1).at("generated_iou_gated"), 0);
  // The 33rd picture is a batch of its own.
  EXPECT_EQ(found(33).at("generated_iou_other"),
            found(32).at("generated_iou_other"));
}

// Masks of one pixel each, whose centres are given to the bit: on either grid
// they lie where the generator's points say.
TEST(GeneratorScores, CentresLieOnTheGeneratorsGrid) {
  for (const GridType grid : {GridType::kPixelCentred, GridType::kEndpoint}) {
    const at::Tensor axis = GridAxis(grid, 8, 0, at::dtype(at::kFloat));
    Generated batch;
    batch.masks = at::zeros({1, 3, 8, 8});
    batch.masks[0][0][0][5] = 1;
    batch.masks[0][1][7][2] = 1;
    batch.centres =
        at::stack({axis[0], axis[5], axis[7], axis[2]}).view({1, 2, 2});
    batch.points = batch.centres.repeat_interleave(2, 1);
    batch.scales = at::ones({1, 2});
    batch.images = at::zeros({1, 3, 8, 8});
    GeneratorScoresOptions options;
    options.grid = grid;
    GeneratorScores scores(options);
    scores.AddPictures(batch);
    Findings findings;
    ASSERT_OK(scores.Finish(&findings));
    EXPECT_LT(findings.scalars.at("centre_distance"), 1e-5);
    // By the other grid they are off.
    options.grid = grid == GridType::kEndpoint ? GridType::kPixelCentred
                                               : GridType::kEndpoint;
    GeneratorScores others(options);
    others.AddPictures(batch);
    ASSERT_OK(others.Finish(&findings));
    EXPECT_GT(findings.scalars.at("centre_distance"), 0.1);
  }
}

// Remembers what it saw.
class Witness : public PictureMeasure {
 public:
  explicit Witness(std::vector<at::Tensor>* seen) : seen_(seen) {}
  void AddPictures(const Generated& batch) override {
    seen_->push_back(batch.images);
  }
  absl::Status Finish(Findings* findings) override {
    findings->tables.push_back("done");
    return absl::OkStatus();
  }

 private:
  std::vector<at::Tensor>* seen_;
};

TEST(GeneratedPictures, AllMeasuresSeeOneDrawing) {
  torch::manual_seed(3);
  Model model(TinyConfig());
  model->eval();
  std::vector<at::Tensor> first, second;
  PictureMeasures measures;
  measures.push_back(std::make_unique<Witness>(&first));
  measures.push_back(std::make_unique<Witness>(&second));
  GeneratedPictures pictures(model, 40, 1, std::move(measures));
  EXPECT_FALSE(pictures.needs_masks());
  Findings findings;
  ASSERT_OK(pictures.Finish(&findings));
  EXPECT_EQ(findings.tables.size(), 2u);
  ASSERT_EQ(first.size(), 2u);  // 32 and 8
  ASSERT_EQ(second.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(first[i].is_same(second[i]));
  }
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
