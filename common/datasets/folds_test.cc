#include "common/datasets/folds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/base/random.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class Numbered : public Dataset {
 public:
  explicit Numbered(int64_t size) : size_(size) { info_.name = "numbers"; }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return size_; }
  std::string id(int64_t index) const override { return std::to_string(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    if (index < 0 || index >= size_) return absl::OutOfRangeError("outside");
    Sample sample;
    sample.id = id(index);
    return sample;
  }

 private:
  int64_t size_;
  DatasetInfo info_;
};

TEST(FoldIndicesTest, FollowThePermutation) {
  const std::vector<int64_t> order = RandomPermutation(5, 7);
  std::vector<int64_t> fold = {order[2], order[3], order[4]};  // 5/2 .. 5
  std::sort(fold.begin(), fold.end());
  EXPECT_EQ(FoldIndices(5, 2, 1, FoldPart::kHeldOut, 7), fold);
  std::vector<int64_t> rest = {order[0], order[1]};
  std::sort(rest.begin(), rest.end());
  EXPECT_EQ(FoldIndices(5, 2, 1, FoldPart::kRest, 7), rest);
  EXPECT_THROW(FoldIndices(5, 1, 0, FoldPart::kRest, 7), c10::Error);
  EXPECT_THROW(FoldIndices(5, 2, 2, FoldPart::kRest, 7), c10::Error);
}

TEST(FoldedDatasetTest, PartsAreDisjointAndComplete) {
  const auto base = std::make_shared<Numbered>(23);
  std::multiset<std::string> held_out;
  for (int64_t fold = 0; fold < 10; ++fold) {
    ASSERT_OK_AND_ASSIGN(const auto own,
                         FoldedDataset(base, 10, fold, FoldPart::kHeldOut));
    ASSERT_OK_AND_ASSIGN(const auto rest,
                         FoldedDataset(base, 10, fold, FoldPart::kRest));
    EXPECT_THAT(own->size(), testing::AnyOf(2, 3));
    EXPECT_EQ(own->size() + rest->size(), 23);
    std::set<std::string> all;
    for (const auto& set : {own, rest}) {
      int64_t before = -1;
      for (int64_t i = 0; i < set->size(); ++i) {
        ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(i));
        EXPECT_EQ(sample.id, set->id(i));
        EXPECT_GT(std::stoll(sample.id), before);  // in the base's order
        before = std::stoll(sample.id);
        all.insert(sample.id);
      }
      EXPECT_EQ(set->info().name, "numbers");
    }
    EXPECT_EQ(all.size(), 23u);
    for (int64_t i = 0; i < own->size(); ++i) held_out.insert(own->id(i));
  }
  EXPECT_EQ(held_out.size(), 23u);
  EXPECT_EQ(std::set<std::string>(held_out.begin(), held_out.end()).size(),
            23u);
}

TEST(FoldedDatasetTest, AnotherKeyIsAnotherDivision) {
  EXPECT_NE(FoldIndices(100, 5, 0, FoldPart::kHeldOut, 1),
            FoldIndices(100, 5, 0, FoldPart::kHeldOut, 2));
}

TEST(FoldedDatasetTest, RefusesWhatIsOutOfRange) {
  const auto base = std::make_shared<Numbered>(4);
  const auto open = [&](int64_t folds, int64_t fold) {
    return FoldedDataset(base, folds, fold, FoldPart::kRest).status();
  };
  EXPECT_THAT(open(1, 0),
              StatusIs(kInvalid, HasSubstr("1 folds, expected 2 .. 4")));
  EXPECT_THAT(open(5, 0),
              StatusIs(kInvalid, HasSubstr("5 folds, expected 2 .. 4")));
  EXPECT_THAT(open(3, 3),
              StatusIs(kInvalid, HasSubstr("fold 3, expected 0 .. 2")));
  EXPECT_THAT(open(3, -1), StatusIs(kInvalid, HasSubstr("fold -1")));
  ASSERT_OK_AND_ASSIGN(const auto own,
                       FoldedDataset(base, 4, 0, FoldPart::kHeldOut));
  EXPECT_THAT(own->Get(1),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("outside")));
  EXPECT_THAT(own->Get(-1),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("outside")));
}

}  // namespace
}  // namespace seg
