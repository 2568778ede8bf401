// The networks and objectives against another implementation of the paper's
// tables in eager PyTorch (testdata/make_golden.py).

#include "common/testing/golden.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <vector>

#include "cgm/model.h"
#include "cgm/objective.h"
#include "cgm/tiny_model.h"
#include "common/io/safetensors.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace cgm {
namespace {

// Both sides compute in double; sums run in another order.
constexpr double kTolerance = 1e-12;
constexpr int64_t kClasses = 3, kHeight = 16, kWidth = 32;

// [2,H,W] in 0..2, and 255 (void) in a corner and a scatter.
at::Tensor Labels() {
  at::Tensor masks = at::empty({2, kHeight, kWidth}, at::kLong);
  auto m = masks.accessor<int64_t, 3>();
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t y = 0; y < kHeight; ++y) {
      for (int64_t x = 0; x < kWidth; ++x) {
        m[n][y][x] = (x / 5 + y / 3 + n * (x + y) / 7) % kClasses;
        const bool corner = n == 0 && y < 6 && x < 7;
        const bool scatter = n == 1 && y % 5 == 3 && x % 7 == 2;
        if (corner || scatter) m[n][y][x] = 255;
      }
    }
  }
  return masks;
}

class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(golden_,
                         ReadSafetensors("cgm/testdata/networks.safetensors"));
  }

  static Model Make(const std::string& type, bool fused) {
    ModelConfig config = Tiny(type);
    config.noisy_layer = NoisyLayer::kAuto;
    config.multi_scale = true;
    config.fused_unpool = fused;
    config.guess_scale = 2;
    config.alpha = 0.5;
    Model model(config, kClasses);
    model->to(at::kDouble);
    model->train();
    GoldenFillParameters(*model);
    return model;
  }

  // `value` is the golden tensor of this name.
  void Expect(const std::string& name, const at::Tensor& value) const {
    EXPECT_LT(RelativeError(value, golden_.at(name)), kTolerance) << name;
  }

  const at::Tensor image_ = GoldenImage(2, kHeight, kWidth);
  const at::Tensor target_ = OneHot(Labels(), kClasses, at::kDouble);
  TensorMap golden_;
};

TEST_F(GoldenTest, ScoresAtThreeScales) {
  for (const std::string type : {"cnn", "hybrid"}) {  // without noise and with
    for (const bool fused : {false, true}) {
      Model model = Make(type, fused);
      at::manual_seed(17);
      const CnnScores scores =
          model->RunCnn(model->Prepare(image_), /*low_resolution=*/true);
      Expect(type + ".full", scores.full[1]);
      Expect(type + ".half", scores.half[1]);
      Expect(type + ".quarter", scores.quarter[1]);
    }
  }
}

TEST_F(GoldenTest, LatentsAndGenerator) {
  for (const bool fused : {false, true}) {
    Model model = Make("hybrid", fused);
    const at::Tensor x = model->Prepare(image_);
    at::manual_seed(17);
    const DiagonalGaussian prior = model->Prior(x, model->RunCnn(x).full);
    Expect("prior.mean", prior.mean);
    Expect("prior.log_variance", prior.log_variance);
    const DiagonalGaussian recognition = model->Recognition(x, target_);
    Expect("recognition.mean", recognition.mean);
    Expect("recognition.log_variance", recognition.log_variance);
    Expect("generator", model->Generate(prior.mean)[1]);
  }
}

TEST_F(GoldenTest, LossAndGradientsOfEachType) {
  for (const std::string type : {"cnn", "gdnn", "gsnn", "cvae", "hybrid"}) {
    for (const bool fused : {false, true}) {
      Model model = Make(type, fused);
      const at::Tensor x = model->Prepare(image_);
      at::manual_seed(17);
      const at::Tensor loss = ComputeObjective(model, x, target_).loss;
      Expect(type + ".loss", loss);
      loss.backward();
      int gradients = 0;
      for (const auto& item : model->named_parameters()) {
        const std::string name = type + ".gradient." + item.key();
        if (golden_.count(name) == 0) continue;
        Expect(name, item.value().grad());
        ++gradients;
      }
      EXPECT_EQ(gradients, 3) << type;
    }
  }
}

}  // namespace
}  // namespace cgm
}  // namespace seg
