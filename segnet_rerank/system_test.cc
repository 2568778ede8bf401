// Proposals of other systems, and a system that was not trained.
#include "segnet_rerank/system.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "common/datasets/synthetic/objects.h"
#include "common/io/image.h"
#include "common/io/voc_palette.h"
#include "common/testing/status_matchers.h"
#include "segnet_rerank/paper.h"
#include "segnet_rerank/ready_proposals.h"

namespace seg {
namespace segnet_rerank {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ReadyProposalsTest : public testing::Test {
 protected:
  ReadyProposalsTest() : folder_(testing::TempDir() + "/ready") {
    fs::remove_all(folder_);
    fs::create_directories(folder_ + "/a");
  }
  void Write(const std::string& name, const at::Tensor& labels) const {
    EXPECT_OK(WriteMask(folder_ + "/" + name, labels, VocPalette(21)));
  }
  const std::string folder_;
};

TEST_F(ReadyProposalsTest, InTheOrderOfTheirNames) {
  Write("a/2.png", at::full({3, 4}, 2, at::kByte));
  Write("a/1.png", at::full({3, 4}, 1, at::kByte));
  ASSERT_OK_AND_ASSIGN(const Proposals read,
                       ReadReadyProposals(folder_, "a", 3, 4, 3));
  EXPECT_EQ(read.labels.sizes(), at::IntArrayRef({2, 3, 4}));
  EXPECT_EQ(read.labels[0][0][0].item<int64_t>(), 1);
  EXPECT_EQ(read.labels[1][2][3].item<int64_t>(), 2);
  EXPECT_EQ(read.score.sizes(), at::IntArrayRef({2}));
}

TEST_F(ReadyProposalsTest, ErrorsNameTheFile) {
  const auto read = [&](const std::string& id) {
    return ReadReadyProposals(folder_, id, 3, 4, 3).status();
  };
  EXPECT_THAT(read("b"), StatusIs(absl::StatusCode::kNotFound,
                                  HasSubstr("ready/b: expected a folder")));
  EXPECT_THAT(read("a"), StatusIs(absl::StatusCode::kNotFound,
                                  HasSubstr("ready/a: holds no proposal")));
  Write("a/1.png", at::zeros({3, 5}, at::kByte));
  EXPECT_THAT(read("a"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a/1.png: is 5 x 3, the image 4 x 3")));
  Write("a/1.png", at::full({3, 4}, 3, at::kByte));
  EXPECT_THAT(
      read("a"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("holds the class 3, but the network knows 0 .. 2")));
}

Config Small() {
  Config config;
  config.regions.superpixels = 30;
  config.o2p.dimensions = 4;
  config.proposals.proposals = 3;
  config.segnet.trunk = Trunk::kTiny;
  config.segnet.weights = "";
  config.segnet.width = 8;
  return config;
}

// No training: every proposal is background, whatever the image's size.
TEST(SystemTest, UntrainedAndSmallImages) {
  const Config config = Small();
  const DatasetInfo info = ObjectsInfo();
  ASSERT_OK_AND_ASSIGN(Model model, Paper::Build(config, info));
  model->eval();
  const auto system = Paper::MakeSystem(config, {model});
  for (const int64_t size : {1, 7, 12, 40}) {
    Batch batch;
    batch.ids = {"a", "b"};
    batch.images = at::randint(256, {2, 3, size, size + 1}).to(at::kFloat);
    const Prediction prediction = seg::Run(*system, batch, "test");
    ASSERT_EQ(prediction.labels.size(), system->Names().size());
    EXPECT_TRUE(prediction.probabilities.empty());
    for (const at::Tensor& labels : prediction.labels) {
      EXPECT_EQ(labels.sizes(), at::IntArrayRef({2, size, size + 1}));
    }
    EXPECT_EQ(prediction.labels[0].max().item<int64_t>(), 0) << size;
    EXPECT_EQ(system->proposals(1).labels.size(0), 3);
    EXPECT_EQ(system->picks(0).size(), System::Methods().size());
  }
}

// A random field needs no region scorer, and no background.
TEST(SystemTest, ARandomFieldsProposals) {
  Config config = Small();
  config.generator = Generator::kCrf;
  config.background = false;
  config.crf.proposals = 4;
  const DatasetInfo info = ObjectsInfo();
  ASSERT_OK_AND_ASSIGN(Model model, Paper::Build(config, info));
  model->eval();
  const auto system = Paper::MakeSystem(config, {model});
  Batch batch;
  batch.ids = {"a"};
  batch.images = at::randint(256, {1, 3, 20, 24}).to(at::kFloat);
  const Prediction prediction = seg::Run(*system, batch, "test");
  EXPECT_EQ(prediction.labels[0].sizes(), at::IntArrayRef({1, 20, 24}));
  EXPECT_EQ(system->proposals(0).labels.size(0), 4);
}

TEST(ConfigTest, NoPenaltyOnAClassThatIsNoBackground) {
  Config config;
  EXPECT_EQ(DivergenceOptions(config).background_weight, 0.02);
  config.background = false;
  EXPECT_EQ(DivergenceOptions(config).background_weight, 0);
  EXPECT_EQ(DivergenceOptions(config).smoothing, config.kl.smoothing);
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
