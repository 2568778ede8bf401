#include "common/backbones/fcn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ATen/ATen.h"
#include "common/backbones/golden_inputs.h"
#include "common/io/safetensors.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename F>
std::string MessageOf(const F& f) {
  try {
    f();
  } catch (const c10::Error& e) {
    return e.what_without_backtrace();
  }
  return "";
}

std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "/" + name;
}

int64_t NumParameters(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

TEST(TinyBackboneTest, SizesAndParameters) {
  const at::NoGradGuard no_grad;
  TinyBackbone net;
  EXPECT_EQ(NumParameters(*net), 49168);
  const std::vector<at::Tensor> features = net(at::zeros({2, 3, 17, 30}));
  ASSERT_EQ(features.size(), 3u);
  EXPECT_THAT(features[0].sizes(), ElementsAre(2, 16, 9, 15));
  EXPECT_THAT(features[1].sizes(), ElementsAre(2, 32, 5, 8));
  EXPECT_THAT(features[2].sizes(), ElementsAre(2, 48, 3, 4));
  EXPECT_THAT(net->channels(), ElementsAre(16, 32, 48));
}

// By hand: one class, weight 1, bias 0 at both levels. The coarse level holds
// 8, the fine one 0 1 / 2 3; the sum at the fine size is 8 + that, and bilinear
// upsampling by 2 with half-pixel centres gives 0, .25, .75, 1 along a row of
// 0, 1.
TEST(Fcn8sHeadTest, AddsUpsampledScores) {
  const at::NoGradGuard no_grad;
  Fcn8sHead head(Fcn8sHeadOptions({1, 1}, 1));
  for (const at::Tensor& p : head->parameters()) p.fill_(p.dim() == 4 ? 1 : 0);
  const at::Tensor fine =
      at::tensor({0.0f, 1.0f, 2.0f, 3.0f}).view({1, 1, 2, 2});
  const at::Tensor coarse = at::full({1, 1, 1, 1}, 8.0f);
  const at::Tensor y = head->forward({fine, coarse}, 4, 4);
  const at::Tensor row = at::tensor({0.0f, 0.25f, 0.75f, 1.0f});
  const at::Tensor expected = 8 + 2 * row.view({4, 1}) + row.view({1, 4});
  EXPECT_TRUE(at::allclose(y[0][0], expected, 0, 1e-6));
  EXPECT_TRUE(y.is_contiguous());
  // At the size of the finest level nothing is resized.
  EXPECT_TRUE(at::equal(head->forward({fine, coarse}, 2, 2), fine + 8));
}

TEST(Fcn8sHeadTest, Errors) {
  EXPECT_THAT(MessageOf([] { Fcn8sHead head(Fcn8sHeadOptions({}, 1)); }),
              HasSubstr("in_channels must name at least one level"));
  Fcn8sHead head(Fcn8sHeadOptions({1, 1}, 1));
  EXPECT_THAT(MessageOf([&] {
                head->forward({at::zeros({1, 1, 1, 1})}, 2, 2);
              }),
              HasSubstr("features must be 2 levels, got 1"));
}

class FcnTest : public ::testing::TestWithParam<std::string> {};
// vgg16 is tested by parts in vgg16_fcn8s_test and once below: 0.5 GB.
INSTANTIATE_TEST_SUITE_P(Backbones, FcnTest,
                         ::testing::Values("tiny", "efficientnet_lite0",
                                           "efficientnet_lite1",
                                           "efficientnet_lite2"));

TEST_P(FcnTest, ScoresHaveTheSizeOfTheImages) {
  const at::NoGradGuard no_grad;
  Fcn fcn(FcnOptions(GetParam(), 5));
  fcn->eval();
  for (const auto& [n, height, width] :
       {std::tuple<int64_t, int64_t, int64_t>{1, 32, 32},
        {2, 45, 61},
        {1, 64, 33},
        {0, 64, 64}}) {
    const at::Tensor scores = fcn(at::rand({n, 3, height, width}) * 255);
    EXPECT_THAT(scores.sizes(), ElementsAre(n, 5, height, width));
    EXPECT_TRUE(scores.is_contiguous());
    EXPECT_TRUE(scores.isfinite().all().item<bool>());
  }
}

TEST_P(FcnTest, OneClassAndBatchOfOneTrain) {
  Fcn fcn(FcnOptions(GetParam(), 1));
  fcn(at::rand({1, 3, 64, 64}) * 255).square().mean().backward();
  for (const auto& item : fcn->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>())
        << item.key();
  }
}

TEST_P(FcnTest, GroupsPartitionTheParameters) {
  const Fcn fcn(FcnOptions(GetParam(), 3));
  std::set<const void*> all, groups;
  for (const at::Tensor& p : fcn->parameters()) all.insert(p.data_ptr());
  for (const at::Tensor& p : fcn->backbone_parameters()) {
    EXPECT_TRUE(groups.insert(p.data_ptr()).second);
  }
  for (const at::Tensor& p : fcn->head_parameters()) {
    EXPECT_TRUE(groups.insert(p.data_ptr()).second);
  }
  EXPECT_EQ(all, groups);
}

TEST_P(FcnTest, TrainingUsesBatchStatisticsAndEvalDoesNot) {
  const at::NoGradGuard no_grad;
  Fcn fcn(FcnOptions(GetParam(), 2).drop_connect_rate(0));
  const at::Tensor images = at::rand({2, 3, 64, 64}) * 255;
  const TensorMap before = StateDict(*fcn, /*copy=*/true);
  fcn->eval();
  fcn(images);
  for (const auto& [name, value] : StateDict(*fcn)) {
    EXPECT_TRUE(at::equal(value, before.at(name))) << name;
  }
  fcn->train();
  fcn(images);
  int64_t changed = 0;
  for (const auto& [name, value] : StateDict(*fcn)) {
    if (!at::equal(value, before.at(name))) ++changed;
  }
  int64_t buffers = static_cast<int64_t>(fcn->buffers().size());
  EXPECT_EQ(changed, buffers);  // means, variances and counts of all layers
}

TEST_P(FcnTest, ImagesMayHaveAnyStrides) {
  const at::NoGradGuard no_grad;
  Fcn fcn(FcnOptions(GetParam(), 2));
  fcn->eval();
  const at::Tensor images = at::rand({2, 3, 40, 48}) * 255;
  const at::Tensor scores = fcn(images);
  const at::Tensor strided =
      at::stack({images, images}, 4).select(4, 1).transpose(2, 3);
  EXPECT_TRUE(at::equal(scores, fcn(strided.transpose(2, 3))));
}

TEST_P(FcnTest, CheckpointRoundTripIsExact) {
  const at::NoGradGuard no_grad;
  Fcn a(FcnOptions(GetParam(), 2)), b(FcnOptions(GetParam(), 2));
  const std::string path = TempPath("round_trip_" + GetParam());
  ASSERT_OK(WriteSafetensors(path, StateDict(*a)));
  ASSERT_OK_AND_ASSIGN(const TensorMap tensors, ReadSafetensors(path));
  ASSERT_OK(LoadStateDict(*b, tensors));
  a->eval();
  b->eval();
  const at::Tensor images = at::rand({1, 3, 40, 40}) * 255;
  EXPECT_TRUE(at::equal(a(images), b(images)));
}

TEST(FcnDoubleTest, DoubleAgreesWithFloat) {
  const at::NoGradGuard no_grad;
  Fcn fcn(FcnOptions("tiny", 3));
  fcn->eval();
  const at::Tensor images = GoldenImage(1, 40, 40);
  const at::Tensor single = fcn(images.to(at::kFloat));
  fcn->to(at::kDouble);
  // Five layers of float rounding: 1e-5 of the largest score.
  EXPECT_LT(RelativeError(single.to(at::kDouble), fcn(images)), 1e-5);
}

TEST(FcnErrorTest, NamesArgumentAndValue) {
  EXPECT_THAT(MessageOf([] { Fcn fcn(FcnOptions("resnet", 2)); }),
              HasSubstr("backbone must be one of tiny, efficientnet_lite0, "
                        "efficientnet_lite1, efficientnet_lite2, vgg16, got "
                        "\"resnet\""));
  EXPECT_THAT(MessageOf([] { Fcn fcn(FcnOptions("tiny", 0)); }),
              HasSubstr("num_classes must be >= 1, got 0"));
  Fcn lite(FcnOptions("efficientnet_lite0", 2));
  EXPECT_THAT(MessageOf([&] {
                lite(at::zeros({1, 3, 31, 64}));
              }),
              HasSubstr("images must be at least 32 x 32 for backbone "
                        "efficientnet_lite0, got 31 x 64"));
  Fcn tiny(FcnOptions("tiny", 2));
  EXPECT_THAT(MessageOf([&] {
                tiny(at::zeros({1, 1, 16, 16}));
              }),
              HasSubstr("images must be [N,3,H,W], got [1, 1, 16, 16]"));
  EXPECT_THAT(MessageOf([&] {
                tiny(at::zeros({1, 3, 16, 16}, at::kByte));
              }),
              HasSubstr("images must be floating point"));
}

TEST(LoadBackboneWeightsTest, LoadsImageNetWeightsAndKeepsTheHead) {
  Fcn fcn(FcnOptions("efficientnet_lite0", 2));
  const TensorMap before = StateDict(*fcn, /*copy=*/true);
  ASSERT_OK(LoadBackboneWeights(fcn, LiteWeightsPath(0)));
  for (const auto& [name, value] : StateDict(*fcn)) {
    if (name.rfind("head.", 0) == 0) {
      EXPECT_TRUE(at::equal(value, before.at(name))) << name;
    }
  }
  const TensorMap state = StateDict(*fcn);
  EXPECT_FALSE(at::equal(state.at("backbone._conv_stem.weight"),
                         before.at("backbone._conv_stem.weight")));
}

TEST(LoadBackboneWeightsTest, RefusesOtherVariantsAndChangesNothing) {
  Fcn fcn(FcnOptions("efficientnet_lite2", 2));
  const TensorMap before = StateDict(*fcn, /*copy=*/true);
  EXPECT_THAT(LoadBackboneWeights(fcn, LiteWeightsPath(0)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(LiteWeightsPath(0)),
                             HasSubstr("weights do not fit the model"))));
  for (const auto& [name, value] : StateDict(*fcn)) {
    EXPECT_TRUE(at::equal(value, before.at(name))) << name;
  }
}

TEST(LoadBackboneWeightsTest, MissingFileNamesThePath) {
  Fcn fcn(FcnOptions("tiny", 2));
  const absl::Status status =
      LoadBackboneWeights(fcn, TempPath("no_such_file.pth"));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("no_such_file.pth"));
}

TEST(LoadBackboneWeightsTest, TinyLoadsItsOwnNames) {
  Fcn from(FcnOptions("tiny", 2)), to(FcnOptions("tiny", 4));
  TensorMap backbone;
  for (const auto& [name, value] : StateDict(*from)) {
    if (name.rfind("backbone.", 0) == 0) backbone[name.substr(9)] = value;
  }
  const std::string path = TempPath("tiny.safetensors");
  ASSERT_OK(WriteSafetensors(path, backbone));
  ASSERT_OK(LoadBackboneWeights(to, path));
  EXPECT_TRUE(at::equal(StateDict(*to).at("backbone.conv3.weight"),
                        backbone.at("conv3.weight")));
}

// The one test of the full VGG-16 network: torchvision's names load, a wrong
// file is refused, and a small image goes through.
TEST(LoadBackboneWeightsTest, Vgg16LoadsTorchvisionNames) {
  const at::NoGradGuard no_grad;
  Fcn fcn(FcnOptions("vgg16", 2));
  TensorMap file;
  const int kConv[] = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28};
  const int64_t kWidth[] = {64,  64,  128, 128, 256, 256, 256,
                            512, 512, 512, 512, 512, 512};
  int64_t previous = 3;
  for (size_t i = 0; i < std::size(kConv); ++i) {
    const std::string name = "features." + std::to_string(kConv[i]);
    file[name + ".weight"] = at::full({kWidth[i], previous, 3, 3}, 1e-3f);
    file[name + ".bias"] = at::zeros({kWidth[i]});
    previous = kWidth[i];
  }
  // Half precision keeps the file at 240 MB; the loader widens it.
  file["classifier.0.bias"] = at::full({4096}, 0.5f);
  file["classifier.3.weight"] = at::zeros({4096, 4096}, at::kHalf);
  file["classifier.3.bias"] = at::zeros({4096});
  file["classifier.6.weight"] = at::zeros({1000, 8});
  const std::string path = TempPath("vgg16.safetensors");
  ASSERT_OK(WriteSafetensors(path, file));
  EXPECT_THAT(LoadBackboneWeights(fcn, path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(path), HasSubstr("fc6.weight"))));
  file["classifier.0.weight"] = at::zeros({4096, 25088}, at::kHalf);
  ASSERT_OK(WriteSafetensors(path, file));
  ASSERT_OK(LoadBackboneWeights(fcn, path));
  const TensorMap state = StateDict(*fcn);
  EXPECT_EQ(state.at("vgg16.conv4_2.weight").min().item<float>(), 1e-3f);
  EXPECT_EQ(state.at("vgg16.fc6.bias").min().item<float>(), 0.5f);
  fcn->eval();
  EXPECT_THAT(fcn(at::rand({1, 3, 5, 9})).sizes(), ElementsAre(1, 2, 5, 9));
}

}  // namespace
}  // namespace seg
