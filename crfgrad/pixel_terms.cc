#include "crfgrad/pixel_terms.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/layers/label_convolution/label_convolution.h"
#include "common/layers/permutohedral/taps.h"

namespace seg {
namespace crfgrad {
namespace {

at::Tensor InDouble(const at::Tensor& x) {
  return x.detach().to(at::kCPU, at::kDouble);
}

}  // namespace

PixelTerms::PixelTerms(const CrfFilters& filters, LatticePtr lattice,
                       int64_t labels, int64_t height, int64_t width)
    : labels_(labels),
      height_(height),
      width_(width),
      values_(height * width * labels, 0.0) {
  if (filters.spatial.defined()) {
    spatial_ = InDouble(filters.spatial).permute({2, 3, 1, 0}).contiguous();
  }
  if (!filters.bilateral.defined()) return;
  bilateral_ = InDouble(filters.bilateral).permute({2, 1, 0}).contiguous();
  lattice_ = std::move(lattice);
  corners_ = lattice_->dim() + 1;
  taps_ = bilateral_.size(0);
  const int64_t support = PermutohedralSupport(lattice_->dim(), taps_);
  barycentric_ = lattice_->weights<double>();
  normalizer_ =
      lattice_->Normalizer<double>(LatticeNormalization::kSymmetric, support);
  const int64_t vertices = lattice_->num_vertices();
  const std::vector<int32_t> by_tap = lattice_->FindNeighbors(support);
  neighbours_.resize(vertices * taps_);
  for (int64_t o = 0; o < taps_; ++o) {
    for (int64_t v = 0; v < vertices; ++v) {
      neighbours_[v * taps_ + o] = by_tap[o * vertices + v];
    }
  }
  splat_.assign(vertices * labels, 0.0);
  mark_.assign(vertices, 0.0);
}

void PixelTerms::Replace(int64_t pixel, const double* values) {
  double* own = &values_[pixel * labels_];
  if (lattice_ != nullptr) {
    for (int64_t i = pixel * corners_; i < (pixel + 1) * corners_; ++i) {
      double* row = &splat_[lattice_->vertices()[i] * labels_];
      const double weight = barycentric_[i] * normalizer_[pixel];
      for (int64_t k = 0; k < labels_; ++k) {
        row[k] += weight * (values[k] - own[k]);
      }
    }
  }
  std::copy(values, values + labels_, own);
}

void PixelTerms::AddPairwise(int64_t pixel, double* out) const {
  if (spatial_.defined()) AddSpatial(pixel, out);
  if (lattice_ != nullptr) AddBilateral(pixel, out);
}

void PixelTerms::AddSpatial(int64_t pixel, double* out) const {
  const int64_t rows = spatial_.size(0), columns = spatial_.size(1);
  const int64_t top = pixel / width_ - rows / 2;
  const int64_t left = pixel % width_ - columns / 2;
  const double* filter = spatial_.const_data_ptr<double>();
  for (int64_t dy = std::max<int64_t>(0, -top);
       dy < std::min(rows, height_ - top); ++dy) {
    for (int64_t dx = std::max<int64_t>(0, -left);
         dx < std::min(columns, width_ - left); ++dx) {
      const double* v = &values_[((top + dy) * width_ + left + dx) * labels_];
      const double* tap = filter + (dy * columns + dx) * labels_ * labels_;
      for (int64_t k = 0; k < labels_; ++k, tap += labels_) {
        if (v[k] == 0) continue;
        for (int64_t l = 0; l < labels_; ++l) out[l] += tap[l] * v[k];
      }
    }
  }
}

void PixelTerms::AddBilateral(int64_t pixel, double* out) const {
  const double* filter = bilateral_.const_data_ptr<double>();
  for (int64_t i = pixel * corners_; i < (pixel + 1) * corners_; ++i) {
    const double weight = barycentric_[i] * normalizer_[pixel];
    const int32_t* next = &neighbours_[lattice_->vertices()[i] * taps_];
    for (int64_t o = 0; o < taps_; ++o) {
      if (next[o] < 0) continue;
      const double* u = &splat_[next[o] * labels_];
      const double* tap = filter + o * labels_ * labels_;
      for (int64_t k = 0; k < labels_; ++k, tap += labels_) {
        const double x = weight * u[k];
        if (x == 0) continue;
        for (int64_t l = 0; l < labels_; ++l) out[l] += tap[l] * x;
      }
    }
  }
}

void PixelTerms::AddSelf(int64_t pixel, double* out) {
  const auto add = [&](const double* tap, double weight) {
    for (int64_t k = 0; k < labels_; ++k) {
      for (int64_t l = 0; l < labels_; ++l) {
        out[l * labels_ + k] += weight * tap[k * labels_ + l];
      }
    }
  };
  if (spatial_.defined()) {
    const int64_t centre = spatial_.size(0) * spatial_.size(1) / 2;
    add(spatial_.const_data_ptr<double>() + centre * labels_ * labels_, 1);
  }
  if (lattice_ == nullptr) return;
  // Where the pixel alone has splatted: its corners among the neighbours of its
  // corners.
  const int64_t begin = pixel * corners_;
  const int32_t* vertices = lattice_->vertices();
  const double n = normalizer_[pixel];
  for (int64_t r = 0; r < corners_; ++r) {
    mark_[vertices[begin + r]] = barycentric_[begin + r] * n;
  }
  const double* filter = bilateral_.const_data_ptr<double>();
  for (int64_t r = 0; r < corners_; ++r) {
    const int32_t* next = &neighbours_[vertices[begin + r] * taps_];
    for (int64_t o = 0; o < taps_; ++o) {
      if (next[o] < 0 || mark_[next[o]] == 0) continue;
      add(filter + o * labels_ * labels_,
          barycentric_[begin + r] * n * mark_[next[o]]);
    }
  }
  for (int64_t r = 0; r < corners_; ++r) mark_[vertices[begin + r]] = 0;
}

CrfFilters SymmetricPart(const CrfFilters& filters, int64_t dim) {
  CrfFilters symmetric;
  if (filters.spatial.defined()) {
    symmetric.spatial = TiedKernel(InDouble(filters.spatial));
  }
  if (filters.bilateral.defined()) {
    symmetric.bilateral =
        TiedPermutohedralFilter(InDouble(filters.bilateral), dim);
  }
  return symmetric;
}

void CheckPixelTerms(const char* op, const at::Tensor& q,
                     const CrfFilters& filters, const LatticeVector& lattices) {
  TORCH_CHECK(q.dim() == 4 && q.size(1) >= 1, op,
              ": q must be [N,L,H,W] with L >= 1, got ", q.sizes());
  TORCH_CHECK(q.scalar_type() == at::kFloat || q.scalar_type() == at::kDouble,
              op, ": q must be float32 or float64, got ", q.scalar_type());
  const at::Tensor& spatial = filters.spatial;
  TORCH_CHECK(!spatial.defined() ||
                  (spatial.dim() == 4 && spatial.size(0) == q.size(1) &&
                   spatial.size(1) == q.size(1) && spatial.size(2) % 2 == 1 &&
                   spatial.size(3) % 2 == 1),
              op,
              ": the spatial filter must be [L,L,2r+1,2r+1] with L=", q.size(1),
              ", got ", spatial.sizes());
  const at::Tensor& bilateral = filters.bilateral;
  if (!bilateral.defined()) return;
  TORCH_CHECK(bilateral.dim() == 3 && bilateral.size(0) == q.size(1) &&
                  bilateral.size(1) == q.size(1),
              op,
              ": the bilateral filter must be [L,L,taps] with L=", q.size(1),
              ", got ", bilateral.sizes());
  TORCH_CHECK(static_cast<int64_t>(lattices.size()) == q.size(0), op,
              ": expected one lattice an image, ", q.size(0), ", got ",
              lattices.size());
  for (const LatticePtr& lattice : lattices) {
    TORCH_CHECK(lattice != nullptr && lattice->data() == nullptr, op,
                ": lattices must be there, on the CPU");
    TORCH_CHECK(lattice->num_points() == q.size(2) * q.size(3), op,
                ": a lattice must have as many points as q has pixels (",
                q.size(2) * q.size(3), "), got ", lattice->num_points());
    TORCH_CHECK(lattice->dim() == lattices[0]->dim(), op,
                ": lattices must have one dimension, got ", lattices[0]->dim(),
                " and ", lattice->dim());
  }
}

}  // namespace crfgrad
}  // namespace seg
