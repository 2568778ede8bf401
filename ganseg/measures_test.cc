// What Paper::MakeMeasures measures, and when.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "ganseg/paper.h"
#include "ganseg/tiny_config.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

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

constexpr size_t kGenerator = 1;  // GeneratorScores, always

TEST_F(MeasuresTest, TsneOnlyWhereAskedForAndNotWhileTraining) {
  const Counts without = {kGenerator, kGenerator, kGenerator};
  const Counts with = {kGenerator, kGenerator + 1, kGenerator + 1};
  EXPECT_TRUE(Count() == without);
  config_.eval.tsne = true;
  EXPECT_TRUE(Count() == with);
  EXPECT_TRUE(Count(/*trained=*/false) == with);
}

TEST_F(MeasuresTest, LandmarksWhereverTheDataHaveThem) {
  const Counts none = {kGenerator, kGenerator, kGenerator};
  const Counts error = {kGenerator, kGenerator + 1, kGenerator + 1};
  EXPECT_TRUE(Count() == none);
  info_.has_points = true;
  EXPECT_TRUE(Count() == error);
  EXPECT_TRUE(Count(/*trained=*/false) == none);
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
