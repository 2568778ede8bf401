#include "common/datasets/mapped.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "common/config/config.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/datasets/transforms.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Ground, left and right eye, left and right ear, hat; any ignore label.
DatasetInfo Faces() {
  DatasetInfo info;
  info.name = "heads";
  info.class_names = {"ground",   "left eye",  "right eye",
                      "left ear", "right ear", "hat"};
  info.palette = {{0, 0, 0}, {1, 1, 1}, {2, 2, 2},
                  {3, 3, 3}, {4, 4, 4}, {5, 5, 5}};
  info.ignore_label = 9;
  info.flip_pairs = {{1, 2}, {3, 4}};
  return info;
}

TEST(MapInfoTest, MergesLeavesOutAndRenames) {
  ASSERT_OK_AND_ASSIGN(
      const DatasetInfo info,
      MapInfo(Faces(), {0, 2, 1, 0, 0, 255}, {"rest", "right", "left"},
              /*needs_flip=*/true));
  EXPECT_EQ(info.name, "heads");
  EXPECT_EQ(info.ignore_label, 255);
  EXPECT_THAT(info.class_names, ElementsAre("rest", "right", "left"));
  EXPECT_THAT(info.palette,
              ElementsAre(ElementsAre(0, 0, 0), ElementsAre(2, 2, 2),
                          ElementsAre(1, 1, 1)));
  EXPECT_THAT(info.flip_pairs, ElementsAre(Pair(1, 2)));
}

TEST(MapInfoTest, NamesComeFromTheLowestClass) {
  ASSERT_OK_AND_ASSIGN(const DatasetInfo info,
                       MapInfo(Faces(), {1, 0, 0, 0, 0, 1}, {}, true));
  EXPECT_THAT(info.class_names, ElementsAre("left eye", "ground"));
  EXPECT_THAT(info.palette,
              ElementsAre(ElementsAre(1, 1, 1), ElementsAre(0, 0, 0)));
  EXPECT_THAT(info.flip_pairs, IsEmpty());  // both sides are one class now
}

TEST(MapInfoTest, AnEmptyMapChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const DatasetInfo info, MapInfo(Faces(), {}, {}, true));
  EXPECT_EQ(info.num_classes(), 6);
  EXPECT_EQ(info.ignore_label, 9);
  EXPECT_EQ(info.flip_pairs.size(), 2u);
  EXPECT_THAT(MapInfo(Faces(), {}, {"a"}, true),
              StatusIs(kInvalid, HasSubstr("data.class_names: expected "
                                           "data.map with it")));
}

TEST(MapInfoTest, TwoPairsMayBecomeOne) {
  ASSERT_OK_AND_ASSIGN(const DatasetInfo info,
                       MapInfo(Faces(), {0, 1, 2, 1, 2, 0}, {}, true));
  EXPECT_THAT(info.flip_pairs, ElementsAre(Pair(1, 2)));
}

TEST(MapInfoTest, RefusesMirroringWhereNoSwapIsRight) {
  // The left side goes to the background, to "ignore", to another pair's side;
  // the classes of one new class have different mirror images.
  for (const std::vector<int64_t>& map :
       std::vector<std::vector<int64_t>>{{0, 1, 0, 0, 0, 0},
                                         {0, 1, 255, 0, 0, 0},
                                         {0, 1, 2, 1, 3, 0},
                                         {0, 1, 2, 1, 1, 0}}) {
    EXPECT_THAT(MapInfo(Faces(), map, {}, /*needs_flip=*/true),
                StatusIs(kInvalid, HasSubstr("set augment.flip=false")));
    ASSERT_OK_AND_ASSIGN(const DatasetInfo info,
                         MapInfo(Faces(), map, {}, /*needs_flip=*/false));
    EXPECT_THAT(info.flip_pairs, IsEmpty());
  }
  EXPECT_THAT(
      MapInfo(Faces(), {0, 1, 0, 0, 0, 0}, {}, true),
      StatusIs(kInvalid,
               "data.map: augment.flip cannot keep the masks right: in a "
               "mirror image class 2 'right eye' (now 0) becomes 1 'left eye' "
               "(now 1), yet 0 'ground' (now 0) becomes 0; map both sides "
               "alike or set augment.flip=false"));
}

TEST(MapInfoTest, RefusesBadMaps) {
  const auto error = [](const std::vector<int64_t>& map,
                        const std::vector<std::string>& names = {}) {
    return MapInfo(Faces(), map, names, false);
  };
  EXPECT_THAT(error({0, 1}),
              StatusIs(kInvalid, HasSubstr("one new id for each of the 6 "
                                           "classes of heads, got 2")));
  EXPECT_THAT(error({0, 1, 1, 1, -2, 1}),
              StatusIs(kInvalid, HasSubstr("class 4 'right ear': -2, ")));
  EXPECT_THAT(error({0, 1, 1, 1, 256, 1}),
              StatusIs(kInvalid, HasSubstr("class 4 'right ear': 256, ")));
  EXPECT_THAT(error({0, 1, 1, 3, 3, 255}),
              StatusIs(kInvalid, HasSubstr("no class becomes 2 but one becomes "
                                           "3, expected new ids without")));
  EXPECT_THAT(error({1, 1, 1, 1, 1, 1}),
              StatusIs(kInvalid, HasSubstr("no class becomes 0")));
  EXPECT_THAT(error({255, 255, 255, 255, 255, 255}),
              StatusIs(kInvalid, HasSubstr("every class becomes 255")));
  EXPECT_THAT(error({0, 1, 1, 1, 1, 1}, {"a"}),
              StatusIs(kInvalid, HasSubstr("each of the 2 new classes of "
                                           "data.map, got 1")));
  EXPECT_THAT(error({0, 1, 1, 1, 1, 1}, {"a", "a"}),
              StatusIs(kInvalid, HasSubstr("data.class_names: 'a'")));
  EXPECT_THAT(error({0, 1, 1, 1, 1, 1}, {"a", ""}),
              StatusIs(kInvalid, HasSubstr("data.class_names: ''")));
}

TEST(MappedDatasetTest, ReplacesLabelsAndKeepsTheRest) {
  const PackFixture pack;  // ground, left, right; pixels 0, 1, 2, 255
  pack.WriteWhole(2, 5, 8);
  DataConfig config;
  config.pack = pack.folder();
  ASSERT_OK_AND_ASSIGN(const auto plain, OpenDataset(config, "", "train"));
  config.map = {255, 1, 0};
  ASSERT_OK_AND_ASSIGN(const auto mapped, OpenDataset(config, "", "train"));
  EXPECT_THAT(mapped->info().class_names, ElementsAre("right", "left"));
  EXPECT_THAT(mapped->info().flip_pairs, ElementsAre(Pair(0, 1)));
  EXPECT_EQ(mapped->size(), 2);
  EXPECT_EQ(mapped->id(1), "s1");
  ASSERT_OK_AND_ASSIGN(const Sample before, plain->Get(1));
  ASSERT_OK_AND_ASSIGN(const Sample after, mapped->Get(1));
  EXPECT_TRUE(after.image.equal(before.image));
  EXPECT_EQ(after.path, before.path);
  at::Tensor expected = at::full_like(before.mask, 255);
  expected.masked_fill_(before.mask.eq(1), 1)
      .masked_fill_(before.mask.eq(2), 0);
  EXPECT_TRUE(after.mask.equal(expected));
  // Mirroring and mapping may be done in either order.
  DatasetInfo info = mapped->info();
  const Sample flipped = FlipSample(after, info.flip_pairs);
  const Sample other = FlipSample(before, plain->info().flip_pairs);
  at::Tensor there = at::full_like(before.mask, 255);
  there.masked_fill_(other.mask.eq(1), 1).masked_fill_(other.mask.eq(2), 0);
  EXPECT_TRUE(flipped.mask.equal(there));
  // Errors of the base pass through; errors of the keys stop the opening.
  EXPECT_THAT(mapped->Get(2),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("sample 2")));
  config.map = {0, 1};
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("data.map")));
}

TEST(MappedDatasetTest, FlipIsAskedForByTheConfiguration) {
  const PackFixture pack;
  pack.WriteWhole(1, 4, 4);
  DataConfig config;
  config.pack = pack.folder();
  config.map = {0, 1, 0};
  EXPECT_OK(OpenDataset(config, "", "train"));
  config.augment.flip = true;
  EXPECT_THAT(OpenDataset(config, "", "train"),
              StatusIs(kInvalid, HasSubstr("augment.flip")));
}

TEST(MappedDatasetTest, KeysAreRead) {
  DataConfig config;
  ASSERT_OK(ParseConfig("map: [0, 1, 255]\n", "c.yaml",
                        {"class_names=[ground, left]"}, &config));
  EXPECT_THAT(config.map, ElementsAre(0, 1, 255));
  EXPECT_THAT(config.class_names, ElementsAre("ground", "left"));
  for (const char* text : {"map=[0, 1.5]", "map=[300]", "map=[-1]", "map=1",
                           "map=[[1]]", "class_names=[1]"}) {
    EXPECT_THAT(ParseConfig("", "c.yaml", {text}, &config),
                StatusIs(kInvalid, testing::_))
        << text;
  }
}

}  // namespace
}  // namespace seg
