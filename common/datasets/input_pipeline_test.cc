#include "common/datasets/input_pipeline.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

Sample Photograph(int64_t height, int64_t width) {
  Sample photograph;
  photograph.id = "day/a";
  photograph.path = "day/a.jpg";
  photograph.image = at::zeros({3, height, width}, at::kByte);
  return photograph;
}

// Class 1 left of `border`, as probabilities [1,2,h,w].
at::Tensor LeftOf(int64_t border, int64_t height, int64_t width) {
  at::Tensor p = at::zeros({1, 2, height, width});
  p.select(1, 0).fill_(1);
  p.select(1, 1).narrow(2, 0, border).fill_(1);
  p.select(1, 0).narrow(2, 0, border).fill_(0);
  return p;
}

// A file of landmarks that says `points` of day/a.
std::string Landmarks(const std::string& points) {
  const std::string path = testing::TempDir() + "landmarks.txt";
  EXPECT_OK(WriteFileAtomically(path, "day/a " + points + "\n"));
  return path;
}

TEST(InputPipelineTest, WithoutKeysNothingChanges) {
  ASSERT_OK_AND_ASSIGN(const InputPipeline pipeline,
                       InputPipeline::Create(DataConfig(), "no such file"));
  const Sample photograph = Photograph(5, 7);
  ASSERT_OK_AND_ASSIGN(const Sample aligned, pipeline.Align(photograph));
  ASSERT_OK_AND_ASSIGN(const Sample seen, pipeline.Resize(aligned));
  EXPECT_TRUE(at::equal(seen.image, photograph.image));
  const at::Tensor p = LeftOf(3, 5, 7);
  EXPECT_TRUE(at::equal(pipeline.Undo(photograph, p), p));
}

TEST(InputPipelineTest, ResizingIsUndone) {
  DataConfig config;
  config.resize_height = 4;
  config.resize_width = 6;
  ASSERT_OK_AND_ASSIGN(const InputPipeline pipeline,
                       InputPipeline::Create(config, ""));
  const Sample photograph = Photograph(8, 24);
  ASSERT_OK_AND_ASSIGN(const Sample seen, pipeline.Resize(photograph));
  EXPECT_EQ(seen.image.sizes(), at::IntArrayRef({3, 4, 6}));
  // The border between columns 1 and 2 lies at 8 of 24.
  const at::Tensor labels =
      pipeline.Undo(photograph, LeftOf(2, 4, 6)).argmax(1);
  EXPECT_TRUE(at::equal(labels, LeftOf(8, 8, 24).argmax(1)));
  const at::Tensor nearest =
      pipeline.UndoLabels(photograph, LeftOf(2, 4, 6).argmax(1).to(at::kByte));
  EXPECT_TRUE(at::equal(nearest, labels.to(at::kByte)));
  config.resize_longer = 3;
  EXPECT_THAT(
      InputPipeline::Create(config, "").status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("data.resize")));
}

TEST(InputPipelineTest, AligningIsUndoneAndTheRestIsBackground) {
  DataConfig config;
  config.align = 64;
  // The template's own points, twice as large and moved by (10, 6).
  const FacePoints target = FaceTemplate(64);
  std::string points;
  for (const Position& p : target) {
    points +=
        std::to_string(2 * p.x + 10) + " " + std::to_string(2 * p.y + 6) + " ";
  }
  ASSERT_OK_AND_ASSIGN(const InputPipeline pipeline,
                       InputPipeline::Create(config, Landmarks(points)));
  const Sample photograph = Photograph(160, 180);
  ASSERT_OK_AND_ASSIGN(const Sample seen, pipeline.Align(photograph));
  EXPECT_EQ(seen.image.sizes(), at::IntArrayRef({3, 64, 64}));
  // Class 1 left of column 20: in the photograph from where the square begins
  // (-0.5 -> 9) to between columns 19 and 20 (19.5 -> 49).
  const at::Tensor p = LeftOf(20, 64, 64);
  const at::Tensor labels = pipeline.Undo(photograph, p).argmax(1)[0];
  EXPECT_EQ(labels.sizes(), at::IntArrayRef({160, 180}));
  EXPECT_EQ(labels[80].sum().item<int64_t>(), 40);
  EXPECT_EQ(labels[80][8].item<int64_t>(), 0);
  EXPECT_EQ(labels[80][10].item<int64_t>(), 1);
  EXPECT_EQ(labels[80][48].item<int64_t>(), 1);
  EXPECT_EQ(labels[80][50].item<int64_t>(), 0);
  EXPECT_EQ(labels[140].sum().item<int64_t>(), 0) << "below the square";
  const at::Tensor nearest =
      pipeline.UndoLabels(photograph, p.argmax(1).to(at::kByte))[0];
  EXPECT_EQ(nearest[80][48].item<int64_t>(), 1);
  EXPECT_EQ(nearest[140].sum().item<int64_t>(), 0);
  Sample other = photograph;
  other.id = "day/b";
  EXPECT_THAT(pipeline.Align(other).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("day/b")));
  EXPECT_THAT(InputPipeline::Create(config, "nowhere.txt").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere.txt")));
}

}  // namespace
}  // namespace seg
