#include "common/layers/permutohedral/lattice_data.h"

#include <cstddef>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "common/layers/permutohedral/filter_core.h"
#include "common/layers/permutohedral/lattice_ops.h"
#include "common/layers/permutohedral/lattice_state.h"
#include "common/layers/permutohedral/taps.h"

namespace seg {
namespace {

using lattice_ops::Part;

at::Tensor ToDevice(const std::vector<int32_t>& numbers, at::IntArrayRef sizes,
                    const c10::Device& device) {
  return at::tensor(at::ArrayRef<int32_t>(numbers), at::kInt)
      .view(sizes)
      .to(device);
}

}  // namespace

LatticeData::LatticeData(const at::Tensor& features)
    : images_(features.size(0)),
      points_(features.size(1)),
      dim_(features.size(2)),
      device_(features.device()) {
  const at::NoGradGuard no_grad;
  parts_ = lattice_ops::Build(features.detach());
}

std::vector<at::Tensor> LatticeData::Parts(at::ScalarType type) const {
  if (parts_[Part::kWeight].scalar_type() == type) return parts_;
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  auto [it, inserted] = typed_.try_emplace(type, parts_);
  if (inserted) {
    for (const Part part : {Part::kWeight, Part::kEntryWeight}) {
      it->second[part] = parts_[part].to(type);
    }
  }
  return it->second;
}

const std::vector<int64_t>& LatticeData::FirstVertices() const {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (!first_vertices_.empty()) return first_vertices_;
  // Vertices are sorted by image first, and so is the first entry of each: that
  // of image n is the vertex where the image's entries begin.
  const at::Tensor begin =
      at::arange(images_ + 1, parts_[Part::kBegin].options()) *
      (points_ * (dim_ + 1));
  const at::Tensor first =
      at::searchsorted(parts_[Part::kBegin], begin.to(at::kInt))
          .to(at::kLong)
          .cpu();
  first_vertices_.assign(first.const_data_ptr<int64_t>(),
                         first.const_data_ptr<int64_t>() + first.numel());
  return first_vertices_;
}

at::Tensor LatticeData::TapTable(int64_t support) const {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  at::Tensor& kept = tap_tables_[support];
  if (kept.defined()) return kept;
  std::vector<int32_t> offsets;
  for (const auto& n : PermutohedralOffsets(dim_, support)) {
    offsets.insert(offsets.end(), n.begin(), n.end());
  }
  const int64_t taps = PermutohedralTaps(dim_, support);
  kept = lattice_ops::TapTable(parts_,
                               ToDevice(offsets, {taps, dim_ + 1}, device_));
  return kept;
}

at::Tensor LatticeData::Reflection(int64_t support) const {
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  at::Tensor& kept = reflections_[support];
  if (kept.defined()) return kept;
  std::vector<int32_t> reflection;
  for (const int64_t tap : PermutohedralReflection(dim_, support)) {
    reflection.push_back(static_cast<int32_t>(tap));
  }
  kept =
      ToDevice(reflection, {static_cast<int64_t>(reflection.size())}, device_);
  return kept;
}

at::Tensor LatticeData::Normalizer(LatticeNormalization normalization,
                                   int64_t support, at::ScalarType type) const {
  if (normalization == LatticeNormalization::kNone) return at::Tensor();
  constexpr double kEpsilon = 1e-20;  // densecrf
  const bool root = normalization == LatticeNormalization::kSymmetric;
  const at::NoGradGuard no_grad;
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  at::Tensor& kept = normalizers_[{root, support, type}];
  if (kept.defined()) return kept;
  const auto options = at::TensorOptions(device_).dtype(type);
  const at::Tensor ones = at::ones({images_, 1, points_}, options);
  at::Tensor sums;
  if (support == 0) {
    sums = lattice_ops::Filter(ones, Parts(type), {}, {},
                               permutohedral::GaussianScale(dim_), false);
  } else {
    const at::Tensor taps =
        PermutohedralGaussianTaps(dim_, support).to(options).view({1, 1, -1});
    sums =
        lattice_ops::Taps(ones, taps, Parts(type), TapTable(support), {}, {});
  }
  sums = sums.squeeze(1) + kEpsilon;
  kept = (root ? sums.sqrt() : sums).reciprocal();
  return kept;
}

c10::intrusive_ptr<const LatticeData> LatticeData::Image(int64_t image) const {
  const at::NoGradGuard no_grad;
  const std::lock_guard<std::recursive_mutex> lock(mutex_);
  auto& kept = single_[image];
  if (kept != nullptr) return kept;
  const int64_t first = FirstVertices()[image];
  const int64_t count = FirstVertices()[image + 1] - first;
  const int64_t entries = points_ * (dim_ + 1);
  const int64_t entry = image * entries;
  auto own =
      c10::intrusive_ptr<LatticeData>::unsafe_steal_from_new(new LatticeData);
  own->images_ = 1;
  own->points_ = points_;
  own->dim_ = dim_;
  own->device_ = device_;
  std::vector<at::Tensor>& p = own->parts_;
  p = parts_;
  // Copies, where a part would else begin amid a vector of the kernels.
  p[Part::kVertex] = parts_[Part::kVertex].narrow(0, image, 1) - first;
  p[Part::kWeight] = parts_[Part::kWeight].narrow(0, image, 1).clone();
  p[Part::kKeys] = parts_[Part::kKeys].narrow(0, first, count).clone();
  p[Part::kBegin] = parts_[Part::kBegin].narrow(0, first, count + 1) - entry;
  const at::Tensor point = parts_[Part::kEntryPoint].narrow(0, entry, entries);
  const int64_t shift = image * points_;
  p[Part::kEntryPoint] = at::where(point < 0, point + shift, point - shift);
  p[Part::kEntryWeight] =
      parts_[Part::kEntryWeight].narrow(0, entry, entries).clone();
  const at::Tensor blocks =
      at::arange(0, entries, cuda::kLatticeBlock, p[Part::kBegin].options());
  p[Part::kBlockVertex] =
      (at::searchsorted(p[Part::kBegin], blocks, /*out_int32=*/true,
                        /*right=*/true) -
       1)
          .contiguous();
  for (const Part part : {Part::kNext, Part::kPrevious}) {
    const at::Tensor next = parts_[part].narrow(1, first, count);
    p[part] = at::where(next < 0, next, next - first).contiguous();
  }
  // The number of vertices is what look-ups take from the state.
  p[Part::kState] = parts_[Part::kState].clone();
  p[Part::kState]
      .narrow(0, offsetof(cuda::LatticeState, vertices), sizeof(int32_t))
      .view(at::kInt)
      .fill_(count);
  kept = own;
  return kept;
}

}  // namespace seg
