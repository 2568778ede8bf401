// The pipeline on a few small pictures: what is kept, what a kill and a damaged
// file do, and who sees which image.
#include "segnet_rerank/stages.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "common/datasets/open.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"
#include "segnet_rerank/image_items.h"
#include "segnet_rerank/network_data.h"
#include "segnet_rerank/stage_keys.h"

namespace seg {
namespace segnet_rerank {
namespace {

namespace fs = std::filesystem;

Config Small() {
  Config config;
  config.data.pack = "synthetic:objects";
  config.data.synthetic.height = 32;
  config.data.synthetic.width = 40;
  config.data.synthetic.train = 6;
  config.data.workers = 0;
  config.folds = 2;
  config.regions.superpixels = 40;
  config.regions.max_regions = 12;
  config.o2p.dimensions = 8;
  config.o2p.axes_regions = 20;
  config.proposals.proposals = 4;
  config.segnet.trunk = Trunk::kTiny;
  config.segnet.weights = "";
  config.segnet.grid = 5;
  config.segnet.width = 8;
  config.train.steps = 2;
  config.train.batch_size = 2;
  config.rank.c = {0.1, 10};
  return config;
}

// A data set in which one class covers a whole image.
class OneMaskReplaced : public Dataset {
 public:
  OneMaskReplaced(std::shared_ptr<const Dataset> base, int64_t index,
                  int64_t label)
      : base_(std::move(base)), index_(index), label_(label) {}
  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return base_->size(); }
  std::string id(int64_t index) const override { return base_->id(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    absl::StatusOr<Sample> sample = base_->Get(index);
    if (sample.ok() && index == index_) {
      sample->mask = at::full_like(sample->mask, label_);
    }
    return sample;
  }

 private:
  const std::shared_ptr<const Dataset> base_;
  const int64_t index_, label_;
};

class StagesTest : public testing::Test {
 protected:
  static constexpr int64_t kSeed = 5;

  StagesTest()
      : root_(testing::TempDir() + "/stages_" +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(root_);
    const auto train = OpenDataset(Small().data, "", "train");
    EXPECT_OK(train.status());
    train_ = *train;
  }

  absl::StatusOr<std::optional<Fitted>> Run(const Config& config,
                                            const std::string& root) const {
    return Run(config, root, train_);
  }
  absl::StatusOr<std::optional<Fitted>> Run(
      const Config& config, const std::string& root,
      const std::shared_ptr<const Dataset>& train) const {
    testing::internal::CaptureStderr();
    auto fitted = RunStages(config, train, {root, kSeed, c10::kCPU});
    log_ = testing::internal::GetCapturedStderr();
    return fitted;
  }

  std::string Folder(const std::string& root, const StageKey& key) const {
    return root + "/" + key.name + "-" + Fingerprint(key);
  }

  // Number of folders of each stage.
  std::map<std::string, int> Stages(const std::string& root) const {
    std::map<std::string, int> stages;
    for (const auto& entry : fs::directory_iterator(root)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_directory()) ++stages[name.substr(0, name.rfind('-'))];
    }
    return stages;
  }

  static void ExpectEqual(const Fitted& a, const Fitted& b) {
    const TensorMap x = ToTensors(a), y = ToTensors(b);
    for (const auto& [name, tensor] : x) {
      EXPECT_TRUE(at::equal(tensor, y.at(name))) << name;
    }
  }

  const std::string root_;
  std::shared_ptr<const Dataset> train_;
  mutable std::string log_;
};

TEST_F(StagesTest, WhatIsMadeAndKept) {
  Config config = Small();
  config.stage = Stage::kO2p;
  ASSERT_OK_AND_ASSIGN(auto nothing, Run(config, root_));
  EXPECT_FALSE(nothing.has_value());
  std::map<std::string, int> expected = {{"regions", 1},
                                         {"region_axes", 1},
                                         {"region_vectors", 1},
                                         {"region_scorer", 3},
                                         {"region_threshold", 1}};
  EXPECT_EQ(Stages(root_), expected);
  config.stage = Stage::kAll;
  ASSERT_OK_AND_ASSIGN(const auto fitted, Run(config, root_));
  ASSERT_TRUE(fitted.has_value());
  expected.insert({{"proposals", 1},
                   {"segnet", 2},
                   {"coarse", 1},
                   {"image_features", 1},
                   {"image_scorer", 3},
                   {"features", 1},
                   {"ranker", 1}});
  EXPECT_EQ(Stages(root_), expected);
  EXPECT_THAT(log_, testing::Not(testing::HasSubstr("stage regions")));
  const Fitted like = UntrainedFitted(config, train_->info().num_classes());
  for (const auto& [name, tensor] : ToTensors(like)) {
    EXPECT_EQ(ToTensors(*fitted).at(name).sizes(), tensor.sizes()) << name;
  }
  EXPECT_GT(fitted->axes.abs().sum().item<float>(), 0);
  EXPECT_GT(fitted->rankers.abs().sum().item<double>(), 0);
  // All is there: nothing is made, and the same comes out.
  ASSERT_OK_AND_ASSIGN(const auto again, Run(config, root_));
  EXPECT_THAT(log_, testing::Not(testing::HasSubstr("making")));
  ExpectEqual(*fitted, *again);
  // Another penalty of a ranker concerns the ranker alone.
  config.rank.c = {1};
  ASSERT_OK(Run(config, root_).status());
  ++expected["ranker"];
  EXPECT_EQ(Stages(root_), expected);
  // A fresh folder gives the same bits.
  ASSERT_OK_AND_ASSIGN(const auto fresh, Run(Small(), root_ + "/fresh"));
  ExpectEqual(*fitted, *fresh);
}

// A file that is lost or changed is named and made again, and so is a stage
// that a kill has left half done.
TEST_F(StagesTest, DamagedAndUnfinishedStages) {
  ASSERT_OK_AND_ASSIGN(const auto whole, Run(Small(), root_));
  const StageKeys keys(Small(), *train_, kSeed);
  for (const StageKey& key :
       {keys.Regions(), keys.Proposals(), keys.Features()}) {
    std::string file;
    for (const auto& entry :
         fs::recursive_directory_iterator(Folder(root_, key))) {
      if (absl::EndsWith(entry.path().string(), ".safetensors")) {
        file = entry.path().string();
      }
    }
    ASSERT_FALSE(file.empty()) << key.name;
    std::fstream(file, std::ios::in | std::ios::out).seekp(100).put('\x55');
    ASSERT_OK_AND_ASSIGN(const auto mended, Run(Small(), root_));
    EXPECT_THAT(log_, testing::HasSubstr(fs::path(file).filename().string()));
    ExpectEqual(*whole, *mended);
  }
  // As a kill leaves it: no result, but a part with some of the images.
  const std::string features = Folder(root_, keys.Features());
  fs::create_directories(features + ".part");
  fs::rename(features, features + ".part/result");
  fs::remove(features + ".part/result/done.json");
  int64_t removed = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(features + ".part/result")) {
    if (entry.is_regular_file() && removed++ < 2) fs::remove(entry.path());
  }
  fs::remove_all(Folder(root_, keys.Ranker()));
  ASSERT_OK_AND_ASSIGN(const auto mended, Run(Small(), root_));
  ExpectEqual(*whole, *mended);
}

// The map that the ranker learns from is as one of an image that is new: made
// by the network of the fold that holds the image out. Another mask of an image
// leaves its own map as it was, to the bit, and changes those of the other
// folds' images, whose networks learn from it.
TEST_F(StagesTest, ACoarseMapDoesNotDependOnItsOwnMask) {
  Config small = Small();
  small.stage = Stage::kSegnet;
  small.train.batch_size = 3;  // a fold's images: each is in each update
  Config frozen = small;
  frozen.segnet.trunk = SegNetConfig().trunk;
  frozen.segnet.weights = SegNetConfig().weights;
  ASSERT_TRUE(TrunkIsFrozen(frozen.segnet));
  ASSERT_FALSE(TrunkIsFrozen(small.segnet));
  constexpr int64_t kChanged = 2;
  const auto changed = std::make_shared<OneMaskReplaced>(train_, kChanged, 1);
  for (const Config& config : {small, frozen}) {
    // Masks are no part of a stage's key: the others need a folder of theirs.
    const std::string root = root_ + (TrunkIsFrozen(config.segnet) ? "/f" : "");
    ASSERT_OK(Run(config, root + "/a").status());
    ASSERT_OK(Run(config, root + "/b", changed).status());
    const StageKey coarse = StageKeys(config, *train_, kSeed).Coarse();
    const ImageItems images(train_, config.folds, kSeed);
    for (int64_t fold = 0; fold < config.folds; ++fold) {
      const std::vector<int64_t> own = images.Fold(fold, FoldPart::kHeldOut);
      ASSERT_EQ(own.size(), 3u);
      const bool held_out =
          std::find(own.begin(), own.end(), kChanged) != own.end();
      for (const int64_t index : own) {
        ASSERT_OK_AND_ASSIGN(const TensorMap a,
                             images.Read(Folder(root + "/a", coarse), index));
        ASSERT_OK_AND_ASSIGN(const TensorMap b,
                             images.Read(Folder(root + "/b", coarse), index));
        EXPECT_EQ(at::equal(a.at("coarse"), b.at("coarse")), held_out)
            << "image " << index << ", fold " << fold;
      }
    }
  }
}

// A random field's proposals come from the maps of networks that did not see
// the image.
TEST_F(StagesTest, ProposalsOfARandomField) {
  Config config = Small();
  config.generator = Generator::kCrf;
  config.background = false;
  config.stage = Stage::kRegions;
  ASSERT_OK(Run(config, root_).status());
  std::map<std::string, int> expected = {{"superpixels", 1}};
  EXPECT_EQ(Stages(root_), expected);
  config.stage = Stage::kProposals;
  ASSERT_OK(Run(config, root_).status());
  expected.insert({{"segnet", 2}, {"coarse", 1}, {"proposals", 1}});
  EXPECT_EQ(Stages(root_), expected);
  config.stage = Stage::kAll;
  ASSERT_OK_AND_ASSIGN(const auto fitted, Run(config, root_));
  expected.insert({{"image_features", 1},
                   {"image_scorer", 3},
                   {"features", 1},
                   {"ranker", 1}});
  EXPECT_EQ(Stages(root_), expected);
  ASSERT_TRUE(fitted.has_value());
  const int64_t classes = train_->info().num_classes();
  for (const auto& [name, tensor] :
       ToTensors(UntrainedFitted(config, classes))) {
    EXPECT_EQ(ToTensors(*fitted).at(name).sizes(), tensor.sizes()) << name;
  }
  EXPECT_EQ(fitted->axes.numel(), 0);
  EXPECT_EQ(fitted->area_thresholds.size(0), classes);
  // With a background its share is no class of an image.
  config.background = true;
  ASSERT_OK_AND_ASSIGN(const auto other, Run(config, root_));
  EXPECT_EQ(other->area_thresholds.size(0), classes - 1);
}

TEST_F(StagesTest, FewerImagesThanFolds) {
  Config config = Small();
  config.folds = 7;
  EXPECT_THAT(Run(config, root_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("there are 6 training images")));
}

TEST_F(StagesTest, KeysSayWhatAStageDependsOn) {
  const StageKeys keys(Small(), *train_, kSeed);
  Config other = Small();
  other.loss.type = SegNetLossType::kIou;
  const StageKeys loss(other, *train_, kSeed);
  EXPECT_EQ(Fingerprint(keys.Proposals()), Fingerprint(loss.Proposals()));
  EXPECT_NE(Fingerprint(keys.Network(0)), Fingerprint(loss.Network(0)));
  EXPECT_NE(Fingerprint(keys.Ranker()), Fingerprint(loss.Ranker()));
  const StageKeys seed(Small(), *train_, kSeed + 1);
  EXPECT_EQ(Fingerprint(keys.Regions()), Fingerprint(seed.Regions()));
  EXPECT_NE(Fingerprint(keys.RegionScorer(0)),
            Fingerprint(seed.RegionScorer(0)));
  EXPECT_NE(Fingerprint(keys.Network(0)), Fingerprint(keys.Network(1)));
}

TEST_F(StagesTest, AChangeIsAnotherNetworkWhereItMatters) {
  const std::string file = root_ + "_weights.pth";
  ASSERT_OK(WriteFileAtomically(file, "one"));
  Config base = Small();
  base.segnet.weights = file;
  const StageKeys keys(base, *train_, kSeed);
  const auto changes = [&](const Config& config) {
    const StageKeys other(config, *train_, kSeed);
    return std::array<bool, 2>{
        Fingerprint(keys.Network(0)) != Fingerprint(other.Network(0)),
        Fingerprint(keys.TrunkFeatures()) !=
            Fingerprint(other.TrunkFeatures())};
  };
  using Changed = std::array<bool, 2>;  // the network, the trunk's features
  EXPECT_EQ(changes(base), (Changed{false, false}));
  Config other = base;
  other.train.precision = Precision::kBf16;
  EXPECT_EQ(changes(other), (Changed{true, false}));
  other = base;
  other.data.augment.brightness = 0.1;
  EXPECT_EQ(changes(other), (Changed{true, false}));
  // Pictures that are changed once are other pictures.
  other.data.augment_once = true;
  EXPECT_EQ(changes(other), (Changed{true, true}));
  ASSERT_OK(WriteFileAtomically(file, "other"));
  EXPECT_EQ(changes(base), (Changed{true, true}));
}

TEST_F(StagesTest, MirroredSharesSwapLeftAndRight) {
  Config config = Small();
  config.data.pack = "synthetic:faces";
  ASSERT_OK_AND_ASSIGN(const auto faces, OpenDataset(config.data, "", "train"));
  const DatasetInfo& info = faces->info();
  ASSERT_FALSE(info.flip_pairs.empty());
  const ImageItems images(faces, 2, 1);
  // A left brow in the left cell, an image number as feature.
  at::Tensor shares = at::zeros({info.num_classes(), 1, 2});
  shares[info.flip_pairs[0].first][0][0] = 1;
  at::Tensor mirrored = at::zeros_like(shares);
  mirrored[info.flip_pairs[0].second][0][1] = 1;
  fs::create_directories(root_);
  for (int64_t i = 0; i < images.size(); ++i) {
    ASSERT_OK(images.Ensure(root_, i, [&]() -> absl::StatusOr<TensorMap> {
      return TensorMap{{"features", at::zeros({1, 1, 2})},
                       {"flipped", at::ones({1, 1, 2})},
                       {"shares", shares}};
    }));
  }
  config.data.augment.flip = true;
  ASSERT_OK_AND_ASSIGN(const TrainingData data,
                       NetworkData(config, images, kAllImages, root_, 6));
  ASSERT_OK_AND_ASSIGN(const auto source, data.open(3, 0));
  int64_t flips = 0;
  for (int step = 0; step < 4; ++step) {
    ASSERT_OK_AND_ASSIGN(const Batch batch, source->Next());
    for (int64_t n = 0; n < 6; ++n) {
      const bool flip = batch.images[n].sum().item<double>() > 0;
      flips += flip;
      EXPECT_TRUE(at::equal(batch.probabilities[n], flip ? mirrored : shares));
    }
  }
  EXPECT_GT(flips, 0);
  EXPECT_LT(flips, 24);
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
