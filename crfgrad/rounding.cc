#include "crfgrad/rounding.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "crfgrad/pixel_terms.h"

namespace seg {
namespace crfgrad {
namespace {

// The labels of each pixel side by side.
at::Tensor Points(const at::Tensor& x) {
  return x.detach()
      .to(at::kCPU, at::kDouble)
      .permute({0, 2, 3, 1})
      .contiguous();
}

// One image; unary and q are [P,L].
void RoundImage(const double* unary, const double* q, int64_t pixels,
                int64_t labels, SelfTerms self, PixelTerms* terms,
                int64_t* out) {
  for (int64_t p = 0; p < pixels; ++p) terms->Replace(p, q + p * labels);
  const std::vector<double> nothing(labels, 0.0);
  std::vector<double> cost(labels), chosen(labels), own(labels * labels);
  for (int64_t p = 0; p < pixels; ++p) {
    terms->Replace(p, nothing.data());
    std::copy(unary + p * labels, unary + (p + 1) * labels, cost.begin());
    terms->AddPairwise(p, cost.data());
    if (self == SelfTerms::kCounted) {
      std::fill(own.begin(), own.end(), 0.0);
      terms->AddSelf(p, own.data());
      for (int64_t l = 0; l < labels; ++l) cost[l] += own[l * labels + l] / 2;
    }
    out[p] = std::min_element(cost.begin(), cost.end()) - cost.begin();
    chosen = nothing;
    chosen[out[p]] = 1;
    terms->Replace(p, chosen.data());
  }
}

}  // namespace

at::Tensor RoundSequentially(const at::Tensor& unary, const at::Tensor& q,
                             const CrfFilters& filters,
                             const LatticeVector& lattices, SelfTerms self) {
  CheckPixelTerms("RoundSequentially", q, filters, lattices);
  TORCH_CHECK(unary.sizes() == q.sizes(),
              "RoundSequentially: unary must have q's sizes ", q.sizes(),
              ", got ", unary.sizes());
  const int64_t batch = q.size(0), labels = q.size(1), height = q.size(2),
                width = q.size(3), pixels = height * width;
  const at::Tensor rounded = at::empty({batch, height, width}, at::kLong);
  if (batch == 0) return rounded;
  const bool bilateral = filters.bilateral.defined();
  const CrfFilters symmetric =
      SymmetricPart(filters, bilateral ? lattices[0]->dim() : 0);
  const at::Tensor costs = Points(unary), relaxed = Points(q);
  at::parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      PixelTerms terms(symmetric, bilateral ? lattices[n] : nullptr, labels,
                       height, width);
      const int64_t at = n * pixels * labels;
      RoundImage(costs.const_data_ptr<double>() + at,
                 relaxed.const_data_ptr<double>() + at, pixels, labels, self,
                 &terms, rounded.mutable_data_ptr<int64_t>() + n * pixels);
    }
  });
  return rounded;
}

}  // namespace crfgrad
}  // namespace seg
