#include "common/backbones/caffenet.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/backbones/state_dict.h"
#include "common/io/safetensors.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

double RelativeError(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

// The definition in loops: Caffe's "across channels" with local_size 5, alpha
// 1e-4, beta 0.75, k 1.
at::Tensor LrnInLoops(const at::Tensor& x) {
  at::Tensor y = at::zeros(x.sizes(), x.options());
  const auto from = x.accessor<double, 4>();
  auto to = y.accessor<double, 4>();
  const int64_t channels = x.size(1);
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < x.size(2); ++i) {
        for (int64_t j = 0; j < x.size(3); ++j) {
          double sum = 0;
          for (int64_t d = std::max<int64_t>(c - 2, 0);
               d <= std::min(c + 2, channels - 1); ++d) {
            sum += from[n][d][i][j] * from[n][d][i][j];
          }
          to[n][c][i][j] =
              from[n][c][i][j] / std::pow(1 + 1e-4 / 5 * sum, 0.75);
        }
      }
    }
  }
  return y;
}

at::Tensor MaxPool(const at::Tensor& x) {
  return x.unfold(2, 3, 2).unfold(3, 3, 2).amax({4, 5});
}

// A convolution and its ReLU, group by group.
at::Tensor ConvReLU(const CaffeNet& net, const std::string& name,
                    const at::Tensor& x, int64_t stride, int64_t padding,
                    int64_t groups) {
  const auto parameters = net->named_parameters();
  const std::vector<at::Tensor> inputs = x.chunk(groups, 1);
  const std::vector<at::Tensor> weights =
      parameters[name + ".weight"].chunk(groups, 0);
  const std::vector<at::Tensor> biases =
      parameters[name + ".bias"].chunk(groups, 0);
  std::vector<at::Tensor> outputs;
  for (int64_t g = 0; g < groups; ++g) {
    outputs.push_back(at::conv2d(inputs[g], weights[g], biases[g],
                                 {stride, stride}, {padding, padding}));
  }
  return at::relu(at::cat(outputs, 1));
}

TEST(CaffeNetTest, HasThePublishedNumbersOfParameters) {
  const CaffeNet net;
  std::vector<int64_t> counts;
  for (const auto& layer : net->named_children()) {
    int64_t count = 0;
    for (const at::Tensor& p : layer.value()->parameters()) count += p.numel();
    counts.push_back(count);
  }
  EXPECT_EQ(counts,
            (std::vector<int64_t>{34944, 307456, 885120, 663936, 442624}));
}

TEST(CaffeNetTest, NamesAndShapesAreCaffes) {
  const CaffeNet net;
  const TensorMap state = StateDict(*net);
  ASSERT_EQ(state.size(), 10u);
  EXPECT_EQ(state.at("conv1.weight").sizes(), at::IntArrayRef({96, 3, 11, 11}));
  EXPECT_EQ(state.at("conv2.weight").sizes(), at::IntArrayRef({256, 48, 5, 5}));
  EXPECT_EQ(state.at("conv3.weight").sizes(),
            at::IntArrayRef({384, 256, 3, 3}));
  EXPECT_EQ(state.at("conv4.weight").sizes(),
            at::IntArrayRef({384, 192, 3, 3}));
  EXPECT_EQ(state.at("conv5.weight").sizes(),
            at::IntArrayRef({256, 192, 3, 3}));
  EXPECT_EQ(state.at("conv5.bias").sizes(), at::IntArrayRef({256}));
}

TEST(CaffeNetTest, GridOfTheInput) {
  const at::NoGradGuard no_grad;
  CaffeNet net;
  EXPECT_EQ(net(at::zeros({2, 3, 227, 227})).sizes(),
            at::IntArrayRef({2, 256, 13, 13}));
  EXPECT_EQ(net(at::zeros({1, 3, 35, 67})).sizes(),
            at::IntArrayRef({1, 256, 1, 3}));
  EXPECT_EQ(net(at::zeros({0, 3, 35, 35})).sizes(),
            at::IntArrayRef({0, 256, 1, 1}));
}

TEST(CaffeNetTest, IsConvolutionReLUPoolingNormalisation) {
  const at::NoGradGuard no_grad;
  at::manual_seed(5);
  CaffeNet net;
  net->to(at::kDouble);
  for (at::Tensor& p : net->parameters()) {
    if (p.dim() == 1) p.normal_();
  }
  const at::Tensor x = 100 * Random({2, 3, 67, 67});
  at::Tensor h = LrnInLoops(MaxPool(ConvReLU(net, "conv1", x, 4, 0, 1)));
  h = LrnInLoops(MaxPool(ConvReLU(net, "conv2", h, 1, 2, 2)));
  h = ConvReLU(net, "conv3", h, 1, 1, 1);
  h = ConvReLU(net, "conv4", h, 1, 1, 2);
  h = ConvReLU(net, "conv5", h, 1, 1, 2);
  const at::Tensor found = net(x);
  EXPECT_LT(RelativeError(found, h), 1e-12);  // rounding of double sums
  EXPECT_LT(RelativeError(net(ChannelsLast(x)), h), 1e-12);
  // AlexNet's order is another function.
  const at::Tensor first = ConvReLU(net, "conv1", x, 4, 0, 1);
  EXPECT_GT(
      RelativeError(MaxPool(LrnInLoops(first)), LrnInLoops(MaxPool(first))),
      0.01);
  net->to(at::kFloat);
  // Float sums of up to 2,304 terms over five layers.
  EXPECT_LT(RelativeError(net(x.to(at::kFloat)).to(at::kDouble), h), 1e-4);
}

TEST(CaffeLrnTest, EqualsLoops) {
  const at::Tensor x = 200 * Random({2, 7, 3, 4});
  const at::Tensor expected = LrnInLoops(x);
  EXPECT_LT(RelativeError(CaffeLrn(x), expected), 1e-14);
  EXPECT_LT(RelativeError(CaffeLrn(ChannelsLast(x)), expected), 1e-14);
  EXPECT_EQ(CaffeLrn(x.narrow(0, 0, 0)).size(0), 0);
  // Of one channel: alpha is divided by 5 all the same.
  const at::Tensor one = at::full({1, 1, 1, 1}, 100.0, at::kDouble);
  EXPECT_NEAR(CaffeLrn(one).item<double>(), 100 / std::pow(1.2, 0.75), 1e-12);
}

TEST(NormalizeCaffeTest, IsBgrWithoutTheMean) {
  const at::Tensor rgb =
      at::tensor({200.0, 150.0, 100.0}, at::kDouble).view({1, 3, 1, 1});
  const at::Tensor bgr = NormalizeCaffe(rgb).flatten();
  EXPECT_NEAR(bgr[0].item<double>(), 100 - 104.007, 1e-3);
  EXPECT_NEAR(bgr[1].item<double>(), 150 - 116.669, 1e-3);
  EXPECT_NEAR(bgr[2].item<double>(), 200 - 122.679, 1e-3);
  EXPECT_EQ(rgb[0][0].item<double>(), 200);  // is not written to
}

TEST(CaffeNetWeightsTest, LoadAllOrNothing) {
  const std::string path = ::testing::TempDir() + "/caffenet.safetensors";
  const CaffeNet saved;
  TensorMap tensors = StateDict(*saved, /*copy=*/true);
  tensors["fc8.weight"] = at::zeros({10, 4});
  ASSERT_OK(WriteSafetensors(path, tensors));
  CaffeNet net;
  EXPECT_OK(LoadBackboneWeights(net, path));
  EXPECT_TRUE(at::equal(StateDict(*net).at("conv4.weight"),
                        tensors.at("conv4.weight")));

  // What a network without groups would have.
  tensors["conv2.weight"] = at::zeros({256, 96, 5, 5});
  tensors["conv1.bias"].add_(1);
  ASSERT_OK(WriteSafetensors(path, tensors));
  EXPECT_THAT(LoadBackboneWeights(net, path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasSubstr("caffenet.safetensors"),
                                        HasSubstr("conv2.weight"))));
  EXPECT_FALSE(
      at::equal(StateDict(*net).at("conv1.bias"), tensors.at("conv1.bias")));
  EXPECT_THAT(LoadBackboneWeights(net, "no/such.pth"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/such.pth")));
}

TEST(CaffeNetErrorTest, NameTheArgument) {
  CaffeNet net;
  ExpectError(
      [&] {
        net(at::zeros({1, 1, 67, 67}));
      },
      "CaffeNet: x must be [N,3,H,W], got [1, 1, 67, 67]");
  ExpectError(
      [&] {
        net(at::zeros({1, 3, 34, 67}));
      },
      "CaffeNet: x must have 35 rows and columns or more");
}

}  // namespace
}  // namespace seg
