// What holds for every paper in the frame of common/app. A paper's test names
// itself and says how to make its default configuration small:
//
//   template <>
//   seg::PaperTestOptions seg::TestOptions<seg::demo::Paper>() {
//     return {{"model.width=0.05"}};
//   }
//   INSTANTIATE_TYPED_TEST_SUITE_P(Demo, PaperTest, seg::demo::Paper);
#ifndef COMMON_TESTING_PAPER_TEST_H_
#define COMMON_TESTING_PAPER_TEST_H_

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/app/predict.h"
#include "common/app/restore.h"
#include "common/app/train.h"
#include "common/base/runfiles.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/io/json_lines.h"
#include "common/metrics/arg_max.h"
#include "common/testing/status_matchers.h"
#include "common/testing/train_and_evaluate.h"
#include "nlohmann/json.hpp"

namespace seg {

struct PaperTestOptions {
  std::vector<std::string> small;  // overrides: a network of a second
  // Updates in which the loss on four images falls to `overfit_factor` of what
  // it was in the beginning.
  int64_t overfit_steps = 100;
  double overfit_factor = 0.5;
  std::string overfit_loss = "loss";      // as it is logged
  std::vector<std::string> overfit = {};  // further overrides for it
  // Further overrides with which two updates make a system that predicts.
  std::vector<std::string> predicting = {};
  // Overrides, one at a time, that give the network another input size.
  std::vector<std::string> input_sizes = {};
  // Sides of its pictures are multiples of this.
  int64_t stride = 1;
};
template <class P>
PaperTestOptions TestOptions();

template <class P>
class PaperTest : public testing::Test {
 protected:
  PaperTest()
      : root_(absl::StrCat(
            testing::TempDir(), "/",
            testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }

  // Arguments of a small training into `name`.
  MainArgs Args(const std::string& name,
                const std::vector<std::string>& overrides) const {
    MainArgs args;
    args.paper = P::kName;
    args.device = "cpu";
    args.work_dir = root_ + "/" + name;
    args.overrides = TestOptions<P>().small;
    for (const char* more :
         {"data.synthetic.train=4", "data.synthetic.val=2",
          "data.synthetic.test=2", "data.workers=0", "train.batch_size=2",
          "train.schedule.type=constant", "report_pictures=0"}) {
      args.overrides.push_back(more);
    }
    args.overrides.insert(args.overrides.end(), overrides.begin(),
                          overrides.end());
    return args;
  }

  const std::string root_;
};
TYPED_TEST_SUITE_P(PaperTest);

TYPED_TEST_P(PaperTest, EveryConfigurationBindsAndBuilds) {
  DatasetInfo info;
  info.name = "three classes";
  info.class_names = {"background", "one", "two"};
  info.palette.resize(3);
  int64_t built = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           Runfile(absl::StrCat(TypeParam::kName, "/configs")))) {
    const std::string path = entry.path().string();
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
    typename TypeParam::Config config;
    ASSERT_OK(ParseConfig(text, path, {}, &config));
    EXPECT_OK(TypeParam::Build(config, info).status()) << path;
    ++built;
  }
  EXPECT_GT(built, 0);
}

TYPED_TEST_P(PaperTest, ResumedEqualsUninterrupted) {
  ASSERT_OK(RunTrain<TypeParam>(this->Args("whole", {"train.steps=4"})));
  ASSERT_OK(RunTrain<TypeParam>(this->Args("parts", {"train.steps=2"})));
  MainArgs rest = this->Args("parts", {"train.steps=4"});
  rest.resume = true;
  ASSERT_OK(RunTrain<TypeParam>(rest));
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    const std::string path = absl::StrCat("/checkpoints/last/", file);
    ASSERT_OK_AND_ASSIGN(const std::string whole,
                         ReadFile(this->root_ + "/whole" + path));
    ASSERT_OK_AND_ASSIGN(const std::string parts,
                         ReadFile(this->root_ + "/parts" + path));
    EXPECT_TRUE(whole == parts) << file;
  }
}

TYPED_TEST_P(PaperTest, OverfitsFourImages) {
  const PaperTestOptions options = TestOptions<TypeParam>();
  std::vector<std::string> overrides = {
      absl::StrCat("train.steps=", options.overfit_steps),
      absl::StrCat("train.validate_every=", options.overfit_steps),
      "train.batch_size=4", "train.log_every=1", "data.augment.flip=false"};
  overrides.insert(overrides.end(), options.overfit.begin(),
                   options.overfit.end());
  ASSERT_OK(RunTrain<TypeParam>(this->Args("run", overrides)));
  ASSERT_OK_AND_ASSIGN(const std::vector<nlohmann::json> records,
                       ReadJsonLines(this->root_ + "/run/metrics.jsonl"));
  std::vector<double> losses;
  for (const nlohmann::json& record : records) {
    if (record.contains("train") &&
        record["train"].contains(options.overfit_loss)) {
      losses.push_back(record["train"][options.overfit_loss]);
    }
  }
  ASSERT_GE(losses.size(), 2u);
  EXPECT_LT(losses.back(), options.overfit_factor * losses.front());
}

// A run that was made before evaluation had one pass: it loads, and eval finds
// what was found then.
TYPED_TEST_P(PaperTest, AnOldRunStillLoads) {
  const std::string run =
      Runfile(absl::StrCat(TypeParam::kName, "/testdata/run"));
  std::string checkpoint;
  for (const auto& entry :
       std::filesystem::directory_iterator(run + "/checkpoints")) {
    checkpoint = entry.path().string();
  }
  MainArgs args;
  args.paper = TypeParam::kName;
  args.device = "cpu";
  args.checkpoint = checkpoint;
  ASSERT_OK_AND_ASSIGN(Restored<TypeParam> restored,
                       Restore<TypeParam>(args, Command::kEval));
  ASSERT_OK_AND_ASSIGN(const Findings findings, EvaluateOn(restored, "test"));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       ReadFile(run + "/eval_test.json"));
  const nlohmann::json expected = nlohmann::json::parse(text);
  EXPECT_GE(expected.size(), 6u);
  for (const auto& [name, value] : expected.items()) {
    ASSERT_EQ(findings.scalars.count(name), 1u) << name;
    if (value.is_null()) {
      EXPECT_TRUE(std::isnan(findings.scalars.at(name))) << name;
    } else {
      EXPECT_NEAR(findings.scalars.at(name), value.template get<double>(), 1e-4)
          << name;
    }
  }
}

// predict gives the labels that eval gives for the same picture, brought back
// to the picture's own size, whatever stands between file and network.
TYPED_TEST_P(PaperTest, PredictAndEvalSeeTheSamePixels) {
  const PaperTestOptions options = TestOptions<TypeParam>();
  std::vector<std::string> training = {"train.steps=2"};
  training.insert(training.end(), options.predicting.begin(),
                  options.predicting.end());
  ASSERT_OK(RunTrain<TypeParam>(this->Args("run", training)));
  // Pictures of one odd size and one large one.
  const int64_t s = options.stride;
  const PackFixture pack;
  pack.WriteWhole(1, 3 * s * ((20 + s - 1) / s), 2 * s * ((20 + s - 1) / s));
  pack.WriteText("landmarks.txt", "s0 12 20 28 21 20 30 14 38 27 39\n");
  const std::string images = pack.folder() + "/images";
  std::filesystem::copy_file(pack.folder() + "/landmarks.txt",
                             images + "/landmarks.txt");

  std::vector<std::vector<std::string>> cases = {
      {},
      {absl::StrCat("data.resize_height=", 2 * s * ((16 + s - 1) / s)),
       absl::StrCat("data.resize_width=", s * ((16 + s - 1) / s))},
      {absl::StrCat("data.align=", 2 * s * ((16 + s - 1) / s))},
      {absl::StrCat("data.align=", 4 * s * ((16 + s - 1) / s)),
       absl::StrCat("data.resize_longer=", 2 * s * ((16 + s - 1) / s))},
      {absl::StrCat("data.resize_shorter=", 2 * s * ((16 + s - 1) / s))},
      // Larger than what goes through whole.
      {"predict.max_pixels=900", "predict.tile=64", "predict.overlap=16"},
      {absl::StrCat("data.resize_longer=", 8 * s * ((16 + s - 1) / s)),
       "predict.max_pixels=900", "predict.tile=64", "predict.overlap=16"}};
  const std::vector<std::vector<std::string>> plain = cases;
  for (const std::string& size : options.input_sizes) {
    for (std::vector<std::string> with : plain) {
      with.push_back(size);
      cases.push_back(std::move(with));
    }
  }
  int64_t tried = 0;
  for (const std::vector<std::string>& overrides : cases) {
    MainArgs args;
    args.paper = TypeParam::kName;
    args.device = "cpu";
    args.checkpoint = this->root_ + "/run";
    args.overrides = overrides;
    args.input = images;
    args.out = absl::StrCat(this->root_, "/out", tried);
    const std::string what = absl::StrJoin(overrides, " ");
    const absl::StatusOr<Restored<TypeParam>> opened =
        Restore<TypeParam>(args, Command::kPredict);
    if (!opened.ok() && absl::StrContains(what, "predict.tile")) {
      continue;  // a paper without tiles
    }
    ASSERT_OK(opened.status()) << what;
    ++tried;
    testing::internal::CaptureStdout();
    const absl::Status predicted = RunPaperPredict<TypeParam>(args);
    testing::internal::GetCapturedStdout();
    ASSERT_OK(predicted) << what;
    ASSERT_OK_AND_ASSIGN(const at::Tensor labels,
                         ReadMask(args.out + "/s0.png"));

    DataConfig data = opened->config.data;
    data.pack = pack.folder();
    ASSERT_OK_AND_ASSIGN(const auto dataset, OpenDataset(data, "", "train"));
    ASSERT_OK_AND_ASSIGN(const Sample sample, dataset->Get(0));
    const Prediction eval =
        Run(*opened->predictor, MakeBatch(sample, c10::kCPU), "eval");
    ASSERT_OK_AND_ASSIGN(const InputPipeline pipeline, PipelineOf(args, data));
    Sample photograph;
    photograph.id = "s0";
    ASSERT_OK_AND_ASSIGN(photograph.image, ReadImage(images + "/s0.png"));
    const at::Tensor expected =
        eval.probabilities.empty()
            ? pipeline.UndoLabels(photograph, eval.labels[0])[0]
            : ArgMaxLabels(pipeline.Undo(photograph, eval.probabilities[0]))[0];
    EXPECT_TRUE(at::equal(labels, expected)) << what;
    EXPECT_EQ(labels.size(0), photograph.image.size(1)) << what;
    if (overrides.empty()) {
      EXPECT_TRUE(at::equal(labels, eval.labels[0][0]));
    }
  }
  EXPECT_GE(tried, 5);
}

REGISTER_TYPED_TEST_SUITE_P(PaperTest, EveryConfigurationBindsAndBuilds,
                            ResumedEqualsUninterrupted, OverfitsFourImages,
                            AnOldRunStillLoads, PredictAndEvalSeeTheSamePixels);

}  // namespace seg

#endif  // COMMON_TESTING_PAPER_TEST_H_
