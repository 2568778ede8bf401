#include "cgm/model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "cgm/networks.h"
#include "cgm/objective.h"
#include "common/losses/soft_cross_entropy.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace cgm {
namespace {

using ::testing::HasSubstr;

int64_t Count(const std::vector<at::Tensor>& parameters) {
  int64_t count = 0;
  for (const at::Tensor& p : parameters) count += p.numel();
  return count;
}

// Widths 2 3 4 4 3 2 2, latent 2.
ModelConfig Tiny(const std::string& type) {
  ModelConfig config;
  config.type = type;
  config.width = 1.0 / 32;
  config.latent_channels = 2;
  config.noisy_layer = "off";
  return config;
}

at::Tensor RandomMasks(int64_t n, int64_t side, int64_t classes) {
  return at::randint(classes, {n, side, side}, at::kLong);
}

TEST(NetworksTest, ParameterCountsOfThePaper) {
  // Tables S1 to S3: CNN, prior (and recognition), generator, low-resolution
  // heads.
  const std::map<int64_t, std::vector<int64_t>> expected = {
      {2, {776594, 364192, 323682, 4932, 1833592}},
      {4, {784372, 374560, 331460, 9864, 1874816}}};
  for (const auto& [classes, counts] : expected) {
    const NetworkOptions options(classes);
    EXPECT_EQ(Count(Cnn(options)->parameters()), counts[0]);
    EXPECT_EQ(Count(Encoder(options)->parameters()), counts[1]);
    EXPECT_EQ(Count(Generator(options)->parameters()), counts[2]);
    EXPECT_EQ(
        Count(Cnn(NetworkOptions(options).multi_scale(true))->parameters()) -
            counts[0],
        counts[3]);
    ModelConfig config;
    config.type = "cvae";
    config.noisy_layer = "off";
    EXPECT_EQ(Count(Model(config, classes)->parameters()), counts[4]);
    // The Gaussian layer 4 has one more convolution 128 -> 128, 3 x 3.
    config.noisy_layer = "auto";
    EXPECT_EQ(Count(Model(config, classes)->parameters()), counts[4] + 147584);
    // One classifier less in reading B.
    config.noisy_layer = "off";
    config.shared_head = true;
    EXPECT_EQ(Count(Model(config, classes)->parameters()),
              counts[4] - (48 * 81 + 1) * classes);
  }
}

TEST(NetworksTest, NamesAndShapesAreFileFormat) {
  ModelConfig config;
  config.type = "hybrid";
  Model model(config, 4);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& item : model->named_parameters()) {
    if (item.value().dim() == 4)
      shapes[item.key()] = item.value().sizes().vec();
  }
  std::map<std::string, std::vector<int64_t>> expected = {
      {"cnn.conv1.weight", {64, 3, 9, 9}},
      {"cnn.conv2.weight", {96, 64, 5, 5}},
      {"cnn.conv3.weight", {128, 96, 3, 3}},
      {"cnn.noise4.mean.weight", {128, 128, 3, 3}},
      {"cnn.noise4.log_variance.weight", {128, 128, 3, 3}},
      {"cnn.conv5.weight", {96, 128, 3, 3}},
      {"cnn.conv6.weight", {64, 96, 5, 5}},
      {"cnn.conv7.weight", {48, 64, 5, 5}},
      {"cnn.head.weight", {4, 48, 9, 9}},
      {"cnn.head_quarter.weight", {4, 96, 3, 3}},
      {"cnn.head_half.weight", {4, 64, 5, 5}},
      {"generator.conv1.weight", {96, 32, 3, 3}},
      {"generator.conv2.weight", {64, 96, 5, 5}},
      {"generator.conv3.weight", {48, 64, 5, 5}},
      {"generator.conv4.weight", {48, 48, 5, 5}},
      {"generator.head.weight", {4, 48, 9, 9}}};
  for (const char* encoder : {"prior", "recognition"}) {
    const std::string name = std::string(encoder) + ".";
    expected[name + "conv1.weight"] = {64, 7, 9, 9};
    expected[name + "conv2.weight"] = {96, 64, 5, 5};
    expected[name + "conv3.weight"] = {128, 96, 3, 3};
    expected[name + "latent.mean.weight"] = {32, 128, 3, 3};
    expected[name + "latent.log_variance.weight"] = {32, 128, 3, 3};
  }
  EXPECT_EQ(shapes, expected);
}

TEST(NetworksTest, SizesOfThePaper) {
  const at::InferenceMode inference;
  ModelConfig config;
  config.type = "cvae";
  Model model(config, 4);
  const at::Tensor x = model->Prepare(at::zeros({1, 3, 128, 128}));
  const CnnScores scores = model->RunCnn(x, true);
  EXPECT_EQ(scores.full.sizes(), at::IntArrayRef({1, 4, 128, 128}));
  EXPECT_EQ(scores.half.sizes(), at::IntArrayRef({1, 4, 64, 64}));
  EXPECT_EQ(scores.quarter.sizes(), at::IntArrayRef({1, 4, 32, 32}));
  const DiagonalGaussian p = model->Prior(x, scores.full);
  EXPECT_EQ(p.mean.sizes(), at::IntArrayRef({1, 32, 8, 8}));
  EXPECT_EQ(p.log_variance.sizes(), p.mean.sizes());
  EXPECT_EQ(model->Generate(p.mean).sizes(), at::IntArrayRef({1, 4, 128, 128}));
}

TEST(NetworksTest, StartOfTheAuthors) {
  at::manual_seed(1);
  ModelConfig config;
  Model model(config, 4);
  for (const auto& item : model->named_parameters()) {
    const at::Tensor value = item.value().detach();
    if (item.key().find("log_variance") != std::string::npos) {
      EXPECT_EQ(value.abs().max().item<float>(), 0) << item.key();
    } else if (value.dim() == 4 && value.numel() > 10000) {
      const double fan_in = static_cast<double>(value.numel()) / value.size(0);
      // 10,000 values: their standard deviation is within 3 % by 4 SD.
      EXPECT_NEAR(value.std().item<float>() * std::sqrt(fan_in), 1, 0.03)
          << item.key();
    } else if (value.dim() == 1) {
      EXPECT_LT(value.abs().max().item<float>(), 0.06) << item.key();
    }
  }
  // sigma = 1 everywhere at the first step.
  const at::Tensor x = model->Prepare(255 * at::rand({2, 3, 32, 32}));
  EXPECT_EQ(model->Prior(x, model->RunCnn(x).full)
                .log_variance.abs()
                .max()
                .item<float>(),
            0);
}

TEST(NetworksTest, FusedUnpoolingChangesNothing) {
  for (const char* type : {"cnn", "cvae"}) {
    ModelConfig config = Tiny(type);
    at::manual_seed(2);
    Model fused(config, 3);
    config.fused_unpool = false;
    at::manual_seed(2);
    Model plain(config, 3);
    fused->to(at::kDouble);
    plain->to(at::kDouble);
    const at::Tensor x =
        fused->Prepare(255 * at::rand({2, 3, 32, 48}, at::kDouble));
    const CnnScores a = fused->RunCnn(x, true), b = plain->RunCnn(x, true);
    EXPECT_TRUE(at::allclose(a.full, b.full, 1e-10, 1e-12));
    EXPECT_TRUE(at::allclose(a.half, b.half, 1e-10, 1e-12));
    EXPECT_TRUE(at::allclose(a.quarter, b.quarter, 1e-10, 1e-12));
    if (!fused->has_latent()) continue;
    const at::Tensor z = at::randn({2, 2, 2, 3}, at::kDouble);
    EXPECT_TRUE(
        at::allclose(fused->Generate(z), plain->Generate(z), 1e-10, 1e-12));
  }
}

TEST(ModelTest, PartsByType) {
  struct Parts {
    bool latent, recognition, samples;
  };
  const std::map<std::string, Parts> expected = {
      {"cnn", {false, false, false}},
      {"gdnn", {true, false, false}},
      {"gsnn", {true, false, true}},
      {"cvae", {true, true, true}},
      {"hybrid", {true, true, true}}};
  for (const auto& [type, parts] : expected) {
    ModelConfig config = Tiny(type);
    config.noisy_layer = "auto";
    Model model(config, 2);
    EXPECT_EQ(model->has_latent(), parts.latent) << type;
    EXPECT_EQ(model->has_recognition(), parts.recognition) << type;
    EXPECT_EQ(model->samples(), parts.samples) << type;
    EXPECT_EQ(model->noisy_layer(), parts.samples) << type;
  }
}

TEST(ModelTest, TheNoisyLayerIsSampledInTrainingOnly) {
  ModelConfig config = Tiny("cnn");
  config.noisy_layer = "on";
  Model model(config, 2);
  const at::Tensor x = model->Prepare(255 * at::rand({1, 3, 16, 16}));
  model->train();
  EXPECT_FALSE(at::equal(model->RunCnn(x).full, model->RunCnn(x).full));
  model->eval();
  EXPECT_TRUE(at::equal(model->RunCnn(x).full, model->RunCnn(x).full));
}

TEST(ModelTest, ThePriorSeesTheScaledGuessAndSendsGradientsToIt) {
  ModelConfig config = Tiny("gdnn");
  at::manual_seed(3);
  Model two(config, 3);
  config.guess_scale = 1;
  at::manual_seed(3);
  Model one(config, 3);
  const at::Tensor x = two->Prepare(255 * at::rand({1, 3, 16, 16}));
  const at::Tensor a = at::randn({1, 3, 16, 16}).set_requires_grad(true);
  EXPECT_TRUE(at::allclose(two->Prior(x, a).mean, one->Prior(x, 2 * a).mean));
  two->Prior(x, a).mean.sum().backward();
  EXPECT_GT(a.grad().abs().sum().item<float>(), 0);
}

TEST(ModelTest, SharedHeadIsOneTensor) {
  ModelConfig config = Tiny("gdnn");
  config.shared_head = true;
  Model model(config, 2);
  const at::Tensor head = model->named_parameters()["cnn.head.bias"];
  const at::Tensor z = at::randn({1, 2, 1, 1});
  const at::Tensor before = model->Generate(z).detach().clone();
  {
    const at::NoGradGuard no_grad;
    head.add_(1);
  }
  EXPECT_TRUE(at::allclose(model->Generate(z), before + 1));
}

TEST(ModelTest, BadInputIsNamed) {
  Model model(Tiny("cnn"), 2);
  EXPECT_THAT(
      [&] {
        model->Prepare(at::zeros({1, 3, 32, 40}));
      },
      testing::Throws<c10::Error>(
          testing::Property(&c10::Error::what_without_backtrace,
                            HasSubstr("multiples of 16, got 32 x 40"))));
  EXPECT_THROW(model->Prepare(at::zeros({1, 1, 32, 32})), c10::Error);
  EXPECT_THROW(model->Generate(at::zeros({1, 2, 1, 1})), c10::Error);
  const at::Tensor x = model->Prepare(at::zeros({1, 3, 16, 16}));
  EXPECT_THROW(ComputeObjective(model, x, at::zeros({1, 3, 16, 16})),
               c10::Error);
  Config config;
  DatasetInfo info;
  info.name = "roads";
  info.class_names = {"ground", "road"};
  EXPECT_OK(CheckClasses(config, info));
  config.model.classes = 3;
  EXPECT_THAT(
      CheckClasses(config, info),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model.classes")));
  config.model.classes = 0;
  config.evaluation.foreground = 2;
  EXPECT_THAT(CheckClasses(config, info),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("evaluation.foreground")));
}

TEST(ModelTest, MultiplyAdds) {
  ModelConfig config;
  config.type = "cvae";
  // 2.08 GFLOP, two a multiply-add.
  const Cost plain = MultiplyAdds(config, 4, 128, 128, false);
  EXPECT_NEAR(2e-9 * static_cast<double>(plain.cnn), 2.08, 0.01);
  const Cost fused = MultiplyAdds(config, 4, 128, 128, true);
  const auto ratio = [](const Cost& cost) {
    return static_cast<double>(cost.total()) / static_cast<double>(cost.cnn);
  };
  EXPECT_GT(ratio(plain), 1.85);
  EXPECT_LT(ratio(fused), 2.0);
}

TEST(ObjectiveTest, OneHotIsZeroAtVoid) {
  const at::Tensor masks =
      at::tensor(std::vector<int64_t>{0, 1, 255, 2}).view({1, 2, 2});
  const at::Tensor target = OneHot(masks, 3);
  EXPECT_TRUE(at::equal(
      target.permute({0, 2, 3, 1}).reshape({4, 3}),
      at::tensor(std::vector<float>{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1})
          .view({4, 3})));
}

// The loss by its definition, in the order of the draws.
TEST(ObjectiveTest, EqualsItsDefinition) {
  for (const std::string type : {"cnn", "gdnn", "gsnn", "cvae", "hybrid"}) {
    ModelConfig config = Tiny(type);
    config.alpha = 0.3;
    at::manual_seed(4);
    Model model(config, 3);
    const at::Tensor x = model->Prepare(255 * at::rand({2, 3, 32, 32}));
    const at::Tensor target = OneHot(RandomMasks(2, 32, 3), 3);
    at::manual_seed(5);
    const Objective objective = ComputeObjective(model, x, target);
    at::manual_seed(5);
    const CnnScores a = model->RunCnn(x, true);
    const auto minus_ll = [&](const at::Tensor& scores) {
      return -(at::log_softmax(scores, 1) * target).sum();
    };
    const auto draw = [](const DiagonalGaussian& d) {
      return d.mean + (0.5 * d.log_variance).exp() * at::randn_like(d.mean);
    };
    at::Tensor expected = minus_ll(a.full);
    if (type != "cnn") {
      const DiagonalGaussian p = model->Prior(x, a.full);
      const auto term = [&](const at::Tensor& z) {
        return minus_ll(a.full + model->Generate(z));
      };
      if (type == "gdnn") expected = term(p.mean);
      if (type == "gsnn") expected = term(draw(p));
      if (model->has_recognition()) {
        const DiagonalGaussian q = model->Recognition(x, target);
        const at::Tensor kl =
            0.5 * (p.log_variance - q.log_variance +
                   (q.log_variance.exp() + (q.mean - p.mean).square()) /
                       p.log_variance.exp() -
                   1)
                      .sum();
        EXPECT_NEAR(objective.kl.item<float>(), kl.item<float>() / 2,
                    1e-4 * kl.item<float>());
        expected = kl + term(draw(q));
        if (type == "hybrid") {
          expected = 0.3 * expected + 0.7 * term(draw(p));
        }
      }
    }
    const auto soft = [](const at::Tensor& scores, const at::Tensor& t) {
      return -(at::log_softmax(scores, 1) * t).sum();
    };
    const at::Tensor half = at::max_pool2d(target, 2, 2);
    const at::Tensor quarter = at::max_pool2d(half, 2, 2);
    expected = expected + soft(a.half, half / half.sum(1, true)) +
               soft(a.quarter, quarter / quarter.sum(1, true));
    EXPECT_TRUE(at::allclose(objective.loss, expected, 1e-5)) << type;
    config.multi_scale = false;
  }
}

TEST(ObjectiveTest, LoggedNamesByType) {
  const std::map<std::string, size_t> expected = {
      {"cnn", 1}, {"gdnn", 2}, {"gsnn", 2}, {"cvae", 5}, {"hybrid", 5}};
  for (const auto& [type, count] : expected) {
    Model model(Tiny(type), 2);
    const at::Tensor x = model->Prepare(255 * at::rand({2, 3, 16, 16}));
    const auto logged =
        ComputeObjective(model, x, OneHot(RandomMasks(2, 16, 2), 2)).Logged();
    EXPECT_EQ(logged.size(), count) << type;
    for (const auto& [name, value] : logged) {
      EXPECT_FALSE(value.requires_grad()) << name;
    }
  }
}

// Every parameter of the whole hybrid loss, noise fixed, against central
// differences in double.
TEST(ObjectiveTest, HybridGradientMatchesFiniteDifferences) {
  for (const bool shared : {false, true}) {
    ModelConfig config = Tiny("hybrid");
    config.noisy_layer = "on";
    config.shared_head = shared;
    at::manual_seed(6);
    Model model(config, 3);
    model->to(at::kDouble);
    {
      // Away from the zero start, so that every parameter has a gradient.
      const at::NoGradGuard no_grad;
      for (auto& item : model->named_parameters()) {
        if (item.key().find("log_variance") != std::string::npos) {
          item.value().normal_(0, 0.2);
        }
      }
    }
    const at::Tensor x =
        model->Prepare(255 * at::rand({2, 3, 16, 32}, at::kDouble));
    at::Tensor masks = at::randint(3, {2, 16, 32}, at::kLong);
    masks.narrow(2, 0, 6).fill_(255);
    const at::Tensor target = OneHot(masks, 3, at::kDouble);
    const auto loss = [&] {
      at::manual_seed(7);
      return ComputeObjective(model, x, target).loss;
    };
    loss().backward();
    constexpr double kEps = 1e-6;
    const at::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      at::Tensor flat = item.value().detach().view(-1);
      const at::Tensor gradient = item.value().grad().reshape(-1);
      const int64_t n = flat.numel();
      for (const int64_t i : {int64_t{0}, n / 3, n - 1}) {
        const double start = flat[i].item<double>();
        flat[i] = start + kEps;
        const double above = loss().item<double>();
        flat[i] = start - kEps;
        const double below = loss().item<double>();
        flat[i] = start;
        const double numeric = (above - below) / (2 * kEps);
        const double analytic = gradient[i].item<double>();
        // Rounding of a loss near 3,000 over 2e-6: about 1e-6 x 0.3.
        EXPECT_NEAR(analytic, numeric, 1e-5 + 1e-5 * std::abs(numeric))
            << item.key() << " " << i;
      }
    }
  }
}

TEST(ObjectiveTest, VoidBlocksHaveNoPartAndGiveNoNan) {
  for (const std::string type : {"cnn", "gdnn", "gsnn", "cvae", "hybrid"}) {
    at::manual_seed(8);
    Model model(Tiny(type), 2);
    const at::Tensor x = model->Prepare(255 * at::rand({2, 3, 32, 32}));
    at::Tensor masks = RandomMasks(2, 32, 2);
    masks.narrow(1, 0, 16).fill_(255);  // whole blocks of the pyramid
    masks[1].fill_(255);                // and a whole image
    const Objective objective = ComputeObjective(model, x, OneHot(masks, 2));
    EXPECT_TRUE(std::isfinite(objective.loss.item<float>())) << type;
    objective.loss.backward();
    for (const auto& item : model->named_parameters()) {
      // GDNN has no use for the prior's log-variance.
      if (!item.value().grad().defined()) continue;
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>())
          << type << " " << item.key();
    }
  }
  // Nothing labelled: no loss at all.
  Model model(Tiny("cnn"), 2);
  const at::Tensor x = model->Prepare(255 * at::rand({1, 3, 16, 16}));
  EXPECT_EQ(ComputeObjective(model, x,
                             OneHot(at::full({1, 16, 16}, 255, at::kLong), 2))
                .loss.item<float>(),
            0);
}

TEST(ObjectiveTest, OneClassAndAnEmptyBatchWork) {
  Model one(Tiny("cvae"), 1);
  const at::Tensor x = one->Prepare(255 * at::rand({1, 3, 16, 16}));
  const Objective objective =
      ComputeObjective(one, x, OneHot(at::zeros({1, 16, 16}, at::kLong), 1));
  EXPECT_EQ(objective.cross_entropy.item<float>(), 0);
  Model model(Tiny("hybrid"), 2);
  const Objective empty =
      ComputeObjective(model, model->Prepare(at::zeros({0, 3, 16, 16})),
                       OneHot(at::zeros({0, 16, 16}, at::kLong), 2));
  EXPECT_EQ(empty.loss.item<float>(), 0);
}

TEST(CorruptTest, OneBlackSquareAnImage) {
  at::manual_seed(9);
  CorruptionConfig config;
  bool differ = false;
  for (int round = 0; round < 20; ++round) {
    const at::Tensor images = at::rand({4, 3, 32, 48}) + 1;
    const at::Tensor corrupted = Corrupt(images, config);
    const at::Tensor black = corrupted.eq(0);
    EXPECT_TRUE(at::equal(corrupted, images.masked_fill(black, 0)));
    const at::Tensor counts = black.select(1, 0).flatten(1).sum(1);
    // One side for all, at most round(0.4 x 32) = 13.
    EXPECT_TRUE(counts.eq(counts[0]).all().item<bool>());
    const int64_t side =
        std::llround(std::sqrt(static_cast<double>(counts[0].item<int64_t>())));
    EXPECT_EQ(side * side, counts[0].item<int64_t>());
    EXPECT_LE(side, 13);
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(black[i][0].any(0).sum().item<int64_t>(), side);
      EXPECT_EQ(black[i][0].any(1).sum().item<int64_t>(), side);
    }
    differ |= !at::equal(black[0], black[1]);
  }
  EXPECT_TRUE(differ);
  config.type = "none";
  const at::Tensor images = at::rand({1, 3, 16, 16});
  EXPECT_TRUE(at::equal(Corrupt(images, config), images));
}

TEST(CorruptTest, BlocksGoWhole) {
  at::manual_seed(10);
  const at::Tensor omitted = OmittedPixels(16, 32, 40, 8, 0.25);
  EXPECT_EQ(omitted.sizes(), at::IntArrayRef({16, 32, 40}));
  const at::Tensor shares =
      at::avg_pool2d(omitted.to(at::kFloat).unsqueeze(1), 8, 8);
  EXPECT_TRUE((shares.eq(0) | shares.eq(1)).all().item<bool>());
  // 320 blocks: a quarter within 4 SD.
  EXPECT_NEAR(shares.mean().item<float>(), 0.25, 0.1);
  EXPECT_EQ(OmittedPixels(1, 20, 20, 8, 1.0).sum().item<int64_t>(), 400);
  CorruptionConfig config;
  config.type = "blocks";
  config.omitted = 0;
  const at::Tensor images = at::rand({1, 3, 16, 16});
  EXPECT_TRUE(at::equal(Corrupt(images, config), images));
}

TEST(CollapseWatchTest, WarnsOnceAfterTheUpdatesInARow) {
  CollapseConfig config;
  config.updates = 5;
  CollapseWatch watch(config);
  int64_t due = -1;
  for (int64_t i = 0; i < 30; ++i) {
    // Below at 0..3 and from 5 on.
    if (watch.Update(at::scalar_tensor(i == 4 ? 0.2 : 0.01))) {
      EXPECT_EQ(due, -1);
      due = i;
    }
  }
  EXPECT_EQ(due, 9);
  ModelConfig model;
  model.noisy_layer = "off";
  EXPECT_THAT(watch.Message(model), HasSubstr("model.noisy_layer=on"));
}

}  // namespace
}  // namespace cgm
}  // namespace seg
