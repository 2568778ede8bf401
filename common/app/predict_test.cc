#include "common/app/predict.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/evaluation/tiling.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "common/io/image.h"
#include "common/io/npy.h"
#include "common/reporting/overlay.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Three classes, by which colour is strongest: a function of each pixel alone.
std::vector<at::Tensor> StrongestColour(const Batch& batch) {
  return {at::softmax(batch.images / 16, 1)};
}

class RunPredictTest : public ::testing::Test {
 protected:
  RunPredictTest()
      : root_((fs::path(::testing::TempDir()) / "predict_test").string()) {
    fs::remove_all(root_);
    fs::create_directories(root_ + "/in");
    at::manual_seed(5);
    info_.class_names = {"background", "green", "blue"};
    info_.palette = {{0, 0, 0}, {10, 200, 30}, {0, 0, 255}};
    args_.input = root_ + "/in";
    args_.out = root_ + "/out/deeper";
  }

  // A random picture in the input folder, as it reads back.
  at::Tensor MakeImage(const std::string& name, int64_t height, int64_t width) {
    const std::string path = root_ + "/in/" + name;
    EXPECT_OK(
        WriteImage(path, at::randint(0, 256, {3, height, width}, at::kByte)));
    return ReadImage(path).value();
  }

  absl::Status Run(const ProbabilitiesFn& predict = StrongestColour) {
    FunctionPredictor whole({"prediction"}, predict);
    TiledPredictor predictor(whole, tiling_);
    return RunPredict(args_, info_, predictor, options_);
  }
  std::string Out(const std::string& name) const {
    return args_.out + "/" + name;
  }
  std::vector<std::string> OutNames() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(args_.out)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string root_;
  DatasetInfo info_;
  MainArgs args_;
  PredictOptions options_;
  TilingOptions tiling_;
};

TEST_F(RunPredictTest, LabelsAreAPalettePngOfClassIds) {
  const at::Tensor image = MakeImage("a.png", 7, 11);
  ASSERT_OK(Run());
  EXPECT_THAT(OutNames(), ElementsAre("a.png"));
  ASSERT_OK_AND_ASSIGN(const at::Tensor mask, ReadMask(Out("a.png")));
  EXPECT_TRUE(at::equal(mask, image.argmax(0).to(at::kByte)));
  // Read as a picture it has the palette's colours.
  ASSERT_OK_AND_ASSIGN(const at::Tensor drawn, ReadImage(Out("a.png")));
  EXPECT_TRUE(at::equal(drawn, ColourMask(mask, info_.palette)));
}

TEST_F(RunPredictTest, AFolderInUseIsRefused) {
  MakeImage("a.png", 7, 11);
  fs::create_directories(args_.out);
  {
    ASSERT_OK_AND_ASSIGN(const FolderLock lock,
                         FolderLock::Take(args_.out, "--out"));
    EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kAlreadyExists,
                                AllOf(HasSubstr(args_.out + ": is in use"),
                                      HasSubstr("another --out"))));
    EXPECT_THAT(OutNames(), ElementsAre(".lock"));
  }
  EXPECT_OK(Run());
  EXPECT_THAT(OutNames(), ElementsAre("a.png"));
}

TEST_F(RunPredictTest, OverlayAndProbabilities) {
  const at::Tensor image = MakeImage("a.jpg", 9, 6);
  args_.overlay = args_.probabilities = true;
  ASSERT_OK(Run());
  EXPECT_THAT(OutNames(),
              ElementsAre("a.png", "a_overlay.png", "a_probabilities.npy"));
  const at::Tensor mask = image.argmax(0).to(at::kByte);
  ASSERT_OK_AND_ASSIGN(const at::Tensor overlay,
                       ReadImage(Out("a_overlay.png")));
  EXPECT_TRUE(at::equal(
      overlay, BlendMask(image, mask, info_.palette, OverlayFor(info_))));
  ASSERT_OK_AND_ASSIGN(const at::Tensor probabilities,
                       ReadNpy(Out("a_probabilities.npy")));
  EXPECT_EQ(probabilities.scalar_type(), at::kFloat);
  // A quotient by a sum of three floats near 1.
  EXPECT_TRUE(at::allclose(
      probabilities, at::softmax(image.to(at::kFloat) / 16, 0), 1e-5, 1e-7));
}

TEST_F(RunPredictTest, ProbabilitiesOfOutputsOffTheSimplex) {
  MakeImage("a.png", 2, 3);
  args_.probabilities = true;
  // As a leaky projection gives: some negative, sums other than 1, all zero.
  const at::Tensor scores =
      at::tensor({-0.5f, 1.0f, 0.0f, 0.5f, 3.0f, 0.0f, 0.5f, -1.0f, 0.0f})
          .view({1, 3, 1, 3})
          .expand({1, 3, 2, 3});
  ASSERT_OK(
      Run([&](const Batch&) -> std::vector<at::Tensor> { return {scores}; }));
  ASSERT_OK_AND_ASSIGN(const at::Tensor probabilities,
                       ReadNpy(Out("a_probabilities.npy")));
  const at::Tensor expected =
      at::tensor({0.0f, 0.25f, 0.0f, 0.5f, 0.75f, 0.0f, 0.5f, 0.0f, 0.0f})
          .view({3, 1, 3})
          .expand({3, 2, 3});
  EXPECT_TRUE(at::allclose(probabilities, expected));
}

TEST_F(RunPredictTest, TilesGiveTheLabelsOfTheWhole) {
  // A 3 x 3 mean before the choice: pixels depend on their neighbours.
  const ProbabilitiesFn local = [](const Batch& batch) {
    return std::vector<at::Tensor>{
        at::softmax(at::avg_pool2d(batch.images, 3, 1, 1) / 16, 1)};
  };
  MakeImage("a.png", 50, 37);
  ASSERT_OK(Run(local));
  ASSERT_OK_AND_ASSIGN(const at::Tensor whole, ReadMask(Out("a.png")));

  args_.out = root_ + "/tiled";
  tiling_.max_pixels = 50 * 37 - 1;
  tiling_.tile = 20;
  tiling_.overlap = 8;
  int64_t calls = 0;
  int64_t largest = 0;
  int64_t seen = 0;
  options_.after_image = [&](const std::string& prefix, const Sample& sample) {
    ++seen;
    EXPECT_EQ(prefix, Out("a"));
    EXPECT_EQ(sample.image.sizes(), at::IntArrayRef({3, 50, 37}));
    return absl::OkStatus();
  };
  ASSERT_OK(Run([&](const Batch& batch) {
    ++calls;
    largest = std::max(largest, batch.images.size(2) * batch.images.size(3));
    return local(batch);
  }));
  EXPECT_GT(calls, 4);
  EXPECT_LE(largest, 20 * 20);
  EXPECT_EQ(seen, 1);
  ASSERT_OK_AND_ASSIGN(const at::Tensor tiled, ReadMask(Out("a.png")));
  // Zero padding at a tile's edge differs from the picture there, and the
  // weights of the mixture are smallest there: 1 of 8.
  const double equal = (tiled == whole).to(at::kFloat).mean().item<double>();
  EXPECT_GE(equal, 0.98);
  // Where no tile ends within the window, they are equal.
  EXPECT_TRUE(at::equal(tiled.slice(0, 0, 12).slice(1, 0, 12),
                        whole.slice(0, 0, 12).slice(1, 0, 12)));
  // Of each pixel alone: equal everywhere.
  args_.out = root_ + "/tiled_pixels";
  options_.after_image = nullptr;
  ASSERT_OK(Run());
  ASSERT_OK_AND_ASSIGN(const at::Tensor pixels, ReadMask(Out("a.png")));
  ASSERT_OK_AND_ASSIGN(const at::Tensor image, ReadImage(root_ + "/in/a.png"));
  EXPECT_TRUE(at::equal(pixels, image.argmax(0).to(at::kByte)));
}

TEST_F(RunPredictTest, NoInput) {
  for (const char* name : {"/in", "/no_such.png", "/in/*.png"}) {
    args_.input = root_ + name;
    EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kNotFound,
                                AllOf(HasSubstr(args_.input),
                                      HasSubstr("a folder with .jpg"))));
  }
}

TEST_F(RunPredictTest, UnreadableImageIsNamed) {
  for (const char* bytes : {"", "not an image", "\x89PNG\r\n\x1a\n"}) {
    ASSERT_OK(WriteFileAtomically(root_ + "/in/bad.png", bytes));
    args_.input = root_ + "/in/bad.png";
    const absl::Status status = Run();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()),
                StartsWith(root_ + "/in/bad.png: "));
    EXPECT_FALSE(fs::exists(Out("bad.png")));
  }
}

TEST_F(RunPredictTest, AFolderIsDoneAsFarAsItCanBe) {
  fs::create_directories(root_ + "/in/sub/deep");
  MakeImage("a.png", 2, 2);
  MakeImage("sub/a.png", 3, 3);
  MakeImage("sub/deep/z.jpg", 4, 4);
  for (const char* name :
       {"bad.png", "sub/cut.jpg", "._a.png", "sub/.hidden"}) {
    ASSERT_OK(WriteFileAtomically(root_ + "/in/" + name, "not an image"));
  }
  // The network refuses one of them, by an exception.
  const ProbabilitiesFn picky = [](const Batch& batch) {
    TORCH_CHECK(batch.images.size(2) != 3, "images must not be 3 high");
    return StrongestColour(batch);
  };
  const absl::Status status = Run(picky);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnknown,
                               AllOf(StartsWith("3 of 5 images failed"),
                                     HasSubstr(root_ + "/in/bad.png, " + root_ +
                                               "/in/sub/a.png, " + root_ +
                                               "/in/sub/cut.jpg"))));
  EXPECT_THAT(OutNames(), ElementsAre("a.png", "sub"));
  EXPECT_TRUE(fs::exists(Out("sub/deep/z.png")));
  EXPECT_FALSE(fs::exists(Out("sub/a.png")));
  // Without the bad ones the same command succeeds.
  for (const char* name : {"bad.png", "sub/cut.jpg"}) {
    fs::remove(root_ + "/in/" + name);
  }
  EXPECT_OK(Run());
  EXPECT_TRUE(fs::exists(Out("sub/a.png")));
}

TEST_F(RunPredictTest, NothingIsWrittenTwiceOrOverTheInput) {
  MakeImage("a.png", 2, 2);
  MakeImage("z.png", 2, 2);
  MakeImage("z.jpg", 2, 2);
  // Found before the first picture.
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("has the same name")));
  EXPECT_FALSE(fs::exists(args_.out));
  fs::remove(root_ + "/in/z.jpg");
  // What only one paper writes counts, too.
  MakeImage("a_overlay.png", 2, 2);
  MakeImage("z_gates.png", 2, 2);
  EXPECT_OK(Run());
  fs::remove_all(args_.out);
  args_.overlay = true;
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("a_overlay.png")));
  args_.overlay = false;
  options_.endings = {"_gates.png"};
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("z_gates.png")));
  EXPECT_FALSE(fs::exists(args_.out));
  options_.endings.clear();

  const std::string before = ReadFile(root_ + "/in/a.png").value();
  args_.out = root_ + "/in";
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              AllOf(HasSubstr("a.png: is an input and would be "
                                              "overwritten"),
                                    HasSubstr("--out"))));
  EXPECT_EQ(ReadFile(root_ + "/in/a.png").value(), before);
  ASSERT_OK(WriteFileAtomically(root_ + "/file", ""));
  args_.out = root_ + "/file/out";
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kUnavailable,
                              HasSubstr("/file/out: cannot be made")));
}

TEST_F(RunPredictTest, AFullDiskStops) {
  MakeImage("a.png", 2, 2);
  MakeImage("b.png", 2, 2);
  int64_t calls = 0;
  options_.after_image = [&](const std::string&, const Sample&) {
    ++calls;
    return absl::ResourceExhaustedError("disk full");
  };
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kResourceExhausted,
                              HasSubstr("disk full")));
  EXPECT_EQ(calls, 1);
  options_.after_image = [&](const std::string&, const Sample&) {
    ++calls;
    return absl::InternalError("cannot draw");
  };
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kUnknown,
                              HasSubstr("2 of 2 images failed")));
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace seg
