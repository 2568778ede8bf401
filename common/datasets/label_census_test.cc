#include "common/datasets/label_census.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

DatasetInfo Info(const std::vector<std::string>& names) {
  DatasetInfo info;
  info.name = "made";
  info.class_names = names;
  return info;
}

LabelFindings Judge(const DatasetInfo& info,
                    const std::vector<std::vector<int64_t>>& masks) {
  LabelCensus census(info);
  for (const auto& mask : masks) {
    census.Add(CountLabels(at::tensor(mask, at::kLong).to(at::kByte)));
  }
  return JudgeLabels(census, info, "roads/masks");
}

TEST(LabelCensusTest, Counts) {
  LabelCensus census(Info({"a", "b", "c"}));
  census.Add(CountLabels(at::tensor({0, 0, 2, 255}, at::kByte)));
  EXPECT_FALSE(census.HasAllClasses());
  census.Add(CountLabels(at::tensor({255, 255}, at::kByte)));
  census.Add(CountLabels(at::tensor({1, 2, 9}, at::kByte)));
  EXPECT_TRUE(census.HasAllClasses());
  EXPECT_EQ(census.masks, 3);
  EXPECT_EQ(census.void_masks, 1);
  EXPECT_EQ(census.void_pixels, 3);
  EXPECT_THAT(census.class_pixels, ElementsAre(2, 1, 2));
  EXPECT_THAT(census.class_masks, ElementsAre(1, 1, 2));
}

TEST(JudgeLabelsTest, MasksThatMeanSomethingElse) {
  const DatasetInfo two = Info({"ground", "road"});
  // 0 and 255 for two classes.
  EXPECT_THAT(
      Judge(two, {{0, 255}, {0}}).errors,
      ElementsAre(AllOf(
          HasSubstr("the only class is 0 (ground), the other pixels are 255, "
                    "which is void (ignore_label); class 1 (road) occurs "
                    "nowhere"),
          HasSubstr("//tools:convert_masks -- roads/masks --out=NEW_FOLDER "
                    "255=1"))));
  // The same of three classes, and with another ignore label.
  EXPECT_THAT(Judge(Info({"a", "b", "c"}), {{0, 255}}).errors,
              ElementsAre(HasSubstr("classes 1 (b), 2 (c) occur nowhere")));
  DatasetInfo other = two;
  other.ignore_label = 2;
  EXPECT_THAT(Judge(other, {{1, 2}}).errors,
              ElementsAre(AllOf(HasSubstr("the only class is 1 (road)"),
                                HasSubstr("2=0"))));
  // All void.
  EXPECT_THAT(Judge(two, {{255}, {255}}).errors,
              ElementsAre(HasSubstr("every pixel is 255, which is void")));
  // One value everywhere.
  EXPECT_THAT(Judge(two, {{0}, {0, 0}}).errors,
              ElementsAre(AllOf(HasSubstr("the only class is 0 (ground)"),
                                HasSubstr("hold class ids"))));
}

TEST(JudgeLabelsTest, AClassThatNoMaskHasIsAWarning) {
  const LabelFindings findings =
      Judge(Info({"a", "b", "c"}), {{0, 1}, {1, 255}});
  EXPECT_THAT(findings.errors, IsEmpty());
  EXPECT_THAT(findings.warnings,
              ElementsAre(AllOf(HasSubstr("class 2 (c) occurs nowhere"),
                                HasSubstr("data.map"), HasSubstr("255=2"))));
  EXPECT_THAT(Judge(Info({"a", "b", "c"}), {{0, 1}}).warnings,
              ElementsAre(Not(HasSubstr("convert"))));
}

TEST(JudgeLabelsTest, NothingToSay) {
  for (const LabelFindings& findings :
       {Judge(Info({"a", "b"}), {{0, 1, 255}}),
        Judge(Info({"a"}), {{0, 255}}),  // one class and no opinion elsewhere
        Judge(Info({"a", "b"}), {})}) {
    EXPECT_THAT(findings.errors, IsEmpty());
    EXPECT_THAT(findings.warnings, IsEmpty());
  }
}

// Masks of one pixel row; Get counts its calls.
class Masks : public Dataset {
 public:
  Masks(DatasetInfo info, std::vector<std::vector<int64_t>> masks)
      : info_(std::move(info)), masks_(std::move(masks)) {}
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return static_cast<int64_t>(masks_.size()); }
  std::string id(int64_t index) const override { return std::to_string(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    seen.push_back(index);
    if (masks_[index].empty()) {
      return absl::InvalidArgumentError("m.png: mask is a colour PNG");
    }
    Sample sample;
    sample.mask =
        at::tensor(masks_[index], at::kLong).to(at::kByte).view({1, -1});
    sample.image = at::zeros({3, 1, sample.mask.size(1)}, at::kByte);
    return sample;
  }

  mutable std::vector<int64_t> seen;

 private:
  DatasetInfo info_;
  std::vector<std::vector<int64_t>> masks_;
};

std::string Warnings(const Dataset& train) {
  testing::internal::CaptureStderr();
  EXPECT_OK(WarnOfTrainingLabels(train));
  return testing::internal::GetCapturedStderr();
}

TEST(WarnOfTrainingLabelsTest, LooksUntilAllClassesWereSeen) {
  const Masks good(Info({"a", "b"}), {{0}, {0, 1}, {1}, {1}});
  EXPECT_EQ(Warnings(good), "");
  EXPECT_THAT(good.seen, ElementsAre(0, 1));
  const Masks bad(Info({"a", "b"}), {{0, 255}, {0}, {255, 0}});
  EXPECT_THAT(Warnings(bad),
              AllOf(HasSubstr("warning: made, the 3 training masks: the only "
                              "class is 0 (a)"),
                    HasSubstr("convert_masks -- MASKS")));
  EXPECT_THAT(bad.seen, ElementsAre(0, 1, 2));
}

TEST(WarnOfTrainingLabelsTest, OfALargeSetASampleSpreadOverIt) {
  const Masks large(Info({"a", "b", "c"}),
                    std::vector<std::vector<int64_t>>(1000, {0, 1}));
  EXPECT_THAT(Warnings(large),
              HasSubstr("256 of 1000 training masks looked at: class 2 (c) "
                        "occurs nowhere"));
  EXPECT_EQ(large.seen.size(), 256u);
  EXPECT_EQ(large.seen.back(), 996);
  const std::vector<int64_t> first = large.seen;
  large.seen.clear();
  Warnings(large);
  EXPECT_EQ(large.seen, first);
  // Few large masks are enough: 64 megapixels.
  const Masks wide(
      Info({"a", "b", "c"}),
      std::vector<std::vector<int64_t>>(100, std::vector<int64_t>(1 << 20, 1)));
  EXPECT_THAT(Warnings(wide), HasSubstr("64 of 100 training masks"));
}

TEST(WarnOfTrainingLabelsTest, AMaskThatCannotBeReadIsAnError) {
  EXPECT_THAT(WarnOfTrainingLabels(Masks(Info({"a", "b"}), {{}, {0}})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("m.png: mask is a colour PNG")));
  DatasetInfo without = Info({"a", "b"});
  without.has_masks = false;
  EXPECT_OK(WarnOfTrainingLabels(Masks(without, {{}})));
  EXPECT_OK(WarnOfTrainingLabels(Masks(Info({"a", "b"}), {})));
}

}  // namespace
}  // namespace seg
