#include "common/layers/mean_field/mean_field.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "ATen/core/grad_mode.h"
#include "common/layers/dispatch/dispatch.h"
#include "common/layers/mean_field/softmax_rows.h"
#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/filter_core.h"
#include "common/layers/permutohedral/permutohedral.h"

namespace seg {
namespace {

using permutohedral::LoadPoints;
using permutohedral::Planes;
using permutohedral::RowLength;
using permutohedral::VertexRows;

constexpr int64_t kBlock = 64;  // pixels at a time, in L1
constexpr int64_t kPointGrain = 4096;
constexpr int64_t kVertexGrain = 1024;

void CheckUnary(const at::Tensor& unary, const MeanFieldOptions& options) {
  TORCH_CHECK(unary.dim() == 4 && unary.size(1) >= 1,
              "MeanField: unary must be [N,L,H,W] with L >= 1, got ",
              unary.sizes());
  TORCH_CHECK(unary.is_cpu() || unary.is_cuda(),
              "MeanField: unary must be on the CPU or a GPU, got ",
              unary.device());
  TORCH_CHECK(
      unary.scalar_type() == at::kFloat || unary.scalar_type() == at::kDouble,
      "MeanField: unary must be float32 or float64, got ", unary.scalar_type());
  TORCH_CHECK(options.iterations >= 0,
              "MeanField: iterations must be >= 0, got ", options.iterations);
}

// One Gaussian kernel of one image: weights with the normaliser folded in, the
// rows being sliced and the rows being splatted.
template <typename T>
class Kernel {
 public:
  Kernel(const PermutohedralLattice& lattice, double weight,
         LatticeNormalization normalization, int64_t row)
      : lattice_(lattice),
        corners_(lattice.dim() + 1),
        row_(row),
        factor_(static_cast<T>(weight *
                               permutohedral::GaussianScale(lattice.dim()))),
        current_(lattice.num_vertices(), row),
        next_(lattice.num_vertices(), row) {
    using Norm = LatticeNormalization;
    const T* n = lattice.Normalizer<T>(normalization, 0);
    const bool before =
        normalization == Norm::kSymmetric || normalization == Norm::kBefore;
    const bool after =
        normalization == Norm::kSymmetric || normalization == Norm::kAfter;
    if (n != nullptr) {
      const int64_t slots = lattice.num_points() * corners_;
      scaled_ = permutohedral::Buffer<T>(slots);
      const T* w = lattice.weights<T>();
      for (int64_t p = 0; p < lattice.num_points(); ++p) {
        for (int64_t r = 0; r < corners_; ++r) {
          scaled_[p * corners_ + r] = w[p * corners_ + r] * n[p];
        }
      }
    }
    splat_weights_ = before ? scaled_.data() : lattice.weights<T>();
    slice_weights_ = after ? scaled_.data() : lattice.weights<T>();
    lattice.axis_neighbors();
  }

  // Adds the points' share to the splat of the next iteration.
  void Scatter(const T* q, int64_t begin, int64_t end) {
    permutohedral::SplatScatter(lattice_.vertices(), splat_weights_, corners_,
                                q, begin, end, row_, next_.data());
  }
  void StartScatter() { next_.Clear(); }
  // The whole splat from all points, in parallel.
  void Gather(const T* q) {
    const auto& lists = lattice_.point_lists();
    at::parallel_for(0, lattice_.num_vertices(), kVertexGrain,
                     [&](int64_t begin, int64_t end) {
                       permutohedral::SplatGather(
                           lists.begin.data(), lists.point.data(),
                           lists.slot.data(), splat_weights_, q, begin, end,
                           row_, next_.data());
                     });
  }
  void Blur() {
    permutohedral::BlurAllAxes(lattice_, false, &next_, &current_);
    current_.Swap(next_);
  }
  void AddSlice(int64_t begin, int64_t end, T* logits) const {
    permutohedral::SliceRowsAdd(lattice_.vertices(), slice_weights_, corners_,
                                current_.data(), factor_, begin, end, row_,
                                logits);
  }

 private:
  const PermutohedralLattice& lattice_;
  int64_t corners_;
  int64_t row_;
  T factor_;
  permutohedral::Buffer<T> scaled_;
  const T* splat_weights_ = nullptr;
  const T* slice_weights_ = nullptr;
  VertexRows<T> current_;
  VertexRows<T> next_;
};

// Inference in one image, values pixel-major throughout.
template <typename T>
class Inference {
 public:
  Inference(const Planes<const T>& unary, int64_t labels, int64_t points)
      : labels_(labels),
        points_(points),
        row_(RowLength(labels)),
        logits_(points * row_) {
    at::parallel_for(0, points, kPointGrain, [&](int64_t begin, int64_t end) {
      T* rows = logits_.data() + begin * row_;
      LoadPoints<T>(unary, labels, nullptr, begin, end, row_, rows);
      for (int64_t i = 0; i < (end - begin) * row_; ++i) rows[i] = -rows[i];
      for (int64_t p = 0; labels < row_ && p < end - begin; ++p) {
        std::fill(rows + p * row_ + labels, rows + (p + 1) * row_,
                  static_cast<T>(mean_field::kUnusedLogit));
      }
    });
  }

  void AddKernel(const LatticeVector& lattices, int64_t n, double weight,
                 LatticeNormalization normalization) {
    if (lattices.empty() || weight == 0) return;
    kernels_.push_back(
        std::make_unique<Kernel<T>>(*lattices[n], weight, normalization, row_));
  }

  void Run(int64_t iterations, const Planes<T>& out) {
    const bool parallel = at::get_num_threads() > 1 &&
                          !at::in_parallel_region() &&
                          points_ > 2 * kPointGrain;
    permutohedral::Buffer<T> q(parallel ? points_ * row_ : 0);
    for (int64_t t = 0; t <= iterations; ++t) {
      const bool last = t == iterations;
      if (!parallel && !last) {
        for (auto& kernel : kernels_) kernel->StartScatter();
      }
      at::parallel_for(
          0, points_, parallel ? kPointGrain : std::max<int64_t>(points_, 1),
          [&](int64_t first, int64_t end) {
            std::vector<T> buffer(kBlock * row_);
            for (int64_t begin = first; begin < end; begin += kBlock) {
              const int64_t stop = std::min(begin + kBlock, end);
              T* rows =
                  parallel && !last ? q.data() + begin * row_ : buffer.data();
              Update(t, begin, stop, rows);
              if (last) {
                permutohedral::StorePoints<T>(rows, row_, T(1), nullptr, begin,
                                              stop, labels_, out);
              } else if (!parallel) {
                for (auto& kernel : kernels_) {
                  kernel->Scatter(rows, begin, stop);
                }
              }
            }
          });
      if (last) return;
      for (auto& kernel : kernels_) {
        if (parallel) kernel->Gather(q.data());
        kernel->Blur();
      }
    }
  }

 private:
  // Q^t of pixels [begin,end) into rows.
  void Update(int64_t t, int64_t begin, int64_t end, T* rows) const {
    std::copy(logits_.data() + begin * row_, logits_.data() + end * row_, rows);
    if (t > 0) {
      for (const auto& kernel : kernels_) kernel->AddSlice(begin, end, rows);
    }
    mean_field::SoftmaxRows(end - begin, row_, rows);
  }

  int64_t labels_;
  int64_t points_;
  int64_t row_;
  permutohedral::Buffer<T> logits_;  // -U
  std::vector<std::unique_ptr<Kernel<T>>> kernels_;
};

at::Tensor Fused(const at::Tensor& unary, const LatticeVector& spatial,
                 const LatticeVector& bilateral,
                 const MeanFieldOptions& options) {
  const at::Tensor u = unary.flatten(2);
  const at::Tensor out =
      at::empty(unary.sizes(), unary.options().requires_grad(false));
  const at::Tensor q = out.flatten(2);
  AT_DISPATCH_FLOATING_TYPES(unary.scalar_type(), "MeanField", [&] {
    const auto run = [&](int64_t n) {
      Inference<scalar_t> inference(
          {u.const_data_ptr<scalar_t>() + n * u.stride(0), u.stride(1),
           u.stride(2)},
          u.size(1), u.size(2));
      inference.AddKernel(spatial, n, options.spatial_weight,
                          options.normalization);
      inference.AddKernel(bilateral, n, options.bilateral_weight,
                          options.normalization);
      inference.Run(options.iterations,
                    {q.mutable_data_ptr<scalar_t>() + n * q.stride(0),
                     q.stride(1), q.stride(2)});
    };
    if (u.size(0) >= at::get_num_threads()) {
      at::parallel_for(0, u.size(0), 1, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) run(n);
      });
    } else {
      for (int64_t n = 0; n < u.size(0); ++n) run(n);
    }
  });
  return out;
}

at::Tensor Differentiable(const at::Tensor& unary, const LatticeVector& spatial,
                          const LatticeVector& bilateral,
                          const MeanFieldOptions& options) {
  at::Tensor q = at::softmax(-unary, 1);
  for (int64_t t = 0; t < options.iterations; ++t) {
    at::Tensor logits = -unary;
    if (!spatial.empty() && options.spatial_weight != 0) {
      logits =
          logits + options.spatial_weight *
                       PermutohedralGaussian(q, spatial, options.normalization);
    }
    if (!bilateral.empty() && options.bilateral_weight != 0) {
      logits = logits +
               options.bilateral_weight *
                   PermutohedralGaussian(q, bilateral, options.normalization);
    }
    q = at::softmax(logits, 1);
  }
  return q.contiguous();
}

// Whether they are for a device, whose kernels a composition calls.
bool OnDevice(const LatticeVector& lattices) {
  return !lattices.empty() && lattices[0]->data() != nullptr;
}

void CheckLattices(const char* name, const LatticeVector& lattices,
                   const at::Tensor& unary) {
  if (lattices.empty()) return;
  TORCH_CHECK(static_cast<int64_t>(lattices.size()) == unary.size(0),
              "MeanField: ", name, " must have ", unary.size(0),
              " lattices, one an image, got ", lattices.size());
  const int64_t points = unary.size(2) * unary.size(3);
  for (const LatticePtr& lattice : lattices) {
    TORCH_CHECK(lattice != nullptr && lattice->num_points() == points,
                "MeanField: ", name, " lattices must have ", points,
                " points, got ",
                lattice == nullptr ? -1 : lattice->num_points());
  }
}

}  // namespace

at::Tensor MeanField(const at::Tensor& any_unary, const LatticeVector& spatial,
                     const LatticeVector& bilateral,
                     const MeanFieldOptions& options) {
  const at::Tensor unary = FloatUnderAutocast(any_unary);
  CheckUnary(unary, options);
  CheckLattices("spatial", spatial, unary);
  CheckLattices("bilateral", bilateral, unary);
  if (!unary.is_cpu() || OnDevice(spatial) || OnDevice(bilateral) ||
      (at::GradMode::is_enabled() && unary.requires_grad())) {
    return Differentiable(unary, spatial, bilateral, options);
  }
  return Fused(unary, spatial, bilateral, options);
}

at::Tensor MeanField(const at::Tensor& any_unary, const at::Tensor& images,
                     const MeanFieldOptions& options) {
  const at::Tensor unary = FloatUnderAutocast(any_unary);
  CheckUnary(unary, options);
  TORCH_CHECK(images.dim() == 4 && images.size(0) == unary.size(0) &&
                  images.size(1) == 3 && images.size(2) == unary.size(2) &&
                  images.size(3) == unary.size(3),
              "MeanField: images must be [", unary.size(0), ",3,",
              unary.size(2), ",", unary.size(3), "], got ", images.sizes());
  TORCH_CHECK(images.device() == unary.device(),
              "MeanField: images must be on the device of unary, ",
              unary.device(), ", got ", images.device());
  LatticeVector spatial, bilateral;
  if (options.spatial_weight != 0) {
    spatial = BuildSpatialLattices(unary.size(0), unary.size(2), unary.size(3),
                                   options.spatial_theta, unary.device());
  }
  if (options.bilateral_weight != 0) {
    bilateral = BuildBilateralLattices(images, options.bilateral_theta_position,
                                       options.bilateral_theta_colour);
  }
  return MeanField(unary, spatial, bilateral, options);
}

}  // namespace seg
