#include "common/datasets/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::shared_ptr<const Dataset> Scenes(int64_t size) {
  DataConfig config;
  config.synthetic.train = size;
  config.synthetic.height = 40;
  config.synthetic.width = 48;
  auto set = OpenDataset(config, "", "train");
  EXPECT_OK(set);
  return *set;
}

LoaderOptions Options(int64_t batch_size, int64_t workers) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.workers = workers;
  options.seed = 17;
  options.augment.crop_height = 24;
  options.augment.crop_width = 32;
  options.augment.scale_min = 0.6;
  options.augment.scale_max = 1.7;
  options.augment.flip = true;
  options.augment.rotation = 10;
  options.augment.brightness = options.augment.hue = 0.2;
  return options;
}

std::vector<Batch> Take(BatchLoader* loader, int64_t count) {
  std::vector<Batch> out;
  for (int64_t i = 0; i < count; ++i) {
    auto batch = loader->Next();
    EXPECT_OK(batch);
    if (!batch.ok()) break;
    out.push_back(*std::move(batch));
  }
  return out;
}

void ExpectEqual(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_TRUE(a.images.equal(b.images)) << a.step;
  EXPECT_TRUE(a.masks.equal(b.masks)) << a.step;
}

TEST(BatchLoaderTest, ShapesTypesAndCounters) {
  ASSERT_OK_AND_ASSIGN(auto loader,
                       BatchLoader::Create(Scenes(7), Options(3, 1)));
  EXPECT_EQ(loader->batches_per_epoch(), 2);
  EXPECT_EQ(loader->next_step(), 0);
  const std::vector<Batch> batches = Take(loader.get(), 3);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(loader->next_step(), 3);
  EXPECT_GT(loader->wait_seconds(), 0.0);
  const Batch& b = batches[2];
  EXPECT_EQ(b.step, 2);
  EXPECT_EQ(b.epoch, 1.5);
  EXPECT_EQ(b.ids.size(), 3u);
  EXPECT_EQ(b.images.sizes(), at::IntArrayRef({3, 3, 24, 32}));
  EXPECT_EQ(b.images.scalar_type(), at::kFloat);
  EXPECT_TRUE(b.images.is_contiguous());
  EXPECT_EQ(b.masks.sizes(), at::IntArrayRef({3, 24, 32}));
  EXPECT_EQ(b.masks.scalar_type(), at::kLong);
  EXPECT_GE(b.images.min().item<float>(), 0.0f);
  EXPECT_LE(b.images.max().item<float>(), 255.0f);
  EXPECT_GT(b.images.max().item<float>(), 100.0f);
}

TEST(BatchLoaderTest, WithoutOptionsItGivesTheSamplesThemselves) {
  const auto set = Scenes(4);
  LoaderOptions options;
  options.batch_size = 2;
  options.shuffle = false;
  ASSERT_OK_AND_ASSIGN(auto loader, BatchLoader::Create(set, options));
  const std::vector<Batch> batches = Take(loader.get(), 3);
  for (int64_t i = 0; i < 6; ++i) {
    ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(i % 4));
    EXPECT_EQ(batches[i / 2].ids[i % 2], sample.id);
    EXPECT_TRUE(
        batches[i / 2].images[i % 2].equal(sample.image.to(at::kFloat)));
    EXPECT_TRUE(batches[i / 2].masks[i % 2].equal(sample.mask.to(at::kLong)));
  }
}

// Pictures with 2 points each, or where `uneven` the last with 3.
class Pointed : public Dataset {
 public:
  explicit Pointed(bool uneven) : uneven_(uneven) { info_.has_masks = false; }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return 3; }
  std::string id(int64_t index) const override { return std::to_string(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    Sample sample;
    sample.id = id(index);
    sample.image = at::zeros({3, 4, 4}, at::kByte);
    sample.points =
        at::full({uneven_ && index == 2 ? 3 : 2, 3}, static_cast<float>(index));
    return sample;
  }

 private:
  bool uneven_;
  DatasetInfo info_;
};

TEST(BatchLoaderTest, PointsAreStackedWhereTheyAreEquallyMany) {
  LoaderOptions options;
  options.batch_size = 3;
  options.shuffle = false;
  ASSERT_OK_AND_ASSIGN(
      auto loader,
      BatchLoader::Create(std::make_shared<Pointed>(false), options));
  Batch batch = Take(loader.get(), 1)[0];
  ASSERT_EQ(batch.points.sizes(), at::IntArrayRef({3, 2, 3}));
  EXPECT_EQ(batch.points.scalar_type(), at::kFloat);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(batch.points[i].eq(i).all().item<bool>()) << i;
  }
  ASSERT_OK_AND_ASSIGN(
      loader, BatchLoader::Create(std::make_shared<Pointed>(true), options));
  EXPECT_FALSE(Take(loader.get(), 1)[0].points.defined());
  ASSERT_OK_AND_ASSIGN(const Sample sample, Pointed(false).Get(1));
  EXPECT_EQ(MakeBatch(sample, c10::kCPU).points.sizes(),
            at::IntArrayRef({1, 2, 3}));
}

TEST(BatchLoaderTest, TheNumberOfWorkersChangesNothing) {
  const auto set = Scenes(10);
  ASSERT_OK_AND_ASSIGN(auto reference, BatchLoader::Create(set, Options(3, 0)));
  const std::vector<Batch> expected = Take(reference.get(), 8);
  for (const int64_t workers : {1, 2, 5}) {
    ASSERT_OK_AND_ASSIGN(auto loader,
                         BatchLoader::Create(set, Options(3, workers)));
    const std::vector<Batch> got = Take(loader.get(), 8);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) ExpectEqual(got[i], expected[i]);
  }
}

TEST(BatchLoaderTest, StartsAtAnyStep) {
  const auto set = Scenes(10);
  ASSERT_OK_AND_ASSIGN(auto whole, BatchLoader::Create(set, Options(3, 1)));
  const std::vector<Batch> expected = Take(whole.get(), 9);
  for (const int64_t start : {1, 3, 5}) {
    LoaderOptions options = Options(3, 2);
    options.start_step = start;
    ASSERT_OK_AND_ASSIGN(auto loader, BatchLoader::Create(set, options));
    EXPECT_EQ(loader->next_step(), start);
    for (const Batch& batch : Take(loader.get(), 4)) {
      ExpectEqual(batch, expected[batch.step]);
    }
  }
}

TEST(BatchLoaderTest, EpochsArePermutationsAndDiffer) {
  ASSERT_OK_AND_ASSIGN(auto loader,
                       BatchLoader::Create(Scenes(8), Options(4, 1)));
  const std::vector<Batch> batches = Take(loader.get(), 6);
  std::vector<std::vector<std::string>> orders(3);
  for (const Batch& batch : batches) {
    auto& order = orders[batch.step / 2];
    order.insert(order.end(), batch.ids.begin(), batch.ids.end());
  }
  for (const auto& order : orders) {
    EXPECT_EQ(std::set<std::string>(order.begin(), order.end()).size(), 8u);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
}

TEST(BatchLoaderTest, SeedsAndEpochsChangeTheAugmentation) {
  LoaderOptions options = Options(2, 0);
  options.shuffle = false;
  const auto set = Scenes(2);
  ASSERT_OK_AND_ASSIGN(auto a, BatchLoader::Create(set, options));
  options.seed = 18;
  ASSERT_OK_AND_ASSIGN(auto b, BatchLoader::Create(set, options));
  const std::vector<Batch> from_a = Take(a.get(), 2);
  const std::vector<Batch> from_b = Take(b.get(), 1);
  EXPECT_EQ(from_a[0].ids, from_a[1].ids);
  EXPECT_FALSE(from_a[0].images.equal(from_a[1].images));
  EXPECT_FALSE(from_a[0].images.equal(from_b[0].images));
}

TEST(BatchLoaderTest, KeepsTheSmallLastBatchWhenAsked) {
  LoaderOptions options = Options(3, 1);
  options.drop_last = false;
  ASSERT_OK_AND_ASSIGN(auto loader, BatchLoader::Create(Scenes(7), options));
  EXPECT_EQ(loader->batches_per_epoch(), 3);
  const std::vector<Batch> batches = Take(loader.get(), 4);
  EXPECT_EQ(batches[2].ids.size(), 1u);
  EXPECT_EQ(batches[2].images.size(0), 1);
  EXPECT_EQ(batches[3].images.size(0), 3);
}

TEST(BatchLoaderTest, WorksWithoutMasks) {
  const PackFixture pack;
  pack.WriteWhole(2, 6, 5);
  pack.WriteText("dataset.yaml", "has_masks: false\nclasses: []\n");
  DataConfig config;
  config.pack = pack.folder();
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  ASSERT_OK_AND_ASSIGN(auto loader, BatchLoader::Create(set, Options(2, 1)));
  const std::vector<Batch> batches = Take(loader.get(), 1);
  EXPECT_FALSE(batches[0].masks.defined());
  EXPECT_EQ(batches[0].images.size(0), 2);
}

TEST(BatchLoaderTest, AWorkersErrorNamesTheFileAndStays) {
  const PackFixture pack;
  pack.WriteWhole(4, 6, 5);
  pack.WriteText("images/s2.png", "not a picture");
  DataConfig config;
  config.pack = pack.folder();
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  LoaderOptions options;
  options.shuffle = false;
  for (const int64_t workers : {0, 1, 2}) {
    options.workers = workers;
    ASSERT_OK_AND_ASSIGN(auto loader, BatchLoader::Create(set, options));
    EXPECT_EQ(Take(loader.get(), 2).size(), 2u);
    const auto batch = loader->Next();
    ASSERT_FALSE(batch.ok());
    EXPECT_THAT(std::string(batch.status().message()),
                HasSubstr("images/s2.png"));
    EXPECT_EQ(loader->next_step(), 2);
    EXPECT_EQ(loader->Next().status(), batch.status());
  }
}

TEST(BatchLoaderTest, DifferentSizesNameBothFilesAndTheRemedy) {
  const PackFixture pack;
  pack.WriteWhole(1, 6, 5);
  pack.WriteSample("t", 7, 9, 3);
  pack.WriteText("train.txt", "s0\nt\n");
  DataConfig config;
  config.pack = pack.folder();
  ASSERT_OK_AND_ASSIGN(const auto set, OpenDataset(config, "", "train"));
  LoaderOptions options;
  options.batch_size = 2;
  options.shuffle = false;
  ASSERT_OK_AND_ASSIGN(auto loader, BatchLoader::Create(set, options));
  EXPECT_THAT(loader->Next(),
              StatusIs(kInvalid, AllOf(HasSubstr("images/s0.png (5x6)"),
                                       HasSubstr("images/t.png (9x7)"),
                                       HasSubstr("crop_height"))));
  ASSERT_OK_AND_ASSIGN(auto cropped, BatchLoader::Create(set, Options(2, 1)));
  EXPECT_OK(cropped->Next());
}

class ThrowingDataset : public Dataset {
 public:
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return 1; }
  std::string id(int64_t) const override { return "x"; }
  absl::StatusOr<Sample> Get(int64_t) const override {
    TORCH_CHECK(false, "a tensor operator failed");
  }

 private:
  DatasetInfo info_;
};

TEST(BatchLoaderTest, ExceptionsBecomeStatuses) {
  for (const int64_t workers : {0, 1}) {
    LoaderOptions options;
    options.workers = workers;
    ASSERT_OK_AND_ASSIGN(
        auto loader,
        BatchLoader::Create(std::make_shared<ThrowingDataset>(), options));
    EXPECT_THAT(loader->Next(), StatusIs(absl::StatusCode::kInternal,
                                         HasSubstr("a tensor operator")));
  }
}

TEST(BatchLoaderTest, MayBeDroppedAtAnyTime) {
  const auto set = Scenes(6);
  { ASSERT_OK_AND_ASSIGN(auto l, BatchLoader::Create(set, Options(2, 2))); }
  ASSERT_OK_AND_ASSIGN(auto loader, BatchLoader::Create(set, Options(2, 2)));
  EXPECT_OK(loader->Next());
}

TEST(BatchLoaderTest, RefusesBadOptions) {
  const auto set = Scenes(3);
  const auto expect_bad = [&](auto change, const char* message) {
    LoaderOptions options;
    change(&options);
    EXPECT_THAT(BatchLoader::Create(set, options),
                StatusIs(kInvalid, HasSubstr(message)));
  };
  using O = LoaderOptions*;
  expect_bad([](O o) { o->batch_size = 0; }, "batch_size: 0");
  expect_bad([](O o) { o->batch_size = 4; },
             "3 samples do not fill a batch of 4");
  expect_bad([](O o) { o->workers = -1; }, "data.workers: -1");
  expect_bad([](O o) { o->start_step = -1; }, "start_step: -1");
  expect_bad([](O o) { o->augment.crop_width = 3; }, "crop_height");
  EXPECT_THAT(BatchLoader::Create(Scenes(0), LoaderOptions()),
              StatusIs(kInvalid, HasSubstr("has no samples")));
}

TEST(TrainingLoaderOptionsTest, TakesWorkersAndAugmentation) {
  DataConfig config;
  config.workers = 3;
  config.augment.hue = 0.25;
  const LoaderOptions options = TrainingLoaderOptions(config, 8, 5, 100);
  EXPECT_EQ(options.batch_size, 8);
  EXPECT_EQ(options.seed, 5u);
  EXPECT_EQ(options.start_step, 100);
  EXPECT_EQ(options.workers, 3);
  EXPECT_EQ(options.augment.hue, 0.25);
  EXPECT_TRUE(options.shuffle);
  EXPECT_TRUE(options.drop_last);
}

}  // namespace
}  // namespace seg
