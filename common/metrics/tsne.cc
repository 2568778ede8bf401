#include "common/metrics/tsne.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <tuple>
#include <vector>

namespace seg {
namespace {

// Of van der Maaten and Hinton 2008 and the first author's code.
constexpr int64_t kEarly = 250;         // iterations
constexpr double kExaggeration = 12.0;  // P is larger by this in these
constexpr double kEarlyMomentum = 0.5;
constexpr double kMomentum = 0.8;
constexpr double kFirstDeviation = 1e-2;
constexpr double kLeastProbability = 1e-12;

// Rows are worked on in blocks that fit a cache. The partition is fixed, so
// sums do not depend on the number of threads.
constexpr int64_t kBlock = 64;

// make(first, last) for the rows of each block, in their order.
std::vector<at::Tensor> ByBlocks(
    int64_t rows,
    const std::function<at::Tensor(int64_t first, int64_t last)>& make) {
  const int64_t blocks = (rows + kBlock - 1) / kBlock;
  std::vector<at::Tensor> results(blocks);
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      results[b] = make(b * kBlock, std::min(rows, (b + 1) * kBlock));
    }
  });
  return results;
}

// |x_i - x_j|^2 + offset for i in first .. last-1 and all j, by one product.
at::Tensor SquaredDistances(const at::Tensor& x, int64_t first, int64_t last,
                            double offset) {
  const at::Tensor norms = (x * x).sum(1, /*keepdim=*/true);
  const at::Tensor ones = at::ones_like(norms);
  const at::Tensor left = at::cat({-2 * x, norms + offset, ones}, 1);
  const at::Tensor right = at::cat({x, ones, norms}, 1);
  return left.slice(0, first, last).mm(right.t()).clamp_min_(offset);
}

// p_{j|i}: row by row the Gaussian whose perplexity is the one asked for, found
// by bisection of its precision.
at::Tensor ConditionalRows(const at::Tensor& x, int64_t first, int64_t last,
                           double perplexity) {
  constexpr int kSteps = 60;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const at::Tensor d = SquaredDistances(x, first, last, 0.0);
  d.diagonal(first).zero_();
  at::Tensor precision =
      d.mean(1, /*keepdim=*/true).clamp_min(1e-12).reciprocal();
  at::Tensor low = at::zeros_like(precision);
  at::Tensor high = at::full_like(precision, kInfinity);
  at::Tensor p;
  for (int step = 0; step < kSteps; ++step) {
    at::Tensor logits = d * -precision;
    logits.diagonal(first).fill_(-kInfinity);
    const at::Tensor scale = logits.logsumexp(1, /*keepdim=*/true);
    p = (logits - scale).exp_();
    const at::Tensor entropy =
        scale + precision * (p * d).sum(1, /*keepdim=*/true);
    const at::Tensor wide = entropy.gt(std::log(perplexity));
    low = at::where(wide, precision, low);
    high = at::where(wide, high, precision);
    precision = at::where(high.isinf(), precision * 2, (low + high) / 2);
  }
  return p;
}

at::Tensor Affinities(const at::Tensor& x, double perplexity) {
  const at::Tensor centred = x - x.mean(0);
  at::Tensor p = at::cat(ByBlocks(x.size(0), [&](int64_t first, int64_t last) {
    return ConditionalRows(centred, first, last, perplexity);
  }));
  p = (p + p.t()) / (2.0 * static_cast<double>(x.size(0)));
  return p.clamp_min(kLeastProbability);
}

// Attraction and repulsion of every point, unscaled, and the sum of q:
//   sum_j p_ij q_ij (y_i - y_j),  sum_j q_ij^2 (y_i - y_j),  sum_ij q_ij
// with q_ij = 1 / (1 + |y_i - y_j|^2).
struct Forces {
  at::Tensor attraction, repulsion;  // [N,2]
  double total = 0.0;
};

Forces ForcesAt(const at::Tensor& p, const at::Tensor& y) {
  const at::Tensor places = at::cat({y, at::ones_like(y.slice(1, 0, 1))}, 1);
  const std::vector<at::Tensor> blocks =
      ByBlocks(y.size(0), [&](int64_t first, int64_t last) {
        at::Tensor q = SquaredDistances(y, first, last, 1.0).reciprocal_();
        q.diagonal(first).zero_();
        const at::Tensor totals = q.sum(1, /*keepdim=*/true);
        const at::Tensor repulsion = (q * q).mm(places);
        const at::Tensor attraction =
            q.mul_(p.slice(0, first, last)).mm(places);
        return at::cat({attraction, repulsion, totals}, 1);
      });
  const at::Tensor sums = at::cat(blocks);  // [N,7]
  Forces forces;
  forces.attraction = sums.slice(1, 2, 3) * y - sums.slice(1, 0, 2);
  forces.repulsion = sums.slice(1, 5, 6) * y - sums.slice(1, 3, 5);
  forces.total = sums.select(1, 6).sum(at::kDouble).item<double>();
  return forces;
}

}  // namespace

at::Tensor Tsne(const at::Tensor& x, const TsneOptions& options) {
  TORCH_CHECK(x.dim() == 2 && x.size(0) >= 2,
              "Tsne: x must be [N,D] with N >= 2, got sizes ", x.sizes());
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              "Tsne: x must be float32 or float64, got ", x.scalar_type());
  const int64_t n = x.size(0);
  TORCH_CHECK(
      options.perplexity >= 1.0 && options.perplexity < static_cast<double>(n),
      "Tsne: perplexity must be from 1 to below the number of points ", n,
      ", got ", options.perplexity);
  TORCH_CHECK(x.isfinite().all().item<bool>(), "Tsne: x must be finite");
  const at::Tensor p =
      Affinities(x.detach().cpu().contiguous(), options.perplexity);
  const double rate = std::max(50.0, static_cast<double>(n) / 48.0);
  at::Tensor y = at::randn({n, 2}, at::detail::createCPUGenerator(options.seed),
                           p.options()) *
                 kFirstDeviation;
  at::Tensor velocity = at::zeros_like(y);
  at::Tensor gains = at::ones_like(y);
  for (int64_t step = 0; step < options.iterations; ++step) {
    const bool early = step < kEarly;
    const Forces forces = ForcesAt(p, y);
    const at::Tensor gradient =
        4 * ((early ? kExaggeration : 1.0) * forces.attraction -
             forces.repulsion / forces.total);
    // Jacobs 1988: larger where the sign stays, smaller where it changes.
    const at::Tensor stays = (gradient * velocity).lt(0);
    gains = at::where(stays, gains + 0.2, gains * 0.8).clamp_min(0.01);
    velocity = (early ? kEarlyMomentum : kMomentum) * velocity -
               rate * gains * gradient;
    y = y + velocity;
    y = y - y.mean(0);
  }
  return y.to(x.device());
}

double Silhouette(const at::Tensor& x, const at::Tensor& labels) {
  TORCH_CHECK(x.dim() == 2 && at::isFloatingType(x.scalar_type()),
              "Silhouette: x must be [N,D], floating point, got ",
              x.scalar_type(), " ", x.sizes());
  TORCH_CHECK(labels.dim() == 1 && labels.size(0) == x.size(0) &&
                  at::isIntegralType(labels.scalar_type(), false),
              "Silhouette: labels must be integers [", x.size(0), "], got ",
              labels.scalar_type(), " ", labels.sizes());
  if (x.size(0) == 0) return std::numeric_limits<double>::quiet_NaN();
  const at::Tensor points = x.detach().to(at::kCPU, at::kDouble).contiguous();
  const auto [names, clusters] = at::_unique(
      labels.to(at::kCPU, at::kLong), /*sorted=*/true, /*return_inverse=*/true);
  const int64_t count = names.size(0);
  if (count < 2) return std::numeric_limits<double>::quiet_NaN();
  const at::Tensor members = at::one_hot(clusters, count).to(at::kDouble);
  const at::Tensor sizes = members.sum(0);
  const std::vector<at::Tensor> scores =
      ByBlocks(x.size(0), [&](int64_t first, int64_t last) {
        const at::Tensor distances =
            at::cdist(points.slice(0, first, last), points, 2,
                      /*compute_mode=*/2);  // not by products: no cancellation
        const at::Tensor sums = distances.mm(members);
        const at::Tensor own = members.slice(0, first, last).to(at::kBool);
        const at::Tensor own_size = members.slice(0, first, last).mv(sizes);
        const at::Tensor within =
            sums.masked_select(own) / (own_size - 1).clamp_min(1);
        const at::Tensor between =
            (sums / sizes)
                .masked_fill(own, std::numeric_limits<double>::infinity())
                .amin(1);
        const at::Tensor larger = at::maximum(within, between);
        const at::Tensor score = (between - within) / larger;
        return at::where(own_size.gt(1) & larger.gt(0), score,
                         at::zeros_like(score));
      });
  return at::cat(scores).mean().item<double>();
}

}  // namespace seg
