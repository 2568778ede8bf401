#include "segnet_rerank/standardiser.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/testing/test_tensors.h"
#include "common/testing/torch_errors.h"
#include "segnet_rerank/chi_square_map.h"

namespace seg {
namespace segnet_rerank {
namespace {

Standardiser FitOn(const std::vector<at::Tensor>& pieces) {
  StandardiserFit fit(pieces[0].size(1));
  for (const at::Tensor& piece : pieces) fit.Add(piece);
  return fit.Finish();
}

TEST(StandardiserTest, ByHand) {
  const at::Tensor rows =
      at::tensor({1.f, 5.f, 3.f, 5.f, 1.f, 5.f, 3.f, 5.f}).view({4, 2});
  const Standardiser standardiser = FitOn({rows});
  EXPECT_EQ(Values(standardiser.mean), (std::vector<double>{2, 5}));
  EXPECT_EQ(Values(standardiser.inverse_deviation),
            (std::vector<double>{1, 0}));
  EXPECT_EQ(Values(standardiser.Apply(rows)),
            (std::vector<double>{-1, 0, 1, 0, -1, 0, 1, 0}));
  // What was constant in training says nothing.
  EXPECT_EQ(Values(standardiser.Apply(at::tensor({2.f, 1e9f}))),
            (std::vector<double>{0, 0}));
}

TEST(StandardiserTest, PiecesMakeNoDifference) {
  const at::Tensor rows = (Random({60, 7}, 5) * at::arange(7)).to(at::kFloat);
  const Standardiser whole = FitOn({rows});
  const Standardiser pieces = FitOn({rows.slice(0, 0, 1), rows.slice(0, 1, 1),
                                     rows.slice(0, 1, 31), rows.slice(0, 31)});
  EXPECT_TRUE(at::allclose(pieces.mean, whole.mean, 1e-12, 1e-14));
  EXPECT_TRUE(
      at::allclose(pieces.inverse_deviation, whole.inverse_deviation, 1e-12));
  const at::Tensor applied = whole.Apply(rows).to(at::kDouble);
  EXPECT_EQ(whole.Apply(rows).scalar_type(), at::kFloat);
  // Float rounding of sixty numbers about 1.
  EXPECT_LT(applied.mean(0).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(at::allclose(applied.slice(1, 1).square().mean(0),
                           at::ones({6}, at::kDouble), 1e-5));
}

TEST(StandardiserTest, ALargeMeanCostsNoAccuracy) {
  const at::Tensor rows = Random({500, 1}, 9) + 1e8;
  std::vector<at::Tensor> pieces = rows.chunk(70);
  const double deviation = 1 / FitOn(pieces).inverse_deviation.item<double>();
  EXPECT_NEAR(deviation, (rows - 1e8).std(false).item<double>(), 1e-6);
}

TEST(StandardiserTest, OneRowIsConstant) {
  const Standardiser standardiser = FitOn({at::tensor({3., 4.}).view({1, 2})});
  EXPECT_EQ(Values(standardiser.Apply(at::rand({2, 2}))),
            std::vector<double>(4, 0));
}

TEST(StandardiserTest, Errors) {
  StandardiserFit fit(3);
  ExpectError([&] { fit.Finish(); }, "no row was added");
  ExpectError(
      [&] {
        fit.Add(at::zeros({2, 4}));
      },
      "rows must be floating [N,3] on the CPU, got Float [2, 4]");
  fit.Add(at::zeros({2, 3}));
  EXPECT_EQ(fit.rows(), 2);
  ExpectError([&] { fit.Finish().Apply(at::zeros({2, 4})); }, "[..,3]");
}

// The kernel by its map, of all pairs of the numbers x.
at::Tensor MappedKernel(const at::Tensor& x) {
  const at::Tensor mapped = ChiSquareMap(x.unsqueeze(1));
  return mapped.mm(mapped.t());
}

TEST(ChiSquareMapTest, ByHand) {
  const double s1 = std::sqrt(1 / std::cosh(M_PI / 2));
  const double s2 = std::sqrt(1 / std::cosh(M_PI));
  EXPECT_TRUE(at::allclose(
      ChiSquareMap(at::tensor({0., 1.}).view({1, 2})).view(-1),
      at::tensor({0., 0., 0., 0., 0., std::sqrt(0.5), s1, 0., s2, 0.})));
}

TEST(ChiSquareMapTest, IsTheKernel) {
  const at::Tensor x =
      at::logspace(-4, 0, 25, 10.0, at::TensorOptions(at::kDouble));
  const at::Tensor a = x.unsqueeze(1), b = x.unsqueeze(0);
  const at::Tensor kernel = 2 * a * b / (a + b);
  const at::Tensor error = (MappedKernel(x) - kernel).abs() / (a * b).sqrt();
  const at::Tensor ratio = at::maximum(a / b, b / a);
  EXPECT_LT(error.masked_select(ratio.le(20)).max().item<double>(), 0.04);
  EXPECT_LT(error.masked_select(ratio.le(1000)).max().item<double>(), 0.15);
}

TEST(ChiSquareMapTest, IsHomogeneousAndHasNoPartOfZero) {
  const at::Tensor x = at::rand({6}, at::kDouble);
  EXPECT_TRUE(at::allclose(MappedKernel(7 * x), 7 * MappedKernel(x)));
  EXPECT_EQ(ChiSquareMap(at::zeros({2, 3})).abs().sum().item<float>(), 0);
  EXPECT_EQ(ChiSquareMap(at::zeros({2, 3})).sizes(), at::IntArrayRef({2, 15}));
  EXPECT_EQ(ChiSquareMap(at::zeros({2, 0})).sizes(), at::IntArrayRef({2, 0}));
}

TEST(ChiSquareMapTest, FloatAsDoubleAndErrors) {
  const at::Tensor x = at::rand({4, 5}, at::kDouble);
  EXPECT_TRUE(at::allclose(ChiSquareMap(x.to(at::kFloat)).to(at::kDouble),
                           ChiSquareMap(x), 1e-5, 1e-6));
  ExpectError(
      [] {
        ChiSquareMap(at::full({1, 1}, -0.1));
      },
      "must not be negative");
  ExpectError([] { ChiSquareMap(at::zeros({3})); }, "got Float [3]");
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
