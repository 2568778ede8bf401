// Reads the packs of real pictures and weights that SEG_DATA_ROOT names.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/image.h"
#include "common/io/weights.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

// Sorted names in a folder; empty when there is none.
std::vector<std::string> Names(const std::string& path) {
  std::vector<std::string> names;
  if (DIR* folder = ::opendir(path.c_str())) {
    while (const dirent* entry = ::readdir(folder)) {
      if (entry->d_name[0] != '.') names.push_back(entry->d_name);
    }
    ::closedir(folder);
  }
  std::sort(names.begin(), names.end());
  return names;
}

class RealFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("SEG_DATA_ROOT");
    if (root == nullptr) GTEST_SKIP() << "SEG_DATA_ROOT is not set";
    root_ = root;
  }
  std::string root_;
};

TEST_F(RealFilesTest, PicturesAndMasksOfEachPackAgree) {
  // Spread over each pack: all of them take minutes, and the dataset check
  // reads them all.
  constexpr size_t kPerPack = 12;
  int64_t pictures = 0;
  for (const std::string& pack : Names(root_)) {
    const std::string folder = root_ + "/" + pack;
    const std::vector<std::string> images = Names(folder + "/images");
    const size_t step = std::max<size_t>(1, images.size() / kPerPack);
    for (size_t i = 0; i < images.size(); i += step) {
      const std::string path = folder + "/images/" + images[i];
      SCOPED_TRACE(path);
      ASSERT_OK_AND_ASSIGN(const at::Tensor image, ReadImage(path));
      ASSERT_OK_AND_ASSIGN(const ImageSize size, ReadImageSize(path));
      EXPECT_EQ(image.size(1), size.height);
      EXPECT_EQ(image.size(2), size.width);
      ++pictures;
      const std::string id = images[i].substr(0, images[i].rfind('.'));
      const std::string mask_path = folder + "/masks/" + id + ".png";
      const absl::StatusOr<at::Tensor> mask = ReadMask(mask_path);
      if (absl::IsNotFound(mask.status())) continue;  // a pack without masks
      ASSERT_OK(mask);
      EXPECT_EQ(mask->size(0), size.height);
      EXPECT_EQ(mask->size(1), size.width);
      // What we write we read back.
      ASSERT_OK_AND_ASSIGN(const std::string png, EncodeMask(*mask, {}));
      EXPECT_TRUE(at::equal(DecodeMask(png).value(), *mask));
    }
  }
  EXPECT_GT(pictures, 0);
}

TEST_F(RealFilesTest, ReadsRealWeights) {
  const std::string folder = root_ + "/weights/";
  int64_t files = 0;
  for (const std::string& name : Names(folder)) {
    if (name.find(".safetensors") == std::string::npos) continue;
    ASSERT_OK_AND_ASSIGN(const TensorMap tensors, ReadWeights(folder + name));
    EXPECT_FALSE(tensors.empty());
    for (const auto& entry : tensors) {
      EXPECT_TRUE(at::isfinite(entry.second.to(at::kFloat)).all().item<bool>())
          << name << " " << entry.first;
    }
    ++files;
  }
  if (files == 0) GTEST_SKIP() << "no weights in SEG_DATA_ROOT";
}

}  // namespace
}  // namespace seg
