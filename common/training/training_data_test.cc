#include "common/training/training_data.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/datasets/open.h"
#include "common/testing/status_matchers.h"
#include "torch/nn/modules/linear.h"

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

DatasetInfo TwoClasses() {
  DatasetInfo info;
  info.name = "made";
  info.class_names = {"a", "b"};
  return info;
}

std::vector<Batch> Take(const TrainingData& data, int64_t seed, int64_t start,
                        int64_t count) {
  std::vector<Batch> out;
  auto source = data.open(seed, start);
  EXPECT_OK(source);
  if (!source.ok()) return out;
  for (int64_t i = 0; i < count; ++i) {
    auto batch = (*source)->Next();
    EXPECT_OK(batch);
    if (batch.ok()) out.push_back(*std::move(batch));
  }
  return out;
}

Batch Noise(int64_t /*seed*/, int64_t /*step*/) {
  Batch batch;
  batch.images = 255 * at::rand({2, 3, 4, 5});
  return batch;
}

TEST(FromFunctionTest, ABatchIsAFunctionOfSeedAndStep) {
  const TrainingData data = FromFunction(TwoClasses(), 4, Noise);
  EXPECT_EQ(data.info.name, "made");
  EXPECT_EQ(data.samples, 0);
  const std::vector<Batch> all = Take(data, 7, 0, 6);
  at::manual_seed(99);  // what others draw changes nothing
  const std::vector<Batch> late = Take(data, 7, 4, 2);
  ASSERT_EQ(all.size(), 6u);
  ASSERT_EQ(late.size(), 2u);
  EXPECT_TRUE(late[0].images.equal(all[4].images));
  EXPECT_TRUE(late[1].images.equal(all[5].images));
  EXPECT_FALSE(all[4].images.equal(all[5].images));
  EXPECT_FALSE(Take(data, 8, 4, 1)[0].images.equal(all[4].images));
  // Not rounded.
  EXPECT_FALSE(all[0].images.equal(all[0].images.round()));
  EXPECT_EQ(all[5].step, 5);
  EXPECT_EQ(all[5].epoch, 1.5);
  EXPECT_THAT(all[5].ids, ElementsAre("made:7:5:0", "made:7:5:1"));
  ASSERT_OK_AND_ASSIGN(const auto source, data.open(7, 0));
  EXPECT_EQ(source->batches_per_epoch(), 4);
}

TEST(FromFunctionTest, ItsArgumentsAreTheRunsAndIdsMayBeItsOwn) {
  const TrainingData data =
      FromFunction(TwoClasses(), 1, [](int64_t seed, int64_t step) {
        Batch batch;
        batch.ids = {"own"};
        batch.images = at::full({1, 3, 1, 1}, 100 * seed + step);
        return batch;
      });
  const std::vector<Batch> batches = Take(data, 2, 3, 2);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[1].images[0][0][0][0].item<double>(), 204);
  EXPECT_THAT(batches[1].ids, ElementsAre("own"));
}

TEST(FromFunctionTest, GradientsAreOff) {
  torch::nn::Linear net(5, 5);
  const TrainingData data =
      FromFunction(TwoClasses(), 1, [&](int64_t, int64_t) {
        Batch batch;
        batch.images = net(at::rand({1, 3, 4, 5}));
        return batch;
      });
  EXPECT_FALSE(Take(data, 0, 0, 1)[0].images.requires_grad());
  EXPECT_TRUE(c10::GradMode::is_enabled());
}

TEST(FromFunctionTest, ErrorsNameTheStep) {
  const auto fails = [](auto make) {
    const TrainingData data = FromFunction(TwoClasses(), 1, make);
    return data.open(0, 4).value()->Next().status();
  };
  EXPECT_THAT(fails([](int64_t, int64_t) -> absl::StatusOr<Batch> {
                return absl::DataLossError("the generator's file is gone");
              }),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("step 5: the generator's file is gone")));
  EXPECT_THAT(fails([](int64_t, int64_t) {
                at::rand({2, 3}).mm(at::rand({2, 3}));
                return Batch();
              }),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("step 5: mat1")));
  EXPECT_THAT(fails([](int64_t, int64_t) { return Batch(); }),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("step 5: expected images [N,3,H,W]")));
  EXPECT_THROW(FromFunction(TwoClasses(), 0, Noise), c10::Error);
}

TEST(FromDatasetTest, IsTheLoaderUnderTheRunsSeedAndStep) {
  DataConfig config;
  config.synthetic.train = 7;
  config.synthetic.height = config.synthetic.width = 16;
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  LoaderOptions options = TrainingLoaderOptions(config, 3, 0);
  const TrainingData data = FromDataset(set, options);
  EXPECT_EQ(data.samples, 7);
  EXPECT_EQ(data.info.class_names, set->info().class_names);
  options.seed = 5;
  ASSERT_OK_AND_ASSIGN(const auto loader, BatchLoader::Create(set, options));
  const std::vector<Batch> batches = Take(data, 5, 2, 2);
  ASSERT_EQ(batches.size(), 2u);
  for (int64_t step = 0; step < 4; ++step) {
    ASSERT_OK_AND_ASSIGN(const Batch batch, loader->Next());
    if (step < 2) continue;
    EXPECT_EQ(batches[step - 2].ids, batch.ids);
    EXPECT_TRUE(batches[step - 2].images.equal(batch.images));
  }
  EXPECT_THAT(FromDataset(set, TrainingLoaderOptions(config, 8, 0)).open(0, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("do not fill a batch of 8")));
}

}  // namespace
}  // namespace seg
