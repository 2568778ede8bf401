// testdata/pth comes from torch.save of PyTorch 2.11 in both layouts
// (testdata/make_pth_goldens.py).
#include "common/io/pth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/io/file.h"
#include "common/io/pickle_builder.h"
#include "common/io/safetensors.h"
#include "common/io/zip_builder.h"
#include "common/io/zip_index.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::StartsWith;
namespace p = pickle;

constexpr char kFolder[] = "common/io/testdata/pth/";

class PthGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PthGoldenTest, ReadsWhatTorchLoads) {
  const std::string path = std::string(kFolder) + GetParam() + ".pth";
  ASSERT_OK_AND_ASSIGN(const TensorMap tensors, ReadPth(path));
  ASSERT_OK_AND_ASSIGN(const TensorMap expected,
                       ReadSafetensors(path + ".safetensors"));
  ASSERT_EQ(tensors.size(), expected.size());
  for (const auto& entry : expected) {
    SCOPED_TRACE(entry.first);
    ASSERT_EQ(tensors.count(entry.first), 1u);
    const at::Tensor& tensor = tensors.at(entry.first);
    EXPECT_EQ(tensor.scalar_type(), entry.second.scalar_type());
    EXPECT_TRUE(tensor.is_contiguous());
    EXPECT_FALSE(tensor.requires_grad());
    ASSERT_EQ(tensor.sizes(), entry.second.sizes());
    EXPECT_TRUE(at::equal(tensor.to(at::kComplexDouble),
                          entry.second.to(at::kComplexDouble)));
  }
}

TEST_P(PthGoldenTest, SurvivesTruncationAndEveryChangedByte) {
  const std::string path = std::string(kFolder) + GetParam() + ".pth";
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(path));
  for (size_t n = 0; n < bytes.size(); ++n) {
    ASSERT_FALSE(ParsePth(bytes.substr(0, n)).ok()) << n;
  }
  std::string changed = bytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    changed[i] = static_cast<char>(bytes[i] ^ 0x21);
    const absl::StatusOr<TensorMap> tensors = ParsePth(changed);
    if (tensors.ok()) {
      for (const auto& entry : *tensors) {
        ASSERT_LE(entry.second.nbytes(), bytes.size());
      }
    }
    changed[i] = bytes[i];
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, PthGoldenTest,
    ::testing::Values("types_zip", "types_legacy", "views_zip", "views_legacy",
                      "module_zip", "module_legacy", "checkpoint_zip",
                      "checkpoint_legacy", "nested_zip", "nested_legacy",
                      "lone_zip", "lone_legacy"));

// --- Hand-made archives -----------------------------------------------------

ZipPart Part(const std::string& name, const std::string& content) {
  ZipPart part;
  part.name = name;
  part.content = content;
  return part;
}

// An archive of one pickle and the storage "0" of six floats 0..5.
std::string SixFloats() {
  std::string bytes;
  for (const uint32_t bits :
       {0u, 0x3f800000u, 0x40000000u, 0x40400000u, 0x40800000u, 0x40a00000u}) {
    AppendLittle(bits, 4, &bytes);
  }
  return bytes;
}
std::string Zipped(const std::string& body) {
  return BuildZip({Part("m/data.pkl", p::Program(body)),
                   Part("m/byteorder", "little"),
                   Part("m/data/0", SixFloats())});
}
std::string Six(int64_t offset, const std::vector<int64_t>& sizes,
                const std::vector<int64_t>& strides) {
  return p::Tensor(p::Storage("FloatStorage", "0", 6), offset, sizes, strides);
}

// The same in the legacy layout.
std::string Legacy(const std::string& body, const std::string& keys,
                   const std::string& tail,
                   const std::string& little = "\x88") {
  return p::Program("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") +
         p::Program("M\xe9\x03") +
         p::Program(p::Dict({p::Str("little_endian"), little})) +
         p::Program(body) + p::Program(keys) + tail;
}
std::string SixTail(uint64_t count = 6) {
  std::string bytes;
  AppendLittle(count, 8, &bytes);
  return bytes + SixFloats();
}

void ExpectRefused(const std::string& bytes, const std::string& why) {
  EXPECT_THAT(ParsePth(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
}

TEST(PthTest, ReadsHandMadeFiles) {
  const std::string body =
      p::Dict({p::Str("w"), Six(1, {2, 2}, {1, 3}), p::Str("n"), p::Int(4)});
  const at::Tensor expected = at::tensor({1.f, 4.f, 2.f, 5.f}).view({2, 2});
  for (const std::string& bytes :
       {Zipped(body), Legacy(body, p::List({p::Str("0")}), SixTail())}) {
    ASSERT_OK_AND_ASSIGN(const TensorMap tensors, ParsePth(bytes));
    ASSERT_THAT(tensors, ElementsAre(Key("w")));
    EXPECT_TRUE(at::equal(tensors.at("w"), expected));
  }
}

// `archive`, packed anew with every member deflated.
std::string Deflated(const std::string& archive) {
  std::vector<ZipPart> parts;
  const ZipIndex index = ParseZip(archive).value();
  for (const auto& entry : index) {
    parts.push_back(
        Part(std::string(entry.first), std::string(entry.second.content)));
    parts.back().deflate = true;
  }
  return BuildZip(parts);
}

TEST(PthTest, ReadsDeflatedMembers) {
  for (const char* name : {"types_zip", "views_zip", "module_zip"}) {
    const std::string path = std::string(kFolder) + name + ".pth";
    ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(path));
    ASSERT_OK_AND_ASSIGN(const TensorMap expected, ParsePth(bytes));
    ASSERT_OK_AND_ASSIGN(const TensorMap tensors, ParsePth(Deflated(bytes)));
    ASSERT_EQ(tensors.size(), expected.size());
    for (const auto& entry : expected) {
      EXPECT_EQ(tensors.at(entry.first).scalar_type(),
                entry.second.scalar_type());
      EXPECT_TRUE(at::equal(tensors.at(entry.first).to(at::kComplexDouble),
                            entry.second.to(at::kComplexDouble)))
          << name << " " << entry.first;
    }
  }
  // As a zip program of another kind writes it (testdata/make_pth_goldens.py).
  ASSERT_OK_AND_ASSIGN(const TensorMap repacked,
                       ReadPth(std::string(kFolder) + "module_repacked.pth"));
  ASSERT_OK_AND_ASSIGN(const TensorMap expected,
                       ReadPth(std::string(kFolder) + "module_zip.pth"));
  for (const auto& entry : expected) {
    EXPECT_TRUE(at::equal(repacked.at(entry.first), entry.second));
  }
}

TEST(PthTest, RefusesDeflatedFilesThatLieOrBurst) {
  const std::string body = p::Dict({p::Str("w"), Six(0, {6}, {1})});
  const std::string good = Deflated(Zipped(body));
  EXPECT_OK(ParsePth(good));
  for (size_t n = 0; n < good.size(); ++n) {
    ASSERT_FALSE(ParsePth(good.substr(0, n)).ok()) << n;
  }
  std::string changed = good;
  for (size_t i = 0; i < good.size(); ++i) {
    changed[i] = static_cast<char>(good[i] ^ 0x21);
    const absl::StatusOr<TensorMap> tensors = ParsePth(changed);
    if (tensors.ok()) {
      for (const auto& entry : *tensors) ASSERT_LE(entry.second.nbytes(), 24u);
    }
    changed[i] = good[i];
  }
  // 96 MiB of zeros in 100 kB, as large as the pickle says: a bomb.
  const int64_t bytes = int64_t{96} << 20;
  ZipPart bomb = Part("m/data/0", std::string(bytes, '\0'));
  bomb.deflate = true;
  ExpectRefused(
      BuildZip(
          {Part("m/data.pkl",
                p::Program(p::Tensor(p::Storage("FloatStorage", "0", bytes / 4),
                                     0, {bytes / 4}, {1}))),
           bomb}),
      "unpack to more than 16 times the file");
  // A member that the pickle expects to be smaller is not unpacked.
  ExpectRefused(
      BuildZip({Part("m/data.pkl", p::Program(Six(0, {6}, {1}))), bomb}),
      "has 100663296 bytes, expected 24");
}

TEST(PthTest, SharedStoragesShareMemory) {
  ASSERT_OK_AND_ASSIGN(
      const TensorMap tensors,
      ParsePth(Zipped(p::Dict({p::Str("all"), Six(0, {6}, {1}), p::Str("end"),
                               Six(4, {2}, {1})}))));
  tensors.at("all")[4].fill_(9);
  EXPECT_EQ(tensors.at("end")[0].item<float>(), 9);
}

TEST(PthTest, NamesJoinKeysAndPositions) {
  const std::string t = Six(0, {1}, {1});
  ASSERT_OK_AND_ASSIGN(
      const TensorMap tensors,
      ParsePth(Zipped(p::Dict(
          {p::Str("a"), p::Dict({p::Str("b"), t, p::Int(3), p::List({"N", t})}),
           p::Str("n"), "N", p::Str("c"), p::Tuple({t}), "N", ")"}))));
  EXPECT_THAT(tensors, ElementsAre(Key("a.3.1"), Key("a.b"), Key("c.0")));
}

TEST(PthTest, StepsIntoContainers) {
  const std::string t = Six(0, {1}, {1});
  for (const char* name : {"state_dict", "model_state_dict", "model"}) {
    ASSERT_OK_AND_ASSIGN(
        const TensorMap tensors,
        ParsePth(Zipped(p::Dict({p::Str("optimizer"), p::Dict({p::Str("m"), t}),
                                 p::Str(name), p::Dict({p::Str("w"), t})}))));
    EXPECT_THAT(tensors, ElementsAre(Key("w")));
  }
  // A tensor or an empty dict of that name is no container.
  ASSERT_OK_AND_ASSIGN(const TensorMap tensors,
                       ParsePth(Zipped(p::Dict(
                           {p::Str("state_dict"), "}", p::Str("model"), t}))));
  EXPECT_THAT(tensors, ElementsAre(Key("model")));
}

TEST(PthTest, RefusesBadNests) {
  const std::string t = Six(0, {1}, {1});
  ExpectRefused(Zipped(p::Dict({p::Str("a"), t, p::Str("a"), t})),
                "two tensors have the name \"a\"");
  ExpectRefused(Zipped(p::Dict({p::Str("a.b"), t, p::Str("a"),
                                p::Dict({p::Str("b"), t})})),
                "two tensors have the name \"a.b\"");
  ExpectRefused(Zipped(p::Dict({"N", t})), "must be a str or int, got None");
  ExpectRefused(
      Zipped(p::Dict({p::Str("s"), p::Storage("FloatStorage", "0", 6)})),
      "\"s\" is a bare storage");
  // A list that contains itself.
  ExpectRefused(Zipped(std::string("]q\0h\0a", 6)), "nested deeper than 64");
  // Each list holds the one before ten times: 10^30 ways down.
  std::string laughs = std::string("]q\0", 3) + "(" + t + "e";
  for (int i = 0; i < 30; ++i) {
    laughs += "0](";
    for (int k = 0; k < 10; ++k) laughs += std::string("h\0", 2);
    laughs += std::string("eq\0", 3);
  }
  ExpectRefused(Zipped(laughs), "more than 131072 tensors");
  // The same over lists that hold nothing.
  std::string empty = std::string("]Naq\0", 5);
  for (int i = 0; i < 30; ++i) {
    empty += "0](";
    for (int k = 0; k < 10; ++k) empty += std::string("h\0", 2);
    empty += std::string("eq\0", 3);
  }
  ExpectRefused(Zipped(empty), "more than 1048576 values");
  // A megabyte of name under which there are many.
  std::string names = p::Str(std::string(1 << 20, 'k')) + std::string("q\0", 2);
  names = "}" + names + "](";
  for (int i = 0; i < 100; ++i) names += "]Na";
  ExpectRefused(Zipped(names + "es"), "names exceed");
}

TEST(PthTest, RefusesWrongArchives) {
  const std::string t = Six(0, {1}, {1});
  ExpectRefused("", "empty file");
  ExpectRefused("not weights", "not a file of torch.save");
  ExpectRefused("PK\3\4", "zip: ");
  ExpectRefused(BuildZip({Part("m/x", "")}), "no data.pkl");
  ExpectRefused(BuildZip({Part("data.pkl", "")}), "no data.pkl");
  ExpectRefused(BuildZip({Part("a/data.pkl", ""), Part("b/data.pkl", "")}),
                "two data.pkl");
  ExpectRefused(BuildZip({Part("m/constants.pkl", ""), Part("m/data.pkl", "")}),
                "TorchScript");
  ExpectRefused(
      BuildZip({Part("m/data.pkl", p::Program(t)), Part("m/byteorder", "big")}),
      "byte order is \"big\"");
  ExpectRefused(BuildZip({Part("m/data.pkl", p::Program(t))}),
                "zip has no storage \"0\" for tensor \"tensor\"");
  ExpectRefused(
      BuildZip({Part("m/data.pkl", p::Program(t)), Part("m/data/0", "short")}),
      "storage \"0\" has 5 bytes, expected 24");
  ExpectRefused(Zipped(p::Global("os", "system")), "\"os.system\"");
  ExpectRefused(
      Zipped(p::Tensor(p::Storage("BoolStorage", "0", 24), 0, {1}, {1})),
      "a bool must be stored as 0 or 1");
  // Storages that no tensor needs may be missing.
  EXPECT_OK(ParsePth(Zipped(
      p::Dict({p::Str("model"), p::Dict({p::Str("w"), t}), p::Str("other"),
               p::Tensor(p::Storage("IntStorage", "9", 1), 0, {1}, {1})}))));
}

TEST(PthTest, RefusesCopiesBeyondTheFile) {
  // Each view is a legal transposition, and each is copied.
  std::vector<std::string> small, large;
  for (int i = 0; i < 100; ++i) {
    small.push_back(p::Int(i));
    small.push_back(Six(0, {3, 2}, {1, 3}));
    large.push_back(p::Int(i));
    large.push_back(
        p::Tensor(p::Storage("FloatStorage", "0", 600), 0, {2, 300}, {1, 2}));
  }
  EXPECT_OK(ParsePth(Zipped(p::Dict(small))));  // 100 * 24 bytes
  const auto archive = [](const std::string& body) {
    return BuildZip({Part("m/data.pkl", p::Program(body)),
                     Part("m/data/0", std::string(600 * 4, '\0'))});
  };
  ExpectRefused(archive(p::Dict(large)), "more memory than the file");
  // One tensor under many names is copied once.
  std::vector<std::string> same;
  for (int i = 0; i < 100; ++i) {
    same.push_back(p::Int(i));
    same.push_back(std::string("h\7", 2));
  }
  EXPECT_OK(ParsePth(archive(large[1] + "q\7" + "0" + p::Dict(same))));
}

TEST(PthTest, RefusesBadLegacyFiles) {
  const std::string body = p::Dict({p::Str("w"), Six(0, {6}, {1})});
  const std::string keys = p::List({p::Str("0")});
  EXPECT_OK(ParsePth(Legacy(body, keys, SixTail())));
  ExpectRefused(p::Program("N"), "no magic number");
  ExpectRefused(p::Program("\x8a\x0a" + std::string(10, 'x')), "no magic");
  ExpectRefused("\x80\x02", "pth: magic number: pickle: ");
  std::string bytes = Legacy(body, keys, SixTail());
  bytes[bytes.find("M\xe9") + 1] = 1;
  ExpectRefused(bytes, "unknown version of the legacy layout");
  ExpectRefused(Legacy(body, keys, SixTail(), "\x89"), "little-endian");
  ExpectRefused(Legacy(body, keys, SixTail(), "N"), "little-endian");
  ExpectRefused(Legacy(body, "N", SixTail()), "does not match the 1 storages");
  ExpectRefused(Legacy(body, "]", SixTail()), "does not match the 1 storages");
  ExpectRefused(Legacy(body, p::List({p::Str("1")}), SixTail()),
                "does not match the storages");
  ExpectRefused(Legacy(body, p::List({"N"}), SixTail()),
                "does not match the storages");
  ExpectRefused(
      Legacy(p::Tuple({body, p::Tensor(p::Storage("IntStorage", "1", 1), 0, {1},
                                       {1})}),
             p::List({p::Str("0"), p::Str("0")}), SixTail() + SixTail()),
      "does not match the storages");
  ExpectRefused(Legacy(body, keys, SixTail(7)), "has 7 elements, expected 6");
  const std::string whole = Legacy(body, keys, SixTail());
  ExpectRefused(whole + "x",
                absl::StrCat("1 bytes follow the storages; they are none of "
                             "torch.save: cut the file to its first ",
                             whole.size(), " bytes"));
  ExpectRefused(Zipped(body) + "x", "other bytes follow the archive");
  ExpectRefused(Legacy(body, keys, ""), "leaves the file");
  ExpectRefused(
      Legacy(p::Tensor(p::Storage("FloatStorage", "0", 1LL << 60), 0, {6}, {1}),
             keys, SixTail()),
      "leaves the file");
}

TEST(PthTest, FilesNameThePath) {
  const std::string path = ::testing::TempDir() + "test.pth";
  ASSERT_OK(WriteFileAtomically(path, "bad"));
  EXPECT_THAT(ReadPth(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                      StartsWith(path + ": pth: ")));
  EXPECT_THAT(ReadPth(path + ".none"),
              StatusIs(absl::StatusCode::kNotFound, StartsWith(path)));
}

}  // namespace
}  // namespace seg
