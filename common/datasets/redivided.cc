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
  Redivided(std::vector<std::shared_ptr<const Dataset>> sets,
            std::vector<int64_t> indices)
      : sets_(std::move(sets)), indices_(std::move(indices)) {}

  const DatasetInfo& info() const override { return sets_[0]->info(); }
  int64_t size() const override {
    return static_cast<int64_t>(indices_.size());
  }
  std::string id(int64_t index) const override {
    const auto [set, at] = Find(indices_[index]);
    return set->id(at);
  }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    if (index < 0 || index >= size()) return sets_[0]->Get(sets_[0]->size());
    const auto [set, at] = Find(indices_[index]);
    return set->Get(at);
  }

 private:
  // Number `at` of all sets together: its set, and its number there.
  std::pair<const Dataset*, int64_t> Find(int64_t at) const {
    size_t k = 0;
    while (at >= sets_[k]->size()) at -= sets_[k++]->size();
    return {sets_[k].get(), at};
  }

  std::vector<std::shared_ptr<const Dataset>> sets_;
  std::vector<int64_t> indices_;  // of all sets together
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> RedividedDataset(
    std::vector<std::shared_ptr<const Dataset>> sets, size_t part,
    uint64_t seed) {
  int64_t total = 0;
  for (const auto& set : sets) {
    if (set->info().class_names != sets[0]->info().class_names) {
      return absl::InvalidArgumentError(
          absl::StrCat("data.split_seed: ", sets[0]->info().name,
                       ": the splits are not of the same classes"));
    }
    total += set->size();
  }
  const std::vector<int64_t> order =
      RandomPermutation(total, RandomKey({seed}));
  // The second set's part comes first, then the third's, .., then the first's.
  int64_t begin = 0;
  for (size_t k = 1; k < sets.size() && k != part; ++k) {
    begin += sets[k]->size();
  }
  const auto first = order.begin() + begin;
  std::vector<int64_t> indices(first, first + sets[part]->size());
  std::sort(indices.begin(), indices.end());
  return std::make_shared<Redivided>(std::move(sets), std::move(indices));
}

}  // namespace seg
