// unary.source=folder: a CRF on the class probabilities of any other system,
// through the commands.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/app/predict.h"
#include "common/app/train.h"
#include "common/base/runfiles.h"
#include "common/datasets/pack_fixture.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/metrics/arg_max.h"
#include "common/testing/status_matchers.h"
#include "common/testing/train_and_evaluate.h"
#include "common/training/checkpoint.h"
#include "crfgrad/fixed.h"
#include "crfgrad/paper.h"

namespace seg {
namespace crfgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(1);
    pack_.WriteWhole(3, 24, 30);
    pack_.WriteText("val.txt", "s0\n");
    pack_.WriteText("test.txt", "s1\ns2\n");
    std::filesystem::create_directories(Path("z"));
  }
  std::string Path(const std::string& name) const {
    return absl::StrCat(pack_.folder(), "/", name);
  }

  // A map for s0, s1 and s2 in the folder z.
  void WriteMaps(const at::Tensor& map) const {
    for (int64_t i = 0; i < 3; ++i) {
      ASSERT_OK(WriteNpy(absl::StrCat(Path("z/s"), i, ".npy"), map));
    }
  }

  absl::Status Train(const std::string& run,
                     const std::vector<std::string>& overrides) const {
    MainArgs args;
    args.paper = Paper::kName;
    args.device = "cpu";
    args.work_dir = Path(run);
    args.overrides = {"data.pack=" + pack_.folder(), "data.workers=0",
                      "train.batch_size=2",          "train.steps=2",
                      "train.validate_every=2",      "loss.unary_steps=1",
                      "report_pictures=0",           "report_split=val"};
    args.overrides.insert(args.overrides.end(), overrides.begin(),
                          overrides.end());
    testing::internal::CaptureStdout();
    const absl::Status status = RunTrain<Paper>(args);
    testing::internal::GetCapturedStdout();
    return status;
  }

  absl::Status Predict(const std::string& run, const std::string& out,
                       const std::vector<std::string>& overrides,
                       const std::string& input = "images") const {
    MainArgs args;
    args.paper = Paper::kName;
    args.device = "cpu";
    args.checkpoint = Path(run);
    args.input = Path(input);
    args.out = Path(out);
    args.probabilities = true;
    args.overrides = overrides;
    testing::internal::CaptureStdout();
    const absl::Status status = RunPaperPredict<Paper>(args);
    testing::internal::GetCapturedStdout();
    return status;
  }

  at::Tensor Labels(const std::string& out, int64_t i) const {
    return ReadMask(absl::StrCat(Path(out), "/s", i, ".png")).value();
  }
  at::Tensor Probabilities(const std::string& out, int64_t i) const {
    return ReadNpy(absl::StrCat(Path(out), "/s", i, "_probabilities.npy"))
        .value();
  }

  const PackFixture pack_{"data"};
};

// The same weights on the probabilities that the network's run wrote give what
// they give on the network.
TEST_F(FolderTest, WhatTheNetworkWroteGivesWhatTheNetworkGives) {
  const auto compare = [&](const std::string& run,
                           const std::string& inference) {
    const std::string name = run + "_" + inference;
    std::vector<std::string> overrides = {"model.inference=" + inference};
    ASSERT_OK(Predict(run, name + "_network", overrides));
    overrides.push_back("unary.source=folder");
    overrides.push_back("data.probabilities=" + Path(run + "_z"));
    ASSERT_OK(Predict(run, name + "_folder", overrides));
    for (int64_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(
          at::equal(Labels(name + "_folder", i), Labels(name + "_network", i)))
          << name << " " << i;
      const at::Tensor q = Probabilities(name + "_network", i);
      EXPECT_TRUE(
          at::allclose(Probabilities(name + "_folder", i), q, 1e-3, 1e-4))
          << name << " " << i;
      // The CRF does something.
      EXPECT_EQ(at::allclose(q, Probabilities(run + "_z", i), 1e-3, 1e-4),
                inference == "fcn")
          << name << " " << i;
    }
  };
  for (const std::string inference : {"crfgrad", "crf_rnn"}) {
    ASSERT_OK(Train(
        inference, {"model.inference=" + inference, "crf.bilateral.weight=3"}));
    ASSERT_OK(Predict(inference, inference + "_z", {"model.inference=fcn"}));
    for (const std::string& used :
         {inference, std::string("fcn"), std::string("dense_crf")}) {
      compare(inference, used);
    }
  }
}

TEST_F(FolderTest, TheCrfLearnsAlone) {
  WriteMaps(at::softmax(at::randn({3, 12, 10}), 0));
  const std::vector<std::string> folder = {"unary.source=folder",
                                           "data.probabilities=" + Path("z")};
  for (const std::string inference : {"crf_rnn", "crfgrad"}) {
    std::vector<std::string> overrides = folder;
    overrides.push_back("model.inference=" + inference);
    ASSERT_OK(Train(inference, overrides));
    ASSERT_OK_AND_ASSIGN(
        const TensorMap tensors,
        ReadCheckpointModel(Path(inference) + "/checkpoints/last"));
    EXPECT_EQ(tensors.size(), 3u);
    for (const auto& [name, tensor] : tensors) {
      EXPECT_THAT(name, StartsWith("crf."));
    }
    MainArgs args;
    args.paper = Paper::kName;
    args.device = "cpu";
    args.checkpoint = Path(inference);
    ASSERT_OK_AND_ASSIGN(Restored<Paper> restored,
                         Restore<Paper>(args, Command::kEval));
    ASSERT_OK_AND_ASSIGN(const Findings findings, EvaluateOn(restored, "test"));
    EXPECT_EQ(findings.scalars.count("mean_iou"), 1u);
    EXPECT_EQ(findings.scalars.count("folder/mean_iou"), 1u);
  }
  ASSERT_OK(Predict("crfgrad", "labels", {"predict.states=true"}));
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(at::equal(
        ReadMask(absl::StrCat(Path("labels/s"), i, "_state-5.png")).value(),
        Labels("labels", i)));
  }
}

TEST_F(FolderTest, BadMapsAreNamed) {
  const at::Tensor good = at::softmax(at::randn({3, 12, 10}), 0);
  WriteMaps(good);
  ASSERT_OK(
      Train("run", {"unary.source=folder", "data.probabilities=" + Path("z")}));
  const auto error = [&](const at::Tensor& map) {
    EXPECT_OK(WriteNpy(Path("z/s1.npy"), map));
    return std::string(Predict("run", "out", {}, "images/s1.png").message());
  };
  EXPECT_EQ(error(good), "");
  const std::string file = Path("z/s1.npy");
  EXPECT_THAT(error(good.slice(0, 0, 2)),
              AllOf(HasSubstr(file), HasSubstr("[3, height, width]"),
                    HasSubstr("[2, 12, 10]")));
  EXPECT_THAT(error(good[0]), AllOf(HasSubstr(file), HasSubstr("[12, 10]")));
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity(), -0.1}) {
    const at::Tensor map = good.clone();
    map[1][2][3] = bad;
    EXPECT_THAT(error(map), AllOf(HasSubstr(file), HasSubstr("NaN")));
  }
  std::filesystem::remove(file);
  EXPECT_THAT(Predict("run", "out", {}, "images/s1.png"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr(file), HasSubstr("not found"),
                             HasSubstr("data.probabilities"))));
}

// predict --config=folder_densecrf.yaml has the classes of a dataset.yaml, and
// no run.
TEST_F(FolderTest, ADenseCrfNeedsNoRun) {
  const at::Tensor z = at::softmax(at::randn({3, 24, 30}), 0);
  WriteMaps(z);
  MainArgs args;
  args.paper = Paper::kName;
  args.device = "cpu";
  args.config = Runfile("crfgrad/configs/folder_densecrf.yaml");
  args.input = Path("images/s1.png");
  args.out = Path("out");
  args.probabilities = true;
  const auto predict = [&](const std::vector<std::string>& overrides) {
    args.overrides = overrides;
    testing::internal::CaptureStdout();
    const absl::Status status = RunPredictWithOrWithoutRun(args);
    testing::internal::GetCapturedStdout();
    return status;
  };
  const std::string pack = "data.pack=" + pack_.folder();
  const std::string maps = "data.probabilities=" + Path("z");
  ASSERT_OK(predict({pack, maps}));
  ASSERT_OK_AND_ASSIGN(const at::Tensor image, ReadImage(args.input));
  // The defaults of MeanFieldOptions are that file's.
  const at::Tensor q = MeanField(-z.log().unsqueeze(0), image.unsqueeze(0))[0];
  EXPECT_TRUE(at::allclose(Probabilities("out", 1), q, 1e-3, 1e-4));
  EXPECT_TRUE(at::equal(Labels("out", 1), ArgMaxLabels(q)));
  EXPECT_FALSE(at::equal(Labels("out", 1), ArgMaxLabels(z)));
  // The folder as it is.
  args.out = Path("plain");
  ASSERT_OK(predict({pack, maps, "model.inference=fcn"}));
  EXPECT_TRUE(at::equal(Labels("plain", 1), ArgMaxLabels(z)));

  EXPECT_THAT(predict({pack}), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("name their folder by "
                                                  "data.probabilities")));
  EXPECT_THAT(predict({maps, "data.pack=./nowhere"}),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("data.pack: ./nowhere: no such folder")));
}

TEST_F(FolderTest, WhatDoesNotFitTogether) {
  WriteMaps(at::softmax(at::randn({3, 12, 10}), 0));
  const auto refused = [](const std::string& text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(Train("run", {"unary.source=folder"}),
              refused("unary.source: folder reads class probabilities"));
  const std::string maps = "data.probabilities=" + Path("z");
  EXPECT_THAT(Train("run", {maps}),
              refused("data.probabilities: not read by unary.source=network"));
  for (const std::string inference : {"fcn", "dense_crf"}) {
    EXPECT_THAT(
        Train("run",
              {"unary.source=folder", maps, "model.inference=" + inference}),
        refused("model.inference: " + inference + " has nothing to train"));
  }
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
