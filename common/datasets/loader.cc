#include "common/datasets/loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/datasets/augment.h"
#include "torch/data/dataloader/stateless.h"
#include "torch/data/samplers/base.h"

namespace seg {
namespace {

std::string Describe(const Sample& s) {
  return absl::StrCat(s.path.empty() ? s.id : s.path, " (", s.image.size(2),
                      "x", s.image.size(1), ")");
}

// The points of all samples, [N,P,3]; undefined where they differ in number or
// one has none.
at::Tensor CollatePoints(const std::vector<Sample>& samples) {
  const at::Tensor& first = samples[0].points;
  for (const Sample& sample : samples) {
    if (!sample.points.defined() || sample.points.size(0) != first.size(0)) {
      return at::Tensor();
    }
  }
  at::Tensor out = at::empty(
      {static_cast<int64_t>(samples.size()), first.size(0), 3}, at::kFloat);
  float* q = out.data_ptr<float>();
  for (const Sample& sample : samples) {
    const at::Tensor points = sample.points.contiguous();
    q = std::copy_n(points.data_ptr<float>(), points.numel(), q);
  }
  return out;
}

absl::StatusOr<Batch> Collate(const std::vector<Sample>& samples,
                              bool has_masks) {
  const int64_t n = static_cast<int64_t>(samples.size());
  const int64_t height = samples[0].image.size(1);
  const int64_t width = samples[0].image.size(2);
  const int64_t plane = height * width;
  Batch batch;
  // Plain loops: ATen would start a thread team in every worker.
  batch.images = at::empty({n, 3, height, width}, at::kFloat);
  if (has_masks) batch.masks = at::empty({n, height, width}, at::kLong);
  const bool has_probabilities = samples[0].probabilities.defined();
  if (has_probabilities) {
    batch.probabilities =
        at::empty({n, samples[0].probabilities.size(0), height, width});
  }
  for (int64_t i = 0; i < n; ++i) {
    const Sample& sample = samples[i];
    if (sample.image.size(1) != height || sample.image.size(2) != width) {
      return absl::InvalidArgumentError(absl::StrCat(
          Describe(sample), " and ", Describe(samples[0]),
          " are in one batch but differ in size; set data.augment.crop_height "
          "and crop_width, or data.resize_height and resize_width, or a batch "
          "size of 1"));
    }
    batch.ids.push_back(sample.id);
    const at::Tensor image = sample.image.contiguous();
    const uint8_t* p = image.data_ptr<uint8_t>();
    float* q = batch.images.data_ptr<float>() + i * 3 * plane;
    for (int64_t k = 0; k < 3 * plane; ++k) q[k] = p[k];
    if (has_probabilities) {
      const at::Tensor maps = sample.probabilities.contiguous();
      std::copy_n(maps.data_ptr<float>(), maps.numel(),
                  batch.probabilities.data_ptr<float>() + i * maps.numel());
    }
    if (!has_masks) continue;
    if (!sample.mask.defined() || sample.mask.size(0) != height ||
        sample.mask.size(1) != width) {
      return absl::InvalidArgumentError(absl::StrCat(
          Describe(sample), ": its mask is missing or of another size"));
    }
    const at::Tensor mask = sample.mask.contiguous();
    const uint8_t* label = mask.data_ptr<uint8_t>();
    int64_t* target = batch.masks.data_ptr<int64_t>() + i * plane;
    for (int64_t k = 0; k < plane; ++k) target[k] = label[k];
  }
  batch.points = CollatePoints(samples);
  return batch;
}

// Makes whole batches. LibTorch's data loader gives each worker a copy, so the
// data set is held by pointer and the copy's own order needs no lock.
class BatchMaker {
 public:
  using BatchType = absl::StatusOr<Batch>;

  BatchMaker(std::shared_ptr<const Dataset> dataset,
             const LoaderOptions& options, int64_t batches_per_epoch)
      : dataset_(std::move(dataset)),
        options_(options),
        batches_per_epoch_(batches_per_epoch) {}

  // LibTorch's name and signature; one step a request.
  BatchType get_batch(const std::vector<size_t>& steps) {
    const int64_t step = static_cast<int64_t>(steps[0]);
    try {
      return Make(step);
    } catch (const std::exception& e) {  // a c10::Error from a tensor operator
      return absl::InternalError(
          absl::StrCat("batch of step ", step, ": ", e.what()));
    }
  }

 private:
  absl::StatusOr<Batch> Make(int64_t step) {
    const int64_t epoch = step / batches_per_epoch_;
    if (epoch != epoch_) {
      const uint64_t key = RandomKey(
          {options_.seed, static_cast<uint64_t>(epoch), /*stream=*/1});
      order_ = RandomPermutation(options_.shuffle ? dataset_->size() : 0, key);
      epoch_ = epoch;
    }
    const int64_t begin = step % batches_per_epoch_ * options_.batch_size;
    const int64_t end = std::min(begin + options_.batch_size, dataset_->size());
    std::vector<Sample> samples;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = options_.shuffle ? order_[i] : i;
      SEG_ASSIGN_OR_RETURN(const Sample sample, dataset_->Get(index));
      const uint64_t key =
          RandomKey({options_.seed, static_cast<uint64_t>(epoch), /*stream=*/2,
                     static_cast<uint64_t>(index)});
      samples.push_back(
          Augment(sample, dataset_->info(), options_.augment, key));
    }
    SEG_ASSIGN_OR_RETURN(Batch batch,
                         Collate(samples, dataset_->info().has_masks));
    batch.step = step;
    batch.epoch =
        static_cast<double>(step + 1) / static_cast<double>(batches_per_epoch_);
    return batch;
  }

  std::shared_ptr<const Dataset> dataset_;
  LoaderOptions options_;
  int64_t batches_per_epoch_;
  int64_t epoch_ = -1;  // whose order `order_` is
  std::vector<int64_t> order_;
};

// Counts steps, without end.
class StepSampler : public torch::data::samplers::Sampler<> {
 public:
  explicit StepSampler(int64_t first)
      : first_(static_cast<size_t>(first)), next_(first_) {}
  void reset(std::optional<size_t> = std::nullopt) override { next_ = first_; }
  std::optional<std::vector<size_t>> next(size_t) override {
    return std::vector<size_t>{next_++};
  }
  // The loader resumes by `start_step` instead.
  void save(torch::serialize::OutputArchive&) const override {}
  void load(torch::serialize::InputArchive&) override {}

 private:
  size_t first_;
  size_t next_;
};

absl::Status Validate(const Dataset& dataset, const LoaderOptions& options) {
  const auto bad = [](const char* key, int64_t value, const char* expected) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, ": ", value, ", expected ", expected));
  };
  if (options.batch_size < 1) {
    return bad("batch_size", options.batch_size, ">= 1");
  }
  if (options.start_step < 0) {
    return bad("start_step", options.start_step, ">= 0");
  }
  if (options.workers < 0 || options.workers > 256) {
    return bad("data.workers", options.workers, "0 .. 256");
  }
  SEG_RETURN_IF_ERROR(ValidateAugmentOptions(options.augment));
  if (dataset.size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        dataset.info().name,
        ": the split has no samples; name IDs in its list or take another"));
  }
  if (options.drop_last && dataset.size() < options.batch_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(dataset.info().name, ": ", dataset.size(),
                     " samples do not fill a batch of ", options.batch_size,
                     "; lower the batch size to ", dataset.size(), " or less"));
  }
  return absl::OkStatus();
}

}  // namespace

class BatchLoader::Impl {
 public:
  using Loader = torch::data::StatelessDataLoader<BatchMaker, StepSampler>;

  Impl(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options,
       int64_t batches_per_epoch)
      : batches_per_epoch_(batches_per_epoch),
        next_step_(options.start_step),
        loader_(BatchMaker(std::move(dataset), options, batches_per_epoch),
                StepSampler(options.start_step),
                torch::data::DataLoaderOptions(/*batch_size=*/1)
                    .workers(static_cast<size_t>(options.workers))
                    .max_jobs(static_cast<size_t>(2 * options.workers))
                    .enforce_ordering(true)) {}

  absl::StatusOr<Batch> Next() {
    if (!error_.ok()) return error_;
    const auto begin = std::chrono::steady_clock::now();
    absl::StatusOr<Batch> batch = Advance();
    wait_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count();
    if (batch.ok()) {
      ++next_step_;
    } else {
      error_ = batch.status();
    }
    return batch;
  }

  int64_t next_step() const { return next_step_; }
  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  double wait_seconds() const { return wait_seconds_; }

 private:
  absl::StatusOr<Batch> Advance() {
    if (iterator_.has_value()) {
      ++*iterator_;
    } else {
      iterator_.emplace(loader_.begin());
    }
    return std::move(**iterator_);
  }

  int64_t batches_per_epoch_;
  int64_t next_step_;
  double wait_seconds_ = 0.0;
  absl::Status error_;
  Loader loader_;
  std::optional<torch::data::Iterator<absl::StatusOr<Batch>>> iterator_;
};

LoaderOptions TrainingLoaderOptions(const DataConfig& config,
                                    int64_t batch_size, uint64_t seed,
                                    int64_t start_step) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.seed = seed;
  options.start_step = start_step;
  options.workers = config.workers;
  options.augment = config.augment;
  return options;
}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(
    std::shared_ptr<const Dataset> dataset, const LoaderOptions& options) {
  SEG_RETURN_IF_ERROR(Validate(*dataset, options));
  const int64_t size = dataset->size();
  const int64_t batches =
      options.drop_last ? size / options.batch_size
                        : (size + options.batch_size - 1) / options.batch_size;
  return std::unique_ptr<BatchLoader>(new BatchLoader(
      std::make_unique<Impl>(std::move(dataset), options, batches)));
}

BatchLoader::BatchLoader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BatchLoader::~BatchLoader() = default;

absl::StatusOr<Batch> BatchLoader::Next() { return impl_->Next(); }
int64_t BatchLoader::next_step() const { return impl_->next_step(); }
int64_t BatchLoader::batches_per_epoch() const {
  return impl_->batches_per_epoch();
}
double BatchLoader::wait_seconds() const { return impl_->wait_seconds(); }

}  // namespace seg
