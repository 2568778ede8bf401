#include "common/datasets/folds.h"

#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"

namespace seg {
namespace {

class Folded : public Dataset {
 public:
  Folded(std::shared_ptr<const Dataset> base, std::vector<int64_t> indices)
      : base_(std::move(base)), indices_(std::move(indices)) {}

  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override {
    return static_cast<int64_t>(indices_.size());
  }
  std::string id(int64_t index) const override {
    return base_->id(indices_[index]);
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    const bool inside = index >= 0 && index < size();
    return base_->Get(inside ? indices_[index] : base_->size());
  }

 private:
  std::shared_ptr<const Dataset> base_;
  std::vector<int64_t> indices_;  // in the base
};

}  // namespace

std::vector<int64_t> FoldIndices(int64_t n, int64_t folds, int64_t fold,
                                 FoldPart part, uint64_t key) {
  TORCH_CHECK(n >= 0 && folds >= 2 && fold >= 0 && fold < folds,
              "FoldIndices: expected folds >= 2 and fold in 0 .. folds - 1, "
              "got ",
              folds, " and ", fold);
  const std::vector<int64_t> order = RandomPermutation(n, key);
  std::vector<bool> held_out(n, false);
  for (int64_t i = n * fold / folds; i < n * (fold + 1) / folds; ++i) {
    held_out[order[i]] = true;
  }
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < n; ++i) {
    if (held_out[i] == (part == FoldPart::kHeldOut)) indices.push_back(i);
  }
  return indices;
}

absl::StatusOr<std::shared_ptr<const Dataset>> FoldedDataset(
    std::shared_ptr<const Dataset> base, int64_t folds, int64_t fold,
    FoldPart part, uint64_t key) {
  if (folds < 2 || folds > base->size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(base->info().name, ": ", folds, " folds, expected 2 .. ",
                     base->size(), ", the number of samples"));
  }
  if (fold < 0 || fold >= folds) {
    return absl::InvalidArgumentError(absl::StrCat(
        base->info().name, ": fold ", fold, ", expected 0 .. ", folds - 1));
  }
  std::vector<int64_t> indices =
      FoldIndices(base->size(), folds, fold, part, key);
  return std::make_shared<Folded>(std::move(base), std::move(indices));
}

}  // namespace seg
