// Runs of several stages, and what one takes of another.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/app/train.h"
#include "common/io/tensor_map.h"
#include "common/testing/status_matchers.h"
#include "common/training/checkpoint.h"
#include "ganseg/paper.h"

namespace seg {
namespace ganseg {
namespace {

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
    args.overrides = {"data.synthetic.train=4",
                      "data.synthetic.val=2",
                      "data.synthetic.test=2",
                      "data.workers=0",
                      "gan_steps=2",
                      "generator.parts=2",
                      "generator.points_per_part=2",
                      "generator.noise_size=8",
                      "generator.mlp_width=8",
                      "generator.spade_hidden=4",
                      "generator.adain_hidden=4",
                      "generator.mask_channels=[4,4]",
                      "generator.foreground_channels=[4,4,4]",
                      "generator.background_channels=[4,4,4]",
                      "discriminator.channels=[4,4]",
                      "discriminator.fc_width=8",
                      "segmenter.channels=8",
                      "segmenter.batch_size=2",
                      "train.batch_size=2",
                      "eval.samples=4"};
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

}  // namespace
}  // namespace ganseg
}  // namespace seg
