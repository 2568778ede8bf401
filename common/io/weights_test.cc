#include "common/io/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/file.h"
#include "common/io/safetensors.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::StartsWith;

// Written by the format's own library (testdata/make_safetensors_golden.py).
TEST(WeightsTest, ReadsTheOfficialSafetensorsFile) {
  ASSERT_OK_AND_ASSIGN(const TensorMap tensors,
                       ReadWeights("common/io/testdata/official.safetensors"));
  EXPECT_EQ(tensors.size(), 15u);
  const at::Tensor expected = at::arange(6).view({2, 3});
  for (const char* name : {"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64",
                           "f16", "f32", "f64", "c64"}) {
    EXPECT_TRUE(at::equal(tensors.at(name).to(at::kComplexDouble),
                          expected.to(at::kComplexDouble)))
        << name;
  }
  EXPECT_TRUE(at::equal(tensors.at("bool"), expected.remainder(2).eq(1)));
  EXPECT_EQ(tensors.at("scalar").item<float>(), 7);
  EXPECT_EQ(tensors.at("empty").sizes(), at::IntArrayRef({0, 3}));
}

TEST(WeightsTest, TellsFormatsByContentNotExtension) {
  const std::string path = ::testing::TempDir() + "weights.bin";
  for (const char* source :
       {"common/io/testdata/pth/module_zip.pth",
        "common/io/testdata/pth/module_legacy.pth",
        "common/io/testdata/pth/module_zip.pth.safetensors"}) {
    ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(source));
    ASSERT_OK(WriteFileAtomically(path, bytes));
    ASSERT_OK_AND_ASSIGN(const TensorMap tensors, ReadWeights(path));
    EXPECT_EQ(tensors.count("1.running_mean"), 1u);
    // Cut, it stays the kind that it was; the error names the file.
    ASSERT_OK(WriteFileAtomically(path, bytes.substr(0, bytes.size() / 2)));
    EXPECT_THAT(ReadWeights(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                            StartsWith(path + ": ")));
  }
}

TEST(WeightsTest, WrappersBeforeAllNamesAreTakenOff) {
  const at::Tensor t = at::ones({1});
  const std::string path = ::testing::TempDir() + "wrapped.safetensors";
  for (const char* prefix :
       {"module.", "_orig_mod.", "model.", "net.", "module._orig_mod.",
        "_orig_mod.module.model.", "model.net."}) {
    const std::string p = prefix;
    TensorMap tensors = {{p + "conv.weight", t}, {p + "bn.bias", t}};
    ASSERT_OK(WriteSafetensors(path, tensors));
    ASSERT_OK_AND_ASSIGN(const TensorMap read, ReadWeights(path));
    EXPECT_THAT(read, ElementsAre(Key("bn.bias"), Key("conv.weight")));
    EXPECT_EQ(StripWrappers(&tensors), prefix);
  }
}

TEST(WeightsTest, OtherNamesStayAsTheyAre) {
  const at::Tensor t = at::ones({1});
  const std::vector<TensorMap> cases = {
      {},
      {{"backbone.a", t}, {"backbone.b", t}},  // no wrapper
      {{"module.a", t}, {"b", t}},             // not before all
      {{"module", t}},                         // a whole name
      {{"module.", t}},                        // nothing behind it
      {{"modules.a", t}},
      {{"xmodule.a", t}},
  };
  for (const TensorMap& names : cases) {
    TensorMap tensors = names;
    EXPECT_EQ(StripWrappers(&tensors), "");
    EXPECT_EQ(tensors.size(), names.size());
    for (const auto& entry : names) EXPECT_EQ(tensors.count(entry.first), 1u);
  }
  // What is left may itself be called like a wrapper.
  TensorMap tensors = {{"module.net.a", t}, {"module.b", t}};
  EXPECT_EQ(StripWrappers(&tensors), "module.");
  EXPECT_THAT(tensors, ElementsAre(Key("b"), Key("net.a")));
}

TEST(WeightsTest, RefusesOtherFiles) {
  const std::string path = ::testing::TempDir() + "other.bin";
  ASSERT_OK(WriteFileAtomically(path, "\x89PNG and so on"));
  EXPECT_THAT(ReadWeights(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith(path), HasSubstr("not a weights"))));
  ASSERT_OK(WriteFileAtomically(path, ""));
  EXPECT_THAT(ReadWeights(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("empty file")));
  EXPECT_THAT(ReadWeights(path + ".none"),
              StatusIs(absl::StatusCode::kNotFound, StartsWith(path)));
}

}  // namespace
}  // namespace seg
