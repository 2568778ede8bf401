#include "common/inference/evaluate.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Grey images whose brightness is their label: 0 dark, 1 bright.
class ToyDataset : public Dataset {
 public:
  explicit ToyDataset(int64_t size, int64_t scale = 1)
      : size_(size), scale_(scale) {
    info_.name = "toy";
    info_.class_names = {"dark", "bright"};
    info_.palette = {{{0, 0, 0}}, {{255, 0, 0}}};
  }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return size_; }
  std::string id(int64_t index) const override {
    return "toy" + std::to_string(index);
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    Sample sample;
    sample.id = id(index);
    sample.mask = at::zeros({6, 8}, at::kByte);
    sample.mask.slice(1, 4, 8).fill_(1);
    sample.mask.slice(0, 5, 6).fill_(255);  // the last row is ignored
    sample.mask = sample.mask.repeat_interleave(scale_, 0)
                      .repeat_interleave(scale_, 1)
                      .contiguous();
    const at::Tensor grey = sample.mask.eq(1).to(at::kByte) * 200;
    sample.image = grey.unsqueeze(0).repeat({3, 1, 1});
    return sample;
  }

  DatasetInfo info_;

 private:
  int64_t size_;
  int64_t scale_;
};

// The first output is right; the second calls every pixel dark.
std::vector<at::Tensor> Predict(const Batch& batch) {
  const at::Tensor bright = batch.images.select(1, 0).unsqueeze(1) / 255;
  return {at::cat({1 - bright, bright}, 1),
          at::cat({at::ones_like(bright), at::zeros_like(bright)}, 1)};
}

EvaluateOptions Options() {
  EvaluateOptions options;
  options.outputs = {"good", "dark"};
  return options;
}

TEST(EvaluateTest, AnErrorOfTheNetworkNamesTheImage) {
  const PredictFn fails = [](const Batch& batch) -> std::vector<at::Tensor> {
    TORCH_CHECK(batch.ids[0] != "toy1", "Net: sides must be even");
    return Predict(batch);
  };
  try {
    Evaluate(ToyDataset(3), fails, Options()).IgnoreError();
    FAIL() << "no exception";
  } catch (const c10::Error& e) {
    EXPECT_STREQ(e.what_without_backtrace(), "toy1: Net: sides must be even");
  }
}

TEST(EvaluateTest, CountsEachOutput) {
  const ToyDataset dataset(3);
  ASSERT_OK_AND_ASSIGN(const EvaluateResult result,
                       Evaluate(dataset, Predict, Options()));
  ASSERT_EQ(result.outputs.size(), 2u);
  EXPECT_EQ(result.outputs[0].confusion.total(), 3 * 5 * 8);
  EXPECT_EQ(result.outputs[0].confusion.MeanIou(), 1.0);
  // dark 20 of 40 right: IoU 1/2 and 0.
  EXPECT_EQ(result.outputs[1].confusion.MeanIou(), 0.25);
  EXPECT_THAT(result.outputs[1].image_mean_iou, ElementsAre(0.25, 0.25, 0.25));
  EXPECT_THAT(result.ids, ElementsAre("toy0", "toy1", "toy2"));
  EXPECT_EQ(result.outputs[0].boundary_iou, (std::vector<double>{1.0, 1.0}));
}

TEST(EvaluateTest, JsonHasTheMainOutputWithoutPrefix) {
  const ToyDataset dataset(1);
  ASSERT_OK_AND_ASSIGN(const EvaluateResult result,
                       Evaluate(dataset, Predict, Options()));
  const nlohmann::json tree = ToJson(result);
  EXPECT_EQ(tree["metrics"]["mean_iou"], 1.0);
  EXPECT_EQ(tree["metrics"]["dark/mean_iou"], 0.25);
  EXPECT_EQ(tree["metrics"]["boundary_iou_2"], 1.0);
  EXPECT_EQ(tree["per_class"]["bright"], 1.0);
  EXPECT_EQ(tree["images"], 1);
  EXPECT_EQ(tree["data"], "toy");
  EXPECT_THAT(ToTable(result), HasSubstr("25.00"));
}

TEST(EvaluateTest, ReportShowsGainsAgainstTheSecondOutput) {
  const ToyDataset dataset(4);
  ASSERT_OK_AND_ASSIGN(const EvaluateResult result,
                       Evaluate(dataset, Predict, Options()));
  ReportData report;
  ASSERT_OK(FillReport(dataset, result, Predict, c10::kCPU, 1, &report));
  ASSERT_EQ(report.pictures.size(), 2u);
  EXPECT_EQ(report.pictures[0].group, "Most improved");
  EXPECT_THAT(report.pictures[0].caption, HasSubstr("+75.00 against dark"));
  EXPECT_EQ(report.confusion[0][0], 4 * 20);
}

TEST(EvaluateTest, ReportShrinksLargePictures) {
  const ToyDataset dataset(2, /*scale=*/200);  // 1600x1200
  ASSERT_OK_AND_ASSIGN(const EvaluateResult result,
                       Evaluate(dataset, Predict, Options()));
  ReportData report;
  ASSERT_OK(FillReport(dataset, result, Predict, c10::kCPU, 1, &report));
  ASSERT_EQ(report.pictures.size(), 2u);
  for (const ReportPicture& picture : report.pictures) {
    ASSERT_EQ(picture.panels.size(), 5u);
    for (const ReportPanel& panel : picture.panels) {
      EXPECT_EQ(panel.rgb.sizes(), at::IntArrayRef({3, 768, 1024}))
          << panel.label;
    }
    // Shrunk together: above the ignored sixth the right prediction looks like
    // the truth.
    const auto above = [&](size_t panel) {
      return picture.panels[panel].rgb.slice(1, 0, 630);
    };
    EXPECT_TRUE(at::equal(above(1), above(3)));
    EXPECT_FALSE(at::equal(above(1), above(2)));
  }
  // The scores are those of the full size.
  EXPECT_EQ(result.outputs[0].confusion.total(), 2 * 1000 * 1600);
}

TEST(EvaluateTest, NothingToEvaluateIsAnError) {
  EXPECT_THAT(
      Evaluate(ToyDataset(0), Predict, Options()),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("empty")));
  ToyDataset without(1);
  without.info_.has_masks = false;
  EXPECT_THAT(
      Evaluate(without, Predict, Options()),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no masks")));
}

}  // namespace
}  // namespace seg
