#include "common/datasets/views.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/datasets/augment.h"
#include "common/datasets/transforms.h"

namespace seg {
namespace {

// Every sample by a function of it and of its number.
class Changed : public Dataset {
 public:
  using Change =
      std::function<absl::StatusOr<Sample>(const Sample&, int64_t index)>;

  Changed(std::shared_ptr<const Dataset> base, Change change)
      : base_(std::move(base)), change_(std::move(change)) {}

  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return base_->size(); }
  std::string id(int64_t index) const override { return base_->id(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    SEG_ASSIGN_OR_RETURN(const Sample sample, base_->Get(index));
    return change_(sample, index);
  }

 private:
  std::shared_ptr<const Dataset> base_;
  Change change_;
};

class First : public Dataset {
 public:
  explicit First(std::shared_ptr<const Dataset> base)
      : base_(std::move(base)) {}

  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return 1; }
  std::string id(int64_t index) const override { return base_->id(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    return base_->Get(index == 0 ? 0 : base_->size());  // out of range: its way
  }

 private:
  std::shared_ptr<const Dataset> base_;
};

class Cached : public Dataset {
 public:
  Cached(std::shared_ptr<const Dataset> base, int64_t max_bytes)
      : base_(std::move(base)),
        free_bytes_(max_bytes),
        samples_(base_->size()) {}

  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return base_->size(); }
  std::string id(int64_t index) const override { return base_->id(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    if (index < 0 || index >= size()) return base_->Get(index);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (samples_[index].image.defined()) return samples_[index];
    }
    // Read outside the lock. Two threads may read the same sample at once; both
    // get equal bytes and the first is kept.
    SEG_ASSIGN_OR_RETURN(Sample sample, base_->Get(index));
    int64_t bytes = 0;
    for (const at::Tensor& t :
         {sample.image, sample.mask, sample.probabilities, sample.points}) {
      if (t.defined()) bytes += static_cast<int64_t>(t.nbytes());
    }
    std::lock_guard<std::mutex> lock(mutex_);
    if (!samples_[index].image.defined() && bytes <= free_bytes_) {
      free_bytes_ -= bytes;
      samples_[index] = sample;
    }
    return sample;
  }

 private:
  std::shared_ptr<const Dataset> base_;
  mutable std::mutex mutex_;
  mutable int64_t free_bytes_;
  mutable std::vector<Sample> samples_;
};

}  // namespace

absl::Status ValidateResize(const ResizeOptions& options) {
  if ((options.resize_height == 0) != (options.resize_width == 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.resize_height, data.resize_width: ", options.resize_height, ", ",
        options.resize_width,
        ", expected both positive or both 0; to keep the proportions set "
        "resize_longer or resize_shorter instead"));
  }
  const int modes = (options.resize_height != 0) +
                    (options.resize_longer != 0) +
                    (options.resize_shorter != 0);
  if (modes > 1) {
    return absl::InvalidArgumentError(
        "data.resize_*: expected at most one of resize_height with "
        "resize_width, resize_longer, resize_shorter");
  }
  for (const int64_t side : {options.resize_height, options.resize_width,
                             options.resize_longer, options.resize_shorter}) {
    if (side < 0 || side > 16384) {
      return absl::InvalidArgumentError(
          absl::StrCat("data.resize_*: ", side, ", expected 0 .. 16384"));
    }
  }
  return absl::OkStatus();
}

ImageSize ResizedSize(const ResizeOptions& options, ImageSize size) {
  if (options.resize_height > 0) {
    return {options.resize_height, options.resize_width};
  }
  int64_t wanted = 0;
  int64_t side = 0;
  if (options.resize_longer > 0) {
    wanted = options.resize_longer;
    side = std::max(size.height, size.width);
  } else if (options.resize_shorter > 0) {
    wanted = options.resize_shorter;
    side = std::min(size.height, size.width);
  } else {
    return size;
  }
  const auto scaled = [&](int64_t n) {  // round(n * wanted / side)
    return std::max<int64_t>(1, (2 * n * wanted + side) / (2 * side));
  };
  return {scaled(size.height), scaled(size.width)};
}

absl::StatusOr<Sample> ResizedSample(const Sample& sample,
                                     const ResizeOptions& options) {
  const ImageSize to =
      ResizedSize(options, {sample.image.size(1), sample.image.size(2)});
  if (to.height * to.width > kMaxPixels) {
    return absl::InvalidArgumentError(absl::StrCat(
        sample.path, ": ", sample.image.size(2), "x", sample.image.size(1),
        " would become ", to.width, "x", to.height,
        " pixels by data.resize_*; ask for a smaller size"));
  }
  return ResizeSample(sample, to.height, to.width);
}

std::shared_ptr<const Dataset> ResizedDataset(
    std::shared_ptr<const Dataset> dataset, const ResizeOptions& options) {
  if (options.resize_height == 0 && options.resize_longer == 0 &&
      options.resize_shorter == 0) {
    return dataset;
  }
  return std::make_shared<Changed>(
      std::move(dataset), [options](const Sample& sample, int64_t /*index*/) {
        return ResizedSample(sample, options);
      });
}

std::shared_ptr<const Dataset> AugmentedDataset(
    std::shared_ptr<const Dataset> dataset, const AugmentOptions& options) {
  const DatasetInfo info = dataset->info();
  return std::make_shared<Changed>(
      std::move(dataset), [options, info](const Sample& sample, int64_t index) {
        constexpr uint64_t kPurpose = 0x6f6e6365;  // "once"
        return Augment(sample, info, options,
                       RandomKey({kPurpose, static_cast<uint64_t>(index)}));
      });
}

std::shared_ptr<const Dataset> FirstSample(
    std::shared_ptr<const Dataset> dataset) {
  return std::make_shared<First>(std::move(dataset));
}

std::shared_ptr<const Dataset> CachedDataset(
    std::shared_ptr<const Dataset> dataset, int64_t max_bytes) {
  return std::make_shared<Cached>(std::move(dataset), max_bytes);
}

}  // namespace seg
