#include "crfgrad/energy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/testing/gradcheck.h"
#include "common/testing/torch_errors.h"
#include "crfgrad/tiny_field.h"

namespace seg {
namespace crfgrad {
namespace {

class EnergyTest : public testing::Test {
 protected:
  void SetUp() override { at::manual_seed(5); }
};

TEST_F(EnergyTest, TwoPixelsByHand) {
  // Different labels of the two pixels cost 1.
  CrfFilters filters;
  filters.spatial = at::zeros({2, 2, 1, 3}, at::kDouble);
  for (const int64_t l : {0, 1}) {
    filters.spatial[l][1 - l][0][0] = 1;
    filters.spatial[l][1 - l][0][2] = 1;
  }
  const at::Tensor q =
      at::tensor({0.6, 0.3, 0.4, 0.7}, at::kDouble).view({1, 2, 1, 2});
  const at::Tensor unary =
      at::tensor({1.0, 0.0, 2.0, 3.0}, at::kDouble).view({1, 2, 1, 2});
  const EnergyParts parts = CrfEnergy(unary, q, filters, {});
  EXPECT_DOUBLE_EQ(Value(parts.unary), 0.6 * 1 + 0.4 * 2 + 0.7 * 3);
  EXPECT_DOUBLE_EQ(Value(parts.spatial), 0.6 * 0.7 + 0.4 * 0.3);
  EXPECT_EQ(Value(parts.bilateral), 0);
  EXPECT_DOUBLE_EQ(Value(parts.Total()), 3.5 + 0.54);
  EXPECT_EQ(Value(CrfSelfEnergy(q, filters, {})), 0);
}

TEST_F(EnergyTest, IsTheQuadraticFormOfADenseMatrix) {
  const int64_t labels = 3, height = 3, width = 4, size = labels * 12;
  for (const bool tied : {true, false}) {
    SCOPED_TRACE(tied);
    const CrfFilters filters = RandomFilters(labels, tied);
    const LatticeVector lattices = TinyLattices(1, height, width);
    const at::Tensor unary = at::randn({1, labels, height, width}, at::kDouble);
    const at::Tensor q = RandomLabelling({1, labels, height, width});
    const at::Tensor v = q.view({size});
    const auto form = [&](const CrfFilters& term) {
      const at::Tensor k = DenseK(term, lattices[0], labels, height, width);
      // The symmetric part alone counts.
      return Value(at::dot(v, at::mv((k + k.t()) / 2, v))) / 2;
    };
    const EnergyParts parts = CrfEnergy(unary, q, filters, lattices);
    // Some hundred terms near one, summed in another order.
    EXPECT_NEAR(Value(parts.unary), Value((unary * q).sum()), 1e-12);
    EXPECT_NEAR(Value(parts.spatial), form({{}, filters.spatial, {}}), 1e-12);
    EXPECT_NEAR(Value(parts.bilateral), form({{}, {}, filters.bilateral}),
                1e-12);
  }
}

TEST_F(EnergyTest, GradientIsThatOfTheDescentForTiedFilters) {
  const CrfFilters filters = RandomFilters(3, /*tied=*/true);
  const LatticeVector lattices = TinyLattices(2, 3, 4);
  const at::Tensor unary = at::randn({2, 3, 3, 4}, at::kDouble);
  at::Tensor q = RandomLabelling({2, 3, 3, 4}).set_requires_grad(true);
  CrfEnergy(unary, q, filters, lattices).Total().sum().backward();
  const at::Tensor expected = unary + CrfPairwise(q, filters, lattices);
  EXPECT_TRUE(at::allclose(q.grad(), expected, 1e-12, 1e-12));
}

TEST_F(EnergyTest, GradientsOfAllItIsMadeOf) {
  const LatticeVector lattices = TinyLattices(2, 2, 3);
  const CrfFilters filters = RandomFilters(2, /*tied=*/false);
  EXPECT_TRUE(GradCheck(
      [&](const std::vector<at::Tensor>& in) {
        return CrfEnergy(in[0], in[1], {{}, in[2], in[3]}, lattices).Total();
      },
      {at::randn({2, 2, 2, 3}, at::kDouble), RandomLabelling({2, 2, 2, 3}),
       filters.spatial, filters.bilateral}));
}

TEST_F(EnergyTest, SelfEnergyIsTheBlockDiagonal) {
  const int64_t labels = 3, height = 3, width = 4, pixels = 12;
  const CrfFilters filters = RandomFilters(labels, /*tied=*/false);
  const LatticeVector lattices = TinyLattices(2, height, width);
  const at::Tensor q = RandomLabelling({2, labels, height, width});
  const at::Tensor self = CrfSelfEnergy(q, filters, lattices);
  for (int64_t n = 0; n < 2; ++n) {
    const at::Tensor k = DenseK(filters, lattices[n], labels, height, width)
                             .reshape({labels, pixels, labels, pixels});
    double expected = 0;
    for (int64_t p = 0; p < pixels; ++p) {
      const at::Tensor own = q[n].reshape({labels, pixels}).select(1, p);
      const at::Tensor block = k.select(3, p).select(1, p);
      expected += Value(at::dot(own, at::mv(block, own))) / 2;
    }
    EXPECT_NEAR(Value(self[n]), expected, 1e-12);
  }
  // A masked centre leaves the lattice's own response.
  CrfFilters masked = filters;
  masked.spatial = WithoutCentre(filters.spatial);
  EXPECT_TRUE(
      at::equal(CrfSelfEnergy(q, masked, lattices),
                CrfSelfEnergy(q, {{}, {}, filters.bilateral}, lattices)));
  EXPECT_EQ(Value(CrfSelfEnergy(q, {{}, masked.spatial, {}}, {}).sum()), 0);
}

// Two steps a tap: offsets of a larger support.
TEST_F(EnergyTest, SelfEnergyOfTheLargerSupport) {
  CrfFilters filters;
  filters.bilateral = at::randn({2, 2, PermutohedralTaps(5, 2)}, at::kDouble);
  const LatticeVector lattices = TinyLattices(1, 1, 2);
  const at::Tensor q = RandomLabelling({1, 2, 1, 2});
  const at::Tensor k =
      DenseK(filters, lattices[0], 2, 1, 2).reshape({2, 2, 2, 2});
  double expected = 0;
  for (int64_t p = 0; p < 2; ++p) {
    const at::Tensor own = q[0].select(2, p).view({2});
    expected +=
        Value(at::dot(own, at::mv(k.select(3, p).select(1, p), own))) / 2;
  }
  EXPECT_NEAR(Value(CrfSelfEnergy(q, filters, lattices)), expected, 1e-12);
}

TEST_F(EnergyTest, FloatFollowsDouble) {
  const CrfFilters filters = RandomFilters(3, /*tied=*/true);
  const LatticeVector lattices = TinyLattices(2, 5, 6);
  const at::Tensor unary = at::randn({2, 3, 5, 6}, at::kDouble);
  const at::Tensor q = RandomLabelling({2, 3, 5, 6});
  const CrfFilters single = {
      {}, filters.spatial.to(at::kFloat), filters.bilateral.to(at::kFloat)};
  const EnergyParts parts =
      CrfEnergy(unary.to(at::kFloat), q.to(at::kFloat), single, lattices);
  EXPECT_EQ(parts.Total().scalar_type(), at::kFloat);
  // Sums of 90 terms of some tens.
  EXPECT_TRUE(at::allclose(parts.Total().to(at::kDouble),
                           CrfEnergy(unary, q, filters, lattices).Total(), 1e-4,
                           1e-3));
  const at::Tensor self = CrfSelfEnergy(q.to(at::kFloat), single, lattices);
  EXPECT_EQ(self.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(self.to(at::kDouble),
                           CrfSelfEnergy(q, filters, lattices), 1e-4, 1e-3));
}

TEST_F(EnergyTest, TheLayersEnergyIsTheSum) {
  CrfConfig config;
  config.spatial.weight = 0.3;
  config.spatial.radius = 1;
  CrfLayer layer(config, 3);
  layer->to(at::kDouble);
  const LatticeVector lattices = TinyLattices(2, 4, 5);
  const at::Tensor z = RandomLabelling({2, 3, 4, 5});
  const at::Tensor q = RandomLabelling({2, 3, 4, 5});
  const CrfFilters filters = layer->filters();
  EXPECT_TRUE(at::equal(
      layer->Energy(z, q, lattices),
      CrfEnergy(CrfUnary(z, filters, config.epsilon), q, filters, lattices)
          .Total()));
}

TEST_F(EnergyTest, EmptyBatchAndHardLabellings) {
  const CrfFilters filters = RandomFilters(2, /*tied=*/true);
  const at::Tensor none = at::zeros({0, 2, 3, 4}, at::kDouble);
  EXPECT_EQ(CrfEnergy(none, none, filters, {}).Total().numel(), 0);
  EXPECT_EQ(CrfSelfEnergy(none, filters, {}).numel(), 0);
  const at::Tensor like = at::zeros({1, 3, 1, 2}, at::kFloat);
  const at::Tensor hard =
      HardLabelling(at::tensor({2, 0}, at::kByte).view({1, 1, 2}), like);
  EXPECT_TRUE(at::equal(
      hard, at::tensor({0.f, 1.f, 0.f, 0.f, 1.f, 0.f}).view({1, 3, 1, 2})));
}

TEST_F(EnergyTest, ErrorsNameTheArgument) {
  const at::Tensor q = at::zeros({1, 2, 3, 4}, at::kDouble);
  ExpectError([&] { CrfEnergy(q.narrow(3, 0, 3), q, {}, {}); },
              "unary of its sizes, got [1, 2, 3, 4] and [1, 2, 3, 3]");
  ExpectError([&] { CrfSelfEnergy(q[0], {}, {}); }, "q must be [N,L,H,W]");
  ExpectError([&] { CrfSelfEnergy(q.to(at::kHalf), {}, {}); },
              "q must be float32 or float64");
  ExpectError(
      [&] {
        HardLabelling(at::full({1, 3, 4}, 2, at::kLong), q);
      },
      "smaller than num_classes");
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
