#include "cgm/objective.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cgm/corruption.h"
#include "cgm/paper.h"
#include "cgm/task.h"
#include "cgm/tiny_model.h"
#include "common/datasets/open.h"
#include "common/evaluation/evaluate.h"
#include "common/testing/status_matchers.h"
#include "common/training/optimizer.h"

namespace seg {
namespace cgm {
namespace {

using ::testing::HasSubstr;

// The loss by its definition, in the order of the draws.
TEST(ObjectiveTest, EqualsItsDefinition) {
  for (const bool multi_scale : {true, false}) {
    for (const std::string type : {"cnn", "gdnn", "gsnn", "cvae", "hybrid"}) {
      ModelConfig config = Tiny(type);
      config.alpha = 0.3;
      config.multi_scale = multi_scale;
      at::manual_seed(4);
      Model model(config, 3);
      PerturbLogVariances(&model);
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
      if (multi_scale) {
        const at::Tensor half = at::max_pool2d(target, 2, 2);
        const at::Tensor quarter = at::max_pool2d(half, 2, 2);
        expected = expected + soft(a.half, half / half.sum(1, true)) +
                   soft(a.quarter, quarter / quarter.sum(1, true));
      }
      EXPECT_TRUE(at::allclose(objective.loss, expected, 1e-5)) << type;
    }
  }
}

TEST(ObjectiveTest, LoggedNamesByType) {
  const std::map<std::string, std::vector<std::string>> expected = {
      {"cnn", {"cross_entropy"}},
      {"gdnn", {"cross_entropy"}},
      {"gsnn", {"cross_entropy", "sigma_p"}},
      {"cvae", {"cross_entropy", "kl", "sigma_p", "sigma_q", "latents_in_use"}},
      {"hybrid",
       {"cross_entropy", "kl", "sigma_p", "sigma_q", "latents_in_use"}}};
  for (const auto& [type, names] : expected) {
    Model model(Tiny(type), 2);
    const at::Tensor x = model->Prepare(255 * at::rand({2, 3, 16, 16}));
    std::vector<std::string> got;
    for (const auto& [name, value] :
         ComputeObjective(model, x, OneHot(RandomMasks(2, 16, 2), 2))
             .Logged()) {
      got.push_back(name);
      EXPECT_FALSE(value.requires_grad()) << name;
    }
    EXPECT_EQ(got, names) << type;
  }
}

// Every parameter of the whole hybrid loss, noise fixed, against central
// differences in double.
TEST(ObjectiveTest, HybridGradientMatchesFiniteDifferences) {
  for (const bool shared : {false, true}) {
    ModelConfig config = Tiny("hybrid");
    config.noisy_layer = NoisyLayer::kOn;
    config.shared_head = shared;
    at::manual_seed(6);
    Model model(config, 3);
    model->to(at::kDouble);
    PerturbLogVariances(&model);
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
  std::set<int64_t> sides;
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
    sides.insert(side);
  }
  EXPECT_TRUE(differ);
  EXPECT_GT(sides.size(), 5u);  // of 14 in 20 batches
  config.type = CorruptionType::kNone;
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
  config.type = CorruptionType::kBlocks;
  const at::Tensor images = at::rand({3, 3, 32, 40}) + 1;
  for (const double share : {0.0, 0.5, 1.0}) {
    config.omitted = share;
    at::manual_seed(11);
    const at::Tensor corrupted = Corrupt(images, config);
    at::manual_seed(11);
    const at::Tensor black = OmittedPixels(3, 32, 40, config.block, share);
    EXPECT_TRUE(at::equal(corrupted, images.masked_fill(black.unsqueeze(1), 0)))
        << share;
  }
}

TEST(CorruptTest, ABlockMayBeLargerThanTheImage) {
  const at::Tensor omitted = OmittedPixels(8, 32, 40, 1 << 14, 0.5);
  EXPECT_EQ(omitted.sizes(), at::IntArrayRef({8, 32, 40}));
  const at::Tensor shares = omitted.to(at::kFloat).flatten(1).mean(1);
  EXPECT_TRUE((shares.eq(0) | shares.eq(1)).all().item<bool>());
}

// Four generated plants, the whole way a trainer goes.
class TaskTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    at::manual_seed(12);
    DataConfig data;
    data.pack = "synthetic:ambiguous";
    data.synthetic.height = data.synthetic.width = 32;
    data.synthetic.train = 4;
    data.synthetic.val = 3;
    ASSERT_OK_AND_ASSIGN(train_, OpenDataset(data, "", "train"));
    ASSERT_OK_AND_ASSIGN(val_, OpenDataset(data, "", "val"));
    std::vector<at::Tensor> images, masks;
    for (int64_t i = 0; i < 4; ++i) {
      ASSERT_OK_AND_ASSIGN(const Sample sample, train_->Get(i));
      images.push_back(sample.image.to(at::kFloat));
      masks.push_back(sample.mask.to(at::kLong));
    }
    batch_.images = at::stack(images);
    batch_.masks = at::stack(masks);
    config_.model.type = nlohmann::json(GetParam()).get<ModelType>();
    config_.model.width = 0.25;
    config_.corruption.type = CorruptionType::kNone;
  }
  std::shared_ptr<const Dataset> train_, val_;
  Batch batch_;
  Config config_;
};
INSTANTIATE_TEST_SUITE_P(All, TaskTest,
                         testing::Values("cnn", "gdnn", "gsnn", "cvae",
                                         "hybrid"));

TEST_P(TaskTest, OverfitsFourImages) {
  Model model(config_.model, 2);
  CgmTask task(config_, model);
  const std::vector<Phase> phases = task.Phases();
  ASSERT_EQ(phases.size(), 1u);
  ASSERT_EQ(phases[0].groups.size(), 1u);  // all decayed, biases too
  EXPECT_EQ(phases[0].groups[0].parameters.size(), model->parameters().size());
  OptimizerConfig adam;
  adam.type = OptimizerType::kAdam;
  adam.lr = 0.001;
  Optimizer optimizer(adam, phases[0].groups);
  model->train();
  double first = 0, last = 0;
  for (int64_t step = 0; step < 100; ++step) {
    optimizer.ZeroGradients();
    const at::Tensor loss = task.Loss(0, batch_, step).loss;
    loss.backward();
    optimizer.Step(adam.lr, at::zeros({}));
    if (step == 0) first = loss.item<double>();
    last = loss.item<double>();
  }
  EXPECT_LT(last, 0.25 * first);
}

TEST_P(TaskTest, WarnsOfALatentThatCarriesNothing) {
  config_.collapse.updates = 5;
  config_.model.noisy_layer = NoisyLayer::kOff;
  Model model(config_.model, 2);
  CgmTask task(config_, model);
  const std::vector<ScalarBound> bounds = task.Bounds();
  ASSERT_EQ(bounds.size(), model->has_recognition() ? 1u : 0u);
  const StepLoss loss = task.Loss(0, batch_, 0);
  for (const ScalarBound& bound : bounds) {
    EXPECT_EQ(bound.updates, 5);
    EXPECT_THAT(bound.message, HasSubstr("KL(q||p) stayed below 0.1 nat for 5 "
                                         "updates"));
    EXPECT_THAT(bound.message, HasSubstr("model.noisy_layer=on"));
    EXPECT_TRUE(std::any_of(
        loss.logged.begin(), loss.logged.end(),
        [&](const auto& scalar) { return scalar.first == bound.name; }));
  }
}

TEST_P(TaskTest, ValidatesWhatConfigurationsSelectBy) {
  Model model(config_.model, 2);
  model->eval();
  System system({model}, config_.inference);
  EvaluationPlan plan;
  plan.val = plan.report = val_;
  plan.predictor = &system;
  plan.measures = [&](const DatasetInfo& info, Moment moment) {
    return Paper::MakeMeasures(config_, system, info, moment);
  };
  ASSERT_OK_AND_ASSIGN(const Findings findings,
                       EvaluateAt(plan, Moment::kValidation));
  const Metrics& metrics = findings.scalars;
  for (const std::string name : {"image_iou", "pixel_accuracy", "mean_iou"}) {
    ASSERT_EQ(metrics.count(name), 1u) << name;
    EXPECT_GE(metrics.at(name), 0) << name;
    EXPECT_LE(metrics.at(name), 1) << name;
  }
  for (const char* path : {"cnn/image_iou", "gen/image_iou"}) {
    EXPECT_EQ(metrics.count(path),
              model->has_latent() || path[0] == 'c' ? 1u : 0u);
  }
}

}  // namespace
}  // namespace cgm
}  // namespace seg
