#include "common/io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

std::string Length(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}
std::string File(const std::string& header, const std::string& data) {
  return Length(header.size()) + header + data;
}
std::string Entry(const std::string& name, const std::string& dtype,
                  const std::string& shape, const std::string& offsets) {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"", dtype,
                      "\",\"shape\":", shape, ",\"data_offsets\":", offsets,
                      "}");
}

TEST(SafetensorsTest, ReadsHandMadeBytes) {
  StringMap metadata;
  ASSERT_OK_AND_ASSIGN(
      const TensorMap tensors,
      ParseSafetensors(
          File("{\"__metadata__\":{\"format\":\"pt\"}," +
                   Entry("b", "U8", "[2]", "[8,10]") + "," +
                   Entry("a", "F32", "[1,2]", "[0,8]") + "," +
                   Entry("none", "I64", "[0,3]", "[10,10]") + "}   ",
               std::string("\0\0\x80\x3F\0\0\0\xC0\5\6", 10)),
          &metadata));
  EXPECT_THAT(metadata, ElementsAre(Pair("format", "pt")));
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_TRUE(at::equal(tensors.at("a"), at::tensor({1.f, -2.f}).view({1, 2})));
  EXPECT_TRUE(at::equal(tensors.at("b"), at::tensor({5, 6}, at::kByte)));
  EXPECT_EQ(tensors.at("none").sizes(), at::IntArrayRef({0, 3}));
}

TEST(SafetensorsTest, WritesKnownBytes) {
  // Falling element size, then name; header padded to 8 bytes.
  const TensorMap tensors = {{"u", at::tensor({7}, at::kByte)},
                             {"z", at::tensor({1.f})},
                             {"d", at::tensor({2.0}, at::kDouble)},
                             {"c", at::full({}, 3.f)}};
  const std::string header = "{\"__metadata__\":{\"step\":\"5\"}," +
                             Entry("d", "F64", "[1]", "[0,8]") + "," +
                             Entry("c", "F32", "[]", "[8,12]") + "," +
                             Entry("z", "F32", "[1]", "[12,16]") + "," +
                             Entry("u", "U8", "[1]", "[16,17]") + "}";
  const std::string padded =
      header + std::string(7 - (header.size() + 7) % 8, ' ');
  ASSERT_OK_AND_ASSIGN(const std::string bytes,
                       SerializeSafetensors(tensors, {{"step", "5"}}));
  EXPECT_EQ(bytes, File(padded, std::string("\0\0\0\0\0\0\0\x40"
                                            "\0\0\x40\x40\0\0\x80\x3F\7",
                                            17)));
  EXPECT_EQ((bytes.size() - 17) % 8, 0u);
}

TEST(SafetensorsTest, RoundTripsEveryType) {
  TensorMap tensors;
  for (const at::ScalarType type :
       {at::kBool, at::kByte, at::kChar, at::kUInt16, at::kShort, at::kUInt32,
        at::kInt, at::kUInt64, at::kLong, at::kHalf, at::kBFloat16, at::kFloat,
        at::kDouble, at::kComplexFloat, at::kFloat8_e4m3fn, at::kFloat8_e5m2,
        at::kFloat8_e8m0fnu}) {
    tensors[c10::toString(type)] =
        at::tensor({1, 2, 0, 4, 1, 2}).view({2, 3}).to(type);
  }
  tensors["empty"] = at::empty({3, 0});
  tensors["scalar \"quoted\" \xC3\xA9"] = at::full({}, 5.0);
  StringMap metadata = {{"k", "v\n"}, {"", "e"}}, read;
  ASSERT_OK_AND_ASSIGN(const std::string bytes,
                       SerializeSafetensors(tensors, metadata));
  ASSERT_OK_AND_ASSIGN(const TensorMap back, ParseSafetensors(bytes, &read));
  EXPECT_EQ(read, metadata);
  ASSERT_EQ(back.size(), tensors.size());
  for (const auto& entry : tensors) {
    const at::Tensor& tensor = back.at(entry.first);
    EXPECT_EQ(tensor.scalar_type(), entry.second.scalar_type());
    ASSERT_EQ(tensor.sizes(), entry.second.sizes()) << entry.first;
    EXPECT_TRUE(at::equal(tensor.to(at::kComplexDouble),
                          entry.second.to(at::kComplexDouble)))
        << entry.first;
  }
  EXPECT_EQ(SerializeSafetensors(back, metadata).value(), bytes);
}

TEST(SafetensorsTest, WritesViewsAsTheyLook) {
  const at::Tensor base = at::arange(12, at::kFloat).view({3, 4});
  const TensorMap views = {
      {"t", base.t()}, {"row", base[1]}, {"expanded", base[0].expand({2, 4})}};
  TensorMap copies;
  for (const auto& view : views) copies[view.first] = view.second.clone();
  EXPECT_EQ(SerializeSafetensors(views).value(),
            SerializeSafetensors(copies).value());
}

TEST(SafetensorsTest, EmptyMapIsAValidFile) {
  ASSERT_OK_AND_ASSIGN(const std::string bytes, SerializeSafetensors({}));
  EXPECT_EQ(bytes, Length(8) + "{}      ");
  EXPECT_THAT(ParseSafetensors(bytes).value(), IsEmpty());
  StringMap metadata;
  ASSERT_OK_AND_ASSIGN(const std::string only,
                       SerializeSafetensors({}, {{"a", "b"}}));
  EXPECT_THAT(ParseSafetensors(only, &metadata).value(), IsEmpty());
  EXPECT_THAT(metadata, ElementsAre(Pair("a", "b")));
}

TEST(SafetensorsTest, RefusesHostileHeaders) {
  const auto refuses = [](const std::string& bytes, const std::string& why) {
    EXPECT_THAT(ParseSafetensors(bytes),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("safetensors: "), HasSubstr(why))))
        << bytes;
  };
  const auto header = [&](const std::string& text, const std::string& why) {
    refuses(File(text, "0123"), why);
  };
  refuses("", "too short");
  refuses(Length(2) + "{", "is the file truncated?");
  refuses(Length(UINT64_MAX) + "{}", "above the limit");
  refuses(Length(100'000'001) + "{}", "above the limit");
  refuses(Length(100'000'000) + "{}", "exceeds the 2 bytes");
  header("", "must begin with '{'");
  header(" {}", "must begin with '{'");
  header("[]", "must begin with '{'");
  header("{", "not valid JSON");
  header("{}{}", "not valid JSON");
  header("{\"\xff\":1}", "not valid JSON");
  header(std::string(100000, '['), "must begin with '{'");
  header("{\"a\":" + std::string(100000, '['), "an array");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  header(deep, "unknown key \"a\"");
  header("{\"a\":null}", "null");
  header("{\"a\":true}", "a boolean");
  header("{\"a\":1}", "a number");
  header("{\"a\":-1}", "a negative number");
  header("{\"a\":\"x\"}", "a string");
  header("{\"a\":{}}", "lacks dtype");
  header("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}",
         "lacks dtype");
  header("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,1,2]}}",
         "more than 2 numbers");
  header("{\"a\":{\"dtype\":1}}", "a number");
  header("{\"a\":{\"dtype\":[]}}", "an array");
  header("{\"a\":{\"shape\":\"x\"}}", "a string");
  header("{\"a\":{\"shape\":{}}}", "an object");
  header("{\"a\":{\"shape\":[[]]}}", "an array");
  header("{\"a\":{\"shape\":[1.0]}}", "the number 1.0");
  header("{\"a\":{\"shape\":[-1]}}", "a negative number");
  header("{\"a\":{\"shape\":[9223372036854775808]}}", "too large");
  header("{\"a\":{\"shape\":[18446744073709551616]}}", "the number");
  header("{\"a\":{\"other\":[1]}}", "unknown key \"other\"");
  header("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", "duplicate key");
  header("{\"__metadata__\":{\"a\":1}}", "a number in __metadata__");
  header("{\"__metadata__\":{\"a\":{}}}", "an object in __metadata__");
  header("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "duplicate key");
  header("{\"__metadata__\":{},\"__metadata__\":{}}", "duplicate key");
  std::string shape = "[1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  header("{" + Entry("a", "U8", shape + "]", "[0,4]") + "}", "more than 64");
}

TEST(SafetensorsTest, RefusesHostileOffsets) {
  const std::string data4 = File("{" + Entry("a", "U8", "[4]", "[0,4]") + "}",
                                 std::string("\1\0\1\0", 4));
  EXPECT_OK(ParseSafetensors(data4));
  const auto refuses = [&](const std::string& entries, const std::string& why) {
    EXPECT_THAT(
        ParseSafetensors(File("{" + entries + "}", std::string("\1\0\2\0", 4))),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)))
        << entries;
  };
  refuses(Entry("a", "U8", "[5]", "[0,5]"), "outside the 4 bytes");
  refuses(Entry("a", "U8", "[4]", "[4,0]"), "outside the 4 bytes");
  refuses(Entry("a", "U8", "[4]", "[9223372036854775803,9223372036854775807]"),
          "outside");
  refuses(Entry("a", "U8", "[3]", "[0,4]"), "is U8 [3] but has 4 bytes");
  refuses(Entry("a", "F32", "[2]", "[0,4]"), "is F32 [2] but has 4 bytes");
  refuses(Entry("a", "Q4", "[4]", "[0,4]"), "unknown dtype \"Q4\"");
  refuses(Entry("a", "f32", "[1]", "[0,4]"), "unknown dtype");
  refuses(Entry("a", "U8", "[4294967296,4294967296]", "[0,4]"), "too many");
  refuses(Entry("a", "U8", "[4294967296,4294967296,0]", "[0,0]"), "too many");
  refuses(Entry("a", "F64", "[2305843009213693952]", "[0,0]"),
          "but has 0 bytes");
  refuses(
      Entry("a", "U8", "[2]", "[0,2]") + "," + Entry("b", "U8", "[3]", "[1,4]"),
      "overlaps");
  refuses(
      Entry("a", "U8", "[4]", "[0,4]") + "," + Entry("b", "U8", "[4]", "[0,4]"),
      "overlaps");
  refuses(
      Entry("a", "U8", "[1]", "[0,1]") + "," + Entry("b", "U8", "[2]", "[2,4]"),
      "hole after byte 1");
  refuses(Entry("a", "U8", "[3]", "[1,4]"), "hole after byte 0");
  refuses(Entry("a", "U8", "[3]", "[0,3]"), "1 bytes follow the last tensor");
  refuses("", "4 bytes follow the last tensor");
  refuses(
      Entry("a", "U8", "[4]", "[0,4]") + "," + Entry("a", "U8", "[0]", "[4,4]"),
      "duplicate tensor \"a\"");
  refuses(Entry("a", "BOOL", "[4]", "[0,4]"),
          "a bool must be stored as 0 or 1");
}

TEST(SafetensorsTest, TruncationAtEveryByteIsAnError) {
  const std::string bytes =
      SerializeSafetensors(
          {{"weight", at::arange(6, at::kFloat)}, {"bias", at::arange(3)}},
          {{"a", "b"}})
          .value();
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(ParseSafetensors(bytes.substr(0, n)).ok()) << n;
  }
  EXPECT_THAT(ParseSafetensors(bytes + "and more"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat(
                           "8 bytes follow the last tensor, where the format "
                           "has none; cut the file to its first ",
                           bytes.size(), " bytes (truncate -s)"))));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x11);
    const absl::StatusOr<TensorMap> tensors = ParseSafetensors(changed);
    if (tensors.ok()) {
      EXPECT_EQ(tensors->size(), 2u);
    }
  }
}

TEST(SafetensorsTest, WriterRefusesWhatTheFormatLacks) {
  const auto refuses = [](const TensorMap& tensors, const char* why) {
    EXPECT_THAT(SerializeSafetensors(tensors),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
  };
  refuses({{"a", at::Tensor()}}, "\"a\" is an undefined tensor");
  refuses({{"a", at::zeros({1}, at::kComplexDouble)}},
          "\"a\" has dtype ComplexDouble");
  refuses({{"a", at::zeros({2, 2}).to_sparse()}}, "must be a dense tensor");
  refuses({{"__metadata__", at::zeros({1})}}, "not allowed as a name");
  refuses({{"\xff", at::zeros({1})}}, "is not UTF-8");
  EXPECT_THAT(
      SerializeSafetensors({}, {{"a", "\xff"}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not UTF-8")));
}

TEST(SafetensorsTest, FilesNameThePath) {
  const std::string path = ::testing::TempDir() + "test.safetensors";
  const TensorMap tensors = {{"w", at::arange(3)}};
  ASSERT_OK(WriteSafetensors(path, tensors, {{"a", "b"}}));
  StringMap metadata;
  EXPECT_TRUE(
      at::equal(ReadSafetensors(path, &metadata)->at("w"), tensors.at("w")));
  EXPECT_THAT(metadata, ElementsAre(Pair("a", "b")));
  EXPECT_THAT(WriteSafetensors(path, {{"w", at::Tensor()}}),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(path)));
  EXPECT_OK(ReadSafetensors(path));  // still the old file
  ASSERT_OK(WriteFileAtomically(path, "bad"));
  EXPECT_THAT(ReadSafetensors(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith(path + ": safetensors: ")));
  EXPECT_THAT(ReadSafetensors(path + ".none"),
              StatusIs(absl::StatusCode::kNotFound, StartsWith(path)));
}

}  // namespace
}  // namespace seg
