// On a card: a recorded step gives the bits of a computed one.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <torch/nn/functional/dropout.h>
#include <torch/nn/modules/conv.h>
#include <torch/utils.h>

#include <optional>
#include <vector>

#include "common/training/optimizer.h"
#include "common/training/precision.h"
#include "common/training/step_recorder.h"

namespace seg {
namespace {

constexpr int kSteps = 8;

// Weights after some updates, and the losses.
std::vector<at::Tensor> Train(bool record) {
  const c10::Device device(c10::kCUDA, 0);
  SetProducts(Precision::kTf32, device);
  torch::manual_seed(1);
  torch::nn::Conv2d first(torch::nn::Conv2dOptions(3, 16, 3).padding(1));
  torch::nn::Conv2d last(torch::nn::Conv2dOptions(16, 4, 3).padding(1));
  first->to(device);
  last->to(device);
  std::vector<at::Tensor> parameters = first->parameters();
  for (const at::Tensor& p : last->parameters()) parameters.push_back(p);
  OptimizerConfig config;
  config.type = OptimizerType::kAdam;
  Optimizer optimizer(config, {{"all", parameters}});
  StepRecorder recorder;
  std::vector<at::Tensor> results;
  for (int step = 0; step < kSteps; ++step) {
    torch::manual_seed(step);
    Batch batch;
    batch.images = at::rand({2, 3, 24, 24}, at::TensorOptions(device));
    const auto compute = [&](const Batch& inputs) {
      optimizer.ZeroGradients();
      const at::Tensor hidden = at::dropout(at::relu(first(inputs.images)),
                                            /*p=*/0.4, /*train=*/true);
      const at::Tensor noise = at::randn_like(inputs.images);
      const at::Tensor loss =
          (last(hidden).mean(1, true) - inputs.images + 0.1 * noise)
              .square()
              .mean();
      loss.backward();
      return PhaseResult{loss.detach(),
                         {},
                         optimizer.GradientNorm(),
                         at::zeros({}, loss.options())};
    };
    const PhaseResult result =
        record ? recorder.Run("main", batch, parameters, compute)
               : compute(batch);
    optimizer.Step(1e-3, result.skip);
    results.push_back(result.loss);
  }
  for (const at::Tensor& p : parameters) results.push_back(p.detach());
  return results;
}

TEST(StepRecorderGpuTest, ARecordedStepHasTheBitsOfAComputedOne) {
  if (!at::hasCUDA()) GTEST_SKIP() << "needs a CUDA build and a card";
  const std::vector<at::Tensor> computed = Train(false), again = Train(false);
  const std::vector<at::Tensor> recorded = Train(true);
  for (size_t i = 0; i < computed.size(); ++i) {
    ASSERT_TRUE(computed[i].equal(again[i])) << "not deterministic: " << i;
    EXPECT_TRUE(computed[i].equal(recorded[i])) << i;
  }
}

}  // namespace
}  // namespace seg
