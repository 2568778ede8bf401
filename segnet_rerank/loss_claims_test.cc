// What the paper and its supplement say of the losses of SegNet, on data that
// are made here (Sec. 4 and 13 of our fact sheet).

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/datasets/dataset.h"
#include "common/datasets/synthetic/scenes.h"
#include "common/losses/expected_iou.h"
#include "common/training/optimizer.h"
#include "common/training/train_config.h"
#include "segnet_rerank/coarse.h"
#include "segnet_rerank/segnet.h"
#include "segnet_rerank/segnet_task.h"

namespace seg {
namespace segnet_rerank {
namespace {

// A map of two classes of 40 cells each. Labels are flipped one at a time, in
// turn of the one and of the other class; the cells 0 and 1 never are.
constexpr int64_t kCells = 80;
at::Tensor Truth() {
  return at::one_hot(at::arange(kCells).remainder(2), 2)
      .t()
      .unsqueeze(0)
      .to(at::kDouble)
      .contiguous();  // [1,2,cells]
}

// Scores of predictions that give the true class `confidence`, and the other
// one in the cells 2 .. 2 + errors - 1.
at::Tensor Predictions(int64_t errors, double confidence) {
  at::Tensor p = (1 - confidence) + (2 * confidence - 1) * Truth();
  at::Tensor wrong = p.narrow(2, 2, errors);
  wrong.copy_(1 - wrong);
  return p.log();
}

using Form = ExpectedIouResult (*)(const at::Tensor&, const at::Tensor&,
                                   const ExpectedIouOptions&);

double ValueOf(Form form, int64_t errors) {
  return form(Predictions(errors, 1 - 1e-9), Truth(), {}).value.item<double>();
}

// The largest gradient at the cells 0 and 1.
double GradientOf(Form form, int64_t errors) {
  const at::Tensor scores = Predictions(errors, 0.9).set_requires_grad(true);
  form(scores, Truth(), {}).value.backward();
  return scores.grad().narrow(2, 0, 2).abs().max().item<double>();
}

// What each further error costs, and how strongly a cell pulls: with the UOI
// more, the more errors there are; with the IOU less, so it has the least pull
// where it is most needed.
TEST(LossClaimsTest, WithErrorsTheStepsOfUoiGrowAndThoseOfIouShrink) {
  const int64_t most = 70;
  for (int64_t errors = 1; errors + 1 < most; ++errors) {
    const auto step = [&](Form form, int64_t from) {
      return std::abs(ValueOf(form, from + 1) - ValueOf(form, from));
    };
    EXPECT_GT(step(ExpectedUoi, errors), step(ExpectedUoi, errors - 1))
        << errors;
    EXPECT_LT(step(ExpectedIou, errors), step(ExpectedIou, errors - 1))
        << errors;
  }
}

TEST(LossClaimsTest, WithErrorsTheGradientsOfUoiGrowAndThoseOfIouShrink) {
  for (int64_t errors = 1; errors < 70; ++errors) {
    EXPECT_GT(GradientOf(ExpectedUoi, errors),
              GradientOf(ExpectedUoi, errors - 1))
        << errors;
    EXPECT_LT(GradientOf(ExpectedIou, errors),
              GradientOf(ExpectedIou, errors - 1))
        << errors;
  }
}

constexpr int64_t kClasses = 4;  // of scenes
constexpr int64_t kGrid = 6;
constexpr int64_t kSize = 48;  // what the tiny trunk takes for that grid

struct Trained {
  double object_share;  // of the cells that are predicted as no background
  double iou;           // expected IOU, of all four classes
};

// SegNet with all layers from random values, on scenes, nine tenths of which
// are background.
Trained TrainFromScratch(SegNetLossType type, int64_t seed) {
  constexpr int64_t kImages = 16, kBatch = 8, kSteps = 150;
  ScenesOptions scenes;
  scenes.height = kSize;
  scenes.width = kSize;
  std::vector<at::Tensor> images, masks;
  for (int64_t i = 0; i < kImages; ++i) {
    const Sample sample = MakeScene(scenes, i);
    images.push_back(sample.image);
    masks.push_back(sample.mask);
  }
  const at::Tensor x = at::stack(images).to(at::kFloat);
  const at::Tensor target = ClassShares(at::stack(masks), kClasses, 255, kGrid);

  at::manual_seed(seed);
  SegNetConfig config;
  config.trunk = Trunk::kTiny;
  config.weights = "";
  config.grid = kGrid;
  config.width = 16;
  config.dropout = 0;
  SegNet net(config, kClasses);
  SegNetLossConfig loss_config;
  loss_config.type = type;
  SegNetTask task(loss_config, net);
  OptimizerConfig sgd;
  sgd.type = OptimizerType::kSgd;
  sgd.momentum = 0.9;
  Optimizer optimizer(sgd, task.Phases()[0].groups);
  const at::Tensor never = at::zeros({});
  for (int64_t step = 0; step < kSteps; ++step) {
    task.SetTraining(step);
    const at::Tensor order = at::randperm(kImages).narrow(0, 0, kBatch);
    optimizer.ZeroGradients();
    SegNetLoss(net(x.index_select(0, order)), target.index_select(0, order),
               loss_config, step)
        .loss.backward();
    // The first gradients of the UOI are very large.
    optimizer.ClipGradients(1, optimizer.GradientNorm());
    optimizer.Step(0.02, never);
  }
  const at::NoGradGuard no_grad;
  net->eval();
  const at::Tensor scores = net(x);
  return {(scores.argmax(1) > 0).to(at::kDouble).mean().item<double>(),
          ExpectedIou(scores, target).value.item<double>()};
}

// "From random initialisation the IOU objective always ended in all-background
// while UOI found much better solutions."
TEST(LossClaimsTest, FromRandomStartsIouCollapsesToBackground) {
  for (int64_t seed = 0; seed < 3; ++seed) {
    const Trained iou = TrainFromScratch(SegNetLossType::kIou, seed);
    const Trained uoi = TrainFromScratch(SegNetLossType::kUoi, seed);
    const Trained cross_entropy =
        TrainFromScratch(SegNetLossType::kCrossEntropy, seed);
    EXPECT_LT(iou.object_share, 0.005);
    EXPECT_GT(uoi.object_share, 0.05);
    EXPECT_GT(cross_entropy.object_share, 0.02);
    EXPECT_GT(uoi.iou, iou.iou + 0.1);
    EXPECT_GT(cross_entropy.iou, iou.iou + 0.05);
  }
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
