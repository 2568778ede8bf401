// What Paper::MakeMeasures measures, and when.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/backbones/image_features.h"
#include "common/datasets/synthetic/generated.h"
#include "common/evaluation/evaluate.h"
#include "common/testing/status_matchers.h"
#include "ganseg/frechet_score.h"
#include "ganseg/paper.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

using ::testing::HasSubstr;

class MeasuresTest : public testing::Test {
 protected:
  MeasuresTest() : config_(TinyConfig()) { info_.has_masks = false; }

  // How many at each moment, once the segmenter was trained or before.
  struct Counts {
    size_t validation, final_report, eval;
    bool operator==(const Counts& other) const {
      return validation == other.validation &&
             final_report == other.final_report && eval == other.eval;
    }
  };
  Counts Count(bool trained = true) const {
    Model model(config_);
    if (trained) model->CountSegmenterUpdate();
    System system(model);
    const auto at = [&](Moment moment) {
      return Paper::MakeMeasures(config_, system, info_, moment).size();
    };
    return {at(Moment::kValidation), at(Moment::kFinal), at(Moment::kEval)};
  }

  Config config_;
  DatasetInfo info_;
};

constexpr size_t kGenerator = 1;  // GeneratedPictures, always

TEST_F(MeasuresTest, TsneOnlyWhereAskedForAndNotWhileTraining) {
  const auto count = [&](Moment moment) {
    return Paper::MakePictureMeasures(config_, c10::kCPU, moment).size();
  };
  for (const bool tsne : {false, true}) {
    config_.eval.tsne = tsne;
    EXPECT_EQ(count(Moment::kValidation), 1u);
    EXPECT_EQ(count(Moment::kFinal), tsne ? 2u : 1u);
    EXPECT_EQ(count(Moment::kEval), tsne ? 2u : 1u);
  }
}

// Pictures as a file holds them, in whole values, are at no distance from the
// same as the generator gives them.
TEST_F(MeasuresTest, TheFrechetDistanceSeesWholeValues) {
  ASSERT_OK_AND_ASSIGN(ImageFeatures features,
                       ImageFeatures::EfficientNetLite0(c10::kCPU));
  const std::string name = features.distance_name();
  FrechetScore score(std::move(features));
  torch::manual_seed(1);
  Generated pictures;
  pictures.images = at::rand({4, 3, 32, 32}) * 2.02 - 1.01;  // beyond the range
  score.AddPictures(pictures);
  Findings findings;
  ASSERT_OK(score.Finish(&findings));
  EXPECT_TRUE(std::isnan(findings.scalars.at(name)));  // no images yet
  for (int64_t i = 0; i < 4; ++i) {
    const Sample sample;
    Batch batch;
    batch.images =
        ToColours(pictures.images.narrow(0, i, 1)).round().clamp(0, 255);
    const Prediction prediction;
    ASSERT_OK(score.AddImage({sample, batch, prediction}));
  }
  ASSERT_OK(score.Finish(&findings));
  EXPECT_LT(findings.scalars.at(name), 1e-4);
}

TEST_F(MeasuresTest, LandmarksWhereverTheDataHaveThem) {
  const Counts none = {kGenerator, kGenerator, kGenerator};
  const Counts error = {kGenerator, kGenerator + 1, kGenerator + 1};
  EXPECT_TRUE(Count() == none);
  info_.has_points = true;
  EXPECT_TRUE(Count() == error);
  EXPECT_TRUE(Count(/*trained=*/false) == none);
}

// Grey pictures with two eyes and a nose.
std::shared_ptr<const Dataset> Faces(const DatasetInfo& info, int64_t first,
                                     int64_t size) {
  return GeneratedDataset(info, "face", first, size, [](int64_t index) {
    Sample sample;
    sample.id = "face" + std::to_string(index);
    sample.image = at::full({3, 32, 32}, 10 * index, at::kByte);
    sample.points = at::tensor({8.0 + index, 9.0, 1.0,  //
                                20.0, 10.0, 1.0,        //
                                14.0, 16.0 + index, 1.0})
                        .view({3, 3})
                        .to(at::kFloat);
    return sample;
  });
}

TEST_F(MeasuresTest, LandmarksAreFittedOnTheSplitForIt) {
  info_.has_points = true;
  info_.name = "faces";
  info_.class_names = {"background", "face"};
  info_.palette.resize(2);
  Model model(config_);
  model->CountSegmenterUpdate();
  model->eval();
  const auto table = [&](const std::string& split) {
    System system(model);
    Paper::TakeSplits(config_, system, split, [&](const std::string& wanted) {
      EXPECT_EQ(wanted, "val");
      return Faces(info_, 0, 7);
    });
    const absl::StatusOr<Findings> findings = Evaluate(
        *Faces(info_, 7, 5), system,
        Paper::MakeMeasures(config_, system, info_, Moment::kEval), {});
    EXPECT_OK(findings.status());
    return findings.ok() ? ToText(*findings) : "";
  };
  const std::string half =
      "fitted on the first 2 of these images, tested on the other 3";
  EXPECT_THAT(table("test"), HasSubstr("fitted on 7 other images"));
  EXPECT_THAT(table("val"), HasSubstr(half));
  config_.eval.landmark_split = "";
  EXPECT_THAT(table("test"), HasSubstr(half));
}

TEST_F(MeasuresTest, PartsWhereTheDataHaveMasks) {
  info_.has_masks = true;
  info_.class_names = {"background", "animal"};
  const Counts parts = {kGenerator + 1, kGenerator + 1, kGenerator + 1};
  EXPECT_TRUE(Count() == parts);
  EXPECT_TRUE(Count(/*trained=*/false) ==
              (Counts{kGenerator, kGenerator, kGenerator}));
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
