#include "common/datasets/redivided.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"

namespace seg {
namespace {

class Redivided : public Dataset {
 public:
  Redivided(std::shared_ptr<const Dataset> train,
            std::shared_ptr<const Dataset> val, std::vector<int64_t> indices)
      : train_(std::move(train)),
        val_(std::move(val)),
        indices_(std::move(indices)) {}

  const DatasetInfo& info() const override { return train_->info(); }
  int64_t size() const override {
    return static_cast<int64_t>(indices_.size());
  }
  std::string id(int64_t index) const override {
    const int64_t at = indices_[index];
    return at < train_->size() ? train_->id(at) : val_->id(at - train_->size());
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    if (index < 0 || index >= size()) return train_->Get(train_->size());
    const int64_t at = indices_[index];
    return at < train_->size() ? train_->Get(at)
                               : val_->Get(at - train_->size());
  }

 private:
  std::shared_ptr<const Dataset> train_, val_;
  std::vector<int64_t> indices_;  // of train, then of val
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> RedividedDataset(
    std::shared_ptr<const Dataset> train, std::shared_ptr<const Dataset> val,
    TrainingPart part, uint64_t seed) {
  if (train->info().class_names != val->info().class_names) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.split_seed: ", train->info().name,
                     ": train and val are not of the same classes"));
  }
  const int64_t held_out = val->size();
  const std::vector<int64_t> order =
      RandomPermutation(train->size() + held_out, RandomKey({seed}));
  const auto middle = order.begin() + held_out;
  std::vector<int64_t> indices =
      part == TrainingPart::kVal ? std::vector<int64_t>(order.begin(), middle)
                                 : std::vector<int64_t>(middle, order.end());
  std::sort(indices.begin(), indices.end());
  return std::make_shared<Redivided>(std::move(train), std::move(val),
                                     std::move(indices));
}

}  // namespace seg
