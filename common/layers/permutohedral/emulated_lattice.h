// A lattice built by the device kernels in the emulator, for tests.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_EMULATED_LATTICE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_EMULATED_LATTICE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/layers/permutohedral/lattice_cuda.h"
#include "common/layers/permutohedral/taps.h"
#include "common/testing/cuda_emulator/emulator.h"

namespace seg {

template <typename T>
class EmulatedLattice {
 public:
  using Numbers = cuda::emulator::DeviceArray<int32_t>;
  using Values = cuda::emulator::DeviceArray<T>;
  using Coordinates = std::vector<int64_t>;  // image, then d+1 numbers

  // features: [N,P,d] on the CPU, any strides, N and P positive.
  explicit EmulatedLattice(const at::Tensor& features, int max_key_bits = 63)
      : images_(features.size(0)),
        points_(features.size(1)),
        dim_(features.size(2)),
        entries_(images_ * points_ * (dim_ + 1)) {
    cuda::LatticeBuildArguments<T> a;
    a.features = features.const_data_ptr<T>();
    a.image_stride = features.stride(0);
    a.point_stride = features.stride(1);
    a.dim_stride = features.stride(2);
    a.images = images_;
    a.points = points_;
    a.dim = dim_;
    a.max_key_bits = max_key_bits;
    a.vertex = vertex.data();
    a.weight = weight.data();
    a.keys = keys.data();
    a.begin = begin.data();
    a.entry_point = entry_point.data();
    a.entry_weight = entry_weight.data();
    a.block_vertex = block_vertex.data();
    a.state = device_state.data();
    a.scratch = scratch.data();
    Expect(LatticeBuild(a, nullptr));
    state = *device_state.data();
    if (state.error != cuda::kLatticeGood) return;
    const int64_t vertices = state.vertices;
    next = std::make_unique<Numbers>((dim_ + 1) * vertices);
    previous = std::make_unique<Numbers>((dim_ + 1) * vertices);
    Expect(cuda::LatticeNeighbors(
        {device_state.data(), keys.data(), dim_, vertices, vertices,
         next->data(), previous->data()},
        nullptr));
  }

  static void Expect(cudaError_t error) {
    ASSERT_EQ(error, cudaSuccess) << cuda::emulator::LastError();
  }

  int64_t vertices() const { return state.vertices; }

  cuda::LatticeParts<T> parts() const {
    cuda::LatticeParts<T> p;
    p.images = images_;
    p.points = points_;
    p.dim = dim_;
    p.vertices = vertices();
    p.vertex = vertex.data();
    p.weight = weight.data();
    p.begin = begin.data();
    p.entry_point = entry_point.data();
    p.entry_weight = entry_weight.data();
    p.block_vertex = block_vertex.data();
    p.next = next->data();
    p.previous = previous->data();
    p.neighbor_stride = vertices();
    return p;
  }

  // [taps,M], missing ones M.
  std::unique_ptr<Numbers> TapTable(int64_t support) const {
    std::vector<int32_t> offsets;
    for (const auto& n : PermutohedralOffsets(dim_, support)) {
      offsets.insert(offsets.end(), n.begin(), n.end());
    }
    const Numbers device_offsets(offsets);
    cuda::LatticeTapArguments a;
    a.state = device_state.data();
    a.keys = keys.data();
    a.dim = dim_;
    a.vertices = vertices();
    a.stride = vertices();
    a.taps = PermutohedralTaps(dim_, support);
    a.offsets = device_offsets.data();
    a.missing = static_cast<int32_t>(vertices());
    auto table = std::make_unique<Numbers>(a.taps * vertices());
    a.table = table->data();
    Expect(cuda::LatticeTapNeighbors(a, nullptr));
    return table;
  }

  Coordinates CoordinatesOf(int64_t vertex) const {
    const cuda::LatticeKeys& layout = state.keys;
    const uint64_t key = keys.data()[vertex];
    const auto bits = [key](int shift, int count) {
      return static_cast<int64_t>(key >> shift & ((uint64_t{1} << count) - 1));
    };
    const int64_t remainder = bits(0, layout.remainder_bits);
    std::vector<int64_t> quotient(dim_ + 1, 0);
    for (int64_t i = dim_ - 1; i >= 0; --i) {
      quotient[i] = bits(layout.shift[i], layout.bits[i]) + layout.base[i];
      if (layout.differs[i] != 0) quotient[i] += quotient[i + 1];
    }
    Coordinates x = {static_cast<int64_t>(key >> layout.image_shift)};
    int64_t sum = 0;
    for (int64_t i = 0; i < dim_; ++i) {
      x.push_back(quotient[i] * (dim_ + 1) + remainder);
      sum += x.back();
    }
    x.push_back(-sum);
    return x;
  }

 private:
  int64_t images_, points_, dim_, entries_;

 public:
  Numbers vertex{static_cast<size_t>(entries_)};
  Values weight{static_cast<size_t>(entries_)};
  cuda::emulator::DeviceArray<uint64_t> keys{static_cast<size_t>(entries_)};
  Numbers begin{static_cast<size_t>(entries_ + 1)};
  Numbers entry_point{static_cast<size_t>(entries_)};
  Values entry_weight{static_cast<size_t>(entries_)};
  Numbers block_vertex{static_cast<size_t>(
      (entries_ + cuda::kLatticeBlock - 1) / cuda::kLatticeBlock)};
  cuda::emulator::DeviceArray<cuda::LatticeState> device_state{1};
  cuda::emulator::DeviceArray<char> scratch{
      cuda::LatticeBuildScratchBytes(entries_)};
  cuda::LatticeState state;
  std::unique_ptr<Numbers> next, previous;  // [d+1,M]
};

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_EMULATED_LATTICE_H_
