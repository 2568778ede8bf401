// The device kernels of the lattice, in the emulator, against the CPU's.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "common/layers/permutohedral/emulated_lattice.h"
#include "common/layers/permutohedral/filter_core.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/lattice.h"
#include "common/testing/cuda_emulator/schedules.h"
#include "torch/torch.h"

namespace seg {
namespace {

using cuda::emulator::DeviceArray;
using cuda::emulator::ExpectSameInAllSchedules;
using cuda::emulator::ForEachSchedule;

// Clustered, so that vertices have several points and many neighbours.
at::Tensor Features(int64_t images, int64_t points, int64_t dim,
                    at::ScalarType type = at::kFloat) {
  torch::manual_seed(static_cast<uint64_t>(17 * points + dim));
  return (0.8 * torch::randn({images, points, dim}, at::kDouble)).to(type);
}

// CPU lattices of the images and the device's vertex of each of theirs.
template <typename T>
struct Both {
  explicit Both(const at::Tensor& features) : device(features) {
    std::map<typename EmulatedLattice<T>::Coordinates, int32_t> index;
    for (int64_t v = 0; v < device.vertices(); ++v) {
      index[device.CoordinatesOf(v)] = static_cast<int32_t>(v);
    }
    EXPECT_EQ(static_cast<int64_t>(index.size()), device.vertices());
    for (int64_t n = 0; n < features.size(0); ++n) {
      cpu.push_back(PermutohedralLattice::Build(features[n]));
      to_device.emplace_back();
      for (int64_t v = 0; v < cpu[n]->num_vertices(); ++v) {
        auto x = cpu[n]->VertexCoordinates(v);
        x.insert(x.begin(), n);
        const auto it = index.find(x);
        EXPECT_TRUE(it != index.end()) << "vertex " << v << " of image " << n;
        to_device[n].push_back(it == index.end() ? 0 : it->second);
        if (it != index.end()) index.erase(it);
      }
    }
    EXPECT_TRUE(index.empty()) << index.size() << " more than on the CPU";
  }

  EmulatedLattice<T> device;
  LatticeVector cpu;
  std::vector<std::vector<int32_t>> to_device;
};

template <typename T>
void ExpectSameBuild(const at::Tensor& features) {
  const Both<T> both(features);
  const int64_t corners = features.size(2) + 1;
  const int64_t vertices = both.device.vertices();
  int64_t at = 0;
  for (int64_t n = 0; n < features.size(0); ++n) {
    const PermutohedralLattice& cpu = *both.cpu[n];
    const auto& to_device = both.to_device[n];
    for (int64_t i = 0; i < cpu.num_points() * corners; ++i, ++at) {
      ASSERT_EQ(both.device.vertex.data()[at], to_device[cpu.vertices()[i]]);
      ASSERT_EQ(both.device.weight.data()[at], cpu.weights<T>()[i]);
    }
    const auto& pairs = cpu.axis_neighbors().pairs;
    const auto expected = [&](int32_t v) {
      return v == cpu.num_vertices() ? -1 : to_device[v];
    };
    for (int64_t k = 0; k < corners; ++k) {
      for (int64_t v = 0; v < cpu.num_vertices(); ++v) {
        const int32_t* pair = &pairs[2 * (k * cpu.num_vertices() + v)];
        const int64_t place = k * vertices + to_device[v];
        ASSERT_EQ(both.device.previous->data()[place], expected(pair[0]));
        ASSERT_EQ(both.device.next->data()[place], expected(pair[1]));
      }
    }
  }
  // The sorted pairs are the transposed splat: vertex by vertex, by point.
  int64_t vertex = -1;
  for (int64_t e = 0; e < at; ++e) {
    const int32_t code = both.device.entry_point.data()[e];
    if (code < 0) {
      ASSERT_EQ(both.device.begin.data()[++vertex], e);
    }
    const int64_t point = code < 0 ? ~code : code;
    if (code >= 0) {
      ASSERT_GT(code, both.device.entry_point.data()[e - 1]);
    }
    if (e % cuda::kLatticeBlock == 0) {
      ASSERT_EQ(both.device.block_vertex.data()[e / cuda::kLatticeBlock],
                vertex);
    }
    const int32_t* own = both.device.vertex.data() + point * corners;
    const int64_t r = std::find(own, own + corners, vertex) - own;
    ASSERT_LT(r, corners);
    ASSERT_EQ(both.device.entry_weight.data()[e],
              both.device.weight.data()[point * corners + r]);
  }
  EXPECT_EQ(vertex + 1, vertices);
  EXPECT_EQ(both.device.begin.data()[vertices], at);
}

TEST(LatticeCudaTest, BuildsTheLatticesOfTheCpu) {
  ForEachSchedule(
      [] {
        ExpectSameBuild<float>(Features(2, 150, 5));
        ExpectSameBuild<float>(Features(1, 200, 2));
      },
      3);
  ExpectSameBuild<double>(Features(2, 90, 5, at::kDouble));
  ExpectSameBuild<double>(Features(1, 70, 2, at::kDouble));
}

TEST(LatticeCudaTest, BuildsAnyDimension) {
  for (int64_t dim : {1, 3, 4, 7}) {
    SCOPED_TRACE(dim);
    ExpectSameBuild<float>(Features(2, 40, dim));
  }
  ExpectSameBuild<double>(Features(3, 30, 6, at::kDouble));
}

TEST(LatticeCudaTest, BuildsOnePointEqualPointsAndMoreThanATile) {
  ExpectSameBuild<float>(Features(1, 1, 5));
  ExpectSameBuild<float>(Features(3, 1, 2));
  ExpectSameBuild<float>(torch::full({2, 700, 5}, 0.3));
  // 2 x 1500 x 3 pairs: several tiles of the sort; origin between simplices.
  ExpectSameBuild<float>(
      torch::cat({Features(1, 1500, 2) * 4, torch::zeros({1, 1500, 2})}));
}

TEST(LatticeCudaTest, TakesAnyStrides) {
  const at::Tensor features = Features(2, 50, 5);
  const at::Tensor planes =
      features.permute({2, 0, 1}).contiguous().permute({1, 2, 0});
  ASSERT_EQ(planes.stride(1), 1);
  ExpectSameBuild<float>(planes);
}

TEST(LatticeCudaTest, BuildsTheSameInEverySchedule) {
  const at::Tensor features = Features(2, 120, 5);
  ExpectSameInAllSchedules([&] {
    const EmulatedLattice<float> lattice(features);
    const int64_t vertices = lattice.vertices();
    std::vector<uint64_t> all(lattice.keys.data(),
                              lattice.keys.data() + vertices);
    for (int32_t v : lattice.vertex.ToVector()) all.push_back(v);
    for (int32_t p : lattice.entry_point.ToVector()) all.push_back(p);
    for (int32_t v : lattice.next->ToVector()) all.push_back(v);
    for (int32_t v : lattice.previous->ToVector()) all.push_back(v);
    return all;
  });
}

TEST(LatticeCudaTest, SaysWhatItCannotBuild) {
  at::Tensor features = Features(1, 40, 5);
  const EmulatedLattice<float> good(features);
  EXPECT_EQ(good.state.error, cuda::kLatticeGood);
  EXPECT_EQ(good.state.sort_bits, good.state.key_bits);
  const EmulatedLattice<float> narrow(features, good.state.key_bits - 1);
  EXPECT_EQ(narrow.state.error, cuda::kLatticeMoreBits);
  EXPECT_EQ(narrow.state.key_bits, good.state.key_bits);
  EXPECT_EQ(narrow.state.vertices, 0);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(),
                    std::numeric_limits<float>::infinity(), 1e9f, -1e30f}) {
    features[0][7][3] = bad;
    const EmulatedLattice<float> broken(features);
    EXPECT_EQ(broken.state.error, cuda::kLatticeOutOfRange) << bad;
    EXPECT_EQ(broken.state.vertices, 0);
  }
}

TEST(LatticeCudaTest, KnowsTheLargestQuotient) {
  at::Tensor features = torch::zeros({1, 9, 5});
  features[0][4][4] = 3000;
  // y_5 = -5 c_5 with c_5 = f sqrt(2/3) 6 / sqrt(30), divided by 6.
  const double q = 3000 * std::sqrt(2.0 / 3) * 5 / std::sqrt(30.0);
  const EmulatedLattice<float> lattice(features);
  EXPECT_NEAR(lattice.state.largest, q, 1.5);
}

// Rows of one kind on both devices.
template <typename T>
class Filters {
 public:
  Filters(const at::Tensor& features, int64_t labels, bool channels_last)
      : both_(features),
        images_(features.size(0)),
        points_(features.size(1)),
        labels_(labels) {
    torch::manual_seed(3);
    values_ = torch::randn({images_, labels, points_}, at::kDouble)
                  .to(features.scalar_type());
    factor_ = torch::rand({images_, points_}, values_.options()) + 0.5;
    if (channels_last) {
      values_ = values_.transpose(1, 2).contiguous().transpose(1, 2);
    }
  }

  void ExpectSame(bool reverse) {
    const cuda::LatticeParts<T> parts = both_.device.parts();
    at::Tensor out = torch::full({images_, labels_, points_},
                                 std::numeric_limits<double>::quiet_NaN(),
                                 values_.options());
    const DeviceArray<char> scratch(
        cuda::LatticeFilterScratchBytes(parts, labels_));
    cuda::LatticeFilterArguments<T> a;
    a.lattice = parts;
    a.labels = labels_;
    a.in = {values_.const_data_ptr<T>(), values_.stride(0), values_.stride(1),
            values_.stride(2)};
    a.out = {out.mutable_data_ptr<T>(), out.stride(0), out.stride(1),
             out.stride(2)};
    a.before = factor_.const_data_ptr<T>();
    a.after = factor_.const_data_ptr<T>();
    a.scale = T(0.75);
    a.reverse = reverse;
    a.scratch = scratch.data();
    EmulatedLattice<T>::Expect(cuda::LatticeFilter(a, nullptr));
    // Another order of the sum of a few hundred products.
    const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
    for (int64_t n = 0; n < images_; ++n) {
      const at::Tensor expected = Cpu(n, reverse);
      const double largest = expected.abs().max().item<double>();
      EXPECT_LE((out[n] - expected).abs().max().item<double>(),
                tolerance * largest)
          << "image " << n << ", reverse " << reverse;
    }
  }

 private:
  at::Tensor Cpu(int64_t n, bool reverse) const {
    using permutohedral::Planes;
    const at::Tensor out = torch::empty({labels_, points_}, values_.options());
    const T* factor = factor_.const_data_ptr<T>() + n * points_;
    const PermutohedralLattice& lattice = *both_.cpu[n];
    const int64_t row = permutohedral::RowLength(labels_);
    permutohedral::VertexRows<T> rows(lattice.num_vertices(), row);
    permutohedral::VertexRows<T> other(lattice.num_vertices(), row);
    permutohedral::Splat<T>(
        lattice,
        {values_.const_data_ptr<T>() + n * values_.stride(0), values_.stride(1),
         values_.stride(2)},
        labels_, factor, &rows);
    permutohedral::BlurAllAxes(lattice, reverse, &rows, &other);
    permutohedral::Slice<T>(lattice, rows, labels_, T(0.75), factor,
                            {out.mutable_data_ptr<T>(), points_, 1});
    return out;
  }

  Both<T> both_;
  int64_t images_, points_, labels_;
  at::Tensor values_;
  at::Tensor factor_;
};

TEST(FilterCudaTest, FiltersAsTheCpuDoes) {
  for (int64_t labels : {1, 2, 3, 21}) {
    SCOPED_TRACE(labels);
    Filters<float> filters(Features(2, 130, 5), labels, false);
    for (bool reverse : {false, true}) {
      ForEachSchedule([&] { filters.ExpectSame(reverse); }, 3);
    }
    Filters<double>(Features(1, 80, 2, at::kDouble), labels, true)
        .ExpectSame(false);
  }
}

TEST(FilterCudaTest, TakesManyLabelsAndAnyLayout) {
  for (int64_t labels : {5, 32, 40, 90}) {
    SCOPED_TRACE(labels);
    for (bool channels_last : {false, true}) {
      Filters<float>(Features(2, 33, 2), labels, channels_last)
          .ExpectSame(true);
    }
    Filters<double>(Features(1, 20, 3, at::kDouble), labels, false)
        .ExpectSame(false);
  }
}

TEST(FilterCudaTest, SplitsVerticesOfManyPoints) {
  // All points of an image on one simplex: blocks of its entries in the splat
  // are summed apart.
  const at::Tensor features =
      torch::full({2, 1100, 2}, 0.2) + 1e-3 * Features(2, 1100, 2);
  Filters<float> one(features, 1, false);
  ForEachSchedule([&] { one.ExpectSame(false); }, 3);
  for (int64_t labels : {3, 21}) {
    Filters<float>(features, labels, false).ExpectSame(false);
  }
  Filters<float>(Features(1, 1, 5), 21, false).ExpectSame(false);
}

}  // namespace
}  // namespace seg
