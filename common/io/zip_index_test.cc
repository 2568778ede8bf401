#include "common/io/zip_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/io/zip_builder.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

// An entry that lies in the archive as it is.
MATCHER_P(Stored, content, "") {
  return !arg.deflated && arg.content == content &&
         arg.size == arg.content.size();
}

ZipPart Part(const std::string& name, const std::string& content) {
  ZipPart part;
  part.name = name;
  part.content = content;
  return part;
}

ZipPart Deflated(const std::string& name, const std::string& content) {
  ZipPart part = Part(name, content);
  part.deflate = true;
  return part;
}

void ExpectRefused(const std::string& bytes, const char* why) {
  EXPECT_THAT(ParseZip(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("zip: "), HasSubstr(why))));
}

TEST(ZipIndexTest, FindsEntries) {
  for (const bool zip64 : {false, true}) {
    for (const std::string& comment : {std::string(), std::string(70, 'c')}) {
      const std::string bytes =
          BuildZip({Part("a/b", "hello"), Part("empty", ""), Part("c", "x")},
                   zip64, comment);
      ASSERT_OK_AND_ASSIGN(const ZipIndex index, ParseZip(bytes));
      EXPECT_THAT(index, ElementsAre(Pair("a/b", Stored("hello")),
                                     Pair("c", Stored("x")),
                                     Pair("empty", Stored(""))));
    }
  }
  const std::string empty = BuildZip({});
  EXPECT_THAT(ParseZip(empty).value(), IsEmpty());
}

TEST(ZipIndexTest, UnpacksDeflatedEntries) {
  std::string noise;
  for (uint32_t i = 0, x = 1; i < 5000; ++i) {
    x = x * 1664525 + 1013904223;
    noise.push_back(static_cast<char>(x >> 24));
  }
  for (const bool zip64 : {false, true}) {
    for (const std::string& content :
         {std::string(), std::string("x"), std::string(100000, '\0'), noise}) {
      const std::string bytes =
          BuildZip({Deflated("a", content), Part("b", "stored")}, zip64);
      ASSERT_OK_AND_ASSIGN(const ZipIndex index, ParseZip(bytes));
      const ZipEntry& entry = index.at("a");
      EXPECT_TRUE(entry.deflated);
      EXPECT_EQ(entry.size, content.size());
      EXPECT_EQ(InflateZipEntry(entry).value(), content);
      EXPECT_THAT(index.at("b"), Stored("stored"));
    }
  }
}

TEST(ZipIndexTest, RefusesDeflatedEntriesThatLie) {
  const std::string content(2000, 'z');
  const std::string bytes = BuildZip({Deflated("a", content)});
  ASSERT_OK_AND_ASSIGN(const ZipIndex index, ParseZip(bytes));
  const ZipEntry good = index.at("a");
  for (const uint64_t size : {uint64_t{0}, good.size - 1, good.size + 1}) {
    ZipEntry entry = good;
    entry.size = size;
    EXPECT_THAT(InflateZipEntry(entry),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("does not unpack to its")));
  }
  for (size_t n = 0; n < good.content.size(); ++n) {
    ZipEntry entry = good;
    entry.content = good.content.substr(0, n);
    EXPECT_FALSE(InflateZipEntry(entry).ok()) << n;
  }
  // More than deflate can give is seen before anything is allocated.
  ZipPart part = Part("a", "123");
  part.method = 8;
  std::string huge = BuildZip({part});
  const size_t sizes = huge.find("PK\1\2") + 24;
  huge[sizes + 3] = 0x7f;
  ExpectRefused(huge, "\"a\" of 3 bytes cannot unpack to 2130706435");
}

TEST(ZipIndexTest, RefusesBrokenEntries) {
  const auto broken = [](void (*change)(ZipPart*), const char* why) {
    for (const bool zip64 : {false, true}) {
      ZipPart part = Part("b", "content");
      change(&part);
      ExpectRefused(BuildZip({Part("a", "1"), part}, zip64), why);
    }
  };
  broken([](ZipPart* p) { p->method = 12; },
         "\"b\" is compressed (method 12), expected stored");
  broken([](ZipPart* p) { p->flags = 1; }, "\"b\" is encrypted");
  broken([](ZipPart* p) { p->name = "a"; }, "\"a\" appears twice");
  broken([](ZipPart* p) { p->local_name = "c"; }, "two headers that differ");
  broken([](ZipPart* p) { p->local_name = "longer"; }, "headers that differ");
  broken([](ZipPart* p) { p->offset_shift = 1; }, "no header where it should");
  broken([](ZipPart* p) { p->offset_shift = 100; }, "no header where it");
  broken([](ZipPart* p) { p->size_shift = 1; }, "leaves the file");
  broken([](ZipPart* p) { p->offset_shift = -35; }, "headers that differ");
}

TEST(ZipIndexTest, RefusesOverlaps) {
  // The second entry lies, header and all, in the content of the first: the
  // trick by which small archives hold endless data.
  ZipPart outer = Part("a", "");
  const std::string inner = BuildZip({Part("b", "12345678")});
  outer.content = inner.substr(0, inner.find("PK\1\2"));
  ZipPart second = Part("b", "12345678");
  // From where the second stands to where the copy in the first stands.
  second.offset_shift = -static_cast<int64_t>(outer.content.size());
  ExpectRefused(BuildZip({outer, second}), "\"b\" overlaps another");
}

TEST(ZipIndexTest, RefusesHugeNumbers) {
  ZipPart part = Part("a", "1");
  part.size_shift = INT64_MAX - 1;
  ExpectRefused(BuildZip({part}, /*zip64=*/true), "leaves the file");
  part.size_shift = -2;  // 2^64 - 1
  ExpectRefused(BuildZip({part}, /*zip64=*/true), "leaves the file");
  part.size_shift = 0;
  part.offset_shift = INT64_MAX;
  ExpectRefused(BuildZip({part}, /*zip64=*/true), "no header where it should");
}

TEST(ZipIndexTest, RefusesBrokenEndRecords) {
  const std::string good = BuildZip({Part("a", "1")});
  ExpectRefused("", "too short");
  ExpectRefused(std::string(100, 'P'), "no end record");
  ExpectRefused(std::string(100000, 'P'), "no end record");
  std::string bytes = good;
  bytes[good.size() - 18] = 1;  // disk number
  ExpectRefused(bytes, "split over several files");
  bytes = good;
  bytes[good.size() - 12] = 9;  // entries
  ExpectRefused(bytes, "directory lies outside");
  bytes = good;
  bytes[good.size() - 12] = 0;
  ExpectRefused(bytes, "directory is damaged");
  bytes = good;
  bytes[good.size() - 6] ^= 1;  // offset of the directory
  ExpectRefused(bytes, "directory");
  bytes = good;
  bytes[good.find("PK\1\2") + 28] = 77;  // length of a name
  ExpectRefused(bytes, "directory is damaged");
  // zip64: locator to nowhere, split, and a short extra field.
  const std::string good64 = BuildZip({Part("a", "1")}, true);
  const size_t locator = good64.find("PK\6\7");
  const size_t end64 = good64.find("PK\6\6");
  bytes = good64;
  bytes[locator + 8] ^= 1;
  ExpectRefused(bytes, "zip64 end record is not where");
  bytes = good64;
  bytes[locator + 15] = 127;
  ExpectRefused(bytes, "zip64 end record is not where");
  bytes = good64;
  bytes[end64 + 16] = 1;
  ExpectRefused(bytes, "split over several files");
  bytes = good64;
  const size_t extra = good64.find(std::string("\1\0\x18\0", 4));
  bytes[extra + 2] = 20;  // the last field does not fit any more
  ExpectRefused(bytes, "short zip64 field");
  bytes[extra + 2] = 99;  // the field leaves the record
  ExpectRefused(bytes, "no header where");
  bytes = good64;
  bytes[extra] = 2;  // no zip64 field at all
  ExpectRefused(bytes, "no header where");
}

TEST(ZipIndexTest, TruncationAtEveryByteIsAnError) {
  for (const bool zip64 : {false, true}) {
    const std::string bytes =
        BuildZip({Part("a/b", "hello"), Part("c", "x")}, zip64, "comment");
    for (size_t n = 0; n < bytes.size(); ++n) {
      EXPECT_FALSE(ParseZip(bytes.substr(0, n)).ok()) << n;
    }
    // Every byte changed: an error, or contents within the file.
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ 0xFF);
      const auto index = ParseZip(changed);
      if (!index.ok()) continue;
      for (const auto& entry : *index) {
        EXPECT_LE(entry.second.content.size(), 5u);
      }
    }
  }
}

}  // namespace
}  // namespace seg
