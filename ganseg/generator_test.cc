#include "ganseg/generator.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/status_matchers.h"
#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"
#include "ganseg/losses.h"

namespace seg {
namespace ganseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

int64_t ParameterCount(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

// Three levels up to 16 pixels, a few channels.
GeneratorOptions Tiny() {
  return GeneratorOptions()
      .parts(3)
      .noise_size(5)
      .mlp_width(6)
      .embedding_size(4)
      .position_channels(5)
      .spade_hidden(4)
      .adain_hidden(3)
      .block_sizes({4, 8, 16})
      .margins({7, 6, 4})
      .mask_channels({5, 5})
      .foreground_channels({6, 5, 5})
      .background_channels({6, 5, 5})
      .head(HeadType::kConv1x1);
}

// The four and six blocks of the released models of faces and birds, of 128
// pixels, with few channels.
GeneratorOptions Narrow(bool six_blocks) {
  const GeneratorOptions released =
      six_blocks ? GeneratorOptions::Cub() : GeneratorOptions::CelebA();
  const auto narrow = [](std::vector<int64_t> channels) {
    for (int64_t& c : channels) c /= 4;
    return channels;
  };
  return GeneratorOptions(released)
      .noise_size(64)
      .mlp_width(64)
      .embedding_size(32)
      .position_channels(64)
      .spade_hidden(32)
      .adain_hidden(32)
      .mask_channels(narrow(released.mask_channels()))
      .foreground_channels(narrow(released.foreground_channels()))
      .background_channels(narrow(released.background_channels()));
}

// Two blocks a level.
GeneratorOptions TinySixBlocks() {
  return Tiny()
      .block_sizes({4, 4, 8, 8, 16, 16})
      .margins({10, 10, 10})
      .mask_channels({5, 5, 4, 4, 4})
      .foreground_channels({6, 6, 5, 5, 4, 4})
      .background_channels({6, 6, 5, 5, 4, 4});
}

Generator Make(const GeneratorOptions& options) {
  at::manual_seed(3);
  return Generator(options);
}

// --- Sizes ------------------------------------------------------------------

TEST(GeneratorSizeTest, ParametersOfTheReleasedModels) {
  EXPECT_EQ(ParameterCount(*Make(GeneratorOptions::CelebA())), 17793225);
  EXPECT_EQ(ParameterCount(*Make(GeneratorOptions::Taichi())), 17809867);
  EXPECT_EQ(ParameterCount(*Make(GeneratorOptions::Cub())), 23221833);
  EXPECT_EQ(ParameterCount(*Make(GeneratorOptions::Flowers())), 23183369);
  EXPECT_EQ(ParameterCount(*Make(GeneratorOptions::Demo())), 122293);
}

TEST(GeneratorSizeTest, PartsOfTheCelebAModel) {
  Generator net = Make(GeneratorOptions::CelebA());
  const auto count = [&](const std::string& prefix) {
    int64_t sum = 0;
    for (const auto& item : net->named_parameters()) {
      if (item.key().rfind(prefix, 0) == 0) sum += item.value().numel();
    }
    return sum;
  };
  EXPECT_EQ(count("mask_embedding"), 16640);
  EXPECT_EQ(count("foreground_embedding"), 4352);
  EXPECT_EQ(count("background_embedding"), 768);
  EXPECT_EQ(count("head"), 38659);
  EXPECT_EQ(
      count("point_mlp") + count("appearance_mlp") + count("background_mlp"),
      707264);
  EXPECT_EQ(count("part_embedding"), 8 * 64);
}

TEST(GeneratorSizeTest, MultiplyAdds) {
  const auto billions = [](const GeneratorOptions& options) {
    return 1e-9 * static_cast<double>(MultiplyAdds(options));
  };
  EXPECT_NEAR(billions(GeneratorOptions::CelebA()), 74.6, 0.05);
  EXPECT_NEAR(billions(GeneratorOptions::Taichi()), 74.8, 0.05);
  EXPECT_NEAR(billions(GeneratorOptions::Cub()), 136.2, 0.05);
  EXPECT_NEAR(billions(GeneratorOptions::Flowers()), 135.6, 0.05);
  EXPECT_NEAR(billions(GeneratorOptions::Demo()), 0.053, 0.0005);
}

TEST(GeneratorShapeTest, PartsAndPoints) {
  const c10::NoGradGuard no_grad;
  for (const GeneratorOptions& blocks : {Tiny(), TinySixBlocks()}) {
    for (const int64_t parts : {1, 8, 10}) {
      for (const int64_t points : {2, 3, 4, 6, 8}) {
        const GeneratorOptions options =
            GeneratorOptions(blocks).parts(parts).points_per_part(points);
        Generator net = Make(options);
        const Generated out = net->forward(SampleLatents(2, options));
        EXPECT_THAT(out.points.sizes(), ElementsAre(2, parts * points, 2));
        EXPECT_THAT(out.centres.sizes(), ElementsAre(2, parts, 2));
        EXPECT_THAT(out.scales.sizes(), ElementsAre(2, parts));
        EXPECT_THAT(out.part_embeddings.sizes(), ElementsAre(2, parts, 4));
        EXPECT_THAT(out.masks.sizes(), ElementsAre(2, parts + 1, 16, 16));
        const int64_t c = blocks.foreground_channels().back();
        EXPECT_THAT(out.foreground.sizes(), ElementsAre(2, c, 16, 16));
        EXPECT_THAT(out.background.sizes(), ElementsAre(2, c, 16, 16));
        EXPECT_THAT(out.images.sizes(), ElementsAre(2, 3, 16, 16));
        EXPECT_LT((out.masks.sum(1) - 1).abs().max().item<double>(), 1e-5);
        EXPECT_GE(out.masks.min().item<double>(), 0);
        EXPECT_LE(out.images.abs().max().item<double>(), 1);
      }
    }
  }
}

TEST(GeneratorShapeTest, BatchOfOneAndEmptyBatch) {
  const c10::NoGradGuard no_grad;
  Generator net = Make(Tiny());
  EXPECT_THAT(net->forward(SampleLatents(1, Tiny())).images.sizes(),
              ElementsAre(1, 3, 16, 16));
  net->eval();
  EXPECT_THAT(net->forward(SampleLatents(0, Tiny())).images.sizes(),
              ElementsAre(0, 3, 16, 16));
}

TEST(GeneratorShapeTest, NamesAndBuffers) {
  Generator net = Make(Tiny());
  std::set<std::string> children;
  for (const auto& item : net->named_children()) children.insert(item.key());
  EXPECT_THAT(
      children,
      ElementsAre("appearance_mlp", "background_block0", "background_block1",
                  "background_block2", "background_embedding", "background_mlp",
                  "foreground_block0", "foreground_block1", "foreground_block2",
                  "foreground_embedding", "head0", "mask_block0", "mask_block1",
                  "mask_block2", "mask_embedding", "point_mlp"));
  EXPECT_TRUE(net->named_parameters().contains("part_embedding"));
  // No two names share a tensor: every layer is its own.
  std::set<const void*> storages;
  for (const at::Tensor& p : net->parameters()) {
    storages.insert(p.const_data_ptr());
  }
  EXPECT_EQ(storages.size(), net->parameters().size());
}

// --- Latents ----------------------------------------------------------------

TEST(SampleLatentsTest, Distributions) {
  at::manual_seed(1);
  const Latents latents = SampleLatents(4000, Tiny());
  for (const at::Tensor& z : {latents.points_noise, latents.appearance_noise,
                              latents.background_noise}) {
    EXPECT_THAT(z.sizes(), ElementsAre(4000, 5));
    EXPECT_NEAR(z.mean().item<double>(), 0, 0.03);
    EXPECT_NEAR(z.std().item<double>(), 1, 0.03);
  }
  EXPECT_FALSE(at::equal(latents.points_noise, latents.appearance_noise));
  const at::Tensor& u = latents.background_position;
  EXPECT_NEAR(u.min().item<double>(), -1, 0.01);
  EXPECT_NEAR(u.max().item<double>(), 1, 0.01);
  const at::Tensor fixed =
      SampleLatents(100, Tiny().background_vertical_fixed(true))
          .background_position;
  EXPECT_EQ(fixed.select(1, 0).abs().max().item<double>(), 0);
  EXPECT_GT(fixed.select(1, 1).abs().max().item<double>(), 0.5);
  at::manual_seed(1);
  EXPECT_TRUE(at::equal(SampleLatents(4000, Tiny()).background_position, u));
}

// What the paper's sizes give before any training: measured on another
// implementation with 5 seeds.
TEST(GeneratorTest, PointsAtTheStart) {
  const c10::NoGradGuard no_grad;
  const GeneratorOptions options =
      Tiny().parts(8).noise_size(256).mlp_width(256);
  double deviation = 0, cone = 0, gaussian = 0, area = 0;
  constexpr int kSeeds = 3;
  for (int seed = 0; seed < kSeeds; ++seed) {
    at::manual_seed(seed);
    Generator net(options);
    const at::Tensor points = net->Embed(SampleLatents(4096, options)).points;
    deviation += points.std().item<double>() / kSeeds;
    const double largest = points.abs().max().item<double>();
    EXPECT_GT(largest, 0.25);
    EXPECT_LT(largest, 0.45);
    const at::Tensor tau = MeanAbsoluteDeviation(points, 8);
    cone += tau.mean().item<double>() / kSeeds;
    gaussian += RadiusVariance(points, 8).mean().item<double>() / kSeeds;
    area += ((tau * 64).square() * M_PI).mean().item<double>() / kSeeds;
  }
  EXPECT_GT(deviation, 0.063);
  EXPECT_LT(deviation, 0.080);
  EXPECT_GT(cone, 0.043);
  EXPECT_LT(cone, 0.056);
  EXPECT_GT(gaussian, 0.0011);
  EXPECT_LT(gaussian, 0.0020);
  EXPECT_GT(area, 27);
  EXPECT_LT(area, 44);
}

// Masks of a fresh network in training are near uniform (eight parts and the
// background, 1,820 pixels each): no part is too small, and the concentration
// is near 2/3, the mean square of a distance from the middle of the image (of
// single networks 0.65 to 0.72).
TEST(GeneratorTest, LossesAtTheStart) {
  const c10::NoGradGuard no_grad;
  const GeneratorOptions options = Narrow(/*six_blocks=*/false);
  double concentration = 0;
  constexpr int kSeeds = 3;
  for (int seed = 0; seed < kSeeds; ++seed) {
    at::manual_seed(seed);
    Generator net(options);
    const Generated out = net->forward(SampleLatents(4, options));
    ASSERT_THAT(out.masks.sizes(), ElementsAre(4, 9, 128, 128));
    EXPECT_EQ(Area(out.masks, out.points).item<double>(), 0) << seed;
    concentration +=
        Concentration(out.masks, out.centres).item<double>() / kSeeds;
  }
  EXPECT_GT(concentration, 0.67);
  EXPECT_LT(concentration, 0.72);
}

// --- Embedding --------------------------------------------------------------

TEST(PositionalEmbeddingTest, AgreesWithMapsOfDifferences) {
  at::manual_seed(2);
  PositionalEmbedding net(3, 4);
  net->to(at::kDouble);
  const auto parameters = net->named_parameters();
  parameters["projection.bias"].data().normal_();
  const at::Tensor points = Random({2, 3, 2});
  const at::Tensor axis =
      GridAxis(GridType::kPixelCentred, 5, 2, at::kDouble);  // [9]
  const at::Tensor pixels = at::stack(at::meshgrid({axis, axis}, "ij"), -1);
  const at::Tensor maps = (points.view({2, 3, 1, 1, 2}) - pixels)
                              .permute({0, 1, 4, 2, 3})
                              .reshape({2, 6, 9, 9});
  const at::Tensor phase =
      M_PI * at::conv2d(maps, parameters["projection.weight"],
                        parameters["projection.bias"]);
  const at::Tensor got = net->forward(points, axis);
  EXPECT_LT(
      (got - at::cat({phase.sin(), phase.cos()}, 1)).abs().max().item<double>(),
      1e-13);
  EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(GradCheck(
      [&](const auto& in) { return net->forward(in[0], axis); }, {points}));
  ExpectError(
      [&] {
        net->forward(at::zeros({2, 4, 2}), axis);
      },
      "points must be [N,3,2], got [2, 4, 2]");
}

// --- Options ----------------------------------------------------------------

TEST(GeneratorOptionsTest, PresetsAreValid) {
  for (const GeneratorOptions& options :
       {GeneratorOptions::CelebA(), GeneratorOptions::Taichi(),
        GeneratorOptions::Cub(), GeneratorOptions::Flowers(),
        GeneratorOptions::Demo(), Tiny(), TinySixBlocks()}) {
    EXPECT_OK(CheckOptions(options));
  }
  EXPECT_EQ(GeneratorOptions::CelebA().image_size(), 128);
  EXPECT_EQ(GeneratorOptions::Demo().image_size(), 32);
}

TEST(GeneratorOptionsTest, Errors) {
  const auto expect = [](const GeneratorOptions& options,
                         const std::string& message) {
    EXPECT_THAT(CheckOptions(options), StatusIs(kInvalid, HasSubstr(message)));
  };
  expect(Tiny().points_per_part(1),
         "points_per_part: must be at least 2, got 1");
  expect(Tiny().parts(0), "parts: must be at least 1, got 0");
  expect(Tiny().point_divisor(0), "point_divisor: must be positive, got 0");
  expect(Tiny().fixed_sigma(-0.1), "fixed_sigma: must be positive, got -0.1");
  expect(Tiny().margins({7, 6, 3}), "level 2 (16 pixels) has 3, at least 4");
  expect(Tiny().margins({7, 6}), "each of the 3 sizes");
  expect(Tiny().mask_channels({5}), "mask_channels: expected 2 entries");
  expect(Tiny().foreground_channels({5, 5}),
         "foreground_channels: expected 3 entries");
  expect(Tiny().background_channels({5, 0, 5}),
         "background_channels: must be at least 1, got 0");
  expect(Tiny().background_channels({5, 5, 6}),
         "must end with 5, as foreground_channels does, got 6");
  ExpectError([] { Make(Tiny().points_per_part(1)); },
              "Generator: points_per_part: must be at least 2, got 1");
  EXPECT_OK(CheckOptions(Tiny().margins({7, 6, 3}).check_margins(false)));
}

TEST(GeneratorTest, CodesOfTheWrongShape) {
  Generator net = Make(Tiny());
  const Codes codes = net->Embed(SampleLatents(2, Tiny()));
  const auto with = [&](const std::function<void(Codes*)>& change) {
    Codes other = codes;
    change(&other);
    return ErrorOf([&] { net->Render(other); });
  };
  EXPECT_THAT(with([](Codes* c) {
                c->points = at::zeros({2, 9, 2});
              }),
              HasSubstr("points must be [N,3*4,2], got [2, 9, 2]"));
  EXPECT_THAT(with([](Codes* c) {
                c->appearance = at::zeros({1, 4});
              }),
              HasSubstr("appearance must be [2,4], got [1, 4]"));
  EXPECT_THAT(with([](Codes* c) {
                c->background = at::zeros({2, 5});
              }),
              HasSubstr("background must be [2,4], got [2, 5]"));
  EXPECT_THAT(with([](Codes* c) { c->background_position = at::zeros({2}); }),
              HasSubstr("background_position must be [2,2], got [2]"));
}

// --- Translation ------------------------------------------------------------

// In double, evaluation mode, with biases and running statistics that are not
// those of a fresh network: with zero biases, or a cone that leaves the border
// empty, zero padding would not show.
Generator Spoilt(const GeneratorOptions& options) {
  at::manual_seed(17);
  Generator net(options);
  net->to(at::kDouble);
  net->eval();
  const at::NoGradGuard no_grad;
  for (auto& item : net->named_parameters()) {
    if (item.key().find("bias") != std::string::npos) {
      item.value().normal_(0, 0.3);
    }
  }
  for (auto& item : net->named_buffers()) {
    item.value().normal_(0, 0.3);
    if (item.key().find("var") != std::string::npos) {
      item.value().abs_().add_(0.5);
    }
  }
  return net;
}

Codes RandomCodes(const Generator& net) {
  const GeneratorOptions& options = net->options();
  const int64_t points = options.parts() * options.points_per_part();
  return {Random({2, points, 2}, 1) * 0.2,
          Random({2, options.embedding_size()}, 2),
          Random({2, options.embedding_size()}, 3), Random({2, 2}, 4) * 0.3};
}

// Points and background moved by a pixel of the smallest level, to the right.
// On the end-point grid that is not a whole pixel of the larger ones.
Codes Moved(const Codes& codes, const GeneratorOptions& options) {
  const auto size = static_cast<double>(options.block_sizes()[0]);
  const at::Tensor step = at::tensor(
      {0.0, 2 / (options.grid() == GridType::kEndpoint ? size - 1 : size)},
      at::kDouble);
  Codes moved = codes;
  moved.points = codes.points + step;
  moved.background_position = codes.background_position + step;
  return moved;
}

// RMS of b's difference from a moved as much, over a's standard deviation; of
// the pixels at least `border` away from the image's edge.
double ShiftError(const at::Tensor& a, const at::Tensor& b,
                  const GeneratorOptions& options, int64_t border = 0) {
  const int64_t shift = options.image_size() / options.block_sizes()[0];
  const int64_t size = a.size(3) - 2 * border;
  const auto inside = [&](const at::Tensor& x) {
    return x.narrow(2, border, size).narrow(3, border, size);
  };
  const int64_t rest = size - shift;
  const at::Tensor difference =
      inside(b).narrow(3, shift, rest) - inside(a).narrow(3, 0, rest);
  return (difference.square().mean().sqrt() / inside(a).std()).item<double>();
}

struct ShiftErrors {
  double masks, background, foreground, images;
};

ShiftErrors ErrorsOf(const Generated& a, const Generated& b,
                     const GeneratorOptions& options, int64_t border = 0) {
  return {ShiftError(a.masks, b.masks, options, border),
          ShiftError(a.background, b.background, options, border),
          ShiftError(a.foreground, b.foreground, options, border),
          ShiftError(a.images, b.images, options, border)};
}

ShiftErrors MeasureShift(const GeneratorOptions& options) {
  const c10::NoGradGuard no_grad;
  Generator net = Spoilt(options);
  const Codes codes = RandomCodes(net);
  const Generated a = net->Render(codes);
  const Generated b = net->Render(Moved(codes, options));
  // The networks answer to the motion at all.
  EXPECT_GT((a.masks - b.masks).abs().max().item<double>(), 1e-3);
  return ErrorsOf(a, b, options);
}

GeneratorOptions Wide(const GeneratorOptions& options) {
  return GeneratorOptions(options)
      .heatmap(HeatmapType::kGaussian)
      .fixed_sigma(2.0);
}

constexpr double kGate = 1e-12;

TEST(EquivarianceTest, MasksAndBackgroundMoveWithTheirPoints) {
  const GeneratorOptions four = Tiny()
                                    .block_sizes({4, 4, 8, 16})
                                    .margins({9, 6, 4})
                                    .mask_channels({5, 5, 4})
                                    .foreground_channels({6, 5, 4, 4})
                                    .background_channels({6, 5, 4, 4});
  for (const GeneratorOptions& options :
       {Tiny(), four, GeneratorOptions(four).margins({10, 10, 10}),
        TinySixBlocks(), TinySixBlocks().margins({10, 9, 6}),
        Tiny().head(HeadType::kConv3x3)}) {
    const ShiftErrors errors = MeasureShift(Wide(options));
    EXPECT_LT(errors.masks, kGate);
    EXPECT_LT(errors.background, kGate);
  }
}

TEST(EquivarianceTest, EstimatedScalesAndConesToo) {
  for (const HeatmapType type : {HeatmapType::kCone, HeatmapType::kGaussian}) {
    const ShiftErrors errors = MeasureShift(Tiny().heatmap(type));
    EXPECT_LT(errors.masks, kGate);
    EXPECT_LT(errors.background, kGate);
  }
}

TEST(EquivarianceTest, AMarginOneTooSmallFails) {
  for (const std::vector<int64_t>& margins :
       std::vector<std::vector<int64_t>>{{6, 6, 4}, {7, 5, 4}, {7, 6, 3}}) {
    const GeneratorOptions options =
        Wide(Tiny()).margins(margins).check_margins(false);
    EXPECT_GT(MeasureShift(options).masks, kGate)
        << margins[0] << margins[1] << margins[2];
  }
  // Six blocks need all of 10.
  EXPECT_GT(MeasureShift(
                Wide(TinySixBlocks()).margins({9, 9, 9}).check_margins(false))
                .masks,
            kGate);
}

TEST(EquivarianceTest, AbsoluteCoordinatesFail) {
  const c10::NoGradGuard no_grad;
  const GeneratorOptions options = Wide(Tiny());
  Generator net = Spoilt(options);
  const Codes codes = RandomCodes(net);
  // A point that stays behind shows each pixel where it lies.
  Codes moved = Moved(codes, options);
  moved.points = moved.points.clone();
  moved.points.select(1, 0).copy_(codes.points.select(1, 0));
  EXPECT_GT(
      ShiftError(net->Render(codes).masks, net->Render(moved).masks, options),
      1e-3);
  moved = Moved(codes, options);
  moved.background_position = codes.background_position;
  EXPECT_GT(ShiftError(net->Render(codes).background,
                       net->Render(moved).background, options),
            1e-3);
}

TEST(EquivarianceTest, EndpointGridIsNotExact) {
  const ShiftErrors errors =
      MeasureShift(Wide(Tiny()).grid(GridType::kEndpoint));
  EXPECT_GT(errors.masks, 1e-4);
  EXPECT_LT(errors.background, kGate);
}

// Prints the rows of the table in NOTES.md: a fresh network each, with running
// statistics of its own pictures; errors of all pixels / of those 24 inside. On
// pixel centres the generator commutes with the motion, but for the foreground:
// masks are padded by copies of their border there, which shows at the border
// and leaves the inside within the fact sheet's bounds.
TEST(EquivarianceTest, TableOfTheReleasedBlocks) {
  const c10::NoGradGuard no_grad;
  constexpr int64_t kBorder = 24;
  std::printf(
      "| blocks | grid | head | masks | background | foreground | image |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n");
  for (const bool six_blocks : {false, true}) {
    for (const GridType grid : {GridType::kEndpoint, GridType::kPixelCentred}) {
      for (const HeadType head : {HeadType::kConv3x3, HeadType::kConv1x1}) {
        const GeneratorOptions options =
            Narrow(six_blocks).grid(grid).head(head);
        Generator net = Make(options);
        // One forward pass moves the statistics by a tenth towards the
        // batch's, which they become.
        net->forward(SampleLatents(4, options));
        for (auto& item : net->named_buffers()) {
          at::Tensor& statistic = item.value();
          if (item.key().find("var") != std::string::npos) statistic -= 0.9;
          statistic *= 10;
        }
        net->to(at::kDouble);
        net->eval();
        Latents latents = SampleLatents(1, options);
        for (at::Tensor* x :
             {&latents.points_noise, &latents.appearance_noise,
              &latents.background_noise, &latents.background_position}) {
          *x = x->to(at::kDouble);
        }
        const Codes codes = net->Embed(latents);
        const Generated a = net->Render(codes);
        const Generated b = net->Render(Moved(codes, options));
        const ShiftErrors all = ErrorsOf(a, b, options);
        const ShiftErrors inside = ErrorsOf(a, b, options, kBorder);
        std::printf(
            "| %d | %s | %s | %.1e / %.1e | %.1e / %.1e | %.1e / %.1e | "
            "%.1e / %.1e |\n",
            six_blocks ? 6 : 4,
            grid == GridType::kEndpoint ? "end-point" : "pixel-centred",
            head == HeadType::kConv3x3 ? "3x3" : "1x1", all.masks, inside.masks,
            all.background, inside.background, all.foreground,
            inside.foreground, all.images, inside.images);
        // The background takes its positions at the smallest level alone, of
        // which the motion is a pixel on either grid.
        EXPECT_LT(all.background, kGate);
        EXPECT_LT(inside.background, kGate);
        const double gate = six_blocks ? 2e-3 : 1e-3;
        if (grid == GridType::kPixelCentred) {
          EXPECT_LT(all.masks, kGate);
          EXPECT_LT(inside.masks, kGate);
          EXPECT_LT(inside.foreground, gate);
          EXPECT_LT(inside.images, gate);
        } else {
          EXPECT_GT(inside.masks, gate);
          EXPECT_GT(inside.foreground, gate);
          EXPECT_GT(inside.images, gate);
        }
        // At the border the copies show.
        EXPECT_GT(all.foreground, gate);
        EXPECT_GT(all.images, gate);
      }
    }
  }
}

// --- Edits ------------------------------------------------------------------

class EditTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = net_->Render(codes_);
    EXPECT_TRUE(at::equal(net_->Render(codes_).images, before_.images));
  }
  const c10::NoGradGuard no_grad_;
  Generator net_ = Spoilt(Tiny());
  const Codes codes_ = RandomCodes(net_);
  Generated before_;
};

TEST_F(EditTest, BackgroundCodesChangeTheBackgroundOnly) {
  for (const bool position : {false, true}) {
    Codes codes = codes_;
    (position ? codes.background_position : codes.background).add_(0.1);
    const Generated after = net_->Render(codes);
    EXPECT_TRUE(at::equal(after.masks, before_.masks));
    EXPECT_TRUE(at::equal(after.foreground, before_.foreground));
    EXPECT_FALSE(at::equal(after.background, before_.background));
    EXPECT_FALSE(at::equal(after.images, before_.images));
  }
}

TEST_F(EditTest, AppearanceLeavesPointsAndBackground) {
  Codes codes = codes_;
  codes.appearance = codes.appearance + 0.5;
  const Generated after = net_->Render(codes);
  EXPECT_TRUE(at::equal(after.scales, before_.scales));
  EXPECT_TRUE(at::equal(after.background, before_.background));
  EXPECT_FALSE(at::equal(after.foreground, before_.foreground));
}

TEST_F(EditTest, MovingOnePartLeavesTheOthersAndTheBackground) {
  Codes codes = codes_;
  codes.points = codes.points.clone();
  codes.points.narrow(1, 4, 4).add_(0.3);  // part 1
  const Generated after = net_->Render(codes);
  for (const int64_t part : {0, 2}) {
    EXPECT_TRUE(at::equal(after.centres.select(1, part),
                          before_.centres.select(1, part)));
    EXPECT_TRUE(at::equal(after.scales.select(1, part),
                          before_.scales.select(1, part)));
  }
  EXPECT_LT((after.centres - before_.centres - 0.3)
                .select(1, 1)
                .abs()
                .max()
                .item<double>(),
            1e-12);
  EXPECT_LT((after.scales - before_.scales).abs().max().item<double>(), 1e-12);
  EXPECT_TRUE(at::equal(after.background, before_.background));
  EXPECT_FALSE(at::equal(after.masks, before_.masks));
}

TEST_F(EditTest, ImageIsOfTheBackgroundWhereItsMaskIsOne) {
  // The head of one feature map and of a blend of two with weight 1.
  const at::Tensor ones = at::ones({2, 1, 16, 16}, at::kDouble);
  EXPECT_TRUE(at::equal(at::lerp(before_.foreground, before_.background, ones),
                        before_.background));
  const at::Tensor m = before_.masks.narrow(1, 3, 1);
  const at::Tensor blend =
      (1 - m) * before_.foreground + m * before_.background;
  const auto parameters = net_->named_parameters();
  const at::Tensor image =
      at::conv2d(at::leaky_relu(blend, 0.2), parameters["head0.weight"],
                 parameters["head0.bias"])
          .tanh();
  EXPECT_LT((image - before_.images).abs().max().item<double>(), 1e-13);
}

// --- Training mode ----------------------------------------------------------

TEST(GeneratorTest, EveryParameterGetsAGradient) {
  for (const HeatmapType type : {HeatmapType::kCone, HeatmapType::kGaussian}) {
    // Points far enough apart that cones cover pixels of every level.
    Generator net = Make(Tiny().heatmap(type).point_divisor(1));
    net->forward(SampleLatents(3, Tiny())).images.square().sum().backward();
    for (const auto& item : net->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>())
          << item.key();
      // The convolution before a batch norm does not need its bias.
      if (item.key().find("bias") == std::string::npos) {
        EXPECT_GT(item.value().grad().abs().max().item<double>(), 0)
            << item.key();
      }
    }
  }
}

TEST(GeneratorTest, GradientOfTheCodesMatchesFiniteDifferences) {
  const GeneratorOptions options = Tiny()
                                       .heatmap(HeatmapType::kGaussian)
                                       .block_sizes({4})
                                       .margins({4})
                                       .mask_channels({})
                                       .foreground_channels({4})
                                       .background_channels({4})
                                       .parts(2)
                                       .points_per_part(2);
  Generator net = Spoilt(options);
  const Codes codes = RandomCodes(net);
  EXPECT_TRUE(GradCheck(
      [&](const auto& in) {
        const Generated out = net->Render({in[0], in[1], in[2], in[3]});
        return at::cat({out.images.flatten(), out.masks.flatten()});
      },
      {codes.points, codes.appearance, codes.background,
       codes.background_position}));
}

TEST(GeneratorTest, FloatAgreesWithDouble) {
  const c10::NoGradGuard no_grad;
  Generator net = Spoilt(GeneratorOptions::Demo());
  const Codes codes = RandomCodes(net);
  const Generated expected = net->Render(codes);
  net->to(at::kFloat);
  const auto single = [](const at::Tensor& x) { return x.to(at::kFloat); };
  const Generated got = net->Render(
      {single(codes.points), single(codes.appearance), single(codes.background),
       single(codes.background_position)});
  // Sums of up to 300 products through 20 layers.
  EXPECT_LT((got.masks - expected.masks).abs().max().item<double>(), 1e-4);
  EXPECT_LT((got.images - expected.images).abs().max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace ganseg
}  // namespace seg
