// testdata/events.golden comes from TensorBoard's own classes
// (testdata/make_tensorboard_golden.py).
#include "common/io/tensorboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/string_view.h"
#include "common/io/byte_order.h"
#include "common/io/crc32c.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

std::string Folder() {
  const std::string folder =
      ::testing::TempDir() + "tensorboard_" +
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  ::mkdir(folder.c_str(), 0755);
  return folder;
}

// Ticks once a call: 1000.5, 1001.5, ...
EventWriter::Clock TestClock() {
  return [time = 999.5]() mutable { return time += 1; };
}

// The records of a file, lengths and checksums checked.
std::vector<std::string> Records(const std::string& bytes) {
  std::vector<std::string> records;
  absl::string_view rest = bytes;
  while (!rest.empty()) {
    if (rest.size() < 16) {
      ADD_FAILURE() << "torn record";
      break;
    }
    const size_t size = LoadLittle(rest, 0, 8);
    EXPECT_EQ(LoadLittle(rest, 8, 4), MaskedCrc32c(rest.substr(0, 8)));
    const absl::string_view data = rest.substr(12, size);
    EXPECT_EQ(LoadLittle(rest, 12 + size, 4), MaskedCrc32c(data));
    records.emplace_back(data);
    rest.remove_prefix(16 + size);
  }
  return records;
}

TEST(EventWriterTest, WritesTheBytesOfTensorBoardsOwnClasses) {
  ASSERT_OK_AND_ASSIGN(auto writer, EventWriter::Open(Folder(), TestClock()));
  ASSERT_OK(writer->AddScalar("loss/train", 0, 0));
  ASSERT_OK(writer->AddScalar("loss/train", -0.125, 300));
  ASSERT_OK(writer->AddScalar("nan", std::nan(""), -1));
  ASSERT_OK(writer->AddText("notes", "# \xC3\xA9\nline", int64_t{1} << 40));
  ASSERT_OK(writer->Flush());
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(writer->path()));
  ASSERT_OK_AND_ASSIGN(const std::string golden,
                       ReadFile("common/io/testdata/events.golden"));
  EXPECT_EQ(bytes, golden);
}

TEST(EventWriterTest, WritesImagesAsPng) {
  ASSERT_OK_AND_ASSIGN(auto writer, EventWriter::Open(Folder(), TestClock()));
  const at::Tensor i = at::arange(768);
  const at::Tensor image = (i * i * 31 % 251).view({3, 16, 16}).to(at::kByte);
  ASSERT_OK(writer->AddImage("i", image, 2));
  const std::vector<std::string> records =
      Records(ReadFile(writer->path()).value());
  ASSERT_EQ(records.size(), 2u);
  const std::string png = EncodePng(image).value();
  ASSERT_GE(png.size(), 128u);  // so that all lengths below take two bytes
  ASSERT_LT(png.size(), 16000u);
  const auto field = [](char tag, const std::string& body) {
    std::string bytes(1, tag);
    bytes += static_cast<char>((body.size() & 0x7f) | 0x80);
    bytes += static_cast<char>(body.size() >> 7);
    return bytes + body;
  };
  // Image: height 16, width 16, colorspace 3, encoded_image_string.
  const std::string message =
      std::string("\x08\x10\x10\x10\x18\x03") + field('\x22', png);
  // Event: wall_time 1001.5, step 2, summary { value { tag, image } }.
  EXPECT_EQ(
      records[1],
      std::string("\x09\0\0\0\0\0\x4c\x8f\x40\x10\x02", 11) +
          field('\x2a', field('\x0a', "\x0a\x01i" + field('\x22', message))));
}

TEST(EventWriterTest, EachWriterHasAFileOfItsOwn) {
  const std::string folder = Folder();
  ASSERT_OK_AND_ASSIGN(auto first, EventWriter::Open(folder));
  ASSERT_OK_AND_ASSIGN(auto second, EventWriter::Open(folder));
  EXPECT_NE(first->path(), second->path());
  EXPECT_THAT(first->path(), HasSubstr(folder + "/events.out.tfevents."));
}

TEST(EventWriterTest, ThreadsDoNotMixRecords) {
  ASSERT_OK_AND_ASSIGN(auto writer, EventWriter::Open(Folder()));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&writer] {
      for (int i = 0; i < 50; ++i) EXPECT_OK(writer->AddScalar("s", i, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Records(ReadFile(writer->path()).value()).size(), 201u);
}

TEST(EventWriterTest, RefusesBadArguments) {
  ASSERT_OK_AND_ASSIGN(auto writer, EventWriter::Open(Folder(), TestClock()));
  const auto invalid = [](const char* why) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why));
  };
  EXPECT_THAT(writer->AddScalar("", 1, 1), invalid("tag not empty"));
  EXPECT_THAT(writer->AddScalar("\xff", 1, 1), invalid("must be UTF-8"));
  EXPECT_THAT(writer->AddText("t", "\xff", 1), invalid("must be UTF-8"));
  EXPECT_THAT(writer->AddImage("i", at::zeros({3, 2, 2}), 1),
              invalid("must be uint8 [3,H,W]"));
  EXPECT_EQ(Records(ReadFile(writer->path()).value()).size(), 1u);
  EXPECT_THAT(EventWriter::Open("/nonexistent/folder"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("/nonexistent/folder/events")));
}

}  // namespace
}  // namespace seg
