#include "common/layers/permutohedral/lattice_cuda_tensors.h"

#include <cstring>
#include <limits>

#include "ATen/ATen.h"
#include "ATen/Dispatch.h"
#include "c10/core/DeviceGuard.h"
#include "common/layers/dispatch/launch.h"
#include "common/layers/permutohedral/elevate.h"
#include "common/layers/permutohedral/lattice_cuda.h"
#include "common/layers/permutohedral/lattice_ops.h"
#include "common/layers/permutohedral/tap_filter_cuda.h"
#include "torch/library.h"

namespace seg {
namespace lattice_ops {
namespace {

constexpr char kOp[] = "PermutohedralLattice";

// Enough for images; what needs more is sorted again.
constexpr int kFirstKeyBits = 40;
constexpr int kMostKeyBits = 63;

at::Tensor Scratch(const at::Tensor& like, size_t bytes) {
  return at::empty({static_cast<int64_t>(bytes)},
                   like.options().dtype(at::kByte));
}

template <typename T>
cuda::LatticeState RunBuild(const at::Tensor& features, int max_key_bits,
                            std::vector<at::Tensor>* parts) {
  const int64_t images = features.size(0);
  const int64_t points = features.size(1);
  const int64_t corners = features.size(2) + 1;
  const int64_t entries = images * points * corners;
  const auto values = features.options();
  const auto numbers = values.dtype(at::kInt);
  std::vector<at::Tensor>& p = *parts;
  p.assign(kParts, at::Tensor());
  p[kVertex] = at::empty({images, points, corners}, numbers);
  p[kWeight] = at::empty({images, points, corners}, values);
  p[kKeys] = at::empty({entries}, values.dtype(at::kLong));
  p[kBegin] = at::empty({entries + 1}, numbers);
  p[kEntryPoint] = at::empty({entries}, numbers);
  p[kEntryWeight] = at::empty({entries}, values);
  p[kBlockVertex] = at::empty(
      {(entries + cuda::kLatticeBlock - 1) / cuda::kLatticeBlock}, numbers);
  p[kState] = Scratch(features, sizeof(cuda::LatticeState));
  const at::Tensor scratch =
      Scratch(features, cuda::LatticeBuildScratchBytes(entries));
  cuda::LatticeBuildArguments<T> a;
  a.features = features.const_data_ptr<T>();
  a.image_stride = features.stride(0);
  a.point_stride = features.stride(1);
  a.dim_stride = features.stride(2);
  a.images = images;
  a.points = points;
  a.dim = features.size(2);
  a.max_key_bits = max_key_bits;
  a.vertex = p[kVertex].mutable_data_ptr<int32_t>();
  a.weight = p[kWeight].mutable_data_ptr<T>();
  a.keys = reinterpret_cast<uint64_t*>(p[kKeys].mutable_data_ptr<int64_t>());
  a.begin = p[kBegin].mutable_data_ptr<int32_t>();
  a.entry_point = p[kEntryPoint].mutable_data_ptr<int32_t>();
  a.entry_weight = p[kEntryWeight].mutable_data_ptr<T>();
  a.block_vertex = p[kBlockVertex].mutable_data_ptr<int32_t>();
  a.state = static_cast<cuda::LatticeState*>(p[kState].mutable_data_ptr());
  a.scratch = scratch.mutable_data_ptr();
  CheckLaunch(kOp, cuda::LatticeBuild(a, CurrentStream(features)));
  cuda::LatticeState state;
  const at::Tensor host = p[kState].cpu();
  std::memcpy(&state, host.const_data_ptr(), sizeof(state));
  return state;
}

std::vector<at::Tensor> BuildKernel(const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 3 && features.size(2) >= 1 &&
                  features.size(2) <= cuda::kLatticeMaxDim &&
                  features.size(0) * features.size(1) > 0,
              "lattice_build: features must be [N,P,d] with N P > 0 and 1 <= d "
              "<= ",
              cuda::kLatticeMaxDim, " on a device, got ", features.sizes());
  TORCH_CHECK(features.numel() / features.size(2) * (features.size(2) + 1) <
                  std::numeric_limits<int32_t>::max(),
              "PermutohedralLattice: N P (d+1) must be below 2^31, got "
              "features of ",
              features.sizes());
  // Filters give each image a block of the grid's z.
  constexpr int64_t kMostImages = 65535;
  TORCH_CHECK(features.size(0) <= kMostImages, "PermutohedralLattice: at most ",
              kMostImages, " images in a batch on a device, got ",
              features.size(0));
  const c10::DeviceGuard guard(features.device());
  std::vector<at::Tensor> parts;
  cuda::LatticeState state;
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "lattice_build", [&] {
    state = RunBuild<scalar_t>(features, kFirstKeyBits, &parts);
    if (state.error == cuda::kLatticeMoreBits &&
        state.key_bits <= kMostKeyBits) {
      state = RunBuild<scalar_t>(features, kMostKeyBits, &parts);
    }
  });
  TORCH_CHECK(state.error != cuda::kLatticeOutOfRange,
              "PermutohedralLattice: features must be finite and within 2^22 "
              "lattice cells of the origin (is a theta far too small?)");
  TORCH_CHECK(state.error == cuda::kLatticeGood,
              "PermutohedralLattice: keys take ", state.key_bits,
              " bits and a device has room for ", kMostKeyBits,
              "; use a larger theta, fewer dimensions, or the CPU");
  if (features.scalar_type() == at::kFloat &&
      state.largest > permutohedral::kMaxFloatQuotient) {
    return BuildKernel(features.to(at::kDouble));
  }
  const int64_t vertices = state.vertices;
  // The rest of what was kept for the largest number of vertices is freed.
  parts[kKeys] = parts[kKeys].narrow(0, 0, vertices).clone();
  parts[kBegin] = parts[kBegin].narrow(0, 0, vertices + 1).clone();
  const int64_t dim = features.size(2);
  for (const Part part : {kNext, kPrevious}) {
    parts[part] = at::empty({dim + 1, vertices}, parts[kBegin].options());
  }
  cuda::LatticeNeighborArguments a;
  a.state =
      static_cast<const cuda::LatticeState*>(parts[kState].const_data_ptr());
  a.keys =
      reinterpret_cast<const uint64_t*>(parts[kKeys].const_data_ptr<int64_t>());
  a.dim = dim;
  a.vertices = vertices;
  a.stride = vertices;
  a.next = parts[kNext].mutable_data_ptr<int32_t>();
  a.previous = parts[kPrevious].mutable_data_ptr<int32_t>();
  CheckLaunch(kOp, cuda::LatticeNeighbors(a, CurrentStream(features)));
  return parts;
}

at::Tensor TapTableKernel(at::TensorList lattice, const at::Tensor& offsets) {
  constexpr int64_t kMostTaps = 65535;  // of a grid
  const c10::DeviceGuard guard(offsets.device());
  const int64_t vertices = lattice[kKeys].size(0);
  TORCH_CHECK(offsets.size(0) <= kMostTaps, "PermutohedralFilter: at most ",
              kMostTaps, " taps on a device, got ", offsets.size(0));
  const at::Tensor table =
      at::empty({offsets.size(0), vertices}, offsets.options());
  cuda::LatticeTapArguments a;
  a.state =
      static_cast<const cuda::LatticeState*>(lattice[kState].const_data_ptr());
  a.keys = reinterpret_cast<const uint64_t*>(
      lattice[kKeys].const_data_ptr<int64_t>());
  a.dim = offsets.size(1) - 1;
  a.vertices = vertices;
  a.stride = vertices;
  a.taps = offsets.size(0);
  a.offsets = offsets.const_data_ptr<int32_t>();
  a.missing = static_cast<int32_t>(vertices);
  a.table = table.mutable_data_ptr<int32_t>();
  CheckLaunch(kOp, cuda::LatticeTapNeighbors(a, CurrentStream(offsets)));
  return table;
}

template <typename T>
cuda::LatticeParts<T> PartsOf(at::TensorList lattice) {
  cuda::LatticeParts<T> p;
  p.images = lattice[kVertex].size(0);
  p.points = lattice[kVertex].size(1);
  p.dim = lattice[kVertex].size(2) - 1;
  p.vertices = lattice[kKeys].size(0);
  p.vertex = lattice[kVertex].const_data_ptr<int32_t>();
  p.weight = lattice[kWeight].const_data_ptr<T>();
  p.begin = lattice[kBegin].const_data_ptr<int32_t>();
  p.entry_point = lattice[kEntryPoint].const_data_ptr<int32_t>();
  p.entry_weight = lattice[kEntryWeight].const_data_ptr<T>();
  p.block_vertex = lattice[kBlockVertex].const_data_ptr<int32_t>();
  p.next = lattice[kNext].const_data_ptr<int32_t>();
  p.previous = lattice[kPrevious].const_data_ptr<int32_t>();
  p.neighbor_stride = p.vertices;
  return p;
}

template <typename T>
cuda::LatticePlanes<const T> Planes(const at::Tensor& x) {
  return {x.const_data_ptr<T>(), x.stride(0), x.stride(1), x.stride(2)};
}
template <typename T>
cuda::LatticePlanes<T> MutablePlanes(const at::Tensor& x) {
  return {x.mutable_data_ptr<T>(), x.stride(0), x.stride(1), x.stride(2)};
}

template <typename T>
const T* Factor(const std::optional<at::Tensor>& factor) {
  return factor.has_value() ? factor->const_data_ptr<T>() : nullptr;
}

void CheckShapes(const char* op, const at::Tensor& values,
                 at::TensorList lattice) {
  TORCH_CHECK(lattice.size() == kParts, op, ": a lattice has ", int{kParts},
              " parts, got ", lattice.size());
  TORCH_CHECK(values.dim() == 3 && values.size(0) == lattice[kVertex].size(0) &&
                  values.size(2) == lattice[kVertex].size(1),
              op, ": values must be [", lattice[kVertex].size(0), ",L,",
              lattice[kVertex].size(1), "], got ", values.sizes());
  TORCH_CHECK(values.scalar_type() == lattice[kWeight].scalar_type(), op,
              ": the weights must have the values' type ", values.scalar_type(),
              ", got ", lattice[kWeight].scalar_type());
}

at::Tensor FilterKernel(const at::Tensor& values, at::TensorList lattice,
                        const std::optional<at::Tensor>& before,
                        const std::optional<at::Tensor>& after, double scale,
                        bool reverse) {
  CheckShapes("lattice_filter", values, lattice);
  const c10::DeviceGuard guard(values.device());
  const at::Tensor out = at::empty(values.sizes(), values.options());
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "lattice_filter", [&] {
    cuda::LatticeFilterArguments<scalar_t> a;
    a.lattice = PartsOf<scalar_t>(lattice);
    a.labels = values.size(1);
    a.in = Planes<scalar_t>(values);
    a.out = MutablePlanes<scalar_t>(out);
    a.before = Factor<scalar_t>(before);
    a.after = Factor<scalar_t>(after);
    a.scale = static_cast<scalar_t>(scale);
    a.reverse = reverse;
    const at::Tensor scratch =
        Scratch(values, cuda::LatticeFilterScratchBytes(a.lattice, a.labels));
    a.scratch = scratch.mutable_data_ptr();
    CheckLaunch(kOp, cuda::LatticeFilter(a, CurrentStream(values)));
  });
  return out;
}

// `scratch` and `filter` are what the arguments point into.
template <typename T>
cuda::LatticeTapFilterArguments<T> TapArguments(
    const at::Tensor& values, const at::Tensor& filter, at::TensorList lattice,
    const at::Tensor& table, const std::optional<at::Tensor>& before,
    const std::optional<at::Tensor>& after, at::Tensor* scratch) {
  cuda::LatticeTapFilterArguments<T> a;
  a.lattice = PartsOf<T>(lattice);
  a.taps = filter.size(2);
  a.table = table.const_data_ptr<int32_t>();
  a.stride = table.size(1);
  a.labels_in = filter.size(1);
  a.labels_out = filter.size(0);
  a.filter = filter.const_data_ptr<T>();
  a.in = Planes<T>(values);
  a.before = Factor<T>(before);
  a.after = Factor<T>(after);
  // (The older allowTF32CuBLAS throws where the newer interface was used.)
  a.tf32 = at::globalContext().float32Precision(at::Float32Backend::CUDA,
                                                at::Float32Op::MATMUL) ==
           at::Float32Precision::TF32;
  *scratch = Scratch(values, cuda::LatticeTapFilterScratchBytes(a));
  a.scratch = scratch->mutable_data_ptr();
  return a;
}

at::Tensor TapsKernel(const at::Tensor& values, const at::Tensor& filter,
                      at::TensorList lattice, const at::Tensor& table,
                      const std::optional<at::Tensor>& before,
                      const std::optional<at::Tensor>& after) {
  CheckShapes("lattice_taps", values, lattice);
  const c10::DeviceGuard guard(values.device());
  const at::Tensor f = filter.contiguous();
  const at::Tensor out =
      at::empty({values.size(0), f.size(0), values.size(2)}, values.options());
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "lattice_taps", [&] {
    at::Tensor scratch;
    const auto a = TapArguments<scalar_t>(values, f, lattice, table, before,
                                          after, &scratch);
    CheckLaunch(kOp, cuda::LatticeTapFilter(a, MutablePlanes<scalar_t>(out),
                                            CurrentStream(values)));
  });
  return out;
}

std::tuple<at::Tensor, at::Tensor> TapsBackwardKernel(
    const at::Tensor& gradient, const at::Tensor& values,
    const at::Tensor& filter, at::TensorList lattice, const at::Tensor& table,
    const at::Tensor& reflection, const std::optional<at::Tensor>& before,
    const std::optional<at::Tensor>& after, bool want_values,
    bool want_filter) {
  CheckShapes("lattice_taps_backward", values, lattice);
  CheckShapes("lattice_taps_backward", gradient, lattice);
  const c10::DeviceGuard guard(values.device());
  const at::Tensor f = filter.contiguous();
  const at::Tensor d_values = at::empty(
      want_values ? values.sizes() : at::IntArrayRef({0}), values.options());
  const at::Tensor d_filter =
      at::empty(want_filter ? f.sizes() : at::IntArrayRef({0}),
                values.options().dtype(at::kDouble));
  AT_DISPATCH_FLOATING_TYPES(
      values.scalar_type(), "lattice_taps_backward", [&] {
        at::Tensor scratch;
        const auto a = TapArguments<scalar_t>(values, f, lattice, table, before,
                                              after, &scratch);
        cuda::LatticeTapFilterGradients<scalar_t> g;
        g.out = Planes<scalar_t>(gradient);
        g.reflection = reflection.const_data_ptr<int32_t>();
        if (want_values) g.in = MutablePlanes<scalar_t>(d_values);
        if (want_filter) g.filter = d_filter.mutable_data_ptr<double>();
        CheckLaunch(
            kOp, cuda::LatticeTapFilterBackward(a, g, CurrentStream(values)));
      });
  return {d_values, d_filter};
}

}  // namespace

void RegisterKernels(torch::Library* library) {
  library->impl("lattice_build", TORCH_FN(BuildKernel));
  library->impl("lattice_tap_table", TORCH_FN(TapTableKernel));
  library->impl("lattice_filter", TORCH_FN(FilterKernel));
  library->impl("lattice_taps", TORCH_FN(TapsKernel));
  library->impl("lattice_taps_backward", TORCH_FN(TapsBackwardKernel));
}

}  // namespace lattice_ops
}  // namespace seg
