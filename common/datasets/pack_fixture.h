// A small pack written into the test's temporary folder.
#ifndef COMMON_DATASETS_PACK_FIXTURE_H_
#define COMMON_DATASETS_PACK_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/file.h"
#include "common/io/image.h"

namespace seg {

class PackFixture {
 public:
  // A new, empty folder, named after the running test.
  explicit PackFixture(const std::string& name = "pack") {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        (std::filesystem::path(testing::TempDir()) /
         (std::string(test->test_suite_name()) + "." + test->name()) / name)
            .string();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }

  const std::string& folder() const { return folder_; }
  std::string Path(const std::string& name) const {
    return folder_ + "/" + name;
  }

  void WriteText(const std::string& name, const std::string& text) const {
    const std::string path = Path(name);
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    const auto status = WriteFileAtomically(path, text);
    ASSERT_TRUE(status.ok()) << status;
  }

  void WriteYaml() const {
    WriteText("dataset.yaml",
              "name: tiny\n"
              "title: \"Tiny pack\"\n"
              "ignore_label: 255\n"
              "has_masks: true\n"
              "flip_pairs: [[1, 2]]\n"
              "classes:\n"
              "  - {id: 0, name: ground, color: [0, 0, 0]}\n"
              "  - {id: 1, name: left, color: [200, 0, 0]}\n"
              "  - {id: 2, name: right, color: [0, 200, 0]}\n");
  }

  // A PNG image whose values depend on `salt`, and a mask with labels 0, 1, 2
  // and 255.
  void WriteSample(const std::string& id, int64_t height, int64_t width,
                   int64_t salt) const {
    const at::Tensor image = at::arange(3 * height * width, at::kLong)
                                 .mul(7 + 2 * salt)
                                 .add(salt)
                                 .remainder(256)
                                 .to(at::kByte)
                                 .view({3, height, width});
    at::Tensor mask = at::arange(height * width, at::kLong)
                          .add(salt)
                          .remainder(4)
                          .to(at::kByte)
                          .view({height, width});
    mask = at::where(mask == 3, at::full_like(mask, 255), mask);
    WriteImageFile("images/" + id + ".png", image);
    WriteMaskFile("masks/" + id + ".png", mask);
  }

  void WriteImageFile(const std::string& name, const at::Tensor& rgb) const {
    const std::string path = Path(name);
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    const auto status = WriteImage(path, rgb);
    ASSERT_TRUE(status.ok()) << status;
  }

  void WriteMaskFile(const std::string& name, const at::Tensor& mask) const {
    const std::string path = Path(name);
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    const auto status = WriteMask(path, mask, Palette(3));
    ASSERT_TRUE(status.ok()) << status;
  }

  // dataset.yaml, `count` samples s0, s1, ... and a train list of them all.
  void WriteWhole(int64_t count, int64_t height, int64_t width) const {
    WriteYaml();
    std::string list;
    for (int64_t i = 0; i < count; ++i) {
      const std::string id = "s" + std::to_string(i);
      WriteSample(id, height, width, i);
      list += id + "\n";
    }
    WriteText("train.txt", list);
  }

 private:
  std::string folder_;
};

}  // namespace seg

#endif  // COMMON_DATASETS_PACK_FIXTURE_H_
