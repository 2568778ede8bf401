#include "common/io/mat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/file.h"
#include "common/io/mat_builder.h"
#include "common/testing/status_matchers.h"
#include "matio.h"

namespace seg {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr char kGolden[] = "common/io/testdata/mat/sbd_like.mat";

std::string Write(const std::string& bytes) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string path = testing::TempDir() + "/" + test->name() + ".mat";
  EXPECT_OK(WriteFileAtomically(path, bytes));
  return path;
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(&bytes[0], values.data(), bytes.size());
  return bytes;
}

// 2 rows, 3 columns: 1 2 3 / 4 5 6, columns first in the file.
const std::string& SixBytes() {
  static const std::string* six = new std::string("\1\4\2\5\3\6");
  return *six;
}
at::Tensor Six() { return at::arange(1, 7, at::kByte).view({2, 3}); }

TEST(ReadMatArrayTest, HandWorkedCase) {
  const std::string path =
      Write(MatHeader() + MatArray("x", {2, 3}, 9, 2, SixBytes()));
  ASSERT_OK_AND_ASSIGN(const at::Tensor x, ReadMatArray(path, "x"));
  EXPECT_TRUE(x.equal(Six()));
  EXPECT_TRUE(x.is_contiguous());
}

TEST(ReadMatArrayTest, FollowsStructsCompressedOrNot) {
  const std::string inner =
      MatStruct("", {{"Segmentation", MatArray("", {2, 3}, 9, 2, SixBytes())}});
  const std::string gtcls = MatStruct(
      "GTcls",
      {{"Boundaries", MatArray("", {1, 1}, 6, 9, Bytes<double>({0.5}))},
       {"Segmentation", MatArray("", {2, 3}, 9, 2, SixBytes())},
       {"Inner", inner}});
  const std::string other = MatArray("y", {1, 1}, 6, 9, Bytes<double>({7.5}));
  for (const std::string& bytes :
       {other + gtcls, MatCompressed(gtcls), MatCompressed(other) + gtcls,
        gtcls + MatCompressed(other)}) {
    const std::string path = Write(MatHeader() + bytes);
    for (const char* name :
         {"GTcls.Segmentation", "GTcls.Inner.Segmentation"}) {
      ASSERT_OK_AND_ASSIGN(const at::Tensor x, ReadMatArray(path, name));
      EXPECT_TRUE(x.equal(Six())) << name;
    }
  }
}

TEST(ReadMatArrayTest, ReadsWhatSciPyWrote) {
  ASSERT_OK_AND_ASSIGN(const at::Tensor x,
                       ReadMatArray(kGolden, "GTcls.Segmentation"));
  const at::Tensor expected = at::arange(5)
                                  .mul(3)
                                  .view({5, 1})
                                  .add(at::arange(7))
                                  .remainder(21)
                                  .to(at::kByte);
  EXPECT_TRUE(x.equal(expected));
  EXPECT_THAT(
      ReadMatArray(kGolden, "GTcls.Boundaries"),
      StatusIs(kInvalid, HasSubstr("GTcls.Boundaries: MATLAB class 1, ")));
}

TEST(ReadMatArrayTest, KeepsTypes) {
  const auto read = [](int mat_class, int type, const std::string& data,
                       int flags = 0) {
    const std::string path = Write(
        MatHeader() + MatArray("x", {1, 2}, mat_class, type, data, flags));
    const auto x = ReadMatArray(path, "x");
    EXPECT_OK(x);
    return x.ok() ? *x : at::Tensor();
  };
  EXPECT_TRUE(read(6, 9, Bytes<double>({0.25, -3}))
                  .equal(at::tensor({0.25, -3.0}, at::kDouble).view({1, 2})));
  // MATLAB stores whole doubles in fewer bytes.
  EXPECT_TRUE(read(6, 2, Bytes<uint8_t>({7, 255}))
                  .equal(at::tensor({7.0, 255.0}, at::kDouble).view({1, 2})));
  EXPECT_TRUE(read(7, 7, Bytes<float>({0.5f, -2.f}))
                  .equal(at::tensor({0.5, -2.0}, at::kFloat).view({1, 2})));
  EXPECT_TRUE(read(8, 1, Bytes<int8_t>({-1, 2}))
                  .equal(at::tensor({-1, 2}, at::kChar).view({1, 2})));
  EXPECT_TRUE(read(10, 3, Bytes<int16_t>({-300, 2}))
                  .equal(at::tensor({-300, 2}, at::kShort).view({1, 2})));
  EXPECT_TRUE(read(11, 4, Bytes<uint16_t>({65535, 2}))
                  .equal(at::tensor({65535, 2}, at::kInt).view({1, 2})));
  EXPECT_TRUE(read(12, 5, Bytes<int32_t>({-70000, 2}))
                  .equal(at::tensor({-70000, 2}, at::kInt).view({1, 2})));
  EXPECT_TRUE(
      read(13, 6, Bytes<uint32_t>({4294967295u, 2}))
          .equal(at::tensor({int64_t{4294967295}, int64_t{2}}, at::kLong)
                     .view({1, 2})));
  EXPECT_TRUE(read(9, 2, Bytes<uint8_t>({0, 1}), /*flags=*/2)
                  .equal(at::tensor({0, 1}, at::kByte).view({1, 2})));
}

TEST(ReadMatArrayTest, ReadsBigEndian) {
  const auto big = [](const std::vector<uint32_t>& words) {
    std::string bytes;
    for (const uint32_t w : words) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        bytes.push_back(static_cast<char>(w >> shift & 0xff));
      }
    }
    return bytes;
  };
  std::string header = MatHeader();
  header.replace(124, 4, std::string("\1\0MI", 4));
  // int16, 1x2, named "x" (a small element), -2 and 258 (small too).
  const std::string x = big({14, 48, 6, 8, 10, 0, 5, 8, 1, 2, 1 << 16 | 1,
                             'x' << 24, 4 << 16 | 3, 0xfffe0102});
  ASSERT_OK_AND_ASSIGN(const at::Tensor read, ParseMatArray(header + x, "x"));
  EXPECT_TRUE(read.equal(at::tensor({-2, 258}, at::kShort).view({1, 2})));
}

TEST(ReadMatArrayTest, ThreeAxesAndNone) {
  const std::string path =
      Write(MatHeader() +
            MatArray("x", {2, 1, 3}, 9, 2, SixBytes()) +  // x[r][0][k] = 1+r+2k
            MatArray("empty", {0, 4}, 9, 2, ""));
  ASSERT_OK_AND_ASSIGN(const at::Tensor x, ReadMatArray(path, "x"));
  EXPECT_EQ(x.sizes(), at::IntArrayRef({2, 1, 3}));
  EXPECT_EQ(x[1][0][2].item<int>(), 6);
  EXPECT_EQ(x[1][0][0].item<int>(), 4);
  EXPECT_EQ(x[0][0][1].item<int>(), 2);
  ASSERT_OK_AND_ASSIGN(const at::Tensor empty, ReadMatArray(path, "empty"));
  EXPECT_EQ(empty.sizes(), at::IntArrayRef({0, 4}));
}

TEST(ReadMatArrayTest, NamesWhatIsMissing) {
  EXPECT_THAT(ReadMatArray("/nowhere/x.mat", "x"),
              StatusIs(kNotFound, HasSubstr("/nowhere/x.mat")));
  const std::string array = MatArray("", {2, 3}, 9, 2, SixBytes());
  const std::string path =
      Write(MatHeader() + MatArray("x", {2, 3}, 9, 2, SixBytes()) +
            MatStruct("s", {{"a", array}, {"b", array}}) +
            MatStruct("many", {{"a", array}, {"a2", array}}, {1, 1}) +
            MatStruct("row", {{"a", array + array}}, {1, 2}));
  EXPECT_THAT(ReadMatArray(path, "z"),
              StatusIs(kNotFound,
                       AllOf(StartsWith(path), HasSubstr("no variable \"z\"; "
                                                         "there are \"x\", "
                                                         "\"s\", \"many\""))));
  EXPECT_THAT(ReadMatArray(path, "s.c"),
              StatusIs(kNotFound, HasSubstr(": s: no field \"c\"; there are "
                                            "\"a\", \"b\"")));
  EXPECT_THAT(
      ReadMatArray(path, "x.y"),
      StatusIs(kInvalid, HasSubstr("x: no struct, so it has no field")));
  EXPECT_THAT(ReadMatArray(path, "s"),
              StatusIs(kInvalid, HasSubstr("s: MATLAB class 2, expected")));
  EXPECT_THAT(ReadMatArray(path, "row.a"),
              StatusIs(kInvalid, HasSubstr("a struct array of size 1x2")));
  EXPECT_THAT(ReadMatArray(path, "s..a"),
              StatusIs(kInvalid, HasSubstr("single dots")));
}

TEST(ReadMatArrayTest, RefusesOtherFiles) {
  const auto read = [](const std::string& bytes) {
    return ReadMatArray(Write(bytes), "x");
  };
  EXPECT_THAT(read(""), StatusIs(kInvalid, HasSubstr("got 0 bytes")));
  EXPECT_THAT(read(std::string(300, 'a')),
              StatusIs(kInvalid, HasSubstr("its mark is missing")));
  std::string newer = MatHeader();
  newer[125] = 2;
  EXPECT_THAT(read(newer), StatusIs(kInvalid, HasSubstr("save -v7")));
  EXPECT_THAT(read(MatHeader()),
              StatusIs(kNotFound, HasSubstr("there is none")));
  EXPECT_THAT(read(MatHeader() + MatElement(2, "abc")),
              StatusIs(kInvalid, HasSubstr("element type 2 where a variable")));
}

TEST(ReadMatArrayTest, RefusesComplexCharAndUint64) {
  const std::string eight(8, '\1');
  EXPECT_THAT(
      ParseMatArray(MatHeader() + MatArray("x", {1, 1}, 4, 2, eight), "x"),
      StatusIs(kInvalid,
               "x: MATLAB class 4, expected an array of numbers or "
               "logical"));
  EXPECT_THAT(
      ParseMatArray(MatHeader() + MatArray("x", {1, 1}, 15, 13, eight), "x"),
      StatusIs(kInvalid, HasSubstr("x: uint64")));
  const std::string complex =
      MatElement(14, MatHead(6, 8, {1, 1}, "x") + MatElement(9, eight) +
                         MatElement(9, eight));
  EXPECT_THAT(ReadMatArray(Write(MatHeader() + complex), "x"),
              StatusIs(kInvalid, HasSubstr("complex")));
}

TEST(ReadMatArrayTest, RefusesHostileSizes) {
  const auto read = [](const std::vector<int32_t>& dims) {
    return ParseMatArray(MatHeader() + MatArray("x", dims, 9, 2, SixBytes()),
                         "x");
  };
  EXPECT_THAT(read({20, 30}),
              StatusIs(kInvalid, HasSubstr("x: size 20x30, but 6 numbers are "
                                           "there")));
  EXPECT_THAT(read({30000, 30000}), StatusIs(kInvalid, HasSubstr("but 6")));
  EXPECT_THAT(read({2147483647, 2147483647, 2147483647}),
              StatusIs(kInvalid, HasSubstr("but 6")));
  EXPECT_THAT(read({1, 5}), StatusIs(kInvalid, HasSubstr("but 6")));
  EXPECT_THAT(read({-1, 3}), StatusIs(kInvalid, HasSubstr("a side of -1")));
  EXPECT_THAT(read({1, 1, 1, 1, 1, 1, 1, 1, 6}),
              StatusIs(kInvalid, HasSubstr("9 axes, expected 1 .. 8")));
}

TEST(ReadMatArrayTest, RefusesWhatIsNotThere) {
  const std::string x = MatArray("x", {2, 3}, 9, 2, SixBytes());
  EXPECT_THAT(ParseMatArray(MatHeader() + x.substr(0, x.size() - 8), "x"),
              StatusIs(kInvalid, HasSubstr("damaged: truncated")));
  EXPECT_THAT(ParseMatArray(MatHeader() + x + "abc", "y"),
              StatusIs(kInvalid, HasSubstr("truncated, 3 bytes left")));
  std::string packed = MatCompressed(x);
  packed[12] = static_cast<char>(packed[12] ^ 0x55);
  EXPECT_THAT(ParseMatArray(MatHeader() + packed, "x"),
              StatusIs(kInvalid, HasSubstr("cannot be uncompressed")));
  // Struct: a name length that divides nothing, fields that are missing.
  std::string s = MatStruct("s", {{"a", MatArray("", {1, 1}, 9, 2, "a")}});
  EXPECT_THAT(
      ParseMatArray(MatHeader() + s.substr(0, 8) + MatHead(2, 0, {1, 1}, "s"),
                    "s.a"),
      StatusIs(kInvalid, HasSubstr("damaged")));
}

TEST(ReadMatArrayTest, TruncatedAndDamagedFilesNeverCrash) {
  ASSERT_OK_AND_ASSIGN(const std::string golden, ReadFile(kGolden));
  const std::string plain =
      MatHeader() +
      MatStruct(
          "GTcls",
          {{"Boundaries", MatArray("", {1, 1}, 6, 9, Bytes<double>({0.5}))},
           {"Segmentation", MatArray("", {2, 3}, 9, 2, SixBytes())}});
  for (const std::string& whole : {golden, plain}) {
    for (size_t size = 0; size < whole.size() - 8; ++size) {
      EXPECT_FALSE(
          ParseMatArray(whole.substr(0, size), "GTcls.Segmentation").ok())
          << size;
    }
    // Each byte behind the text changed in turn: any answer, no crash, no more
    // numbers than there are bytes.
    for (size_t i = 116; i < whole.size(); ++i) {
      for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(damaged[i] ^ flip);
        const auto x = ParseMatArray(damaged, "GTcls.Segmentation");
        ASSERT_TRUE(!x.ok() || x->numel() <= 35);
      }
    }
  }
}

// A file of matio's own making, as MATLAB writes them too.
std::string WriteByMatio(matio_compression compression) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string path = testing::TempDir() + "/" + test->name() + ".mat";
  mat_t* file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
  size_t dims[2] = {2, 3};
  size_t one[2] = {1, 1};
  uint8_t bytes[6] = {1, 4, 2, 5, 3, 6};
  double doubles[6] = {0.5, 4, 2, 5, 3, 6};
  int32_t ints[6] = {-70000, 4, 2, 5, 3, 6};
  matvar_t* d =
      Mat_VarCreate("d", MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims, doubles, 0);
  Mat_VarWrite(file, d, compression);
  Mat_VarFree(d);
  const char* names[] = {"Boundaries", "Segmentation", "n"};
  matvar_t* s = Mat_VarCreateStruct("GTcls", 2, one, names, 3);
  matvar_t* cell =
      Mat_VarCreate("", MAT_C_CELL, MAT_T_CELL, 2, one, nullptr, 0);
  Mat_VarSetCell(
      cell, 0,
      Mat_VarCreate("", MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims, doubles, 0));
  Mat_VarSetStructFieldByName(s, "Boundaries", 0, cell);
  Mat_VarSetStructFieldByName(
      s, "Segmentation", 0,
      Mat_VarCreate("", MAT_C_UINT8, MAT_T_UINT8, 2, dims, bytes, 0));
  Mat_VarSetStructFieldByName(
      s, "n", 0, Mat_VarCreate("", MAT_C_INT32, MAT_T_INT32, 2, dims, ints, 0));
  Mat_VarWrite(file, s, compression);
  Mat_VarFree(s);
  Mat_Close(file);
  return path;
}

TEST(ReadMatArrayTest, ReadsWhatMatioWrote) {
  for (const matio_compression compression :
       {MAT_COMPRESSION_NONE, MAT_COMPRESSION_ZLIB}) {
    const std::string path = WriteByMatio(compression);
    ASSERT_OK_AND_ASSIGN(const at::Tensor s,
                         ReadMatArray(path, "GTcls.Segmentation"));
    EXPECT_TRUE(s.equal(Six()));
    at::Tensor expected = Six().to(at::kDouble);
    expected[0][0] = 0.5;
    ASSERT_OK_AND_ASSIGN(const at::Tensor d, ReadMatArray(path, "d"));
    EXPECT_TRUE(d.equal(expected));
    expected[0][0] = -70000;
    ASSERT_OK_AND_ASSIGN(const at::Tensor n, ReadMatArray(path, "GTcls.n"));
    EXPECT_TRUE(n.equal(expected.to(at::kInt)));
  }
}

TEST(ReadMatArrayTest, AgreesWithMatioOnWhatSciPyWrote) {
  mat_t* file = Mat_Open(kGolden, MAT_ACC_RDONLY);
  ASSERT_NE(file, nullptr);
  matvar_t* root = Mat_VarRead(file, "GTcls");
  ASSERT_NE(root, nullptr);
  matvar_t* field = Mat_VarGetStructFieldByName(root, "Segmentation", 0);
  ASSERT_NE(field, nullptr);
  ASSERT_OK_AND_ASSIGN(const at::Tensor x,
                       ReadMatArray(kGolden, "GTcls.Segmentation"));
  ASSERT_EQ(field->nbytes, static_cast<size_t>(x.numel()));
  const at::Tensor columns = x.t().contiguous();
  EXPECT_EQ(std::memcmp(field->data, columns.data_ptr(), field->nbytes), 0);
  Mat_VarFree(root);
  Mat_Close(file);
}

TEST(ReadMatArrayTest, ThreadsMayReadAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> right(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &right] {
      for (int i = 0; i < 50; ++i) {
        const auto x = ReadMatArray(kGolden, "GTcls.Segmentation");
        right[t] += x.ok() && (*x)[4][6].item<int>() == 18;
        right[t] += !ReadMatArray(kGolden, "GTcls.None").ok();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(right, testing::Each(100));
}

}  // namespace
}  // namespace seg
