#include "common/training/training_data.h"

#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/utils.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"

namespace seg {
namespace {

using Clock = std::chrono::steady_clock;
using Make = std::function<absl::StatusOr<Batch>(int64_t, int64_t)>;

// The loader's streams are 1 (order) and 2 (augmentation).
constexpr uint64_t kStream = 3;

class FunctionSource : public BatchSource {
 public:
  FunctionSource(Make make, int64_t batches_per_epoch, int64_t seed,
                 int64_t start_step)
      : make_(std::move(make)),
        batches_per_epoch_(batches_per_epoch),
        seed_(seed),
        step_(start_step) {}

  absl::StatusOr<Batch> Next() override {
    const auto begin = Clock::now();
    absl::StatusOr<Batch> batch = MakeNext();
    wait_seconds_ +=
        std::chrono::duration<double>(Clock::now() - begin).count();
    if (batch.ok()) ++step_;
    return batch;
  }
  int64_t batches_per_epoch() const override { return batches_per_epoch_; }
  double wait_seconds() const override { return wait_seconds_; }

 private:
  absl::StatusOr<Batch> MakeNext() const {
    torch::manual_seed(RandomKey(
        {static_cast<uint64_t>(seed_), kStream, static_cast<uint64_t>(step_)}));
    const c10::AutoGradMode no_grad(false);
    absl::StatusOr<Batch> batch;
    try {
      batch = make_(seed_, step_);
    } catch (const c10::Error& e) {
      batch = absl::InternalError(e.what_without_backtrace());
    }
    if (!batch.ok()) {
      return absl::Status(batch.status().code(),
                          absl::StrCat("making the batch of step ", step_ + 1,
                                       ": ", batch.status().message()));
    }
    if (!batch->images.defined() || batch->images.dim() != 4) {
      return absl::InternalError(absl::StrCat(
          "making the batch of step ", step_ + 1,
          ": expected images [N,3,H,W], got ",
          batch->images.defined() ? batch->images.dim() : 0, " axes"));
    }
    if (batch->ids.empty()) {
      for (int64_t i = 0; i < batch->images.size(0); ++i) {
        batch->ids.push_back(absl::StrCat("made:", seed_, ":", step_, ":", i));
      }
    }
    batch->step = step_;
    batch->epoch = static_cast<double>(step_ + 1) /
                   static_cast<double>(batches_per_epoch_);
    return batch;
  }

  const Make make_;
  const int64_t batches_per_epoch_;
  const int64_t seed_;
  int64_t step_;
  double wait_seconds_ = 0;
};

}  // namespace

TrainingData FromDataset(std::shared_ptr<const Dataset> dataset,
                         LoaderOptions options) {
  TrainingData data;
  data.info = dataset->info();
  data.samples = dataset->size();
  data.open =
      [dataset = std::move(dataset), options](
          int64_t seed,
          int64_t start_step) -> absl::StatusOr<std::unique_ptr<BatchSource>> {
    LoaderOptions own = options;
    own.seed = static_cast<uint64_t>(seed);
    own.start_step = start_step;
    return BatchLoader::Create(dataset, own);
  };
  return data;
}

TrainingData FromFunction(DatasetInfo info, int64_t batches_per_epoch,
                          Make make) {
  TORCH_CHECK(batches_per_epoch >= 1,
              "FromFunction: batches_per_epoch must be at least 1, got ",
              batches_per_epoch);
  TrainingData data;
  data.info = std::move(info);
  data.open =
      [make = std::move(make), batches_per_epoch](
          int64_t seed,
          int64_t start_step) -> absl::StatusOr<std::unique_ptr<BatchSource>> {
    return std::make_unique<FunctionSource>(make, batches_per_epoch, seed,
                                            start_step);
  };
  return data;
}

}  // namespace seg
