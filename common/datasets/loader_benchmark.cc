// How much CPU time a training batch costs: JPEG decoding, augmentation,
// collation. Items are samples.
//   bazel run //common/datasets:loader_benchmark
#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "common/datasets/augment.h"
#include "common/datasets/loader.h"
#include "common/datasets/synthetic/scenes.h"
#include "common/datasets/transforms.h"
#include "common/io/image.h"

namespace seg {
namespace {

constexpr int64_t kHeight = 375;
constexpr int64_t kWidth = 500;

// Decodes a JPEG held in memory for every sample, as from a warm disk.
class JpegDataset : public Dataset {
 public:
  JpegDataset() : info_(ScenesInfo()) {
    ScenesOptions options;
    options.height = kHeight;
    options.width = kWidth;
    for (int64_t i = 0; i < 16; ++i) {
      const Sample sample = MakeScene(options, i);
      jpegs_.push_back(*EncodeJpeg(sample.image, 90));
      masks_.push_back(*EncodeMask(sample.mask, info_.palette));
    }
  }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return static_cast<int64_t>(jpegs_.size()); }
  std::string id(int64_t index) const override { return std::to_string(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    Sample sample;
    sample.id = id(index);
    sample.image = *DecodeImage(jpegs_[index]);
    sample.mask = *DecodeMask(masks_[index]);
    return sample;
  }

 private:
  DatasetInfo info_;
  std::vector<std::string> jpegs_;
  std::vector<std::string> masks_;
};

AugmentOptions FullAugmentation() {
  AugmentOptions options;
  options.crop_height = options.crop_width = 256;
  options.scale_min = 0.5;
  options.scale_max = 2.0;
  options.flip = true;
  options.rotation = 10;
  options.brightness = options.contrast = options.saturation = 0.3;
  options.hue = 0.05;
  return options;
}

void BM_Scene(benchmark::State& state) {
  ScenesOptions options;
  options.height = options.width = state.range(0);
  int64_t index = 0;
  for (auto _ : state) benchmark::DoNotOptimize(MakeScene(options, index++));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Scene)->Arg(64)->Arg(128)->Arg(256);

void BM_DecodeSample(benchmark::State& state) {
  const JpegDataset set;
  int64_t index = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(set.Get(index++ % set.size()));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_DecodeSample)->Unit(benchmark::kMillisecond);

void BM_Augment(benchmark::State& state) {
  const JpegDataset set;
  const Sample sample = *set.Get(0);
  AugmentOptions options = FullAugmentation();
  if (state.range(0) == 0) {
    options = AugmentOptions();
    options.crop_height = options.crop_width = 256;
    options.flip = true;
  }
  uint64_t key = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Augment(sample, set.info(), options, key++));
  }
  state.SetLabel(state.range(0) == 0 ? "crop, flip" : "all");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Augment)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void BM_Resize(benchmark::State& state) {
  const JpegDataset set;
  const Sample sample = *set.Get(0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ResizeSample(sample, 192, 256));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Resize)->Unit(benchmark::kMillisecond);

// The peer of ResizeImage: LibTorch's anti-aliased resampling of bytes.
void BM_ResizeTorch(benchmark::State& state) {
  const JpegDataset set;
  const at::Tensor image = set.Get(0)->image.unsqueeze(0);
  at::set_num_threads(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        at::_upsample_bilinear2d_aa(image, {192, 256}, false));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ResizeTorch)->Unit(benchmark::kMillisecond);

// Whole batches of 8 with `range(0)` workers.
void BM_Batch(benchmark::State& state) {
  LoaderOptions options;
  options.batch_size = 8;
  options.workers = state.range(0);
  options.augment = FullAugmentation();
  auto loader = *BatchLoader::Create(std::make_shared<JpegDataset>(), options);
  for (auto _ : state) benchmark::DoNotOptimize(loader->Next());
  state.SetItemsProcessed(state.iterations() * options.batch_size);
}
BENCHMARK(BM_Batch)
    ->Arg(0)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

// Keeps `threads` cores busy for `seconds`, as a training step does.
void Compute(int threads, double seconds) {
  const auto spin = [seconds] {
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
    }
  };
  std::vector<std::thread> team;
  for (int i = 1; i < threads; ++i) team.emplace_back(spin);
  spin();
  for (std::thread& t : team) t.join();
}

// Share of the time that a training loop waits for data: batches of 8, steps
// of half a second on two cores. Goal: below 0.05 with one or two workers.
void BM_WaitShare(benchmark::State& state) {
  LoaderOptions options;
  options.batch_size = 8;
  options.workers = state.range(0);
  options.augment = FullAugmentation();
  auto loader = *BatchLoader::Create(std::make_shared<JpegDataset>(), options);
  benchmark::DoNotOptimize(loader->Next());  // the first is always waited for
  const double before = loader->wait_seconds();
  double total = 0;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    Compute(2, 0.5);
    benchmark::DoNotOptimize(loader->Next());
    total +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
  }
  state.counters["wait_share"] = (loader->wait_seconds() - before) / total;
}
BENCHMARK(BM_WaitShare)
    ->Arg(0)
    ->Arg(1)
    ->Arg(2)
    ->Iterations(8)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace seg

BENCHMARK_MAIN();
