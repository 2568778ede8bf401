// Runs of several stages, and what one takes of another.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/app/restore.h"
#include "common/app/train.h"
#include "common/io/json_lines.h"
#include "common/io/tensor_map.h"
#include "common/testing/status_matchers.h"
#include "common/testing/train_and_evaluate.h"
#include "common/training/checkpoint.h"
#include "ganseg/paper.h"
#include "ganseg/tiny_config.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace ganseg {
namespace {

using ::testing::HasSubstr;

class StagesTest : public testing::Test {
 protected:
  StagesTest()
      : root_(testing::TempDir() + "/" +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(root_);
  }

  // A small training into `name`.
  MainArgs Args(const std::string& name,
                const std::vector<std::string>& overrides) const {
    MainArgs args;
    args.paper = Paper::kName;
    args.device = "cpu";
    args.work_dir = root_ + "/" + name;
    args.overrides = SmallOverrides();
    for (const char* more : {"data.synthetic.train=4", "data.synthetic.val=2",
                             "data.synthetic.test=2", "data.workers=0",
                             "train.batch_size=2", "gan_steps=2"}) {
      args.overrides.push_back(more);
    }
    args.overrides.insert(args.overrides.end(), overrides.begin(),
                          overrides.end());
    return args;
  }

  void Train(const MainArgs& args) const {
    testing::internal::CaptureStdout();
    const absl::Status status = RunTrain<Paper>(args);
    testing::internal::GetCapturedStdout();
    ASSERT_OK(status);
  }

  // What run `name` ended with.
  TensorMap End(const std::string& name) const {
    const absl::StatusOr<TensorMap> tensors =
        ReadCheckpointModel(root_ + "/" + name + "/checkpoints/last");
    EXPECT_OK(tensors.status());
    return tensors.ok() ? *tensors : TensorMap();
  }

  const std::string root_;
};

TEST_F(StagesTest, ASegmenterAloneStartsAnew) {
  Train(Args("first", {"train.steps=5"}));
  const TensorMap first = End("first");
  EXPECT_EQ(first.at("segmenter_updates").item<int64_t>(), 3);
  MainArgs args = Args("second", {"train.steps=2", "stage=segmenter"});
  args.init_from = root_ + "/first";
  Train(args);
  const TensorMap second = End("second");
  // Its own updates alone, on the generator of the first.
  EXPECT_EQ(second.at("segmenter_updates").item<int64_t>(), 2);
  int64_t of_generator = 0;
  for (const auto& [name, tensor] : second) {
    if (!absl::StartsWith(name, "generator.")) continue;
    EXPECT_TRUE(at::equal(tensor, first.at(name))) << name;
    ++of_generator;
  }
  EXPECT_GT(of_generator, 10);
}

TEST_F(StagesTest, TheAverageOfTheGeneratorIsKept) {
  const std::string ema = "generator_ema=0.9";
  Train(Args("whole", {ema, "train.steps=4"}));
  Train(Args("parts", {ema, "train.steps=1"}));
  MainArgs rest = Args("parts", {ema, "train.steps=4"});
  rest.resume = true;
  Train(rest);
  const TensorMap whole = End("whole"), parts = End("parts");
  ASSERT_EQ(whole.size(), parts.size());
  int64_t averages = 0;
  for (const auto& [name, tensor] : whole) {
    EXPECT_TRUE(at::equal(parts.at(name), tensor)) << name;
    averages += absl::StartsWith(name, "generator_ema.");
  }
  EXPECT_GT(averages, 10);
  // A segmenter learns from it where its own configuration says so.
  MainArgs args = Args("segmenter", {ema, "stage=segmenter", "train.steps=1"});
  args.init_from = root_ + "/whole";
  Train(args);
  const TensorMap end = End("segmenter");
  EXPECT_TRUE(at::equal(end.at("generator_ema.part_embedding"),
                        whole.at("generator_ema.part_embedding")));
  Train(Args("plain", {"train.steps=2"}));
  args.work_dir = root_ + "/other";
  args.init_from = root_ + "/plain";
  EXPECT_THAT(RunTrain<Paper>(args),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is missing; take the generator section")));
  // It can be left aside.
  MainArgs eval;
  eval.paper = Paper::kName;
  eval.device = "cpu";
  eval.checkpoint = root_ + "/whole";
  eval.overrides = {"generator_ema=0"};
  EXPECT_OK(Restore<Paper>(eval, Command::kEval).status());
}

TEST_F(StagesTest, AutoencodersLearnResumeAndSegment) {
  for (const std::string kind : {"autoencoder_a", "autoencoder_b"}) {
    const std::vector<std::string> small = {
        "objective=" + kind,         "autoencoder.widths=[4,8]",
        "autoencoder.backbone=tiny", "train.batch_size=4",
        "data.augment.flip=false",   "train.optimizer.lr=0.01",
        "train.log_every=1"};
    const auto with = [&](const std::string& steps) {
      std::vector<std::string> overrides = small;
      overrides.push_back("train.steps=" + steps);
      return overrides;
    };
    Train(Args(kind, with("60")));
    // The loss falls on four pictures.
    ASSERT_OK_AND_ASSIGN(const std::vector<nlohmann::json> records,
                         ReadJsonLines(root_ + "/" + kind + "/metrics.jsonl"));
    std::vector<double> losses;
    for (const nlohmann::json& record : records) {
      if (record.contains("train")) {
        losses.push_back(record["train"]["reconstruction"]);
      }
    }
    ASSERT_EQ(losses.size(), 60u);
    EXPECT_LT(losses.back(), 0.5 * losses.front()) << kind;
    // A resumed run ends with the bits of one that was not interrupted.
    Train(Args(kind + "_parts", with("2")));
    MainArgs rest = Args(kind + "_parts", with("4"));
    rest.resume = true;
    Train(rest);
    Train(Args(kind + "_whole", with("4")));
    const TensorMap whole = End(kind + "_whole");
    const TensorMap parts = End(kind + "_parts");
    ASSERT_EQ(parts.size(), whole.size());
    for (const auto& [name, tensor] : whole) {
      EXPECT_TRUE(at::equal(parts.at(name), tensor)) << name;
    }
    // Eval finds what it finds of a GAN with a segmenter.
    MainArgs args;
    args.paper = Paper::kName;
    args.device = "cpu";
    args.checkpoint = root_ + "/" + kind;
    ASSERT_OK_AND_ASSIGN(Restored<Paper> restored,
                         Restore<Paper>(args, Command::kEval));
    ASSERT_OK_AND_ASSIGN(const Findings findings, EvaluateOn(restored, "test"));
    for (const char* name : {"foreground_iou", "part_usage", "generated_iou",
                             "disc_foreground_iou", "concentration"}) {
      EXPECT_EQ(findings.scalars.count(name), 1u) << kind << " " << name;
    }
    EXPECT_THAT(ToText(findings), HasSubstr("\nencoder "));
    EXPECT_THAT(ToText(findings), HasSubstr("\n2 generated pictures"));
    // It draws nothing from noise.
    constexpr Command kSample = {"sample", kRunFlag | kOutFlag, "samples"};
    EXPECT_THAT(Restore<Paper>(args, kSample).status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("nothing from noise")));
  }
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
