// The lattice of a batch on a device: what the raw operators (lattice_ops.h)
// made of it, and what is derived from that when first asked for (internal;
// PermutohedralLattice stands for one image of it).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_DATA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_DATA_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "ATen/core/Tensor.h"
#include "ATen/core/ivalue.h"
#include "common/layers/permutohedral/lattice.h"

namespace seg {

// Immutable but for what is kept; thread safe.
class LatticeData : public torch::CustomClassHolder {
 public:
  // features: [N,P,d] on the device, any strides, N P > 0.
  explicit LatticeData(const at::Tensor& features);

  int64_t images() const { return images_; }
  int64_t points() const { return points_; }
  int64_t dim() const { return dim_; }
  const c10::Device& device() const { return device_; }

  // The parts of lattice_ops.h with weights of this type.
  std::vector<at::Tensor> Parts(at::ScalarType type) const;

  // Where each image's vertices begin, and their number, [N+1]. Reads from the
  // device.
  const std::vector<int64_t>& FirstVertices() const;

  // For a filter of the support s: int32 [taps,M] and [taps].
  at::Tensor TapTable(int64_t support) const;
  at::Tensor Reflection(int64_t support) const;

  // The scaling of each point as PermutohedralLattice::Normalizer has it,
  // [N,P]; undefined for kNone.
  at::Tensor Normalizer(LatticeNormalization normalization, int64_t support,
                        at::ScalarType type) const;

  // One image's lattice by itself.
  c10::intrusive_ptr<const LatticeData> Image(int64_t image) const;

 private:
  LatticeData() = default;

  int64_t images_ = 0;
  int64_t points_ = 0;
  int64_t dim_ = 0;
  c10::Device device_ = c10::kCPU;
  std::vector<at::Tensor> parts_;

  mutable std::recursive_mutex mutex_;
  mutable std::vector<int64_t> first_vertices_;
  mutable std::map<at::ScalarType, std::vector<at::Tensor>> typed_;
  mutable std::map<int64_t, at::Tensor> tap_tables_;
  mutable std::map<int64_t, at::Tensor> reflections_;
  mutable std::map<std::tuple<bool, int64_t, at::ScalarType>, at::Tensor>
      normalizers_;
  mutable std::map<int64_t, c10::intrusive_ptr<const LatticeData>> single_;
};

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_DATA_H_
