#include "common/app/eval.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/datasets/no_such_split.h"
#include "common/datasets/pack_fixture.h"
#include "common/evaluation/segmentation_scores.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

class RunEvalTest : public testing::Test {
 protected:
  RunEvalTest() : root_(testing::TempDir() + "/run_eval_test") {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ + "/run/checkpoints/step-1");
    command_.run.ref.folder = root_ + "/run";
    command_.run.ref.checkpoint = root_ + "/run/checkpoints/step-1";
    command_.run.info.class_names = {"background", "animal", "lamp", "kite"};
    command_.data.synthetic.test = 2;
    command_.data.synthetic.height = command_.data.synthetic.width = 32;
    command_.config = {{"lr", 0.5}};
    command_.parameters = 12;
    // The truth, and background everywhere.
    Use({"first", "second"}, [](const Batch& batch) {
      const at::Tensor truth = at::one_hot(batch.masks, 4).movedim(-1, 1);
      at::Tensor background = at::zeros_like(truth);
      background.select(1, 0).fill_(1);
      return std::vector<at::Tensor>{truth, background};
    });
    command_.measures = [this](const DatasetInfo& info) {
      Measures measures;
      measures.push_back(std::make_unique<SegmentationScores>(
          info, predictor_->Names(), ScoresAt(Moment::kEval, 1)));
      return measures;
    };
    args_.paper = "demo";
    args_.split = "test";
  }

  void Use(std::vector<std::string> names, ProbabilitiesFn predict) {
    predictor_ = std::make_unique<FunctionPredictor>(std::move(names),
                                                     std::move(predict));
    command_.predictor = predictor_.get();
  }
  std::string Stdout() {
    testing::internal::CaptureStdout();
    status_ = RunEval(args_, command_);
    return testing::internal::GetCapturedStdout();
  }

  std::string root_;
  std::unique_ptr<Predictor> predictor_;
  EvalCommand command_;
  MainArgs args_;
  absl::Status status_;
};

TEST_F(RunEvalTest, PrintsATableOrOneObject) {
  EXPECT_THAT(Stdout(), HasSubstr("split test, 2 images"));
  ASSERT_OK(status_);
  args_.json = true;
  const nlohmann::json json = nlohmann::json::parse(Stdout());
  ASSERT_OK(status_);
  EXPECT_EQ(json["metrics"]["mean_iou"], 1.0);
  EXPECT_LT(json["metrics"]["second"]["mean_iou"], 1.0);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["parameters"], 12);
  EXPECT_EQ(json["images"], 2);
  EXPECT_FALSE(json.contains("training_peak_mib"));
}

TEST_F(RunEvalTest, TellsWhatTrainingTook) {
  ASSERT_OK(WriteFileAtomically(
      root_ + "/run/metrics.jsonl",
      "{\"step\": 1, \"memory\": 70}\n{\"step\": 2, \"memory\": 90}\n"
      "{\"step\": 2, \"val\": {}}\n"));
  args_.json = true;
  EXPECT_EQ(nlohmann::json::parse(Stdout())["training_peak_mib"], 90);
}

// What one paper alone measures.
class Own : public Measure {
 public:
  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& image) override {
    images_ += image.index + 1;
    return absl::OkStatus();
  }
  absl::Status Finish(Findings* findings) override {
    findings->json["own"] = images_;
    findings->tables.push_back("own line");
    findings->report.facts.push_back({"own fact", "4"});
    return absl::OkStatus();
  }

 private:
  int64_t images_ = 0;
};

TEST_F(RunEvalTest, APaperAddsToEachOutput) {
  const auto measures = command_.measures;
  command_.measures = [&](const DatasetInfo& info) {
    Measures all = measures(info);
    all.push_back(std::make_unique<Own>());
    return all;
  };
  args_.out = root_ + "/out";
  EXPECT_THAT(Stdout(), HasSubstr("\nown line\n"));
  ASSERT_OK(status_);
  ASSERT_OK_AND_ASSIGN(const std::string report,
                       ReadFile(root_ + "/out/report.html"));
  EXPECT_THAT(report, HasSubstr("own fact"));
  EXPECT_THAT(report, HasSubstr("lr: 0.5"));
  EXPECT_THAT(report, HasSubstr("Most improved"));
  args_.json = true;
  EXPECT_EQ(nlohmann::json::parse(Stdout())["own"], 3);
}

TEST_F(RunEvalTest, WarnsOfMasksThatMeanSomethingElse) {
  const PackFixture pack;  // 0 and 255 for two classes
  pack.WriteWhole(2, 32, 32);
  pack.WriteText("dataset.yaml",
                 "name: binary\n"
                 "classes: [{id: 0, name: ground}, {id: 1, name: road}]\n");
  at::Tensor mask = at::zeros({32, 32}, at::kByte);
  for (const char* name : {"masks/s0.png", "masks/s1.png"}) {
    pack.WriteMaskFile(name, mask.masked_fill(at::rand({32, 32}) < 0.5, 255));
  }
  command_.data.pack = pack.folder();
  command_.run.info.class_names = {"ground", "road"};
  Use({"first"}, [](const Batch& batch) {
    return std::vector<at::Tensor>{at::rand({1, 2, 32, 32})};
  });
  args_.split = "train";
  const auto stderr_of = [&] {
    testing::internal::CaptureStderr();
    Stdout();
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(stderr_of(),
              HasSubstr("warning: binary, split train: the only class is 0 "
                        "(ground), the other pixels are 255, which is void"));
  mask.fill_(255);
  for (const char* name : {"masks/s0.png", "masks/s1.png"}) {
    pack.WriteMaskFile(name, mask);
  }
  EXPECT_THAT(stderr_of(), HasSubstr("every pixel is 255"));
  mask[0].fill_(0);
  mask[1].fill_(1);
  pack.WriteMaskFile("masks/s0.png", mask);
  EXPECT_EQ(stderr_of(), "");
}

TEST_F(RunEvalTest, AnUnknownSplitIsAnError) {
  args_.split = "tset";
  EXPECT_EQ(Stdout(), "");
  EXPECT_THAT(status_, StatusIs(absl::StatusCode::kNotFound,
                                HasSubstr("no split 'tset'; synthetic sets "
                                          "have train, val, test")));
  EXPECT_TRUE(IsNoSuchSplit(status_));
}

// Parts that a system found itself, on data of any classes or of none.
TEST_F(RunEvalTest, ASystemWithClassesOfItsOwn) {
  command_.run.info.class_names = {"whatever"};
  command_.own_classes = true;
  EXPECT_NE(Stdout(), "");
  EXPECT_OK(status_);
  const PackFixture pack;
  pack.WriteWhole(2, 32, 32);
  pack.WriteText("dataset.yaml",
                 "name: photographs\nhas_masks: false\n"
                 "classes: [{id: 0, name: all, color: [0, 0, 0]}]\n");
  command_.data.pack = pack.folder();
  args_.split = "train";
  args_.json = true;
  Use({"parts"}, [](const Batch& batch) {
    EXPECT_FALSE(batch.masks.defined());
    return std::vector<at::Tensor>{at::rand({1, 3, 32, 32})};
  });
  EXPECT_EQ(Stdout(), "");
  EXPECT_THAT(status_, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("has_masks is false")));
  command_.needs_masks = false;
  EXPECT_EQ(Stdout(), "");  // a measure needs them
  EXPECT_THAT(status_, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("has no masks")));
  command_.measures = [](const DatasetInfo&) {
    Measures measures;
    measures.push_back(std::make_unique<Own>());
    return measures;
  };
  EXPECT_EQ(nlohmann::json::parse(Stdout())["own"], 3);
  EXPECT_OK(status_);
}

TEST_F(RunEvalTest, OtherClassesThanTheRunsAreRefused) {
  command_.run.info.class_names = {"background", "lamp", "animal", "kite"};
  EXPECT_EQ(Stdout(), "");
  EXPECT_THAT(status_, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("set data.map=[0,2,1,3]")));
  command_.data.map = {0, 2, 1, 3};
  EXPECT_NE(Stdout(), "");
  EXPECT_OK(status_);
  command_.data.map = {};
  command_.classes = "by_order";
  EXPECT_NE(Stdout(), "");
  EXPECT_OK(status_);
  command_.run.info.class_names.pop_back();
  EXPECT_EQ(Stdout(), "");
  EXPECT_THAT(status_,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has 4 classes, the model was trained on 3")));
}

}  // namespace
}  // namespace seg
