// The lattice on a card against the CPU's, through the public functions; in a
// build with --config=cuda and where there is a card.
#include <gtest/gtest.h>

#include "ATen/Context.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/permutohedral.h"
#include "torch/torch.h"

namespace seg {
namespace {

class PermutohedralGpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device or no CUDA build";
    // An environment may allow it (TORCH_ALLOW_TF32_CUBLAS_OVERRIDE).
    at::globalContext().setAllowTF32CuBLAS(false);
    torch::manual_seed(4);
    images_ = torch::rand({2, 3, 60, 83}) * 30;
    images_.narrow(3, 40, 43).add_(120);
  }

  static void ExpectClose(const at::Tensor& got, const at::Tensor& expected,
                          double tolerance, const char* what) {
    ASSERT_TRUE(got.is_cuda()) << what;
    EXPECT_LE((got.cpu() - expected).abs().max().item<double>(),
              tolerance * expected.abs().max().item<double>())
        << what << ", " << expected.sizes() << " " << expected.scalar_type();
  }

  at::Tensor images_;
};

TEST_F(PermutohedralGpuTest, FeaturesAreTheCpusBitForBit) {
  for (const BilateralOrder order :
       {BilateralOrder::kXYRGB, BilateralOrder::kYXBGR}) {
    EXPECT_TRUE(torch::equal(
        BilateralFeatures(images_[1].cuda(), 13.7, 3.3, order).cpu(),
        BilateralFeatures(images_[1], 13.7, 3.3, order)));
  }
}

TEST_F(PermutohedralGpuTest, HasTheCpusVertices) {
  const LatticeVector cpu = BuildBilateralLattices(images_, 20, 10);
  const LatticeVector gpu = BuildBilateralLattices(images_.cuda(), 20, 10);
  ASSERT_EQ(gpu.size(), 2u);
  for (size_t n = 0; n < 2; ++n) {
    EXPECT_EQ(gpu[n]->num_vertices(), cpu[n]->num_vertices());
  }
}

TEST_F(PermutohedralGpuTest, FiltersAreTheCpus) {
  const LatticeVector cpu = BuildBilateralLattices(images_, 20, 10);
  const LatticeVector gpu = BuildBilateralLattices(images_.cuda(), 20, 10);
  for (const int64_t labels : {2, 21}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      // Sums in another order.
      const double tolerance = type == at::kFloat ? 1e-5 : 1e-12;
      const at::Tensor values =
          torch::randn({2, labels, 60, 83}, at::kDouble).to(type);
      const at::Tensor filter =
          torch::randn({3, labels, 63}, at::kDouble).to(type);
      ExpectClose(PermutohedralGaussian(values.cuda(), gpu),
                  PermutohedralGaussian(values, cpu), tolerance, "gaussian");
      std::vector<at::Tensor> out, d_values, d_filter;
      for (const bool on_gpu : {false, true}) {
        const auto place = [&](const at::Tensor& x) {
          return (on_gpu ? x.cuda() : x.clone()).requires_grad_();
        };
        const at::Tensor v = place(values), f = place(filter);
        const at::Tensor y = PermutohedralFilter(v, f, on_gpu ? gpu : cpu);
        y.square().sum().backward();
        out.push_back(y.detach());
        d_values.push_back(v.grad());
        d_filter.push_back(f.grad());
      }
      ExpectClose(out[1], out[0], tolerance, "filter");
      ExpectClose(d_values[1], d_values[0], tolerance, "gradient of values");
      ExpectClose(d_filter[1], d_filter[0], tolerance, "gradient of filter");
    }
  }
}

TEST_F(PermutohedralGpuTest, IsDeterministic) {
  const at::Tensor values = torch::randn({2, 21, 60, 83}).cuda();
  const auto run = [&] {
    return PermutohedralGaussian(
        values, BuildBilateralLattices(images_.cuda(), 20, 10));
  };
  const at::Tensor first = run();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(torch::equal(run(), first));
}

TEST_F(PermutohedralGpuTest, MeanFieldIsTheCpus) {
  const at::Tensor unary = torch::rand({2, 5, 60, 83}) * 3;
  const at::Tensor expected = MeanField(unary, images_);
  const at::Tensor got = MeanField(unary.cuda(), images_.cuda());
  // Ten iterations of soft-max of sums in another order.
  EXPECT_LE((got.cpu() - expected).abs().max().item<double>(), 1e-3);
}

TEST_F(PermutohedralGpuTest, RefusesMixedDevices) {
  const LatticeVector gpu = BuildBilateralLattices(images_.cuda(), 20, 10);
  EXPECT_THROW(PermutohedralGaussian(torch::rand({2, 2, 60, 83}), gpu),
               c10::Error);
}

}  // namespace
}  // namespace seg
