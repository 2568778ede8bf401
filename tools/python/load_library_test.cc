// libsegpapers_ops.so, loaded by a program that has LibTorch and none of our
// code, as a Python with torch is: its operators are in the dispatcher and run.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <vector>

namespace seg {
namespace {

std::string library;  // the path, from the command line

std::optional<c10::OperatorHandle> Find(const std::string& name) {
  return c10::Dispatcher::singleton().findSchema({"segpapers::" + name, ""});
}

class LoadLibraryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_FALSE(Find("simplex_projection").has_value())
        << "the program has the operators itself";
    // As ctypes does; never closed, as LibTorch keeps what is registered.
    ASSERT_NE(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL), nullptr)
        << dlerror();
  }
};

TEST_F(LoadLibraryTest, RegistersEveryOperator) {
  for (const char* name : {"build_bilateral_lattice",
                           "build_lattice",
                           "build_spatial_lattice",
                           "convolution3x3",
                           "cross_entropy",
                           "dice_loss",
                           "expected_iou",
                           "expected_uoi",
                           "gaussian_kl",
                           "gaussian_log_density",
                           "label_convolution",
                           "mean_field",
                           "mean_field_on_lattices",
                           "modulated_norm",
                           "modulated_norm_statistics",
                           "narrow_convolution",
                           "permutohedral_filter",
                           "permutohedral_gaussian",
                           "sample_gaussian",
                           "simplex_projection",
                           "simplex_projection_step",
                           "soft_cross_entropy_sum",
                           "spatial_propagation",
                           "zero_unpool2d",
                           "zero_unpool_convolution"}) {
    EXPECT_TRUE(Find(name).has_value()) << name;
  }
}

TEST_F(LoadLibraryTest, AnOperatorRunsWithItsGradient) {
  const auto op = Find("simplex_projection")
                      ->typed<at::Tensor(const at::Tensor&, double)>();
  const at::Tensor x = at::tensor({0.5, -0.25, 1.0}, at::kDouble)
                           .view({1, 3})
                           .set_requires_grad(true);
  const at::Tensor y = op.call(x, 0.0);
  EXPECT_TRUE(
      at::equal(y, at::tensor({0.25, 0.0, 0.75}, at::kDouble).view({1, 3})));
  const at::Tensor g = torch::autograd::grad({y.select(1, 0).sum()}, {x})[0];
  EXPECT_TRUE(
      at::equal(g, at::tensor({0.5, 0.0, -0.5}, at::kDouble).view({1, 3})));
}

TEST_F(LoadLibraryTest, ALatticeGoesThroughTheDispatcher) {
  std::vector<c10::IValue> stack = {at::rand({2, 3, 4, 5}) * 255, 3.0, 40.0};
  Find("build_bilateral_lattice")->callBoxed(&stack);
  const c10::IValue lattice = stack.at(0);
  const at::Tensor ones = at::ones({2, 1, 4, 5});
  stack = {ones, lattice, "after", false};
  Find("permutohedral_gaussian")->callBoxed(&stack);
  // Normalised after: a constant stays what it is.
  EXPECT_TRUE(at::allclose(stack.at(0).toTensor(), ones, 1e-5));
}

TEST_F(LoadLibraryTest, AnErrorComesAcross) {
  const auto op = Find("simplex_projection")
                      ->typed<at::Tensor(const at::Tensor&, double)>();
  EXPECT_THROW(op.call(at::zeros({2, 3}), 1.5), c10::Error);
}

}  // namespace
}  // namespace seg

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 2) return 2;
  seg::library = argv[1];
  return RUN_ALL_TESTS();
}
