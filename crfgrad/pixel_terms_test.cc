#include "crfgrad/pixel_terms.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "crfgrad/tiny_field.h"

namespace seg {
namespace crfgrad {
namespace {

// What a pixel sees is its rows of K v, and its block of K, while pixels
// change one by one, some of them often.
TEST(PixelTermsTest, RowsOfADenseMatrixWhilePixelsChange) {
  at::manual_seed(31);
  const int64_t labels = 3, height = 3, width = 4, pixels = 12;
  const CrfFilters both = RandomFilters(labels, /*tied=*/false);
  const LatticeVector lattices = TinyLattices(1, height, width);
  for (const CrfFilters& filters : {both, CrfFilters{{}, both.spatial, {}},
                                    CrfFilters{{}, {}, both.bilateral}}) {
    const at::Tensor k = DenseK(filters, lattices[0], labels, height, width)
                             .reshape({labels, pixels, labels, pixels});
    PixelTerms terms(filters, lattices[0], labels, height, width);
    at::Tensor v = at::zeros({labels, pixels}, at::kDouble);
    for (int64_t change = 0; change < 40; ++change) {
      const int64_t pixel = change * 7 % pixels;
      const at::Tensor values = change % 3 == 0
                                    ? at::zeros({labels}, at::kDouble)
                                    : at::randn({labels}, at::kDouble);
      v.select(1, pixel).copy_(values);
      terms.Replace(pixel, values.const_data_ptr<double>());
      const int64_t seen = change * 5 % pixels;
      std::vector<double> row(labels, 1.0), self(labels * labels, 1.0);
      terms.AddPairwise(seen, row.data());
      terms.AddSelf(seen, self.data());
      // Some hundred terms near one, added and taken away again.
      EXPECT_TRUE(at::allclose(at::tensor(row, at::kDouble) - 1,
                               (k.select(1, seen) * v).sum({1, 2}), 1e-12,
                               1e-12));
      EXPECT_TRUE(
          at::allclose(at::tensor(self, at::kDouble).view({labels, labels}) - 1,
                       k.select(3, seen).select(1, seen), 1e-12, 1e-12));
    }
  }
}

// The same quadratic form, and a symmetric matrix.
TEST(PixelTermsTest, SymmetricPartOfTheFilters) {
  at::manual_seed(37);
  const CrfFilters filters = RandomFilters(2, /*tied=*/false);
  const LatticeVector lattices = TinyLattices(1, 3, 4);
  const at::Tensor k = DenseK(filters, lattices[0], 2, 3, 4);
  const CrfFilters single = {
      {}, filters.spatial.to(at::kFloat), filters.bilateral.to(at::kFloat)};
  const at::Tensor symmetric =
      DenseK(SymmetricPart(single, 5), lattices[0], 2, 3, 4);
  EXPECT_TRUE(at::allclose(symmetric, symmetric.t(), 1e-12, 1e-12));
  // The filters were float on the way.
  EXPECT_TRUE(at::allclose(symmetric, (k + k.t()) / 2, 1e-5, 1e-5));
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
