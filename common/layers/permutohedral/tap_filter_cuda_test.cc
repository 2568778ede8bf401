// The learnable filter's device kernels, in the emulator, against the CPU's.
#include "common/layers/permutohedral/tap_filter_cuda.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/layers/permutohedral/emulated_lattice.h"
#include "common/layers/permutohedral/permutohedral.h"
#include "common/layers/permutohedral/taps.h"
#include "common/testing/cuda_emulator/schedules.h"
#include "torch/torch.h"

namespace seg {
namespace {

using cuda::emulator::DeviceArray;
using cuda::emulator::ExpectSameInAllSchedules;
using cuda::emulator::ForEachSchedule;

struct Case {
  int64_t images, points, dim, labels_in, labels_out;
  int64_t support = 1;
  double spread = 0.8;  // of the points
};

// Output and gradients.
struct Results {
  at::Tensor out, values, filter;
};

template <typename T>
class TapFilter {
 public:
  explicit TapFilter(const Case& c, at::ScalarType type) : case_(c) {
    torch::manual_seed(static_cast<uint64_t>(c.points + c.labels_in));
    features_ =
        (c.spread * torch::randn({c.images, c.points, c.dim}, at::kDouble))
            .to(type);
    const int64_t taps = PermutohedralTaps(c.dim, c.support);
    values_ = Random({c.images, c.labels_in, c.points});
    filter_ = Random({c.labels_out, c.labels_in, taps});
    gradient_ = Random({c.images, c.labels_out, c.points});
    before_ = torch::rand({c.images, 1, c.points}, features_.options()) + 0.5;
    after_ = torch::rand({c.images, 1, c.points}, features_.options()) + 0.5;
  }

  int64_t vertices() const { return EmulatedLattice<T>(features_).vertices(); }

  Results Device(bool tf32 = false,
                 int64_t many_vertices = cuda::kLatticeManyVertices) const {
    const EmulatedLattice<T> lattice(features_);
    const auto table = lattice.TapTable(case_.support);
    cuda::LatticeTapFilterArguments<T> a;
    a.lattice = lattice.parts();
    a.taps = filter_.size(2);
    a.table = table->data();
    a.stride = lattice.vertices();
    a.labels_in = case_.labels_in;
    a.labels_out = case_.labels_out;
    a.filter = filter_.const_data_ptr<T>();
    a.in = Planes<const T>(values_);
    a.before = before_.const_data_ptr<T>();
    a.after = after_.const_data_ptr<T>();
    a.tf32 = tf32;
    a.many_vertices = many_vertices;
    const DeviceArray<char> scratch(cuda::LatticeTapFilterScratchBytes(a));
    a.scratch = scratch.data();
    Results r;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    r.out = torch::full(gradient_.sizes(), nan, values_.options());
    r.values = torch::full(values_.sizes(), nan, values_.options());
    r.filter = torch::full(filter_.sizes(), nan, at::kDouble);
    EmulatedLattice<T>::Expect(
        cuda::LatticeTapFilter(a, Planes<T>(r.out), nullptr));
    std::vector<int32_t> reflection;
    for (int64_t tap : PermutohedralReflection(case_.dim, case_.support)) {
      reflection.push_back(static_cast<int32_t>(tap));
    }
    const DeviceArray<int32_t> device_reflection(reflection);
    cuda::LatticeTapFilterGradients<T> g;
    g.out = Planes<const T>(gradient_);
    g.reflection = device_reflection.data();
    g.in = Planes<T>(r.values);
    g.filter = r.filter.mutable_data_ptr<double>();
    EmulatedLattice<T>::Expect(cuda::LatticeTapFilterBackward(a, g, nullptr));
    // Once more, added to what is there.
    g.in = {};
    g.add = true;
    const at::Tensor once = r.filter.clone();
    EmulatedLattice<T>::Expect(cuda::LatticeTapFilterBackward(a, g, nullptr));
    EXPECT_TRUE(torch::equal(r.filter, 2 * once));
    r.filter = once;
    return r;
  }

  Results Cpu() const {
    LatticeVector lattices;
    for (int64_t n = 0; n < case_.images; ++n) {
      lattices.push_back(PermutohedralLattice::Build(features_[n]));
    }
    const at::Tensor values = values_.detach().requires_grad_();
    const at::Tensor filter = filter_.detach().requires_grad_();
    Results r;
    r.out = after_ * PermutohedralFilter(values * before_, filter, lattices,
                                         LatticeNormalization::kNone);
    r.out.backward(gradient_);
    r.out = r.out.detach();
    r.values = values.grad();
    r.filter = filter.grad();
    return r;
  }

  void ExpectSame(bool tf32 = false) const {
    const Results device = Device(tf32);
    const Results cpu = Cpu();
    // Sums in another order; in TF32 each factor is rounded to 2^-11.
    const double tolerance = tf32 ? 1e-3 : sizeof(T) == 4 ? 4e-6 : 1e-13;
    const auto compare = [&](const at::Tensor& got, const at::Tensor& expected,
                             const char* what) {
      EXPECT_LE((got - expected).abs().max().template item<double>(),
                tolerance * expected.abs().max().template item<double>())
          << what;
    };
    compare(device.out, cpu.out, "output");
    compare(device.values, cpu.values, "gradient of the values");
    compare(device.filter, cpu.filter, "gradient of the filter");
  }

 private:
  at::Tensor Random(at::IntArrayRef sizes) const {
    return torch::randn(sizes, at::kDouble).to(features_.scalar_type());
  }
  template <typename U>
  static cuda::LatticePlanes<U> Planes(const at::Tensor& x) {
    U* data = const_cast<U*>(x.template const_data_ptr<T>());
    return {data, x.stride(0), x.stride(1), x.stride(2)};
  }

  Case case_;
  at::Tensor features_, values_, filter_, gradient_, before_, after_;
};

TEST(TapFilterCudaTest, FiltersAsTheCpuDoes) {
  for (const Case& c :
       {Case{2, 60, 5, 3, 3}, Case{1, 90, 2, 2, 2}, Case{2, 40, 2, 1, 1},
        Case{1, 25, 5, 21, 21}, Case{1, 1, 5, 2, 3}}) {
    SCOPED_TRACE(testing::Message()
                 << c.points << " points, " << c.labels_in << " labels");
    TapFilter<float>(c, at::kFloat).ExpectSame();
  }
  TapFilter<double>({2, 30, 2, 21, 5}, at::kDouble).ExpectSame();
}

TEST(TapFilterCudaTest, TakesAnyNumberOfLabelsAndAnySupport) {
  TapFilter<float>({1, 40, 2, 30, 9}, at::kFloat).ExpectSame();
  TapFilter<float>({2, 50, 2, 4, 26}, at::kFloat).ExpectSame();
  TapFilter<float>({1, 70, 2, 3, 2, 2}, at::kFloat).ExpectSame();
  TapFilter<double>({1, 40, 3, 2, 2, 3}, at::kDouble).ExpectSame();
  TapFilter<float>({1, 30, 4, 2, 50}, at::kFloat).ExpectSame();
}

TEST(TapFilterCudaTest, AddsUpManyVertices) {
  // More than one part of the gradient's sum.
  TapFilter<float>({1, 1500, 1, 2, 2, 1}, at::kFloat).ExpectSame();
  TapFilter<float>({2, 900, 2, 2, 3}, at::kFloat).ExpectSame();
}

TEST(TapFilterCudaTest, MultipliesInTf32) {
  for (const Case& c :
       {Case{1, 90, 2, 2, 2}, Case{1, 25, 5, 21, 21}, Case{2, 40, 2, 13, 30},
        Case{1, 70, 3, 32, 7}, Case{1, 1, 2, 1, 1}}) {
    SCOPED_TRACE(testing::Message()
                 << c.points << " points, " << c.labels_in << " labels");
    TapFilter<float>(c, at::kFloat).ExpectSame(true);
  }
}

TEST(TapFilterCudaTest, MultipliesInTf32InEverySchedule) {
  const TapFilter<float> filter({1, 40, 2, 5, 9}, at::kFloat);
  ForEachSchedule([&] { filter.ExpectSame(true); }, 3);
}

TEST(TapFilterCudaTest, RoundsToTf32) {
  const TapFilter<float> filter({1, 40, 2, 3, 3}, at::kFloat);
  const at::Tensor exact = filter.Device(false).out;
  const at::Tensor rounded = filter.Device(true).out;
  EXPECT_FALSE(torch::equal(exact, rounded));
}

TEST(TapFilterCudaTest, MultipliesManyVerticesAsFewInTf32) {
  // Sums in the same order, bit for bit; the first case is two blocks of many.
  const Case blocks = {1, 300, 2, 3, 2, 1, 8};
  EXPECT_GT(TapFilter<float>(blocks, at::kFloat).vertices(), 384);
  for (const Case& c :
       {blocks, Case{1, 30, 2, 21, 21}, Case{1, 20, 2, 13, 30},
        Case{1, 30, 2, 32, 7}, Case{1, 30, 2, 5, 21}, Case{1, 1, 2, 1, 1}}) {
    SCOPED_TRACE(testing::Message()
                 << c.points << " points, " << c.labels_in << " labels");
    const TapFilter<float> filter(c, at::kFloat);
    const Results few = filter.Device(true);
    const Results many = filter.Device(true, 1);
    EXPECT_TRUE(torch::equal(few.out, many.out));
    EXPECT_TRUE(torch::equal(few.values, many.values));
  }
}

TEST(TapFilterCudaTest, IsTheSameInEverySchedule) {
  const TapFilter<float> filter({1, 60, 2, 21, 21}, at::kFloat);
  ExpectSameInAllSchedules([&] {
    const Results r = filter.Device();
    std::vector<double> all;
    for (const at::Tensor& x : {r.out, r.values, r.filter}) {
      const at::Tensor flat = x.to(at::kDouble).flatten();
      all.insert(all.end(), flat.const_data_ptr<double>(),
                 flat.const_data_ptr<double>() + flat.numel());
    }
    return all;
  });
}

}  // namespace
}  // namespace seg
