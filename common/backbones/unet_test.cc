#include "common/backbones/unet.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "common/testing/gradcheck.h"

namespace seg {
namespace {

UNetOptions Parser() { return UNetOptions({32, 64, 128, 256, 512}, 11); }

UNetOptions Guidance() {
  return UNetOptions({16, 32, 64, 128, 256, 512}, 384)
      .pool_first(true)
      .elu(true)
      .batch_norm(true)
      .output_norm(true)
      .half_resolution(true);
}

std::map<std::string, std::vector<int64_t>> Weights(const UNet& net) {
  std::map<std::string, std::vector<int64_t>> sizes;
  for (const auto& item : net->named_parameters()) {
    if (item.value().dim() == 4) sizes[item.key()] = item.value().sizes().vec();
  }
  return sizes;
}

TEST(UNetTest, TheParserIsTheSupplements) {
  const auto sizes = Weights(UNet(Parser()));
  const std::map<std::string, std::vector<int64_t>> expected = {
      {"encoder0.weight", {32, 3, 3, 3}},
      {"encoder1.weight", {64, 32, 3, 3}},
      {"encoder2.weight", {128, 64, 3, 3}},
      {"encoder3.weight", {256, 128, 3, 3}},
      {"encoder4.weight", {512, 256, 3, 3}},
      {"decoder3.weight", {256, 512, 3, 3}},
      {"decoder2.weight", {128, 256, 3, 3}},
      {"decoder1.weight", {64, 128, 3, 3}},
      {"decoder0.weight", {32, 64, 3, 3}},
      {"output.weight", {11, 32, 3, 3}}};
  EXPECT_EQ(sizes, expected);
  EXPECT_EQ(UNet(Parser())->forward(at::rand({1, 3, 128, 128})).sizes(),
            at::IntArrayRef({1, 11, 128, 128}));
}

TEST(UNetTest, TheGuidanceIsTheReleasedModels) {
  const auto sizes = Weights(UNet(Guidance()));
  const std::map<std::string, std::vector<int64_t>> expected = {
      {"encoder0.weight", {16, 3, 3, 3}},
      {"encoder1.weight", {32, 16, 3, 3}},
      {"encoder2.weight", {64, 32, 3, 3}},
      {"encoder3.weight", {128, 64, 3, 3}},
      {"encoder4.weight", {256, 128, 3, 3}},
      {"encoder5.weight", {512, 256, 3, 3}},
      {"decoder4.weight", {256, 512, 3, 3}},
      {"decoder3.weight", {128, 256, 3, 3}},
      {"decoder2.weight", {64, 128, 3, 3}},
      {"output.weight", {384, 64, 3, 3}}};
  EXPECT_EQ(sizes, expected);
  EXPECT_EQ(UNet(Guidance())->forward(at::rand({2, 3, 128, 128})).sizes(),
            at::IntArrayRef({2, 384, 64, 64}));
}

TEST(UNetTest, AnySizeGoesThrough) {
  UNet parser(UNetOptions({4, 6, 8}, 5));
  UNet guidance(
      UNetOptions({4, 6, 8}, 5).pool_first(true).half_resolution(true));
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {1, 9}, {7, 5}, {16, 24}, {33, 2}}) {
    EXPECT_EQ(parser->forward(at::rand({1, 3, h, w})).sizes(),
              at::IntArrayRef({1, 5, h, w}));
    EXPECT_EQ(guidance->forward(at::rand({1, 3, h, w})).sizes(),
              at::IntArrayRef({1, 5, (h + 1) / 2, (w + 1) / 2}));
  }
}

TEST(UNetTest, GradientMatchesFiniteDifferences) {
  at::manual_seed(3);
  UNet net(UNetOptions({2, 3}, 2).in_channels(1).elu(true));
  net->to(at::kDouble);
  std::vector<at::Tensor> inputs = {at::rand({2, 1, 5, 6}, at::kDouble)};
  EXPECT_TRUE(GradCheck(
      [&](const std::vector<at::Tensor>& in) { return net->forward(in[0]); },
      inputs));
}

TEST(UNetTest, ScaleOutputStartsNearZero) {
  for (const bool norm : {false, true}) {
    at::manual_seed(4);
    UNet net(UNetOptions({4, 4}, 3).output_norm(norm));
    const at::Tensor x = at::rand({2, 3, 8, 8});
    const at::Tensor before = net->forward(x);
    net->ScaleOutput(0.25);
    EXPECT_TRUE(at::allclose(net->forward(x), before * 0.25, 1e-4, 1e-5));
  }
}

TEST(UNetTest, RefusesWhatItCannotBe) {
  EXPECT_THROW(UNet(UNetOptions({}, 3)), c10::Error);
  EXPECT_THROW(UNet(UNetOptions({4}, 3).half_resolution(true)), c10::Error);
  EXPECT_THROW(UNet(Parser())->forward(at::rand({1, 4, 8, 8})), c10::Error);
}

}  // namespace
}  // namespace seg
