// The public filters on a device's lattices. The emulator stands for the
// device: here the raw operators have their CUDA kernels on the CPU's tensors.
#include "common/layers/permutohedral/device_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/layers/mean_field/crf_rnn.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/lattice_cuda_tensors.h"
#include "common/layers/permutohedral/lattice_data.h"
#include "common/layers/permutohedral/lattice_ops.h"
#include "common/layers/permutohedral/permutohedral.h"
#include "common/testing/gradcheck.h"
#include "common/testing/torch_errors.h"
#include "torch/library.h"
#include "torch/torch.h"

namespace seg {

TORCH_LIBRARY_IMPL(segpapers, CPU, m) { lattice_ops::RegisterKernels(&m); }

namespace {

using testing::HasSubstr;

constexpr LatticeNormalization kKinds[] = {
    LatticeNormalization::kNone, LatticeNormalization::kSymmetric,
    LatticeNormalization::kBefore, LatticeNormalization::kAfter};

LatticeVector OnDevice(const at::Tensor& features) {
  const auto data = c10::make_intrusive<LatticeData>(features);
  LatticeVector lattices;
  for (int64_t n = 0; n < features.size(0); ++n) {
    lattices.push_back(std::make_shared<PermutohedralLattice>(data, n));
  }
  return lattices;
}

// Two small pictures with flat parts and noise, [2,3,6,7].
at::Tensor Images() {
  torch::manual_seed(5);
  at::Tensor images = torch::rand({2, 3, 6, 7}) * 40;
  images.narrow(3, 3, 4).add_(90);
  return images;
}

at::Tensor Features(const at::Tensor& images) {
  std::vector<at::Tensor> features;
  for (const at::Tensor& image : images.unbind()) {
    features.push_back(BilateralFeatures(image, 4, 20));
  }
  return torch::stack(features);
}

void ExpectClose(const at::Tensor& got, const at::Tensor& expected,
                 double tolerance, const char* what) {
  ASSERT_EQ(got.sizes(), expected.sizes()) << what;
  ASSERT_EQ(got.scalar_type(), expected.scalar_type()) << what;
  EXPECT_LE((got - expected).abs().max().item<double>(),
            tolerance * expected.abs().max().item<double>())
      << what;
}

// Sums in another order.
double Tolerance(at::ScalarType type) {
  return type == at::kFloat ? 4e-6 : 1e-13;
}

class DeviceFilterTest : public testing::Test {
 protected:
  const at::Tensor features_ = Features(Images());
  const LatticeVector cpu_ = PermutohedralLattice::BuildBatch(features_);
  const LatticeVector device_ = OnDevice(features_);
};

TEST_F(DeviceFilterTest, LatticesTellTheirSizes) {
  for (int64_t n = 0; n < 2; ++n) {
    EXPECT_EQ(device_[n]->num_points(), 42);
    EXPECT_EQ(device_[n]->dim(), 5);
    EXPECT_EQ(device_[n]->num_vertices(), cpu_[n]->num_vertices());
  }
}

// Output and gradient of the values; `filter` undefined: the Gaussian.
struct Results {
  at::Tensor out, values, filter;
};
Results RunFilter(const at::Tensor& v, const at::Tensor& f,
                  const LatticeVector& lattices, LatticeNormalization kind,
                  bool reverse = false) {
  const at::Tensor values = v.detach().requires_grad_();
  const at::Tensor filter =
      f.defined() ? f.detach().requires_grad_() : at::Tensor();
  Results r;
  r.out = f.defined() ? PermutohedralFilter(values, filter, lattices, kind)
                      : PermutohedralGaussian(values, lattices, kind, reverse);
  torch::manual_seed(8);
  r.out.backward(torch::randn(r.out.sizes(), at::kDouble).to(r.out.options()));
  r.out = r.out.detach();
  r.values = values.grad();
  if (f.defined()) r.filter = filter.grad();
  return r;
}

TEST_F(DeviceFilterTest, GaussianIsTheCpus) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor values = torch::randn({2, 3, 6, 7}, at::kDouble).to(type);
    for (const LatticeNormalization kind : kKinds) {
      for (const bool reverse : {false, true}) {
        const Results got =
            RunFilter(values, at::Tensor(), device_, kind, reverse);
        const Results expected =
            RunFilter(values, at::Tensor(), cpu_, kind, reverse);
        ExpectClose(got.out, expected.out, Tolerance(type), "output");
        ExpectClose(got.values, expected.values, Tolerance(type), "gradient");
      }
    }
  }
}

TEST_F(DeviceFilterTest, FilterIsTheCpus) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor values =
        torch::randn({2, 6, 7, 3}, at::kDouble).to(type).permute({0, 3, 1, 2});
    const at::Tensor filter = torch::randn({2, 3, 63}, at::kDouble).to(type);
    for (const LatticeNormalization kind : kKinds) {
      const Results got = RunFilter(values, filter, device_, kind);
      const Results expected = RunFilter(values, filter, cpu_, kind);
      ExpectClose(got.out, expected.out, Tolerance(type), "output");
      ExpectClose(got.values, expected.values, Tolerance(type), "values");
      ExpectClose(got.filter, expected.filter, Tolerance(type), "filter");
    }
  }
}

TEST_F(DeviceFilterTest, TakesImagesOfABatchInAnyOrder) {
  const at::Tensor values = torch::randn({3, 2, 42});
  const at::Tensor filter = torch::randn({2, 2, 63});
  const LatticeVector device = {device_[1], device_[0], device_[1]};
  const LatticeVector cpu = {cpu_[1], cpu_[0], cpu_[1]};
  const auto kind = LatticeNormalization::kSymmetric;
  for (const at::Tensor& f : {at::Tensor(), filter}) {
    const Results got = RunFilter(values, f, device, kind);
    const Results expected = RunFilter(values, f, cpu, kind);
    ExpectClose(got.out, expected.out, Tolerance(at::kFloat), "output");
    ExpectClose(got.values, expected.values, Tolerance(at::kFloat), "values");
    if (f.defined()) {
      ExpectClose(got.filter, expected.filter, Tolerance(at::kFloat), "filter");
    }
  }
  // One image alone.
  const Results one =
      RunFilter(values.narrow(0, 0, 1), filter, {device_[1]}, kind);
  ExpectClose(one.out, RunFilter(values, filter, cpu, kind).out.narrow(0, 0, 1),
              Tolerance(at::kFloat), "one image");
}

TEST_F(DeviceFilterTest, OneLatticeServesManyImages) {
  const at::Tensor features = SpatialFeatures(5, 8, 2).unsqueeze(0);
  const LatticeVector device(3, OnDevice(features)[0]);
  const LatticeVector cpu(3, PermutohedralLattice::Build(features[0]));
  const at::Tensor values = torch::randn({3, 2, 5, 8});
  const at::Tensor filter = torch::randn({1, 2, 7});
  const auto kind = LatticeNormalization::kSymmetric;
  for (const at::Tensor& f : {at::Tensor(), filter}) {
    const Results got = RunFilter(values, f, device, kind);
    const Results expected = RunFilter(values, f, cpu, kind);
    ExpectClose(got.out, expected.out, Tolerance(at::kFloat), "output");
    ExpectClose(got.values, expected.values, Tolerance(at::kFloat), "values");
    if (f.defined()) {
      ExpectClose(got.filter, expected.filter, Tolerance(at::kFloat), "filter");
    }
  }
}

TEST_F(DeviceFilterTest, GradientsMatchFiniteDifferences) {
  const at::Tensor features = torch::randn({2, 6, 2}, at::kDouble);
  const LatticeVector lattices = OnDevice(features);
  const at::Tensor values = torch::randn({2, 2, 6}, at::kDouble);
  const at::Tensor filter = torch::randn({2, 2, 7}, at::kDouble);
  EXPECT_TRUE(GradCheck(
      [&](const auto& in) {
        return PermutohedralFilter(in[0], in[1], lattices);
      },
      {values, filter}));
  EXPECT_TRUE(GradCheck(
      [&](const auto& in) { return PermutohedralGaussian(in[0], lattices); },
      {values}));
}

TEST_F(DeviceFilterTest, MeanFieldIsTheCpus) {
  const at::Tensor unary = torch::rand({2, 4, 6, 7}) * 3;
  const LatticeVector spatial(
      2, OnDevice(SpatialFeatures(6, 7, 3).unsqueeze(0))[0]);
  MeanFieldOptions options;
  options.iterations = 4;
  const at::Tensor got = MeanField(unary, spatial, device_, options);
  const at::Tensor expected =
      MeanField(unary, BuildSpatialLattices(2, 6, 7, 3), cpu_, options);
  EXPECT_LE((got - expected).abs().max().item<double>(), 2e-5);
}

TEST_F(DeviceFilterTest, CrfRnnAndItsGradientsAreTheCpus) {
  const at::Tensor logits = torch::randn({2, 3, 6, 7}, at::kDouble);
  const at::Tensor eye = at::eye(3, at::kDouble);
  const auto run = [&](const LatticeVector& spatial,
                       const LatticeVector& bilateral) {
    std::vector<at::Tensor> in = {logits.clone(), 2 * eye, 3 * eye,
                                  eye.clone()};
    for (at::Tensor& x : in) x.requires_grad_();
    std::vector<at::Tensor> out = {
        CrfRnnInference(in[0], spatial, bilateral, {in[1], in[2], in[3]}, 3,
                        LatticeNormalization::kAfter)};
    out[0].square().sum().backward();
    for (const at::Tensor& x : in) out.push_back(x.grad());
    return out;
  };
  const auto got =
      run(LatticeVector(2, OnDevice(SpatialFeatures(6, 7, 3).unsqueeze(0))[0]),
          device_);
  const auto expected = run(BuildSpatialLattices(2, 6, 7, 3), cpu_);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(at::allclose(got[i], expected[i], 1e-9, 1e-9)) << i;
  }
}

TEST_F(DeviceFilterTest, ElevatesFarFloatsInDouble) {
  // Beyond 2^12 cells the CPU takes float64 too: the same simplices.
  const at::Tensor features = torch::randn({1, 30, 2}) + 1e5;
  const LatticeVector device = OnDevice(features);
  const LatticeVector cpu = PermutohedralLattice::BuildBatch(features);
  EXPECT_EQ(device[0]->num_vertices(), cpu[0]->num_vertices());
  const at::Tensor values = torch::randn({1, 2, 30});
  ExpectClose(PermutohedralGaussian(values, device),
              PermutohedralGaussian(values, cpu), Tolerance(at::kFloat),
              "far from the origin");
}

TEST_F(DeviceFilterTest, Errors) {
  EXPECT_THAT(ErrorOf([&] { device_[0]->axis_neighbors(); }),
              HasSubstr("axis_neighbors needs a lattice on the CPU, got one"));
  EXPECT_THAT(ErrorOf([&] { device_[0]->VertexCoordinates(0); }),
              HasSubstr("VertexCoordinates needs a lattice on the CPU"));
  EXPECT_THAT(ErrorOf([&] { device_[0]->weights<float>(); }),
              HasSubstr("weights needs a lattice on the CPU"));
  const at::Tensor values = torch::rand({2, 3, 42}, at::kMeta);
  EXPECT_THAT(ErrorOf([&] { PermutohedralGaussian(values, device_); }),
              HasSubstr("values must be on cpu, as the lattices, got meta"));
  at::Tensor features = features_.clone();
  features[1][3][2] = std::nan("");
  EXPECT_THAT(ErrorOf([&] { OnDevice(features); }),
              HasSubstr("features must be finite and within 2^22"));
  EXPECT_THAT(ErrorOf([&] {
                OnDevice(torch::zeros({1, 4, 17}));
              }),
              HasSubstr("1 <= d <= 16 on a device, got [1, 4, 17]"));
  EXPECT_THAT(ErrorOf([&] {
                OnDevice(1e4 * torch::randn({1, 9, 16}));
              }),
              HasSubstr("bits and a device has room for 63"));
}

}  // namespace
}  // namespace seg
