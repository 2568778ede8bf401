// What can be checked of the paper in seconds on a CPU: sizes of the published
// networks, equivariance, and that the record fits together. (generator_test
// has the controls: absolute coordinates, margins too small.)
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/runfiles.h"
#include "common/io/file.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "ganseg/config.h"
#include "ganseg/discriminator.h"
#include "ganseg/generator.h"
#include "torch/utils.h"

namespace seg {
namespace ganseg {
namespace {

Config Read(const std::string& name) {
  Config config;
  const std::string path = Runfile("ganseg/configs/" + name + ".yaml");
  const absl::StatusOr<std::string> text = ReadFile(path);
  EXPECT_OK(text.status());
  EXPECT_OK(ParseConfig(*text, path, {}, &config));
  return config;
}

int64_t Count(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

TEST(ReproductionTest, SizesOfThePublishedNetworks) {
  const std::vector<std::pair<std::string, int64_t>> sizes = {
      {"celeba_wild", 17793225},
      {"taichi", 17809867},
      {"cub", 23221833},
      {"flowers102", 23183369}};
  for (const auto& [name, size] : sizes) {
    const Config config = Read(name);
    const GeneratorOptions options = ToOptions(config.generator);
    EXPECT_EQ(Count(*Generator(options)), size) << name;
    EXPECT_EQ(Count(*Discriminator(
                  ToOptions(config.discriminator, options.image_size()))),
              23726721)
        << name;
  }
}

// All points and the background move by a pixel of the coarsest level: masks
// and background features move by as much, to the last bits. A leak is 1e-3 or
// more.
TEST(ReproductionTest, MasksFollowTheirPoints) {
  torch::manual_seed(4);
  const c10::NoGradGuard no_grad;
  GeneratorConfig config = Read("demo").generator;
  config.heatmap = HeatmapType::kGaussian;
  config.fixed_sigma = 0.5;  // reaches the border, which a cone leaves empty
  const GeneratorOptions options = ToOptions(config);
  Generator generator(options);
  generator->to(at::kDouble);
  generator->eval();
  for (at::Tensor& p : generator->parameters()) {
    if (p.dim() == 1) p.normal_();  // fresh biases are 0 and hide a leak
  }
  Latents latents = SampleLatents(2, options);
  for (at::Tensor* x :
       {&latents.points_noise, &latents.appearance_noise,
        &latents.background_noise, &latents.background_position}) {
    *x = x->to(at::kDouble);
  }
  Codes codes = generator->Embed(latents);
  const Generated before = generator->Render(codes);
  codes.points = codes.points.clone();
  codes.points.select(2, 1) += 2.0 / 8;
  codes.background_position = codes.background_position.clone();
  codes.background_position.select(1, 1) += 2.0 / 8;
  const Generated after = generator->Render(codes);
  const int64_t pixels = options.image_size() / 8;
  const int64_t rest = options.image_size() - pixels;
  for (const auto& [x, y] : {std::pair(before.masks, after.masks),
                             std::pair(before.background, after.background)}) {
    EXPECT_LT((y.narrow(3, pixels, rest) - x.narrow(3, 0, rest))
                  .abs()
                  .max()
                  .item<double>(),
              1e-12 * std::max(1.0, x.abs().max().item<double>()));
    EXPECT_GT((y - x).abs().max().item<double>(), 0.01);
  }
}

// reported.yaml, results/ and the rendered documents agree.
TEST(ReproductionTest, TheRecordFitsTogether) {
  EXPECT_OK(CheckPaper(Runfile("ganseg")));
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
