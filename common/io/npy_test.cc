#include "common/io/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/file.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A file with any header text, of version 1, 2 or 3.
std::string Npy(const std::string& header, const std::string& data,
                int version = 1) {
  std::string bytes("\x93NUMPY", 6);
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    bytes += static_cast<char>(header.size() >> (8 * i));
  }
  return bytes + header + data;
}
std::string Header(const std::string& descr, const std::string& shape,
                   bool fortran = false) {
  return "{'descr': '" + descr +
         "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }\n";
}

TEST(NpyTest, ReadsHandMadeBytes) {
  ASSERT_OK_AND_ASSIGN(
      const at::Tensor tensor,
      ParseNpy(Npy(Header("<i2", "(2, 3)"),
                   std::string("\1\0\2\0\3\0\4\0\5\0\xff\xff", 12))));
  EXPECT_EQ(tensor.scalar_type(), at::kShort);
  EXPECT_TRUE(at::equal(
      tensor, at::tensor({1, 2, 3, 4, 5, -1}, at::kShort).view({2, 3})));
}

TEST(NpyTest, ReadsEveryVersionAndSpelling) {
  const std::string data("\7\0\0\0", 4);
  const at::Tensor expected = at::full({1}, 7, at::kInt);
  for (const int version : {1, 2, 3}) {
    ASSERT_OK_AND_ASSIGN(const at::Tensor tensor,
                         ParseNpy(Npy(Header("<i4", "(1,)"), data, version)));
    EXPECT_TRUE(at::equal(tensor, expected));
  }
  for (const char* header :
       {"{\"shape\":(1,),\"fortran_order\":False,\"descr\":\"<i4\"}",
        "  { 'fortran_order' : False , 'shape' : ( 1L , ) , 'descr' : '<i4' "
        ", }  \n"}) {
    ASSERT_OK_AND_ASSIGN(const at::Tensor tensor, ParseNpy(Npy(header, data)));
    EXPECT_TRUE(at::equal(tensor, expected));
  }
}

TEST(NpyTest, ReadsFortranOrder) {
  // Columns of [[1, 2, 3], [4, 5, 6]] one after the other.
  ASSERT_OK_AND_ASSIGN(
      const at::Tensor tensor,
      ParseNpy(Npy(Header("|u1", "(2, 3)", true), "\1\4\2\5\3\6")));
  EXPECT_TRUE(tensor.is_contiguous());
  EXPECT_TRUE(at::equal(
      tensor, at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).view({2, 3})));
}

TEST(NpyTest, ConvertsBigEndian) {
  EXPECT_EQ(ParseNpy(Npy(Header(">i4", "()"), std::string("\0\0\1\2", 4)))
                ->item<int>(),
            258);
  EXPECT_EQ(
      ParseNpy(Npy(Header(">f8", "()"), std::string("\x3F\xF8\0\0\0\0\0\0", 8)))
          ->item<double>(),
      1.5);
  // 1 + 2i: each half is swapped, the halves are not.
  const at::Tensor value = *ParseNpy(
      Npy(Header(">c8", "(1,)"), std::string("\x3F\x80\0\0\x40\0\0\0", 8)));
  EXPECT_EQ(at::real(value).item<float>(), 1);
  EXPECT_EQ(at::imag(value).item<float>(), 2);
  // A byte has no order.
  EXPECT_EQ(ParseNpy(Npy(Header("<u1", "()"), "\5"))->item<int>(), 5);
}

TEST(NpyTest, RoundTripsEveryTypeAndShape) {
  for (const at::ScalarType type :
       {at::kBool, at::kByte, at::kChar, at::kUInt16, at::kShort, at::kUInt32,
        at::kInt, at::kUInt64, at::kLong, at::kHalf, at::kFloat, at::kDouble,
        at::kComplexFloat, at::kComplexDouble}) {
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{
             {}, {1}, {5}, {2, 3}, {0}, {3, 0, 2}, {2, 1, 3, 2}}) {
      int64_t count = 1;
      for (const int64_t size : shape) count *= size;
      const at::Tensor tensor = at::arange(count).view(shape).to(type);
      ASSERT_OK_AND_ASSIGN(const std::string bytes, SerializeNpy(tensor));
      ASSERT_OK_AND_ASSIGN(const at::Tensor back, ParseNpy(bytes));
      EXPECT_EQ(back.scalar_type(), type);
      ASSERT_EQ(back.sizes(), tensor.sizes());
      EXPECT_EQ(SerializeNpy(back).value(), bytes);
      EXPECT_TRUE(at::equal(back.to(at::kComplexDouble),
                            tensor.to(at::kComplexDouble)));
    }
  }
}

TEST(NpyTest, WritesWhatNumPyWrites) {
  // numpy.save of numpy.arange(3, dtype="<u2"), NumPy 2.4.6.
  const std::string expected =
      std::string("\x93NUMPY\x01\0v\0", 10) +
      "{'descr': '<u2', 'fortran_order': False, 'shape': (3,), }" +
      std::string(60, ' ') + "\n" + std::string("\0\0\1\0\2\0", 6);
  EXPECT_EQ(SerializeNpy(at::arange(3).to(at::kUInt16)).value(), expected);
}

TEST(NpyTest, WritesStridedAndConjugatedViews) {
  const at::Tensor base = at::arange(12).view({3, 4});
  EXPECT_EQ(SerializeNpy(base.t()).value(),
            SerializeNpy(base.t().contiguous()).value());
  const at::Tensor z = at::complex(at::ones({2}), at::ones({2}));
  const at::Tensor back = ParseNpy(SerializeNpy(z.conj()).value()).value();
  EXPECT_EQ(at::imag(back)[0].item<float>(), -1);
}

TEST(NpyTest, RefusesBadFiles) {
  const auto refuses = [](const std::string& bytes, const char* why) {
    EXPECT_THAT(ParseNpy(bytes),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("npy: "), HasSubstr(why))));
  };
  const std::string four("\0\0\0\0", 4);
  refuses("", "too short");
  refuses("not a NumPy file", "does not begin");
  refuses(Npy(Header("<f4", "(1,)"), four, 4), "unknown version 4.0");
  refuses(Npy(Header("<f4", "(1,)"), four, 0), "unknown version 0.0");
  refuses(std::string("\x93NUMPY\x02\0\xff\xff\xff\xff", 12), "header length");
  refuses(Npy("", four), "not a dictionary");
  refuses(Npy("[1]", four), "not a dictionary");
  refuses(Npy("{'descr'", four), "malformed");
  refuses(Npy("{'descr: ", four), "malformed");
  refuses(Npy("{'descr': '<f4' 'x'}", four), "malformed");
  refuses(Npy("{}", four), "lacks descr");
  refuses(Npy("{'descr': '<f4', 'shape': (1,)}", four), "lacks");
  refuses(Npy("{'other': 1}", four), "unknown key \"other\"");
  refuses(Npy("{'descr': '<f4', 'descr': '<f4'}", four), "duplicate key");
  refuses(Npy(Header("<f4", "(1,)") + "x", four), "after the dictionary");
  refuses(Npy("{'fortran_order': 1}", four), "neither True nor False");
  refuses(Npy("{'descr': [('a', '<f4')]}", four), "structured");
  for (const char* type : {"|O", "<U4", "|S4", "<f16", "=f4", "f4", "", "<V4",
                           "<M8[ns]", "?", "<f4 "}) {
    refuses(Npy(Header(type, "(1,)"), four), "unsupported dtype");
  }
  for (const char* shape : {"1", "(1)", "(-1,)", "(1, 2", "(a,)", "(1 2)",
                            "(99999999999999999999,)", "(,)"}) {
    refuses(Npy(Header("<f4", shape), four), "shape is not a tuple");
  }
  std::string deep = "(";
  for (int i = 0; i < 65; ++i) deep += "1,";
  refuses(Npy(Header("<f4", deep + ")"), four), "at most 64");
  refuses(Npy(Header("<f4", "(2,)"), four), "does not fill the 4 bytes");
  refuses(Npy(Header("<f4", "()"), four + "x"), "does not fill the 5 bytes");
  // Sizes whose product, or product with the element size, leaves 64 bits.
  refuses(Npy(Header("<f4", "(4294967296, 4294967296)"), four), "too many");
  refuses(Npy(Header("<f4", "(4611686018427387905,)"), four), "does not fill");
  refuses(Npy(Header("<f4", "(0, 4294967296, 4294967296)"), ""), "too many");
  refuses(Npy(Header("|b1", "(2,)"), "\1\2"), "a bool must be stored as 0 or");
}

TEST(NpyTest, TruncationAtEveryByteIsAnError) {
  const std::string bytes =
      SerializeNpy(at::arange(6).view({2, 3}).to(at::kFloat)).value();
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(ParseNpy(bytes.substr(0, n)).ok()) << n;
  }
  // And every byte changed is an error or some tensor.
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    const absl::StatusOr<at::Tensor> tensor = ParseNpy(changed);
    if (tensor.ok()) {
      EXPECT_LE(tensor->nbytes(), 24u);
    }
  }
}

TEST(NpyTest, FilesNameThePath) {
  const std::string path = ::testing::TempDir() + "npy_test.npy";
  const at::Tensor tensor = at::arange(4);
  ASSERT_OK(WriteNpy(path, tensor));
  EXPECT_TRUE(at::equal(ReadNpy(path).value(), tensor));
  ASSERT_OK(WriteFileAtomically(path, "bad"));
  EXPECT_THAT(ReadNpy(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                      StartsWith(path + ": npy: ")));
  EXPECT_THAT(ReadNpy(path + ".none"),
              StatusIs(absl::StatusCode::kNotFound, StartsWith(path)));
  EXPECT_THAT(WriteNpy(path, tensor.to(at::kBFloat16)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("BFloat16 does not exist in NumPy")));
  EXPECT_THAT(SerializeNpy(at::Tensor()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("defined and dense")));
}

}  // namespace
}  // namespace seg
