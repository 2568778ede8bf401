#include "crfgrad/rounding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "common/testing/torch_errors.h"
#include "crfgrad/tiny_field.h"

namespace seg {
namespace crfgrad {
namespace {

// What rounding leaves beyond exact sums: 1e-16 of some hundred.
constexpr double kSlack = 1e-11;

class RoundingTest : public testing::Test {
 protected:
  void SetUp() override { at::manual_seed(17); }
};

double EnergyOf(const at::Tensor& unary, const at::Tensor& q,
                const CrfFilters& filters, const LatticeVector& lattices,
                SelfTerms self) {
  at::Tensor energy = CrfEnergy(unary, q, filters, lattices).Total();
  if (self == SelfTerms::kLeftOut) {
    energy = energy - CrfSelfEnergy(q, filters, lattices);
  }
  return Value(energy);
}

// All labellings of one image, [L^P,L,H,W].
at::Tensor AllLabellings(int64_t labels, int64_t height, int64_t width) {
  const int64_t pixels = height * width;
  int64_t count = 1;
  for (int64_t p = 0; p < pixels; ++p) count *= labels;
  at::Tensor all = at::empty({count, pixels}, at::kLong);
  at::Tensor rest = at::arange(count);
  for (int64_t p = 0; p < pixels; ++p) {
    all.select(1, p).copy_(at::remainder(rest, labels));
    rest = at::div(rest, labels, "floor");
  }
  return HardLabelling(all.view({count, height, width}),
                       at::empty({1, labels, height, width}, at::kDouble));
}

// The statement with a dense matrix: O(P^2 L^2).
at::Tensor NaiveRounding(const at::Tensor& unary, const at::Tensor& q,
                         const CrfFilters& filters,
                         const LatticeVector& lattices, SelfTerms self) {
  const int64_t labels = q.size(1), pixels = q.size(2) * q.size(3);
  const at::Tensor result = at::empty({q.size(0), pixels}, at::kLong);
  for (int64_t n = 0; n < q.size(0); ++n) {
    const at::Tensor free =
        DenseK(filters, lattices.empty() ? nullptr : lattices[n], labels,
               q.size(2), q.size(3));
    const at::Tensor k =
        ((free + free.t()) / 2).reshape({labels, pixels, labels, pixels});
    const at::Tensor v = q[n].reshape({labels, pixels}).clone();
    const at::Tensor u = unary[n].reshape({labels, pixels});
    for (int64_t m = 0; m < pixels; ++m) {
      at::Tensor others = v.clone();
      others.select(1, m).zero_();
      at::Tensor cost = u.select(1, m) + (k.select(1, m) * others).sum({1, 2});
      if (self == SelfTerms::kCounted) {
        cost = cost + k.select(1, m).select(2, m).diagonal() / 2;
      }
      const int64_t best = cost.argmin().item<int64_t>();
      result[n][m] = best;
      v.select(1, m).zero_();
      v[best][m] = 1;
    }
  }
  return result.view({q.size(0), q.size(2), q.size(3)});
}

TEST_F(RoundingTest, TwoPixelsByHand) {
  CrfFilters filters;
  filters.spatial = at::zeros({2, 2, 1, 3}, at::kDouble);
  for (const int64_t l : {0, 1}) {
    filters.spatial[l][1 - l][0][0] = 1;
    filters.spatial[l][1 - l][0][2] = 1;
  }
  const at::Tensor q =
      at::tensor({0.4, 0.3, 0.6, 0.7}, at::kDouble).view({1, 2, 1, 2});
  // First pixel: 1 + 0.7 or 1.2 + 0.3. Second: 1 + 0.4 or 0 + 0.
  const at::Tensor unary =
      at::tensor({1.0, 0.4, 1.2, 0.0}, at::kDouble).view({1, 2, 1, 2});
  EXPECT_TRUE(at::equal(RoundSequentially(unary, q, filters, {}),
                        at::ones({1, 1, 2}, at::kLong)));
}

// Among many pixels some are undecided enough to tell a small error.
TEST_F(RoundingTest, EqualsTheNaiveForm) {
  for (int round = 0; round < 20; ++round) {
    const CrfFilters both = RandomFilters(3, /*tied=*/round % 2 == 0);
    const LatticeVector lattices = TinyLattices(2, 4, 5);
    for (const CrfFilters& filters :
         {both, CrfFilters{{}, both.spatial, {}},
          CrfFilters{{}, {}, both.bilateral},
          CrfFilters{{}, WithoutCentre(both.spatial), both.bilateral}}) {
      const at::Tensor unary = at::randn({2, 3, 4, 5}, at::kDouble);
      // Not contiguous.
      const at::Tensor q = RandomLabelling({2, 3, 5, 4}).transpose(2, 3);
      for (const SelfTerms self : {SelfTerms::kCounted, SelfTerms::kLeftOut}) {
        EXPECT_TRUE(
            at::equal(RoundSequentially(unary, q, filters, lattices, self),
                      NaiveRounding(unary, q, filters, lattices, self)));
      }
    }
  }
}

// Whatever the filters are, without the self terms the energy does not rise.
TEST_F(RoundingTest, EnergyDoesNotRiseWithoutSelfTerms) {
  for (int round = 0; round < 30; ++round) {
    const CrfFilters filters = RandomFilters(3, /*tied=*/round % 2 == 0);
    const LatticeVector lattices = TinyLattices(1, 4, 5);
    const at::Tensor unary = at::randn({1, 3, 4, 5}, at::kDouble);
    const at::Tensor q = RandomLabelling({1, 3, 4, 5});
    const at::Tensor x = HardLabelling(
        RoundSequentially(unary, q, filters, lattices, SelfTerms::kLeftOut), q);
    EXPECT_LE(
        EnergyOf(unary, x, filters, lattices, SelfTerms::kLeftOut),
        EnergyOf(unary, q, filters, lattices, SelfTerms::kLeftOut) + kSlack);
  }
}

// With them where they are concave: both starts of the layer.
TEST_F(RoundingTest, EnergyDoesNotRiseWhereSelfTermsAreConcave) {
  for (const CrfStart start : {CrfStart::kDiagonal, CrfStart::kPotts}) {
    CrfConfig config;
    config.start = start;
    config.spatial.radius = 2;
    config.spatial.weight = 0.7;
    config.spatial.mask_centre = false;
    CrfLayer layer(config, 3);
    layer->to(at::kDouble);
    const CrfFilters filters = layer->filters();
    for (int round = 0; round < 10; ++round) {
      const LatticeVector lattices = TinyLattices(1, 5, 6);
      const at::Tensor unary = at::randn({1, 3, 5, 6}, at::kDouble) / 3;
      const at::Tensor q = RandomLabelling({1, 3, 5, 6});
      const at::Tensor x =
          HardLabelling(RoundSequentially(unary, q, filters, lattices), q);
      EXPECT_LE(
          EnergyOf(unary, x, filters, lattices, SelfTerms::kCounted),
          EnergyOf(unary, q, filters, lattices, SelfTerms::kCounted) + kSlack);
      EXPECT_NE(Value(CrfSelfEnergy(q, filters, lattices)), 0);
    }
  }
}

// The example of rounding.h: a convex self term, and no label is as good as q.
TEST_F(RoundingTest, AConvexSelfTermBreaksTheStatement) {
  CrfFilters filters;
  filters.spatial = at::eye(2, at::kDouble).view({2, 2, 1, 1});
  const at::Tensor unary = at::zeros({1, 2, 1, 1}, at::kDouble);
  const at::Tensor q = at::full({1, 2, 1, 1}, 0.5, at::kDouble);
  const at::Tensor x =
      HardLabelling(RoundSequentially(unary, q, filters, {}), q);
  EXPECT_EQ(EnergyOf(unary, q, filters, {}, SelfTerms::kCounted), 0.25);
  EXPECT_EQ(EnergyOf(unary, x, filters, {}, SelfTerms::kCounted), 0.5);
  EXPECT_EQ(EnergyOf(unary, x, filters, {}, SelfTerms::kLeftOut), 0);
}

// Two neighbours that are to differ and both lean to the same label.
TEST_F(RoundingTest, TheArgMaxMayCostMore) {
  CrfFilters filters;
  filters.spatial = at::zeros({2, 2, 1, 3}, at::kDouble);
  for (const int64_t l : {0, 1}) {
    filters.spatial[l][l][0][0] = 1;
    filters.spatial[l][l][0][2] = 1;
  }
  const at::Tensor unary = at::zeros({1, 2, 1, 2}, at::kDouble);
  const at::Tensor q =
      at::tensor({0.6, 0.6, 0.4, 0.4}, at::kDouble).view({1, 2, 1, 2});
  const double relaxed = EnergyOf(unary, q, filters, {}, SelfTerms::kCounted);
  EXPECT_DOUBLE_EQ(relaxed, 0.6 * 0.6 + 0.4 * 0.4);
  EXPECT_EQ(EnergyOf(unary, HardLabelling(q.argmax(1), q), filters, {},
                     SelfTerms::kCounted),
            1);
  const at::Tensor x = RoundSequentially(unary, q, filters, {});
  EXPECT_TRUE(at::equal(x.flatten(), at::tensor({1, 0}, at::kLong)));
  EXPECT_EQ(
      EnergyOf(unary, HardLabelling(x, q), filters, {}, SelfTerms::kCounted),
      0);
}

// Every labelling of 2 x 3 pixels: the best one is below every relaxed
// labelling, and what rounding gives lies between.
TEST_F(RoundingTest, BestOfAllLabellings) {
  const int64_t labels = 3, height = 2, width = 3;
  const at::Tensor all = AllLabellings(labels, height, width);
  for (int round = 0; round < 8; ++round) {
    const CrfFilters filters = RandomFilters(labels, /*tied=*/true);
    const LatticeVector lattices = TinyLattices(1, height, width);
    const LatticeVector copies(all.size(0), lattices[0]);
    const at::Tensor unary = at::randn({1, labels, height, width}, at::kDouble);
    const at::Tensor energies =
        CrfEnergy(unary.expand_as(all), all, filters, copies).Total() -
        CrfSelfEnergy(all, filters, copies);
    const double best = Value(energies.min());
    const auto rounded = [&](const at::Tensor& q) {
      const at::Tensor x =
          RoundSequentially(unary, q, filters, lattices, SelfTerms::kLeftOut);
      return EnergyOf(unary, HardLabelling(x, q), filters, lattices,
                      SelfTerms::kLeftOut);
    };
    for (int trial = 0; trial < 10; ++trial) {
      const at::Tensor q = RandomLabelling({1, labels, height, width});
      EXPECT_LE(best, rounded(q) + kSlack);
      EXPECT_LE(
          rounded(q),
          EnergyOf(unary, q, filters, lattices, SelfTerms::kLeftOut) + kSlack);
    }
    // The best one stays as good as it is.
    EXPECT_NEAR(rounded(all.narrow(0, energies.argmin().item<int64_t>(), 1)),
                best, kSlack);
  }
}

// While the others stay, no share of labels of the first pixel is better than
// its single label.
TEST_F(RoundingTest, NoSharesOfAPixelAreBetter) {
  const int64_t labels = 3, height = 2, width = 2;
  const CrfFilters filters = RandomFilters(labels, /*tied=*/true);
  const LatticeVector lattices = TinyLattices(1, height, width);
  const at::Tensor unary = at::randn({1, labels, height, width}, at::kDouble);
  const at::Tensor q = RandomLabelling({1, labels, height, width});
  const at::Tensor labelling =
      RoundSequentially(unary, q, filters, lattices, SelfTerms::kLeftOut);
  const auto with_first = [&](const at::Tensor& shares) {
    at::Tensor changed = q.clone();
    changed.select(3, 0).select(2, 0).copy_(shares.view({1, labels}));
    return EnergyOf(unary, changed, filters, lattices, SelfTerms::kLeftOut);
  };
  const double rounded = with_first(
      at::eye(labels, at::kDouble)[labelling[0][0][0].item<int64_t>()]);
  constexpr int kSteps = 10;
  for (int a = 0; a <= kSteps; ++a) {
    for (int b = 0; a + b <= kSteps; ++b) {
      const at::Tensor shares =
          at::tensor({a, b, kSteps - a - b}, at::kDouble) / kSteps;
      EXPECT_LE(rounded, with_first(shares) + kSlack) << a << " " << b;
    }
  }
}

TEST_F(RoundingTest, AHardLabellingThatNoPixelCanBetterStays) {
  const CrfFilters filters = RandomFilters(3, /*tied=*/true);
  const LatticeVector lattices = TinyLattices(1, 4, 5);
  const at::Tensor unary = at::randn({1, 3, 4, 5}, at::kDouble);
  at::Tensor x = RoundSequentially(unary, RandomLabelling({1, 3, 4, 5}),
                                   filters, lattices);
  // Descent by single pixels ends: there are finitely many labellings.
  for (int round = 0; round < 100; ++round) {
    const at::Tensor next =
        RoundSequentially(unary, HardLabelling(x, unary), filters, lattices);
    if (at::equal(next, x)) return;
    x = next;
  }
  FAIL() << "no end of it";
}

TEST_F(RoundingTest, OnePixelOneLineOneClassNoImage) {
  // A pixel alone: the least of its costs.
  const at::Tensor unary =
      at::tensor({2.0, -1.0, 0.5}, at::kDouble).view({1, 3, 1, 1});
  EXPECT_EQ(RoundSequentially(unary, at::full_like(unary, 1.0 / 3), {}, {})
                .item<int64_t>(),
            1);
  for (const auto& [height, width] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 9}, {9, 1}}) {
    const CrfFilters filters = RandomFilters(2, /*tied=*/false);
    const LatticeVector lattices = TinyLattices(1, height, width);
    const at::Tensor u = at::randn({1, 2, height, width}, at::kDouble);
    const at::Tensor q = RandomLabelling({1, 2, height, width});
    EXPECT_TRUE(
        at::equal(RoundSequentially(u, q, filters, lattices),
                  NaiveRounding(u, q, filters, lattices, SelfTerms::kCounted)));
  }
  const CrfFilters one = RandomFilters(1, /*tied=*/true);
  const at::Tensor ones = at::ones({2, 1, 3, 4}, at::kDouble);
  EXPECT_TRUE(
      at::equal(RoundSequentially(ones, ones, one, TinyLattices(2, 3, 4)),
                at::zeros({2, 3, 4}, at::kLong)));
  const at::Tensor none = at::zeros({0, 2, 3, 4}, at::kDouble);
  EXPECT_EQ(RoundSequentially(none, none, RandomFilters(2, true), {}).sizes(),
            at::IntArrayRef({0, 3, 4}));
}

TEST_F(RoundingTest, ABatchIsItsImages) {
  const CrfFilters filters = RandomFilters(3, /*tied=*/true);
  const LatticeVector lattices = TinyLattices(3, 4, 5);
  const at::Tensor unary = at::randn({3, 3, 4, 5}, at::kDouble);
  const at::Tensor q = RandomLabelling({3, 3, 4, 5});
  const at::Tensor all = RoundSequentially(unary, q, filters, lattices);
  for (int64_t n = 0; n < 3; ++n) {
    EXPECT_TRUE(
        at::equal(all.narrow(0, n, 1),
                  RoundSequentially(unary.narrow(0, n, 1), q.narrow(0, n, 1),
                                    filters, Only(lattices[n]))));
  }
}

TEST_F(RoundingTest, FloatIsRoundedInDouble) {
  const CrfFilters filters = RandomFilters(3, /*tied=*/true);
  const CrfFilters single = {
      {}, filters.spatial.to(at::kFloat), filters.bilateral.to(at::kFloat)};
  const CrfFilters widened = {
      {}, single.spatial.to(at::kDouble), single.bilateral.to(at::kDouble)};
  const LatticeVector lattices = TinyLattices(1, 4, 5);
  const at::Tensor unary = at::randn({1, 3, 4, 5}, at::kFloat);
  const at::Tensor q = RandomLabelling({1, 3, 4, 5}).to(at::kFloat);
  EXPECT_TRUE(
      at::equal(RoundSequentially(unary, q, single, lattices),
                RoundSequentially(unary.to(at::kDouble), q.to(at::kDouble),
                                  widened, lattices)));
}

TEST_F(RoundingTest, ErrorsNameTheArgument) {
  const at::Tensor q = at::zeros({1, 2, 3, 4}, at::kDouble);
  const CrfFilters filters = RandomFilters(2, /*tied=*/true);
  const LatticeVector lattices = TinyLattices(1, 3, 4);
  ExpectError([&] { RoundSequentially(q.narrow(2, 0, 2), q, {}, {}); },
              "unary must have q's sizes [1, 2, 3, 4], got [1, 2, 2, 4]");
  ExpectError([&] { RoundSequentially(q, q, filters, {}); },
              "expected one lattice an image, 1, got 0");
  ExpectError([&] { RoundSequentially(q, q, filters, TinyLattices(1, 2, 4)); },
              "as many points as q has pixels (12), got 8");
  ExpectError(
      [&] { RoundSequentially(q, q, RandomFilters(3, true), lattices); },
      "the spatial filter must be [L,L,2r+1,2r+1] with L=2, got [3, 3");
  ExpectError(
      [&] {
        RoundSequentially(q, q, {{}, {}, filters.bilateral[0]}, lattices);
      },
      "the bilateral filter must be [L,L,taps] with L=2, got [2, 63]");
  ExpectError([&] { RoundSequentially(q, q, filters, {nullptr}); },
              "lattices must be there");
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
