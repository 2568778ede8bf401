// The networks against another implementation of the paper's supplement and the
// released models in eager PyTorch (testdata/make_golden.py).

#include "common/testing/golden.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <utility>
#include <vector>

#include "common/backbones/unet.h"
#include "common/io/safetensors.h"
#include "common/testing/status_matchers.h"
#include "spn/feature_guidance.h"
#include "spn/refinement_head.h"

namespace seg {
namespace spn {
namespace {

// Both sides compute in double; sums run in another order, through batch norms
// and 20 layers of VGG-16.
constexpr double kTolerance = 1e-11;

class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(golden_,
                         ReadSafetensors("spn/testdata/networks.safetensors"));
  }

  // `value` is the golden tensor of this name.
  void Expect(const std::string& name, const at::Tensor& value) const {
    EXPECT_LT(RelativeError(value, golden_.at(name)), kTolerance) << name;
  }

  // Outputs in training and evaluation mode, and the gradients that there are.
  template <typename Network>
  void Check(const std::string& name, Network net, const at::Tensor& x) const {
    net->to(at::kDouble);
    net->train();
    GoldenFillParameters(*net);
    const at::Tensor y = net->forward(x);
    Expect(name + ".train", GoldenSample(y));
    Expect(name + ".sum", y.sum({2, 3}));
    y.backward(GoldenFilled(y.sizes(), 1, 99));
    int gradients = 0;
    for (const auto& item : net->named_parameters()) {
      const std::string key = name + ".gradient." + item.key();
      if (golden_.count(key) == 0) continue;
      Expect(key, GoldenSample(item.value().grad()));
      ++gradients;
    }
    EXPECT_EQ(gradients, 3) << name;
    const c10::NoGradGuard no_grad;
    net->eval();
    Expect(name + ".eval", GoldenSample(net->forward(x)));
  }

  TensorMap golden_;
};

TEST_F(GoldenTest, Parser) {
  Check("parser", UNet(UNetOptions({3, 4, 5, 6}, 7)),
        GoldenImage(2, 22, 29) / 255);
}

TEST_F(GoldenTest, FaceGuidance) {
  Check("face_guidance",
        UNet(UNetOptions({2, 3, 4, 5, 6}, 8)
                 .pool_first(true)
                 .elu(true)
                 .batch_norm(true)
                 .output_norm(true)
                 .half_resolution(true)),
        GoldenImage(2, 22, 29) / 255);
}

TEST_F(GoldenTest, SceneGuidance) {
  Check("scene_guidance",
        FeatureGuidance("vgg16", 6, /*output_norm=*/false, /*gate_scale=*/1),
        GoldenImage(1, 32, 64));
}

TEST_F(GoldenTest, RefinementForms) {
  using Form = RefinementHeadOptions::Form;
  using Kind = RefinementHeadOptions::Kind;
  const at::Tensor coarse_values =
      at::softmax(GoldenFilled({2, 3, 8, 12}, 2, 1), 1);
  const at::Tensor gates_values = GoldenFilled({2, 24, 4, 6}, 1, 2);
  for (const auto& [form_name, form] :
       {std::pair("supplement", Form::kSupplement),
        {"faces", Form::kFaces},
        {"voc", Form::kVoc}}) {
    for (const auto& [kind_name, kind] :
         {std::pair("propagation", Kind::kPropagation),
          {"convolution", Kind::kConvolution}}) {
      RefinementHead head(
          RefinementHeadOptions(3).form(form).kind(kind).channels(2).units(2));
      head->to(at::kDouble);
      GoldenFillParameters(*head);
      const at::Tensor coarse = coarse_values.clone().set_requires_grad(true);
      const at::Tensor gates = gates_values.clone().set_requires_grad(true);
      const std::string name = std::string(form_name) + "." + kind_name;
      const at::Tensor y = head->forward(coarse, gates);
      Expect(name, GoldenSample(y));
      const auto gradients = torch::autograd::grad(
          {y}, {coarse, gates, head->named_parameters()["entry.weight"]},
          {GoldenFilled(y.sizes(), 1, 99)});
      Expect(name + ".gradient.coarse", GoldenSample(gradients[0]));
      Expect(name + ".gradient.guidance", GoldenSample(gradients[1]));
      Expect(name + ".gradient.entry", GoldenSample(gradients[2]));
    }
  }
}

}  // namespace
}  // namespace spn
}  // namespace seg
