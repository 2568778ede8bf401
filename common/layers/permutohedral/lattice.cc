#include "common/layers/permutohedral/lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ATen/Dispatch.h"
#include "ATen/TensorOperators.h"
#include "common/layers/permutohedral/elevate.h"
#include "common/layers/permutohedral/filter_core.h"
#include "common/layers/permutohedral/key_table.h"
#include "common/layers/permutohedral/lattice_data.h"
#include "common/layers/permutohedral/lattice_ops.h"

namespace seg {
namespace {

using permutohedral::kBlock;
using permutohedral::KeyLayout;
using permutohedral::PackedKeys;
using permutohedral::WideKeys;

constexpr double kNormalizerEpsilon = 1e-20;  // densecrf
// A packed key leaves room for this many unit steps beyond the largest vertex.
constexpr int64_t kPackedMargin = 10;

// Features as blocks [d][kBlock], the last one filled up with its last point.
template <typename T>
class FeatureBlocks {
 public:
  FeatureBlocks(const at::Tensor& features)
      : data_(features.const_data_ptr<T>()),
        points_(features.size(0)),
        dim_(features.size(1)),
        point_stride_(features.stride(0)),
        dim_stride_(features.stride(1)) {}

  void Load(int64_t begin, T* out) const {
    const int64_t count = std::min(kBlock, points_ - begin);
    for (int64_t j = 0; j < dim_; ++j, out += kBlock) {
      const T* in = data_ + begin * point_stride_ + j * dim_stride_;
      if (point_stride_ == 1 && count == kBlock) {
        std::copy(in, in + kBlock, out);
        continue;
      }
      for (int64_t p = 0; p < kBlock; ++p) {
        out[p] = in[std::min(p, count - 1) * point_stride_];
      }
    }
  }

 private:
  const T* data_;
  int64_t points_;
  int64_t dim_;
  int64_t point_stride_;
  int64_t dim_stride_;
};

// Buffers of one block and the walk over all blocks.
template <typename T>
struct Elevation {
  explicit Elevation(const at::Tensor& features)
      : blocks(features),
        dim(features.size(1)),
        scale(dim),
        in(dim * kBlock),
        quotient((dim + 1) * kBlock),
        rank((dim + 1) * kBlock),
        weights((dim + 1) * kBlock) {
    permutohedral::LatticeScale(dim, scale.data());
  }

  void Run(int64_t begin) {
    blocks.Load(begin, in.data());
    TORCH_CHECK(permutohedral::ElevateBlock(in.data(), dim, scale.data(),
                                            quotient.data(), rank.data(),
                                            weights.data(), &max_quotient),
                "PermutohedralLattice: features must be finite and within 2^22 "
                "lattice cells of the origin; block of points starting at ",
                begin, " is not (is a theta far too small?)");
  }

  FeatureBlocks<T> blocks;
  int64_t dim;
  std::vector<T> scale, in, quotient, rank, weights;
  T max_quotient = 0;
};

// The vertices of one block, inserted vertex by vertex: runs of neighbouring
// points share them, so that most keys equal the one before.
class BlockInserter {
 public:
  BlockInserter(PackedKeys* table, int64_t corners)
      : table_(table),
        corners_(corners),
        last_key_(corners, ~uint64_t{0}),
        last_id_(corners, -1) {}

  // keys: [corners][kBlock]; vertices: [count][corners].
  void Insert(const uint64_t* keys, int64_t count, int32_t* vertices) {
    for (int64_t i = 0; i < corners_ * kBlock; ++i) table_->Prefetch(keys[i]);
    for (int64_t r = 0; r < corners_; ++r, keys += kBlock) {
      uint64_t key = last_key_[r];
      int32_t id = last_id_[r];
      for (int64_t p = 0; p < count; ++p) {
        if (keys[p] != key) {
          key = keys[p];
          id = table_->Insert(key);
        }
        vertices[p * corners_ + r] = id;
      }
      last_key_[r] = key;
      last_id_[r] = id;
    }
  }

 private:
  PackedKeys* table_;
  int64_t corners_;
  std::vector<uint64_t> last_key_;
  std::vector<int32_t> last_id_;
};

// [corners][kBlock] to [count][corners].
template <typename T>
void StoreWeights(const T* in, int64_t corners, int64_t count, T* out) {
  for (int64_t r = 0; r < corners; ++r, in += kBlock) {
    for (int64_t p = 0; p < count; ++p) out[p * corners + r] = in[p];
  }
}

// Inserts all points into packed keys; returns null when a coordinate does not
// fit. *max_quotient: the largest |q|, of all points unless null is returned.
template <typename T>
std::unique_ptr<PackedKeys> BuildPacked(const at::Tensor& features,
                                        int32_t* vertices, T* weights,
                                        T* max_quotient) {
  const int64_t points = features.size(0);
  const int64_t dim = features.size(1);
  const int64_t corners = dim + 1;
  const KeyLayout layout(dim);
  if (layout.bias <= kPackedMargin) return nullptr;
  const T limit = static_cast<T>(layout.bias - kPackedMargin);
  Elevation<T> elevation(features);
  auto table = std::make_unique<PackedKeys>(layout);
  BlockInserter inserter(table.get(), corners);
  std::vector<uint64_t> keys(corners * kBlock);
  for (int64_t begin = 0; begin < points; begin += kBlock) {
    elevation.Run(begin);
    if (elevation.max_quotient >= limit) return nullptr;
    permutohedral::PackBlock(elevation.quotient.data(), elevation.rank.data(),
                             layout, keys.data());
    const int64_t count = std::min(kBlock, points - begin);
    table->SetProgress(static_cast<double>(begin + count) / points);
    inserter.Insert(keys.data(), count, vertices + begin * corners);
    StoreWeights(elevation.weights.data(), corners, count,
                 weights + begin * corners);
  }
  *max_quotient = elevation.max_quotient;
  return table;
}

template <typename T>
std::unique_ptr<WideKeys> BuildWide(const at::Tensor& features,
                                    int32_t* vertices, T* weights,
                                    T* max_quotient) {
  const int64_t points = features.size(0);
  const int64_t dim = features.size(1);
  const int64_t corners = dim + 1;
  Elevation<T> elevation(features);
  auto table = std::make_unique<WideKeys>(dim);
  std::vector<int32_t> key(corners);
  for (int64_t begin = 0; begin < points; begin += kBlock) {
    elevation.Run(begin);
    const int64_t count = std::min(kBlock, points - begin);
    for (int64_t p = 0; p < count; ++p) {
      for (int64_t i = 0; i < dim; ++i) {
        key[i] = static_cast<int32_t>(elevation.quotient[i * kBlock + p]);
      }
      for (int64_t r = 0; r < corners; ++r) {
        // From remainder r-1 to r the quotient of the axis of rank d+1-r drops.
        for (int64_t i = 0; r > 0 && i < dim; ++i) {
          const T rank = elevation.rank[i * kBlock + p];
          if (static_cast<int64_t>(rank) == corners - r) --key[i];
        }
        key[dim] = static_cast<int32_t>(r);
        vertices[(begin + p) * corners + r] = table->Insert(key.data());
        weights[(begin + p) * corners + r] = elevation.weights[r * kBlock + p];
      }
    }
  }
  *max_quotient = elevation.max_quotient;
  return table;
}

}  // namespace

PermutohedralLattice::PermutohedralLattice() = default;
PermutohedralLattice::~PermutohedralLattice() = default;

PermutohedralLattice::PermutohedralLattice(
    c10::intrusive_ptr<const LatticeData> data, int64_t image)
    : data_(std::move(data)),
      image_(image),
      num_points_(data_->points()),
      dim_(data_->dim()) {}

int64_t PermutohedralLattice::DeviceVertices() const {
  const std::vector<int64_t>& first = data_->FirstVertices();
  return first[image_ + 1] - first[image_];
}

const LatticeData& PermutohedralLattice::own_data() const {
  return data_->images() == 1 ? *data_ : *data_->Image(image_);
}

void PermutohedralLattice::CheckOnHost(const char* what) const {
  TORCH_CHECK(data_ == nullptr, "PermutohedralLattice: ", what,
              " needs a lattice on the CPU, got one on ", data_->device());
}

LatticePtr PermutohedralLattice::Build(const at::Tensor& features, Keys keys) {
  TORCH_CHECK(features.dim() == 2 && features.size(1) >= 1 &&
                  features.size(1) <= permutohedral::kMaxDim,
              "PermutohedralLattice: features must be [P,d] with 1 <= d <= ",
              permutohedral::kMaxDim, ", got ", features.sizes());
  if (!features.is_cpu()) return BuildBatch(features.unsqueeze(0))[0];
  const at::ScalarType type = features.scalar_type();
  TORCH_CHECK(type == at::kFloat || type == at::kDouble,
              "PermutohedralLattice: features must be float32 or float64, got ",
              type);
  const int64_t points = features.size(0);
  const int64_t dim = features.size(1);
  TORCH_CHECK(points * (dim + 1) < std::numeric_limits<int32_t>::max(),
              "PermutohedralLattice: P (d+1) must be below 2^31, got P=",
              points, ", d=", dim);
  std::shared_ptr<PermutohedralLattice> lattice(new PermutohedralLattice);
  lattice->num_points_ = points;
  lattice->dim_ = dim;
  lattice->vertices_ = permutohedral::Buffer<int32_t>(points * (dim + 1));
  lattice->keys_ = std::make_unique<KeyTable>();
  // Returns the largest |q|.
  const auto build = [&](auto* storage) {
    *storage = std::decay_t<decltype(*storage)>(points * (dim + 1));
    std::decay_t<decltype(*storage->data())> max_quotient = 0;
    KeyTable* table = lattice->keys_.get();
    int32_t* vertices = lattice->vertices_.data();
    if (keys != Keys::kWide) {
      table->packed =
          BuildPacked(features, vertices, storage->data(), &max_quotient);
      TORCH_CHECK(table->packed != nullptr || keys == Keys::kAuto,
                  "PermutohedralLattice: keys overflow one 64-bit word: d=",
                  dim, " leaves ", KeyLayout(dim).field_bits,
                  " bits a coordinate; use Keys::kAuto or a larger theta");
    }
    if (table->packed == nullptr) {
      table->wide =
          BuildWide(features, vertices, storage->data(), &max_quotient);
    }
    return static_cast<double>(max_quotient);
  };
  if (type == at::kFloat) {
    if (build(&lattice->weights_float_) > permutohedral::kMaxFloatQuotient) {
      return Build(features.to(at::kDouble), keys);
    }
  } else {
    build(&lattice->weights_double_);
  }
  lattice->packed_ = lattice->keys_->packed != nullptr;
  lattice->num_vertices_ = lattice->packed_ ? lattice->keys_->packed->size()
                                            : lattice->keys_->wide->size();
  return lattice;
}

LatticeVector PermutohedralLattice::BuildBatch(const at::Tensor& features) {
  TORCH_CHECK(features.dim() == 3,
              "PermutohedralLattice: features must be [N,P,d], got ",
              features.sizes());
  LatticeVector lattices;
  if (features.is_cpu()) {
    for (int64_t n = 0; n < features.size(0); ++n) {
      lattices.push_back(Build(features[n]));
    }
    return lattices;
  }
  TORCH_CHECK(
      features.is_cuda(),
      "PermutohedralLattice: features must be on the CPU or a GPU, got ",
      features.device());
  lattice_ops::CheckBuiltFor("PermutohedralLattice", features);
  if (features.size(0) == 0) return lattices;
  const auto data = c10::make_intrusive<LatticeData>(features);
  for (int64_t n = 0; n < features.size(0); ++n) {
    lattices.push_back(std::make_shared<PermutohedralLattice>(data, n));
  }
  return lattices;
}

template <>
const float* PermutohedralLattice::weights<float>() const {
  CheckOnHost("weights");
  std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (weights_float_.size() != vertices_.size()) {
    weights_float_ = permutohedral::Buffer<float>(vertices_.size());
    std::copy(weights_double_.data(), weights_double_.data() + vertices_.size(),
              weights_float_.data());
  }
  return weights_float_.data();
}

template <>
const double* PermutohedralLattice::weights<double>() const {
  CheckOnHost("weights");
  std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (weights_double_.size() != vertices_.size()) {
    weights_double_ = permutohedral::Buffer<double>(vertices_.size());
    std::copy(weights_float_.data(), weights_float_.data() + vertices_.size(),
              weights_double_.data());
  }
  return weights_double_.data();
}

std::vector<int64_t> PermutohedralLattice::VertexCoordinates(
    int64_t vertex) const {
  CheckOnHost("VertexCoordinates");
  TORCH_CHECK(vertex >= 0 && vertex < num_vertices_,
              "VertexCoordinates: vertex must be in [0,", num_vertices_,
              "), got ", vertex);
  std::vector<int64_t> x(dim_ + 1);
  const int64_t remainder = keys_->Decode(vertex, dim_, x.data());
  int64_t sum = 0;
  for (int64_t i = 0; i < dim_; ++i) {
    x[i] = x[i] * (dim_ + 1) + remainder;
    sum += x[i];
  }
  x[dim_] = -sum;
  return x;
}

template <typename T>
const T* PermutohedralLattice::Normalizer(LatticeNormalization normalization,
                                          int64_t support) const {
  if (normalization == LatticeNormalization::kNone) return nullptr;
  CheckOnHost("Normalizer");
  const bool root = normalization == LatticeNormalization::kSymmetric;
  std::lock_guard<std::recursive_mutex> lock(mutex_);
  auto* kept = [this] {
    if constexpr (std::is_same_v<T, float>) {
      return &norm_float_;
    } else {
      return &norm_double_;
    }
  }();
  auto [it, inserted] = kept->try_emplace({root, support});
  if (inserted) {
    std::vector<T> ones(num_points_, T(1));
    std::vector<T>& n = it->second;
    n.resize(num_points_);
    if (support == 0) {
      permutohedral::GaussianFilter<T>(*this, {ones.data(), 0, 1}, 1, {}, false,
                                       {n.data(), 0, 1});
    } else {
      permutohedral::GaussianTapsOfOnes<T>(*this, support, n.data());
    }
    for (T& x : n) {
      x += static_cast<T>(kNormalizerEpsilon);
      x = T(1) / (root ? std::sqrt(x) : x);
    }
  }
  return it->second.data();
}
template const float* PermutohedralLattice::Normalizer<float>(
    LatticeNormalization, int64_t) const;
template const double* PermutohedralLattice::Normalizer<double>(
    LatticeNormalization, int64_t) const;

}  // namespace seg
