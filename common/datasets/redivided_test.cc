#include "common/datasets/redivided.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/datasets/data_config.h"
#include "common/datasets/open.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

DataConfig Scenes(int64_t split_seed) {
  DataConfig config;
  config.synthetic.height = config.synthetic.width = 16;
  config.synthetic.train = 9;
  config.synthetic.val = 4;
  config.synthetic.test = 3;
  config.split_seed = split_seed;
  return config;
}

std::vector<std::string> Ids(const DataConfig& config,
                             const std::string& split) {
  const auto dataset = OpenDataset(config, "", split);
  EXPECT_OK(dataset.status());
  std::vector<std::string> ids;
  if (!dataset.ok()) return ids;
  for (int64_t i = 0; i < (*dataset)->size(); ++i) {
    ids.push_back((*dataset)->id(i));
  }
  return ids;
}

TEST(RedividedTest, OtherPartsOfTheSameImages) {
  const std::vector<std::string> train = Ids(Scenes(-1), "train");
  const std::vector<std::string> val = Ids(Scenes(-1), "val");
  std::set<std::string> all(train.begin(), train.end());
  all.insert(val.begin(), val.end());
  std::set<std::vector<std::string>> seen = {val};
  for (const int64_t seed : {0, 1, 2}) {
    const std::vector<std::string> new_train = Ids(Scenes(seed), "train");
    const std::vector<std::string> new_val = Ids(Scenes(seed), "val");
    EXPECT_EQ(new_train.size(), 9u);
    EXPECT_EQ(new_val.size(), 4u);
    std::set<std::string> both(new_train.begin(), new_train.end());
    both.insert(new_val.begin(), new_val.end());
    EXPECT_EQ(both, all) << seed;
    EXPECT_TRUE(seen.insert(new_val).second) << seed;
    EXPECT_EQ(Ids(Scenes(seed), "val"), new_val);
    // The test list is no part of it.
    EXPECT_EQ(Ids(Scenes(seed), "test"), Ids(Scenes(-1), "test"));
  }
}

TEST(RedividedTest, TestTakesPart) {
  const std::vector<std::string> splits = {"train", "val", "test"};
  std::set<std::string> all;
  for (const std::string& split : splits) {
    for (const std::string& id : Ids(Scenes(-1), split)) all.insert(id);
  }
  ASSERT_EQ(all.size(), 16u);
  std::set<std::vector<std::string>> tests = {Ids(Scenes(-1), "test")};
  for (const int64_t seed : {0, 1, 2}) {
    DataConfig config = Scenes(seed);
    config.split_all = true;
    std::set<std::string> together;
    for (const std::string& split : splits) {
      const std::vector<std::string> ids = Ids(config, split);
      EXPECT_EQ(ids.size(), Ids(Scenes(-1), split).size()) << split;
      together.insert(ids.begin(), ids.end());
    }
    EXPECT_EQ(together, all) << seed;  // so the parts are disjoint
    EXPECT_TRUE(tests.insert(Ids(config, "test")).second) << seed;
  }
  DataConfig listed = Scenes(-1);
  listed.split_all = true;  // alone it does nothing
  EXPECT_EQ(Ids(listed, "test"), Ids(Scenes(-1), "test"));
}

// Recorded results depend on which images these are.
TEST(RedividedTest, ValIsTheFirstOfThePermutation) {
  std::vector<std::string> all = Ids(Scenes(-1), "train");
  for (const std::string& id : Ids(Scenes(-1), "val")) all.push_back(id);
  std::vector<int64_t> first = RandomPermutation(13, RandomKey({7}));
  first.resize(4);
  std::sort(first.begin(), first.end());
  std::vector<std::string> expected;
  for (const int64_t i : first) expected.push_back(all[i]);
  EXPECT_EQ(Ids(Scenes(7), "val"), expected);
}

TEST(RedividedTest, SamplesAreThoseOfTheirNames) {
  ASSERT_OK_AND_ASSIGN(const auto train, OpenDataset(Scenes(-1), "", "train"));
  ASSERT_OK_AND_ASSIGN(const auto val, OpenDataset(Scenes(-1), "", "val"));
  ASSERT_OK_AND_ASSIGN(const auto part, RedividedDataset({train, val}, 0, 5));
  for (int64_t i = 0; i < part->size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const Sample sample, part->Get(i));
    EXPECT_EQ(sample.id, part->id(i));
    bool found = false;
    for (const auto& base : {train, val}) {
      for (int64_t j = 0; j < base->size(); ++j) {
        if (base->id(j) != sample.id) continue;
        ASSERT_OK_AND_ASSIGN(const Sample own, base->Get(j));
        EXPECT_TRUE(at::equal(own.image, sample.image));
        EXPECT_TRUE(at::equal(own.mask, sample.mask));
        found = true;
      }
    }
    EXPECT_TRUE(found) << sample.id;
  }
  EXPECT_THAT(part->Get(part->size()).status(),
              StatusIs(absl::StatusCode::kOutOfRange, testing::_));
  EXPECT_THAT(part->Get(-1).status(),
              StatusIs(absl::StatusCode::kOutOfRange, testing::_));
}

TEST(RedividedTest, OtherClasses) {
  ASSERT_OK_AND_ASSIGN(const auto train, OpenDataset(Scenes(-1), "", "train"));
  DataConfig digits = Scenes(-1);
  digits.pack = "synthetic:digits";
  digits.synthetic.height = digits.synthetic.width = 32;
  ASSERT_OK_AND_ASSIGN(const auto val, OpenDataset(digits, "", "val"));
  EXPECT_THAT(
      RedividedDataset({train, val}, 1, 0).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               testing::HasSubstr("the splits are not of the same classes")));
}

}  // namespace
}  // namespace seg
