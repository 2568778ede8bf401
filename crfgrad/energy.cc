#include "crfgrad/energy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <vector>

#include "crfgrad/pixel_terms.h"

namespace seg {
namespace crfgrad {

at::Tensor EnergyParts::Total() const { return unary + spatial + bilateral; }

EnergyParts CrfEnergy(const at::Tensor& unary, const at::Tensor& q,
                      const CrfFilters& filters,
                      const LatticeVector& lattices) {
  TORCH_CHECK(q.dim() == 4 && unary.sizes() == q.sizes(),
              "CrfEnergy: q must be [N,L,H,W] and unary of its sizes, got ",
              q.sizes(), " and ", unary.sizes());
  EnergyParts parts;
  parts.unary = (unary * q).sum({1, 2, 3});
  const auto half = [&](const CrfFilters& term) {
    const at::Tensor pairwise = CrfPairwise(q, term, lattices);
    if (!pairwise.defined()) return at::zeros_like(parts.unary);
    return (pairwise * q).sum({1, 2, 3}) / 2;
  };
  parts.spatial = half({{}, filters.spatial, {}});
  parts.bilateral = half({{}, {}, filters.bilateral});
  return parts;
}

at::Tensor CrfSelfEnergy(const at::Tensor& q, const CrfFilters& filters,
                         const LatticeVector& lattices) {
  CheckPixelTerms("CrfSelfEnergy", q, filters, lattices);
  const int64_t labels = q.size(1), pixels = q.size(2) * q.size(3);
  const at::Tensor points =
      q.detach().to(at::kCPU, at::kDouble).permute({0, 2, 3, 1}).contiguous();
  at::Tensor energy = at::zeros({q.size(0)}, at::kDouble);
  double* out = energy.mutable_data_ptr<double>();
  at::parallel_for(0, q.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<double> self(labels * labels);
    for (int64_t n = begin; n < end; ++n) {
      PixelTerms terms(filters,
                       filters.bilateral.defined() ? lattices[n] : nullptr,
                       labels, q.size(2), q.size(3));
      const double* own = points.const_data_ptr<double>() + n * pixels * labels;
      for (int64_t p = 0; p < pixels; ++p, own += labels) {
        self.assign(self.size(), 0.0);
        terms.AddSelf(p, self.data());
        for (int64_t l = 0; l < labels; ++l) {
          for (int64_t k = 0; k < labels; ++k) {
            out[n] += own[l] * self[l * labels + k] * own[k] / 2;
          }
        }
      }
    }
  });
  return energy.to(q.options());
}

at::Tensor HardLabelling(const at::Tensor& labels, const at::Tensor& like) {
  return at::one_hot(labels.to(like.device(), at::kLong), like.size(1))
      .permute({0, 3, 1, 2})
      .to(like.scalar_type());
}

}  // namespace crfgrad
}  // namespace seg
