#include "common/io/pickle_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/io/pickle_builder.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace p = pickle;

std::string Bytes(const char* text, size_t size) { return {text, size}; }

void ExpectRefused(const std::string& bytes, const std::string& why) {
  EXPECT_THAT(ParsePickle(bytes),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("pickle: "), HasSubstr(why))));
}

// The only value of a program.
PickleValue Root(const std::string& body) {
  // Static: the value has views of it.
  static std::string bytes;
  bytes = p::Program(body);
  const absl::StatusOr<Pickle> pickle = ParsePickle(bytes);
  EXPECT_OK(pickle);
  return pickle.ok() ? pickle->values[pickle->root] : PickleValue();
}

TEST(PickleReaderTest, ReadsAtoms) {
  EXPECT_EQ(Root("N").kind, PickleKind::kNone);
  EXPECT_EQ(Root("\x88").integer, 1);
  EXPECT_EQ(Root("\x89").kind, PickleKind::kBool);
  EXPECT_EQ(Root("K\xff").integer, 255);
  EXPECT_EQ(Root("M\xff\xff").integer, 65535);
  EXPECT_EQ(Root("J\xfe\xff\xff\xff").integer, -2);
  EXPECT_EQ(Root(Bytes("J\x01\0\0\0", 5)).integer, 1);
  EXPECT_EQ(Root(Bytes("\x8a\0", 2)).integer, 0);
  EXPECT_EQ(Root("\x8a\x01\xff").integer, -1);
  EXPECT_EQ(Root(Bytes("\x8a\x02\xff\0", 4)).integer, 255);
  EXPECT_EQ(Root(p::Int(INT64_MIN)).integer, INT64_MIN);
  EXPECT_EQ(Root(Bytes("\x8b\x02\0\0\0\x39\x30", 7)).integer, 12345);
  const PickleValue big = Root("\x8a\x09" + std::string(9, '\1'));
  EXPECT_EQ(big.kind, PickleKind::kLongInt);
  EXPECT_EQ(big.text.size(), 9u);
  EXPECT_EQ(Root("G" + std::string(8, '\0')).kind, PickleKind::kFloat);
  for (const std::string& text :
       {Bytes("U\2ab", 4), Bytes("C\2ab", 4), Bytes("\x8c\2ab", 4),
        Bytes("T\2\0\0\0ab", 7), Bytes("B\2\0\0\0ab", 7), p::Str("ab"),
        Bytes("\x8d\2\0\0\0\0\0\0\0ab", 11),
        Bytes("\x8e\2\0\0\0\0\0\0\0ab", 11)}) {
    const PickleValue value = Root(text);
    EXPECT_EQ(value.kind, PickleKind::kString);
    EXPECT_EQ(value.text, "ab");
  }
}

TEST(PickleReaderTest, ReadsContainers) {
  EXPECT_EQ(Root(")").kind, PickleKind::kTuple);
  EXPECT_EQ(Root("N\x85").items.size(), 1u);
  EXPECT_EQ(Root("NN\x86").items.size(), 2u);
  EXPECT_THAT(Root("NNN\x87").items, ElementsAre(0, 1, 2));
  EXPECT_EQ(Root("(NNNNt").items.size(), 4u);
  EXPECT_EQ(Root("(NNl").kind, PickleKind::kList);
  EXPECT_EQ(Root("(NNd").kind, PickleKind::kDict);
  EXPECT_EQ(Root("]NaNa").items.size(), 2u);
  EXPECT_EQ(Root("](NNe").items.size(), 2u);
  EXPECT_EQ(Root("}NNs").items.size(), 2u);
  EXPECT_EQ(Root("}(NNNNu").items.size(), 4u);
  EXPECT_EQ(Root("N(NN1").kind, PickleKind::kNone);
  EXPECT_EQ(Root("N]0").kind, PickleKind::kNone);
}

TEST(PickleReaderTest, ReadsMemoAndFrames) {
  EXPECT_THAT(Root("Nq\1h\1\x86").items, ElementsAre(0, 0));
  EXPECT_THAT(Root(Bytes("Nr\0\1\0\0j\0\1\0\0\x86", 12)).items,
              ElementsAre(0, 0));
  EXPECT_THAT(Root(Bytes("N\x94h\0\x86", 5)).items, ElementsAre(0, 0));
  EXPECT_EQ(Root(Bytes("\x95\2\0\0\0\0\0\0\0N", 10)).kind, PickleKind::kNone);
  // A list in itself is not followed, so it does no harm.
  EXPECT_EQ(Root(Bytes("]q\0h\0a", 6)).items.size(), 1u);
}

TEST(PickleReaderTest, ReadsOrderedDicts) {
  EXPECT_EQ(Root(p::OrderedDict()).kind, PickleKind::kDict);
  EXPECT_EQ(Root(p::OrderedDict() + "(NNu}b").items.size(), 2u);
  // As Python 2 wrote them: from a list of pairs.
  EXPECT_EQ(Root(p::Global("collections", "OrderedDict") +
                 p::Tuple({p::List({p::List({p::Str("a"), "N"}),
                                    p::Tuple({p::Str("b"), "N"})})}) +
                 "R")
                .items.size(),
            4u);
}

TEST(PickleReaderTest, ReadsTensors) {
  const std::string bytes = p::Program(p::Dict(
      {p::Str("a"),
       p::Tensor(p::Storage("HalfStorage", "7", 6), 1, {2, 2}, {3, 1}),
       p::Str("b"),
       p::Global("torch._utils", "_rebuild_parameter") +
           p::Tuple({p::Tensor(p::Storage("HalfStorage", "7", 6), 6, {0}, {1}),
                     "\x88", p::OrderedDict()}) +
           "R"}));
  ASSERT_OK_AND_ASSIGN(const Pickle pickle, ParsePickle(bytes));
  ASSERT_EQ(pickle.storages.size(), 1u);
  EXPECT_EQ(pickle.storages[0].key, "7");
  EXPECT_EQ(pickle.storages[0].type, RawType::kFloat16);
  EXPECT_EQ(pickle.storages[0].bytes, 12);
  ASSERT_EQ(pickle.tensors.size(), 2u);
  EXPECT_EQ(pickle.tensors[0].offset, 1);
  EXPECT_THAT(pickle.tensors[0].shape, ElementsAre(2, 2));
  EXPECT_THAT(pickle.tensors[0].strides, ElementsAre(3, 1));
  EXPECT_THAT(pickle.tensors[1].shape, ElementsAre(0));
  EXPECT_EQ(pickle.size, bytes.size());
}

TEST(PickleReaderTest, ReadsStackGlobalsAndStorageViews) {
  const std::string view =
      p::Tuple({p::Str("storage"),
                p::Str("torch") + p::Str("IntStorage") + "\x93", p::Str("k"),
                p::Str("cuda:0"), p::Int(10),
                p::Tuple({p::Str("v"), p::Int(4), p::Int(3)})}) +
      "Q";
  const std::string bytes = p::Program(p::Tensor(view, 1, {2}, {1}));
  ASSERT_OK_AND_ASSIGN(const Pickle pickle, ParsePickle(bytes));
  EXPECT_EQ(pickle.tensors[0].offset, 5);
  // The view has 3 elements, the storage 10.
  ExpectRefused(p::Program(p::Tensor(view, 2, {2}, {1})), "leaves its storage");
}

TEST(PickleReaderTest, NamesWhatItRefuses) {
  const auto body = [](const std::string& text, const std::string& why) {
    ExpectRefused(p::Program(text), why);
  };
  body(p::Global("os", "system") + p::Tuple({p::Str("true")}) + "R",
       "global \"os.system\" is not allowed");
  body(p::Global("builtins", "eval"), "\"builtins.eval\"");
  body(p::Str("numpy") + p::Str("dtype") + "\x93", "\"numpy.dtype\"");
  body(p::Global("torch", "QInt8Storage"), "\"torch.QInt8Storage\"");
  body(p::Global(std::string(500, 'm'), "a\tb"), "mmm.a\\tb\"");
  body("}}\x81", "opcode 0x81 (NEWOBJ) is not allowed (byte 4)");
  body("}}}\x92", "(NEWOBJ_EX)");
  body("\x8f", "(EMPTY_SET)");
  body("(\x90", "(ADDITEMS)");
  body("(\x91", "(FROZENSET)");
  body("(ios\nsystem\n", "(INST)");
  body("(o", "(OBJ)");
  body("Pid\n", "(PERSID)");
  body("I01\n", "(INT)");
  body("L1L\n", "(LONG)");
  body("F1\n", "(FLOAT)");
  body("S'a'\n", "(STRING)");
  body("Va\n", "(UNICODE)");
  body("N2", "(DUP)");
  body("Ng0\n", "(GET)");
  body("Np0\n", "(PUT)");
  body("\x82\1", "(EXT)");
  body("\x96", "(BYTEARRAY8)");
  body("\x97", "(NEXT_BUFFER)");
  body("\x98", "(READONLY_BUFFER)");
  body("\xff", "opcode 0xff (unknown) is not allowed");
}

TEST(PickleReaderTest, RefusesBrokenPrograms) {
  ExpectRefused("", "ends without STOP");
  ExpectRefused("N", "ends without STOP");
  ExpectRefused("\x80", "leaves the file");
  ExpectRefused("\x80\x01N.", "protocol 1 is not supported");
  ExpectRefused("\x80\x06N.", "protocol 6");
  const auto body = [](const std::string& text, const std::string& why) {
    ExpectRefused(p::Program(text), why);
  };
  body("", "other than one value");
  body("NN", "other than one value");
  body("N(", "other than one value");
  body("0", "stack underflow");
  body("N(0", "stack underflow");  // not below the mark
  body("N\x86", "stack underflow");
  body("N(\x85", "stack underflow");
  body("a", "stack underflow");
  body("]a", "stack underflow");
  body("]Ns", "stack underflow");
  body("R", "stack underflow");
  body("Q", "stack underflow");
  body("q\1", "stack underflow");
  body("(e", "stack underflow");
  body("t", "no mark");
  body("1", "no mark");
  body("u", "no mark");
  body("h\1", "memo has no entry 1");
  body("N(Ne", "added to a None as to a list");
  body("}Na", "added to a dict as to a list");
  body("](NNu", "added to a list as to a dict");
  body("}(Nu", "added to a dict as to a dict");  // a key alone
  body("(Nd", "key without a value");
  body("ctorch", "name has no end");
  body("ctorch\nx", "name has no end");
  body("NN\x93", "name of a global is not a string");
  body("]}b", "attributes are set on a list");
  body("N)R", "a None is called with a tuple");
  body(p::Global("collections", "OrderedDict") + "]R", "called with a list");
  body(p::Global("torch", "FloatStorage") + ")R", "must not be called");
  body(p::Global("collections", "OrderedDict") + "N\x85R", "unexpected arg");
  body(p::Global("collections", "OrderedDict") + "]N\x86R", "unexpected arg");
  body(p::Global("collections", "OrderedDict") + p::Tuple({"]Na"}) + "R",
       "unexpected arg");
  body(p::Global("torch._utils", "_rebuild_parameter") + ")R",
       "_rebuild_parameter has unexpected");
  body(p::Global("torch._utils", "_rebuild_tensor_v2") + ")R",
       "_rebuild_tensor_v2 has unexpected");
}

TEST(PickleReaderTest, RefusesLengthsBeyondTheFile) {
  const auto body = [](const std::string& text) {
    ExpectRefused(p::Program(text), "leaves the file");
  };
  body("X\xff\xff\xff\xff");
  body("T\xff\xff\xff\xff");
  body("B\xff\xff\xff\x7f");
  body("\x8d\xff\xff\xff\xff\xff\xff\xff\xff");
  body("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f");
  body("\x8b\xff\xff\xff\xff");
  body("\x8b\xff\xff\xff\x7f");
  body("\x8a\xff");
  body("\x8c\xff");
  body("\x95\xff\xff\xff\xff\xff\xff\xff\xff");
  body("J");
  body("G");
}

TEST(PickleReaderTest, RefusesTensorsOutsideTheirStorage) {
  const auto tensor = [](int64_t offset, const std::vector<int64_t>& sizes,
                         const std::vector<int64_t>& strides,
                         const std::string& why) {
    const std::string bytes = p::Program(
        p::Tensor(p::Storage("FloatStorage", "0", 6), offset, sizes, strides));
    if (why.empty()) {
      EXPECT_OK(ParsePickle(bytes));
    } else {
      ExpectRefused(bytes, why);
    }
  };
  constexpr int64_t kMax = INT64_MAX;
  tensor(0, {2, 3}, {3, 1}, "");
  tensor(0, {3, 2}, {1, 3}, "");
  tensor(5, {}, {}, "");
  tensor(5, {1, 1}, {kMax, kMax}, "");
  tensor(0, {0, 5}, {5, 1}, "");
  tensor(0, {6}, {0}, "");  // expanded, no larger than the storage
  tensor(1, {2, 3}, {3, 1}, "leaves its storage of 6 elements");
  tensor(6, {}, {}, "leaves its storage");
  tensor(kMax, {2}, {1}, "leaves its storage");
  tensor(0, {2}, {kMax}, "leaves its storage");
  tensor(0, {3}, {kMax}, "leaves its storage");
  tensor(0, {2, 2}, {kMax, kMax}, "leaves its storage");
  tensor(0, {7}, {0}, "more elements than its storage");
  tensor(0, {kMax}, {0}, "more elements than its storage");
  tensor(0, {kMax, kMax}, {0, 0}, "too many elements for 64 bits");
  tensor(0, {0, kMax, kMax}, {0, 0, 0}, "too many elements");
  tensor(0, {-1}, {1}, "tensor size must be integers in 0");
  tensor(0, {1}, {-1}, "tensor stride must be integers in 0");
  tensor(-1, {1}, {1}, "tensor offset must be");
  tensor(0, {1, 1}, {1}, "sizes and strides of different number");
  tensor(0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1),
         "tensor has 65 dimensions");
}

TEST(PickleReaderTest, RefusesOddTensors) {
  const std::string storage = p::Storage("FloatStorage", "0", 6);
  const auto rebuild = [](const std::string& name,
                          const std::vector<std::string>& args) {
    return p::Program(p::Global("torch._utils", name) + p::Tuple(args) + "R");
  };
  ExpectRefused(rebuild("_rebuild_tensor_v2", {"N", "N", "N", "N"}),
                "unexpected arguments");
  ExpectRefused(
      rebuild("_rebuild_tensor_v2", {storage, "N", p::Ints({1}), p::Ints({1})}),
      "offset must be");
  ExpectRefused(rebuild("_rebuild_tensor_v2",
                        {storage, p::Int(0), p::Int(1), p::Ints({1})}),
                "tensor size must be a tuple, got int");
  ExpectRefused(rebuild("_rebuild_tensor_v2",
                        {storage, p::Int(0), p::Tuple({"N"}), p::Ints({1})}),
                "tensor size must be integers");
  EXPECT_OK(ParsePickle(rebuild(
      "_rebuild_tensor", {storage, p::Int(0), p::Ints({1}), p::Ints({1})})));
  // Types without a storage of their own.
  const std::string untyped =
      p::Tuple({p::Str("storage"), p::Global("torch.storage", "UntypedStorage"),
                p::Str("1"), p::Str("cpu"), p::Int(7)}) +
      "Q";
  const auto v3 = [&](const std::string& from, int64_t size,
                      const std::string& dtype) {
    return rebuild("_rebuild_tensor_v3",
                   {from, p::Int(1), p::Ints({size}), p::Ints({1}), "\x89",
                    p::OrderedDict(), dtype});
  };
  EXPECT_OK(ParsePickle(v3(untyped, 2, p::Global("torch", "uint16"))));
  ExpectRefused(v3(untyped, 3, p::Global("torch", "uint16")),
                "leaves its storage of 3 elements");
  ExpectRefused(v3(untyped, 2, p::Global("torch", "FloatStorage")),
                "needs an untyped storage and a dtype");
  ExpectRefused(v3(storage, 2, p::Global("torch", "uint16")),
                "needs an untyped storage and a dtype");
  ExpectRefused(v3(untyped, 2, p::Global("torch", "float32")),
                "\"torch.float32\"");
  ExpectRefused(rebuild("_rebuild_tensor_v2",
                        {untyped, p::Int(0), p::Ints({1}), p::Ints({1})}),
                "needs a storage with a type");
}

TEST(PickleReaderTest, RefusesOddStorages) {
  const auto id = [](const std::vector<std::string>& items,
                     const std::string& why) {
    ExpectRefused(p::Program(p::Tuple(items) + "Q"), why);
  };
  const std::string s = p::Str("storage"), k = p::Str("k"), c = p::Str("cpu");
  const std::string type = p::Global("torch", "FloatStorage");
  const char* shape = "persistent id must be ('storage'";
  ExpectRefused(p::Program("NQ"), shape);
  id({s, type, k, c}, shape);
  id({p::Str("module"), type, k, c, p::Int(1)}, shape);
  id({s, k, k, c, p::Int(1)}, shape);
  id({s, p::Global("collections", "OrderedDict"), k, c, p::Int(1)}, shape);
  id({s, type, p::Int(0), c, p::Int(1)}, shape);
  id({s, type, k, c, "N"}, shape);
  id({s, type, k, c, p::Int(-1)}, "impossible size -1");
  id({s, type, k, c, p::Int(INT64_MAX)}, "impossible size");
  id({s, type, k, c, p::Int(4), k}, "storage view must be");
  id({s, type, k, c, p::Int(4), p::Tuple({k, "N", "N"})}, "storage view must");
  id({s, type, k, c, p::Int(4), p::Tuple({k, p::Int(2), p::Int(3)})},
     "leaves the storage of 4");
  id({s, type, k, c, p::Int(4), p::Tuple({k, p::Int(-1), p::Int(1)})},
     "leaves the storage of 4");
  ExpectRefused(p::Program(p::Tuple({p::Storage("FloatStorage", "k", 1),
                                     p::Storage("FloatStorage", "k", 2)})),
                "two types or sizes");
  ExpectRefused(p::Program(p::Tuple({p::Storage("FloatStorage", "k", 1),
                                     p::Storage("IntStorage", "k", 1)})),
                "two types or sizes");
}

// Programs that would grow without bound, or recurse, in a careless reader.
TEST(PickleReaderTest, SurvivesBombs) {
  constexpr size_t kMany = 3'000'000;
  ExpectRefused(p::Program(std::string(kMany, ']')),
                "more than 1048576 values");
  ExpectRefused(p::Program(std::string(kMany, '(')), "more than 1048576 marks");
  std::string gets = "N\x94";
  for (size_t i = 0; i < kMany; ++i) gets += std::string("h\0", 2);
  ExpectRefused(p::Program(gets), "more than 1048576 values on the stack");
  std::string memo = "N";
  for (size_t i = 0; i < kMany; ++i) memo += "\x94";
  ExpectRefused(p::Program(memo), "more than 1048576 memo entries");
  // A million nested lists: deep, but flat in memory.
  std::string deep(500'000, ']');
  deep += std::string(499'999, 'a');
  EXPECT_OK(ParsePickle(p::Program(deep)));
  // One long list of pairs copied by each of many calls.
  std::string copies = "]q" + std::string(1, '\0') + "(";
  copies += "NN\x86q\1";
  for (int i = 0; i < 10000; ++i) copies += "h\1";
  copies += "e0(";
  for (int i = 0; i < 10000; ++i) {
    copies +=
        p::Global("collections", "OrderedDict") + std::string("h\0\x85R", 4);
  }
  ExpectRefused(p::Program(copies + "t"), "more than 8388608 items");
}

TEST(PickleReaderTest, TruncationAtEveryByteIsAnError) {
  const std::string bytes = p::Program(
      p::Dict({p::Str("a"), p::Tensor(p::Storage("HalfStorage", "7", 6), 1,
                                      {2, 2}, {3, 1})}));
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(ParsePickle(bytes.substr(0, n)).ok()) << n;
  }
}

TEST(PickleReaderTest, NamesEveryKind) {
  EXPECT_STREQ(PickleKindName(PickleKind::kLongInt), "int");
  EXPECT_STREQ(PickleKindName(PickleKind::kBool), "bool");
  EXPECT_STREQ(PickleKindName(PickleKind::kFloat), "float");
  EXPECT_STREQ(PickleKindName(PickleKind::kString), "str");
  EXPECT_STREQ(PickleKindName(PickleKind::kGlobal), "global");
  EXPECT_STREQ(PickleKindName(PickleKind::kStorage), "storage");
  EXPECT_STREQ(PickleKindName(PickleKind::kTensor), "tensor");
}

}  // namespace
}  // namespace seg
