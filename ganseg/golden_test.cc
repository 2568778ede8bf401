// The networks and losses against another implementation in eager PyTorch
// (testdata/make_golden.py).

#include "common/testing/golden.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <utility>
#include <vector>

#include "common/io/safetensors.h"
#include "common/testing/status_matchers.h"
#include "ganseg/discriminator.h"
#include "ganseg/generator.h"
#include "ganseg/losses.h"

namespace seg {
namespace ganseg {
namespace {

// Both sides compute in double; sums run in another order, through batch norms
// and up to 20 layers.
constexpr double kTolerance = 1e-10;
constexpr int64_t kBatch = 2;

class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        golden_, ReadSafetensors("ganseg/testdata/networks.safetensors"));
  }

  // `value` is the golden tensor of this name.
  void Expect(const std::string& name, const at::Tensor& value) const {
    ASSERT_EQ(golden_.count(name), 1) << name;
    EXPECT_LT(RelativeError(value, golden_.at(name)), kTolerance) << name;
  }

  // Gradients of all parameters that the file has; how many.
  int ExpectGradients(const std::string& prefix,
                      const torch::nn::Module& module) const {
    int count = 0;
    for (const auto& item : module.named_parameters()) {
      const std::string name = prefix + ".gradient." + item.key();
      if (golden_.count(name) == 0) continue;
      Expect(name, GoldenSample(item.value().grad()));
      ++count;
    }
    return count;
  }

  void CheckGenerator(const std::string& name,
                      const GeneratorOptions& options) const {
    Generator net(options);
    net->to(at::kDouble);
    GoldenFillParameters(*net);
    Latents latents;
    const auto noise = [](int64_t seed) {
      return GoldenFilled({kBatch, 5}, 1.7, seed);
    };
    latents.points_noise = noise(100);
    latents.appearance_noise = noise(101);
    latents.background_noise = noise(102);
    latents.background_position = GoldenFilled({kBatch, 2}, 1, 103);
    const Generated out = net->forward(latents);
    const std::pair<const char*, const at::Tensor&> maps[] = {
        {"points", out.points},         {"centres", out.centres},
        {"scales", out.scales},         {"masks", out.masks},
        {"foreground", out.foreground}, {"background", out.background},
        {"images", out.images}};
    for (const auto& [key, value] : maps) {
      Expect(name + ".train." + key, GoldenSample(value));
    }
    const at::Tensor concentration = Concentration(out.masks, out.centres);
    const at::Tensor area = Area(0.02 * out.masks, out.points);
    Expect(name + ".concentration", concentration);
    Expect(name + ".area", area);
    ((out.images * GoldenFilled(out.images.sizes(), 1, 99)).sum() +
     concentration + area)
        .backward();
    EXPECT_EQ(ExpectGradients(name, *net), 6) << name;
    const c10::NoGradGuard no_grad;
    net->eval();
    const Generated again = net->forward(latents);
    Expect(name + ".eval.masks", GoldenSample(again.masks));
    Expect(name + ".eval.images", GoldenSample(again.images));
  }

  TensorMap golden_;
};

GeneratorOptions Base() {
  return GeneratorOptions()
      .parts(3)
      .points_per_part(3)
      .noise_size(5)
      .mlp_width(6)
      .embedding_size(4)
      .position_channels(5)
      .spade_hidden(4)
      .adain_hidden(3)
      .point_divisor(2);
}

TEST_F(GoldenTest, GeneratorWithCones) {
  CheckGenerator("cone", Base()
                             .block_sizes({4, 8, 16})
                             .margins({7, 6, 4})
                             .mask_channels({5, 5})
                             .foreground_channels({6, 5, 5})
                             .background_channels({6, 5, 5}));
}

TEST_F(GoldenTest, GeneratorWithGaussiansOnTheEndpointGrid) {
  CheckGenerator("gaussian", Base()
                                 .block_sizes({8, 8, 16, 16})
                                 .margins({10, 8})
                                 .mask_channels({4, 5, 5})
                                 .foreground_channels({5, 6, 6, 4})
                                 .background_channels({5, 6, 6, 4})
                                 .heatmap(HeatmapType::kGaussian)
                                 .grid(GridType::kEndpoint));
}

TEST_F(GoldenTest, GeneratorWithAFixedScale) {
  CheckGenerator("fixed", Base()
                              .block_sizes({8, 16})
                              .margins({6, 4})
                              .mask_channels({4})
                              .foreground_channels({4, 4})
                              .background_channels({4, 4})
                              .heatmap(HeatmapType::kGaussian)
                              .fixed_sigma(0.3)
                              .head(HeadType::kConv1x1));
}

TEST_F(GoldenTest, DiscriminatorAndItsLosses) {
  Discriminator net(
      DiscriminatorOptions().channels({4, 5}).fc_width(6).image_size(16));
  net->to(at::kDouble);
  GoldenFillParameters(*net);
  const at::Tensor images =
      (GoldenImage(kBatch, 16, 16) / 127.5 - 1).set_requires_grad(true);
  const at::Tensor scores = net->forward(images);
  const at::Tensor fake = net->forward(images.detach().flip({2}));
  const at::Tensor loss = DiscriminatorLoss(scores, fake);
  const at::Tensor penalty = GradientPenalty(scores, images, 1);
  Expect("discriminator.scores", scores);
  Expect("discriminator.loss", loss);
  Expect("discriminator.generator_loss", GeneratorLoss(fake));
  Expect("discriminator.penalty", penalty);
  Expect("discriminator.penalty_r1", GradientPenalty(scores, images, 0));
  (loss + 10 * penalty).backward();
  EXPECT_EQ(ExpectGradients("discriminator", *net), 4);
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
