#include "common/backbones/state_dict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ATen/ATen.h"
#include "common/testing/status_matchers.h"
#include "torch/nn/modules/batchnorm.h"
#include "torch/nn/modules/conv.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NetImpl : public torch::nn::Module {
 public:
  NetImpl() {
    conv = register_module(
        "conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 3, 1)));
    bn = register_module("bn", torch::nn::BatchNorm2d(3));
  }
  torch::nn::Conv2d conv{nullptr};
  torch::nn::BatchNorm2d bn{nullptr};
};

std::vector<std::string> Keys(const TensorMap& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

TEST(StateDictTest, HasParametersAndBuffersByDottedName) {
  const NetImpl net;
  EXPECT_THAT(
      Keys(StateDict(net)),
      ElementsAre("bn.bias", "bn.num_batches_tracked", "bn.running_mean",
                  "bn.running_var", "bn.weight", "conv.bias", "conv.weight"));
}

TEST(StateDictTest, SharesStorageUnlessCopied) {
  NetImpl net;
  const TensorMap shared = StateDict(net);
  const TensorMap copied = StateDict(net, /*copy=*/true);
  EXPECT_FALSE(shared.at("conv.weight").requires_grad());
  {
    const at::NoGradGuard no_grad;
    net.conv->bias.fill_(5);
  }
  EXPECT_EQ(shared.at("conv.bias")[0].item<float>(), 5);
  EXPECT_NE(copied.at("conv.bias")[0].item<float>(), 5);
}

TEST(LoadStateDictTest, RoundTripIsExact) {
  NetImpl from, to;
  from.bn->running_var.fill_(3);
  LoadReport report;
  ASSERT_OK(LoadStateDict(to, StateDict(from), &report));
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.loaded.size(), 7u);
  for (const auto& [name, value] : StateDict(from)) {
    EXPECT_TRUE(at::equal(StateDict(to).at(name), value)) << name;
  }
  EXPECT_TRUE(to.conv->weight.requires_grad());
  EXPECT_TRUE(to.conv->weight.is_leaf());
}

TEST(LoadStateDictTest, KeepsTypeAndConvertsAmongFloats) {
  NetImpl net;
  TensorMap map = StateDict(net, /*copy=*/true);
  map["conv.bias"] = at::tensor({1.5, 2.5, 3.5}, at::kDouble);
  map["conv.weight"] = map["conv.weight"].to(at::kHalf);
  ASSERT_OK(LoadStateDict(net, map));
  EXPECT_EQ(net.conv->bias.scalar_type(), at::kFloat);
  EXPECT_EQ(net.conv->bias[2].item<float>(), 3.5f);
}

TEST(LoadStateDictTest, StrictReportsEverythingAndChangesNothing) {
  NetImpl net;
  const TensorMap before = StateDict(net, /*copy=*/true);
  TensorMap map = StateDict(net, /*copy=*/true);
  for (auto& [name, value] : map) value.add_(1);
  map.erase("bn.bias");
  map["extra"] = at::zeros({1});
  map["conv.weight"] = at::zeros({4, 2, 1, 1});
  map["bn.running_mean"] = at::zeros({3}, at::kLong);
  LoadReport report;
  EXPECT_THAT(
      LoadStateDict(net, map, &report),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("1 missing (bn.bias)"),
                     HasSubstr("1 unexpected (extra)"),
                     HasSubstr("2 mismatched (bn.running_mean: expected Float "
                               "[3], got Long [3], conv.weight: expected Float "
                               "[3,2,1,1], got Float [4,2,1,1])"))));
  EXPECT_THAT(report.missing, ElementsAre("bn.bias"));
  EXPECT_THAT(report.unexpected, ElementsAre("extra"));
  ASSERT_EQ(report.mismatched.size(), 2u);
  EXPECT_EQ(report.mismatched[1].name, "conv.weight");
  for (const auto& [name, value] : StateDict(net)) {
    EXPECT_TRUE(at::equal(before.at(name), value)) << name;
  }
}

TEST(LoadStateDictTest, PartialTakesWhatFits) {
  NetImpl net;
  const at::Tensor weight = net.conv->weight.detach().clone();
  TensorMap map;
  map["conv.bias"] = at::full({3}, 2.0f);
  map["conv.weight"] = at::zeros({4, 2, 1, 1});
  LoadReport report;
  ASSERT_OK(LoadStateDict(net, map, &report, LoadMode::kPartial));
  EXPECT_THAT(report.loaded, ElementsAre("conv.bias"));
  EXPECT_FALSE(report.complete());
  EXPECT_EQ(net.conv->bias[1].item<float>(), 2);
  EXPECT_TRUE(at::equal(net.conv->weight, weight));
}

TEST(LoadStateDictTest, PartialRefusesAFileWithNothingUseful) {
  NetImpl net;
  EXPECT_THAT(LoadStateDict(net, {{"other", at::zeros({1})}}, nullptr,
                            LoadMode::kPartial),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no tensor of the weights fits")));
}

TEST(LoadStateDictTest, BatchCountMayBeMissing) {
  NetImpl net;
  TensorMap map = StateDict(net, /*copy=*/true);
  map.erase("bn.num_batches_tracked");
  LoadReport report;
  ASSERT_OK(LoadStateDict(net, map, &report));
  EXPECT_THAT(report.missing, IsEmpty());
}

TEST(LoadReportTest, SummaryShortensLongLists) {
  LoadReport report;
  report.missing = {"a", "b", "c", "d"};
  EXPECT_EQ(report.Summary(), "0 tensors agree; 4 missing (a, b, c, ...)");
}

}  // namespace
}  // namespace seg
