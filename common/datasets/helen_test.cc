#include "common/datasets/helen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/datasets/align.h"
#include "common/datasets/open.h"
#include "common/datasets/pack_fixture.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

constexpr int64_t kHeight = 20;
constexpr int64_t kWidth = 16;

class HelenTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* id : {"100_1", "200_2", "300_1"}) WriteFace(id);
    pack_.WriteText("exemplars.txt", "1 , 100_1\r\n2 , 200_2\r\n");
    pack_.WriteText("tuning.txt", "1 , 300_1\n");
    pack_.WriteText("testing.txt", "");
  }

  static std::string Label(const std::string& id, int label) {
    return "labels/" + id + "/" + id + "_lbl" + (label < 10 ? "0" : "") +
           std::to_string(label) + ".png";
  }
  // Weights of 11 labels at every pixel.
  static at::Tensor Weights() {
    return at::arange(11 * kHeight * kWidth, at::kLong)
        .mul(7919)
        .remainder(256)
        .to(at::kByte)
        .view({11, kHeight, kWidth});
  }
  void WriteFace(const std::string& id) const {
    pack_.WriteImageFile("images/" + id + ".jpg",
                         at::full({3, kHeight, kWidth}, 90, at::kByte));
    at::Tensor weights = Weights();
    weights.select(1, 0).fill_(0);  // row 0: all equal, label 0
    weights[4][1].fill_(255);       // row 1: 4 and 9 equal, label 4
    weights[9][1].fill_(255);
    for (int label = 0; label < 11; ++label) {
      WriteLabel(id, label, weights[label]);
    }
  }
  void WriteLabel(const std::string& id, int label,
                  const at::Tensor& weights) const {
    const std::string path = pack_.Path(Label(id, label));
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    Palette grey;
    for (int i = 0; i < 256; ++i) {
      const auto v = static_cast<uint8_t>(i);
      grey.push_back({v, v, v});
    }
    ASSERT_OK(WriteMask(path, weights.contiguous(), grey));
  }
  absl::StatusOr<std::shared_ptr<const Dataset>> Open(const std::string& split,
                                                      int64_t align = 0) const {
    DataConfig config;
    config.pack = "helen:" + pack_.folder();
    config.align = align;
    return OpenDataset(config, "", split);
  }

  PackFixture pack_;
};

TEST_F(HelenTest, ReadsListsAndTakesTheGreatestWeight) {
  ASSERT_OK_AND_ASSIGN(const auto train, Open("train"));
  ASSERT_EQ(train->size(), 2);
  EXPECT_EQ(train->id(0), "100_1");
  EXPECT_EQ(train->id(1), "200_2");
  EXPECT_EQ(train->info().name, "helen");
  EXPECT_EQ(train->info().class_names[6], "nose");
  EXPECT_THAT(train->info().flip_pairs, ElementsAre(Pair(2, 3), Pair(4, 5)));
  ASSERT_OK_AND_ASSIGN(const Sample sample, train->Get(1));
  EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, kHeight, kWidth}));
  EXPECT_TRUE(sample.mask[0].eq(0).all().item<bool>());
  const at::Tensor weights = Weights();
  for (int64_t y = 1; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      int best = 0;
      for (int label = 1; label < 11; ++label) {
        if (weights[label][y][x].item<int>() >
            weights[best][y][x].item<int>()) {
          best = label;
        }
      }
      // Row 1 has full weight for 4 and 9; one before them may be full too.
      if (y == 1 && weights[best][y][x].item<int>() < 255) best = 4;
      EXPECT_EQ(sample.mask[y][x].item<int>(), best) << y << " " << x;
    }
  }
  ASSERT_OK_AND_ASSIGN(const auto val, Open("val"));
  EXPECT_EQ(val->id(0), "300_1");
  ASSERT_OK_AND_ASSIGN(const auto test, Open("test"));
  EXPECT_EQ(test->size(), 0);
}

TEST_F(HelenTest, AlignsByLandmarks) {
  EXPECT_THAT(Open("val", 32),
              StatusIs(kNotFound, HasSubstr("landmarks.txt: not found")));
  std::string line = "300_1";
  for (const Position& p : FaceTemplate(32)) {
    line += " " + std::to_string((p.x - 0.5) / 2) + " " +
            std::to_string((p.y - 0.5) / 2);
  }
  pack_.WriteText("landmarks.txt", line + "\n");
  ASSERT_OK_AND_ASSIGN(const auto set, Open("val", 32));
  ASSERT_OK_AND_ASSIGN(const Sample sample, set->Get(0));
  EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, 32, 32}));
  // Twice as large: 16 of the 20 rows, all 16 columns; nothing is outside.
  EXPECT_TRUE(sample.mask.lt(11).all().item<bool>());
  EXPECT_TRUE(sample.image.eq(90).all().item<bool>());
}

TEST_F(HelenTest, NamesWhatIsWrong) {
  EXPECT_THAT(
      Open("trainval"),
      StatusIs(kNotFound, HasSubstr("HELEN has train (exemplars.txt)")));
  pack_.WriteText("testing.txt", "1 , 999_1\n");
  EXPECT_THAT(Open("test"),
              StatusIs(kNotFound, HasSubstr("images/999_1.jpg: not found")));
  pack_.WriteText("testing.txt", "1 , 100_1\n2 , 100_1\n");
  EXPECT_THAT(Open("test"),
              StatusIs(kInvalid, HasSubstr("testing.txt:2: '100_1', expected "
                                           "lines \"12 , ID\", each ID once")));
  pack_.WriteText("testing.txt", "1 , ../100_1\n");
  EXPECT_THAT(Open("test"), StatusIs(kInvalid, HasSubstr("testing.txt:1:")));
  std::filesystem::remove(pack_.Path("testing.txt"));
  EXPECT_THAT(Open("test"),
              StatusIs(kNotFound, HasSubstr("testing.txt: not found")));
  WriteLabel("300_1", 5, at::zeros({4, 4}, at::kByte));
  ASSERT_OK_AND_ASSIGN(const auto val, Open("val"));
  EXPECT_THAT(val->Get(0),
              StatusIs(kInvalid, HasSubstr("lbl05.png: 4x4, expected the size "
                                           "of label 00, 16x20")));
  std::filesystem::remove(pack_.Path(Label("300_1", 5)));
  EXPECT_THAT(val->Get(0), StatusIs(kNotFound, HasSubstr("lbl05.png")));
}

}  // namespace
}  // namespace seg
