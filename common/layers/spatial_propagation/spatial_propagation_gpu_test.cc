// On a card: the public function gives there what it gives on the CPU. The
// kernels alone, in every design, are tested without one
// (spatial_propagation_cuda_test.cc).

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <vector>

#include "common/layers/spatial_propagation/spatial_propagation.h"
#include "common/layers/spatial_propagation/spatial_propagation_reference.h"
#include "common/testing/test_tensors.h"

namespace seg {
namespace spatial_propagation_test {
namespace {

class SpatialPropagationGpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA, or no card";
  }
};

at::Tensor ToCard(const at::Tensor& x) { return x.to(at::kCUDA); }

// Output, gradient of x and of the gates, on the CPU in double.
std::vector<at::Tensor> ToHost(std::vector<at::Tensor> results) {
  for (at::Tensor& x : results) x = x.to(at::kCPU, at::kDouble);
  return results;
}

// Of one scan.
std::vector<at::Tensor> ScanWithGradients(
    const at::Tensor& x, const at::Tensor& gates, ScanDirection direction,
    const SpatialPropagationOptions& options, const at::Tensor& cotangent) {
  const at::Tensor x_leaf = x.detach().set_requires_grad(true);
  const at::Tensor gates_leaf = gates.detach().set_requires_grad(true);
  const at::Tensor out =
      SpatialPropagationScan(x_leaf, gates_leaf, direction, options);
  const std::vector<at::Tensor> gradients =
      torch::autograd::grad({out}, {x_leaf, gates_leaf}, {cotangent});
  return {out.detach(), gradients[0], gradients[1]};
}

void ExpectClose(const std::vector<at::Tensor>& actual,
                 const std::vector<at::Tensor>& expected, double tolerance,
                 const std::string& what) {
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].sizes(), expected[i].sizes());
    EXPECT_TRUE(at::allclose(actual[i], expected[i], tolerance, tolerance))
        << what << ", result " << i << ": "
        << (actual[i] - expected[i]).abs().max().item<double>();
  }
}

std::string Where(const SpatialPropagationOptions& options,
                  const at::Tensor& x) {
  return Name(options) + ", height " + std::to_string(x.size(2)) + ", width " +
         std::to_string(x.size(3));
}

const std::vector<std::vector<int64_t>> kSizes = {
    {2, 3, 9, 7},   {1, 1, 1, 1},   {1, 2, 1, 13},  {1, 2, 13, 1},
    {2, 5, 16, 24}, {1, 4, 64, 64}, {1, 2, 70, 130}};

TEST_F(SpatialPropagationGpuTest, EqualsTheCpuInDouble) {
  for (const auto& options : AllOptions()) {
    for (const std::vector<int64_t>& sizes : kSizes) {
      const at::Tensor x = Random(sizes), gates = RandomGates(x, options);
      const at::Tensor cotangent = Random(sizes, 5);
      // Rounding of at most 130 steps, and a factor 1 / S of up to 1000.
      ExpectClose(ToHost(RunWithGradients(ToCard(x), ToCard(gates), options,
                                          ToCard(cotangent))),
                  RunWithGradients(x, gates, options, cotangent), 1e-10,
                  Where(options, x));
    }
  }
}

TEST_F(SpatialPropagationGpuTest, EachDirectionInFloat) {
  for (const auto& options : AllOptions()) {
    for (ScanDirection direction : Directions()) {
      for (const std::vector<int64_t>& sizes : kSizes) {
        const at::Tensor x = Random(sizes).to(at::kFloat);
        // Not near zero: there the gradient has a large factor 1 / S.
        at::Tensor gates = RandomGates(x, options, 1);
        gates = (gates + 0.1 * gates.sign()).to(at::kFloat);
        const at::Tensor cotangent = Random(sizes, 5).to(at::kFloat);
        ExpectClose(
            ToHost(ScanWithGradients(ToCard(x), ToCard(gates), direction,
                                     options, ToCard(cotangent))),
            ScanWithGradients(x.to(at::kDouble), gates.to(at::kDouble),
                              direction, options, cotangent.to(at::kDouble)),
            1e-3, Where(options, x));
      }
    }
  }
}

// Four directions in float: where two are equal but for rounding, the gradient
// may go to either. Few are.
TEST_F(SpatialPropagationGpuTest, MergedInFloat) {
  for (const auto& options : AllOptions()) {
    for (std::vector<int64_t> sizes : kSizes) {
      for (int64_t images : {1, 64}) {  // the designs for few and many planes
        sizes[0] = images;
        const at::Tensor x = Random(sizes).to(at::kFloat);
        at::Tensor gates = RandomGates(x, options);
        gates = (gates + 0.1 * gates.sign()).to(at::kFloat);
        const at::Tensor cotangent = Random(sizes, 5).to(at::kFloat);
        const auto expected =
            RunWithGradients(x.to(at::kDouble), gates.to(at::kDouble), options,
                             cotangent.to(at::kDouble));
        const auto run = [&] {
          return ToHost(RunWithGradients(ToCard(x), ToCard(gates), options,
                                         ToCard(cotangent)));
        };
        const auto actual = run();
        ExpectClose({actual[0]}, {expected[0]}, 1e-4, Where(options, x));
        for (int i : {1, 2}) {
          const at::Tensor wrong =
              at::isclose(actual[i], expected[i], 1e-3, 1e-3)
                  .logical_not()
                  .to(at::kDouble);
          EXPECT_LE(wrong.mean().item<double>(), 1e-3)
              << Where(options, x) << ", result " << i;
        }
        const auto again = run();
        for (int i = 0; i < 3; ++i) {
          EXPECT_TRUE(at::equal(again[i], actual[i])) << Where(options, x);
        }
      }
    }
  }
}

TEST_F(SpatialPropagationGpuTest, LayoutsGiveTheSame) {
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor x = ToCard(Random({2, 5, 12, 16}).to(at::kFloat));
  const at::Tensor gates = ToCard(RandomGates(x.cpu(), options).to(at::kFloat));
  const at::Tensor cotangent = ToCard(Random({2, 5, 12, 16}, 5).to(at::kFloat));
  const auto expected = RunWithGradients(x, gates, options, cotangent);
  const auto check = [&](const std::vector<at::Tensor>& actual) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::equal(actual[i], expected[i])) << i;
    }
  };
  check(RunWithGradients(ChannelsLast(x), ChannelsLast(gates), options,
                         ChannelsLast(cotangent)));
  check(RunWithGradients(Sparse(x), Sparse(gates), options, Sparse(cotangent)));
  // Addresses that are no multiple of 16 bytes.
  const at::Tensor shifted =
      at::empty({x.numel() + 1}, x.options()).slice(0, 1).view(x.sizes());
  shifted.copy_(x);
  check(RunWithGradients(shifted, gates, options, cotangent));
}

// As with the same gates in float32: the output by the bit, as its
// multiply-adds are written out. Those of the backward pass are the compiler's
// choice in each kernel, so gradients differ by rounding.
TEST_F(SpatialPropagationGpuTest, GatesOfBfloat16) {
  const auto options = Options(true, Rule::kDivide);
  // By the kernel for any problem; by those for whole tiles, few planes and
  // many.
  const std::vector<std::vector<int64_t>> sizes = {
      {2, 3, 16, 24}, {2, 3, 64, 64}, {16, 8, 64, 64}};
  for (const std::vector<int64_t>& size : sizes) {
    const at::Tensor x = ToCard(Random(size).to(at::kFloat));
    const at::Tensor narrow =
        ToCard(RandomGates(x.cpu(), options)).to(at::kBFloat16);
    const at::Tensor cotangent = ToCard(Random(size, 5).to(at::kFloat));
    const auto actual = RunWithGradients(x, narrow, options, cotangent);
    const auto expected =
        RunWithGradients(x, narrow.to(at::kFloat), options, cotangent);
    EXPECT_TRUE(at::equal(actual[0], expected[0])) << x.sizes();
    EXPECT_EQ(actual[2].scalar_type(), at::kBFloat16);
    // Beside a few roundings of the largest value, `relative` of each.
    const auto expect_close = [&](int i, double relative) {
      const at::Tensor size_of = expected[i].to(at::kDouble).abs();
      const at::Tensor error =
          (actual[i].to(at::kDouble) - expected[i].to(at::kDouble)).abs();
      EXPECT_LE((error - relative * size_of).max().item<double>(),
                1e-5 * size_of.max().item<double>())
          << x.sizes() << ", result " << i;
    };
    expect_close(1, 0);
    expect_close(2, 1.0 / 256);  // rounded to bfloat16
  }
}

TEST_F(SpatialPropagationGpuTest, EmptyAndErrors) {
  const auto options = Options(true, Rule::kDivide);
  const at::Tensor none = at::zeros({0, 2, 4, 5}, at::kCUDA);
  EXPECT_EQ(
      SpatialPropagation(none, at::zeros({0, 24, 4, 5}, at::kCUDA), options)
          .sizes(),
      none.sizes());
  EXPECT_THROW(SpatialPropagation(at::zeros({1, 2, 4, 5}, at::kCUDA),
                                  at::zeros({1, 24, 4, 5}), options),
               c10::Error);
}

}  // namespace
}  // namespace spatial_propagation_test
}  // namespace seg
