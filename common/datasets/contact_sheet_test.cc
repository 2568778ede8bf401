#include "common/datasets/contact_sheet.h"

#include <gtest/gtest.h>

#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/synthetic/scenes.h"

namespace seg {
namespace {

TEST(ContactSheetTest, LaysSamplesOutInAGrid) {
  ScenesOptions scenes;
  scenes.height = 30;
  scenes.width = 40;
  std::vector<Sample> samples;
  for (int64_t i = 0; i < 5; ++i) samples.push_back(MakeScene(scenes, i));
  ContactSheetOptions options;
  options.columns = 3;
  options.cell = 64;
  const at::Tensor sheet = ContactSheet(samples, ScenesInfo(), options);
  // A cell is two pictures and a gap of 2: 82 x 30; gaps of 4 around.
  ASSERT_EQ(sheet.sizes(), at::IntArrayRef({3, 2 * 34 + 4, 3 * 86 + 4}));
  EXPECT_TRUE(sheet.narrow(1, 4, 30).narrow(2, 4, 40).equal(samples[0].image));
  EXPECT_TRUE(
      sheet.narrow(1, 38, 30).narrow(2, 4 + 86, 40).equal(samples[4].image));
  EXPECT_TRUE(sheet.narrow(1, 38, 30)
                  .narrow(2, 4 + 2 * 86, 82)
                  .eq(255)
                  .all()
                  .item<bool>());
  // The overlay differs from the picture.
  EXPECT_FALSE(
      sheet.narrow(1, 4, 30).narrow(2, 46, 40).equal(samples[0].image));
}

TEST(ContactSheetTest, ShrinksLargePicturesAndMixesSizes) {
  Sample wide;
  wide.image = at::zeros({3, 50, 200}, at::kByte);
  Sample tall;
  tall.image = at::zeros({3, 200, 50}, at::kByte);
  ContactSheetOptions options;
  options.cell = 100;
  DatasetInfo info;
  info.has_masks = false;
  const at::Tensor sheet = ContactSheet({wide, tall}, info, options);
  EXPECT_EQ(sheet.sizes(), at::IntArrayRef({3, 108, 2 * 104 + 4}));
}

TEST(ContactSheetTest, RefusesNonsense) {
  EXPECT_THROW(ContactSheet({}, DatasetInfo()), c10::Error);
  Sample sample;
  sample.image = at::zeros({3, 5, 5}, at::kByte);
  ContactSheetOptions options;
  options.columns = 0;
  EXPECT_THROW(ContactSheet({sample}, DatasetInfo(), options), c10::Error);
}

}  // namespace
}  // namespace seg
