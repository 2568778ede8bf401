#include "segnet_rerank/o2p/projection.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace segnet_rerank {
namespace {

void ExpectNear(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_LE((a - b).abs().max().item<double>(), tolerance);
}

TEST(PrincipalAxesTest, HandCases) {
  // No mean is taken off: equal rows have one axis, the one they lie on.
  const at::Tensor equal = at::tensor({-3.0, -4.0}, at::kDouble).expand({5, 2});
  ExpectNear(PrincipalAxes(equal, 2),
             at::tensor({0.6, 0.8}, at::kDouble).view({2, 1}), 1e-12);
  // Energies 9, 4 and 1 along the coordinates.
  const at::Tensor rows = at::diag(at::tensor({1.0, -3.0, 2.0}, at::kDouble));
  ExpectNear(PrincipalAxes(rows, 2),
             at::tensor({0., 0., 1., 0., 0., 1.}, at::kDouble).view({3, 2}),
             1e-12);
  EXPECT_EQ(PrincipalAxes(at::zeros({4, 3}), 2).sizes(),
            at::IntArrayRef({3, 0}));
  ExpectNear(PrincipalAxes(at::full({1, 1}, -2.0), 5), at::ones({1, 1}), 1e-6);
}

TEST(PrincipalAxesTest, ReconstructsRowsOfItsRank) {
  // More rows than columns, fewer, and more than a block of either.
  for (const auto& [number, columns] : std::vector<std::pair<int64_t, int64_t>>{
           {30, 8}, {8, 30}, {7, 7}, {12, 2100}, {2100, 12}}) {
    const at::Tensor rows = Random({number, 4}, 1).mm(Random({4, columns}, 2));
    const at::Tensor axes = PrincipalAxes(rows, 6);
    ASSERT_EQ(axes.sizes(), at::IntArrayRef({columns, 4}));
    // 1e-7: the axes of few rows come from their squares.
    ExpectNear(axes.t().mm(axes), at::eye(4, at::kDouble), 1e-7);
    ExpectNear(rows.mm(axes).mm(axes.t()), rows, 1e-6);
    const at::Tensor energy = rows.mm(axes).square().sum(0);
    EXPECT_TRUE(
        (energy.slice(0, 0, 3) >= energy.slice(0, 1)).all().item<bool>());
    // Fewer axes are the first of these.
    ExpectNear(PrincipalAxes(rows, 3), axes.slice(1, 0, 3), 1e-12);
    const at::Tensor floats = PrincipalAxes(rows.to(at::kFloat), 3);
    EXPECT_EQ(floats.scalar_type(), at::kFloat);
    ExpectNear(floats.to(at::kDouble), axes.slice(1, 0, 3), 1e-4);
  }
}

TEST(PrincipalAxesTest, BothFormsAgree) {
  // Columns of zero make the rows fewer than the columns and change nothing.
  const at::Tensor rows = Random({20, 8});
  const at::Tensor wider = at::cat({rows, at::zeros({20, 22}, at::kDouble)}, 1);
  ExpectNear(PrincipalAxes(wider, 5).slice(0, 0, 8), PrincipalAxes(rows, 5),
             1e-9);
}

TEST(PrincipalAxesTest, NoOtherAxesKeepMoreEnergy) {
  const at::Tensor rows = Random({40, 10});
  const at::Tensor axes = PrincipalAxes(rows, 3);
  const double kept = rows.mm(axes).square().sum().item<double>();
  for (int64_t seed = 0; seed < 20; ++seed) {
    const auto [other, unused] =
        at::linalg_qr(axes + 0.3 * Random({10, 3}, seed), "reduced");
    EXPECT_GE(kept, rows.mm(other).square().sum().item<double>());
  }
}

TEST(PrincipalAxesTest, Errors) {
  ExpectError(
      [] {
        PrincipalAxes(at::zeros({0, 3}), 2);
      },
      "rows must be float32 or float64 [N,K] on the CPU, not empty, got "
      "Float [0, 3]");
  ExpectError([] { PrincipalAxes(at::zeros({2, 3}, at::kInt), 2); }, "got Int");
  ExpectError(
      [] {
        PrincipalAxes(at::ones({2, 3}), 0);
      },
      "most must be >= 1, got 0");
  ExpectError(
      [] {
        PrincipalAxes(at::ones({2, 3}).log() / 0.0, 1);
      },
      "rows must be finite");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
