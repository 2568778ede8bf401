#include "common/inference/run_eval.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/datasets/no_such_split.h"
#include "common/datasets/pack_fixture.h"
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
    command_.run.checkpoint = root_ + "/run/checkpoints/step-1";
    command_.run.info.class_names = {"background", "animal", "lamp", "kite"};
    command_.data.synthetic.test = 2;
    command_.data.synthetic.height = command_.data.synthetic.width = 32;
    command_.config = {{"lr", 0.5}};
    command_.outputs = {"first", "second"};
    // The truth, and background everywhere.
    command_.predict = [](const Batch& batch) {
      const at::Tensor truth = at::one_hot(batch.masks, 4).movedim(-1, 1);
      at::Tensor background = at::zeros_like(truth);
      background.select(1, 0).fill_(1);
      return std::vector<at::Tensor>{truth, background};
    };
    args_.paper = "demo";
    args_.split = "test";
  }

  std::string Stdout() {
    testing::internal::CaptureStdout();
    status_ = RunEval(args_, command_);
    return testing::internal::GetCapturedStdout();
  }

  std::string root_;
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
  EXPECT_LT(json["metrics"]["second/mean_iou"], 1.0);
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_FALSE(json.contains("training_peak_mib"));
}

TEST_F(RunEvalTest, TellsWhatTrainingTook) {
  ASSERT_OK(WriteFileAtomically(root_ + "/run/config.yaml", "{}\n"));
  ASSERT_OK(WriteFileAtomically(
      root_ + "/run/metrics.jsonl",
      "{\"step\": 1, \"memory\": 70}\n{\"step\": 2, \"memory\": 90}\n"
      "{\"step\": 2, \"val\": {}}\n"));
  args_.json = true;
  EXPECT_EQ(nlohmann::json::parse(Stdout())["training_peak_mib"], 90);
}

TEST_F(RunEvalTest, APaperAddsToEachOutput) {
  command_.extend = [](const Dataset& dataset, const EvaluateResult& result,
                       EvalOutput* output) {
    EXPECT_EQ(dataset.size(), 2);
    EXPECT_EQ(result.outputs.size(), 2u);
    output->json["own"] = 3;
    output->table += "\nown line";
    output->report.facts.push_back({"own fact", "4"});
    return absl::OkStatus();
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
  command_.outputs = {"first"};
  command_.predict = [](const Batch& batch) {
    return std::vector<at::Tensor>{at::rand({1, 2, 32, 32})};
  };
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
