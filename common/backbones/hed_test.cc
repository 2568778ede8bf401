#include "common/backbones/hed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/backbones/golden_inputs.h"
#include "common/backbones/state_dict.h"
#include "common/io/hdf5_builder.h"
#include "common/io/tensor_map.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

TEST(HedTest, MatchesEagerPyTorch) {
  Hed net;
  net->to(at::kDouble);
  GoldenFillParameters(*net);
  const at::NoGradGuard no_grad;
  const at::Tensor scores = net->Scores(GoldenImage(2, 37, 50));
  EXPECT_EQ(scores.sizes(), at::IntArrayRef({2, 6, 37, 50}));
  EXPECT_LT(
      RelativeError(GoldenSample(scores),
                    ReadGoldens("hed_goldens.safetensors").at("filled/scores")),
      1e-12);
  EXPECT_TRUE(at::equal(net->forward(GoldenImage(2, 37, 50)),
                        scores.select(1, 5).sigmoid()));
}

TEST(HedTest, AnySizeAndUntrained) {
  Hed net;
  const at::NoGradGuard no_grad;
  for (const int64_t size : {1, 2, 17}) {
    const at::Tensor contours = net->forward(at::rand({1, 3, size, 5}) * 255);
    EXPECT_EQ(contours.sizes(), at::IntArrayRef({1, size, 5}));
    EXPECT_TRUE((contours == 0.5).all().item<bool>());  // side maps are 0
  }
  ExpectError(
      [&] {
        net->forward(at::zeros({1, 1, 4, 4}));
      },
      "Hed: images must be [N,3,H,W], not empty, got [1, 1, 4, 4]");
  ExpectError([&] { net->forward(at::zeros({1, 3, 0, 4})); }, "not empty");
}

// The arrays of a file in the layout of Keras, of the network's sizes.
std::vector<std::pair<std::string, at::Tensor>> KerasArrays(
    const TensorMap& tensors) {
  std::vector<std::pair<std::string, at::Tensor>> arrays;
  for (const auto& [name, tensor] : tensors) {
    std::string group = name.substr(0, name.rfind('.'));
    if (group.rfind("vgg.conv", 0) == 0) {  // vgg.convI_K
      const char block = group[8];
      const char k = static_cast<char>(group[10] - 1);
      group =
          absl::StrCat("block", std::string(1, block), "/layers/conv2d",
                       k == '0' ? "" : absl::StrCat("_", std::string(1, k)));
    }
    const bool bias = tensor.dim() == 1;
    arrays.emplace_back(group + (bias ? "/vars/1" : "/vars/0"),
                        bias ? tensor : tensor.permute({2, 3, 1, 0}));
  }
  return arrays;
}

TEST(HedTest, LoadsTheLayoutOfKeras) {
  at::manual_seed(3);
  Hed saved, loaded;
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& parameter : saved->parameters()) parameter.normal_();
  }
  auto arrays = KerasArrays(StateDict(*saved));
  const std::string path = testing::TempDir() + "/hed.h5";
  WriteHdf5(path, arrays);
  ASSERT_OK(LoadHedWeights(path, &loaded));
  const TensorMap expected = StateDict(*saved);
  for (const auto& [name, tensor] : StateDict(*loaded)) {
    EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
  }
  // Errors name file and array, and change nothing.
  for (auto& [name, array] : arrays) {
    if (name == "fuse/vars/0") array = at::zeros({1, 1, 4, 1});
  }
  WriteHdf5(path, arrays);
  EXPECT_THAT(LoadHedWeights(path, &loaded),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::AllOf(HasSubstr(path), HasSubstr("fuse"))));
  arrays.pop_back();
  WriteHdf5(path, arrays);
  EXPECT_THAT(LoadHedWeights(path, &loaded),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no array")));
  for (const auto& [name, tensor] : StateDict(*loaded)) {
    EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
  }
  EXPECT_THAT(LoadHedWeights(path + "x", &loaded),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("hed.h5x")));
}

}  // namespace
}  // namespace seg
