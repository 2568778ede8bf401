#include "common/layers/permutohedral/naive_lattice.h"

#include <cmath>
#include <numeric>

#include "ATen/ATen.h"

namespace seg {

NaiveLattice::NaiveLattice(const at::Tensor& features)
    : dim_(features.size(1)) {
  const at::Tensor f = features.to(at::kDouble).contiguous();
  const int64_t points = f.size(0);
  const int64_t d = dim_;
  std::vector<std::vector<int64_t>> vertex(points);
  std::vector<std::vector<double>> weight(points);
  for (int64_t p = 0; p < points; ++p) {
    const double* x = f.const_data_ptr<double>() + p * d;
    std::vector<double> c(d + 1), y(d + 1);
    for (int64_t j = 1; j <= d; ++j) {
      c[j] = x[j - 1] * std::sqrt(2.0 / 3.0) * (d + 1) /
             std::sqrt(static_cast<double>(j * (j + 1)));
    }
    for (int64_t k = 0; k <= d; ++k) {
      y[k] = -k * c[k];
      for (int64_t j = k + 1; j <= d; ++j) y[k] += c[j];
    }
    std::vector<int64_t> v(d + 1), rank(d + 1, 0);
    int64_t h = 0;
    for (int64_t i = 0; i <= d; ++i) {
      const int64_t q = static_cast<int64_t>(std::nearbyint(y[i] / (d + 1)));
      v[i] = (d + 1) * q;
      h += q;
    }
    for (int64_t i = 0; i <= d; ++i) {
      for (int64_t j = 0; j <= d; ++j) {
        const double a = y[i] - v[i];
        const double b = y[j] - v[j];
        if (b > a || (b == a && j < i)) ++rank[i];
      }
    }
    for (int64_t i = 0; i <= d; ++i) {
      rank[i] += h;
      if (rank[i] < 0) {
        rank[i] += d + 1;
        v[i] += d + 1;
      } else if (rank[i] > d) {
        rank[i] -= d + 1;
        v[i] -= d + 1;
      }
    }
    std::vector<double> b(d + 2, 0.0);
    for (int64_t i = 0; i <= d; ++i) {
      const double w = (y[i] - v[i]) / (d + 1);
      b[d - rank[i]] += w;
      b[d + 1 - rank[i]] -= w;
    }
    b[0] += 1 + b[d + 1];
    for (int64_t r = 0; r <= d; ++r) {
      Key key(d + 1);
      for (int64_t i = 0; i <= d; ++i) {
        key[i] = rank[i] <= d - r ? v[i] + r : v[i] + r - (d + 1);
      }
      const auto [it, inserted] =
          index_.try_emplace(key, static_cast<int64_t>(keys_.size()));
      if (inserted) keys_.push_back(key);
      vertex[p].push_back(it->second);
      weight[p].push_back(b[r]);
    }
  }
  splat_ = at::zeros({num_vertices(), points}, at::kDouble);
  double* s = splat_.data_ptr<double>();
  for (int64_t p = 0; p < points; ++p) {
    for (int64_t r = 0; r <= d; ++r) {
      s[vertex[p][r] * points + p] += weight[p][r];
    }
  }
}

std::vector<int64_t> NaiveLattice::Neighbors(const Key& n) const {
  const int64_t steps = std::accumulate(n.begin(), n.end(), int64_t{0});
  std::vector<int64_t> result;
  for (Key key : keys_) {
    for (int64_t i = 0; i <= dim_; ++i) key[i] += (dim_ + 1) * n[i] - steps;
    const auto it = index_.find(key);
    result.push_back(it == index_.end() ? -1 : it->second);
  }
  return result;
}

std::vector<int64_t> NaiveLattice::WalkedNeighbors(const Key& n) const {
  std::vector<int64_t> at(num_vertices());
  std::iota(at.begin(), at.end(), 0);
  for (int64_t axis = 0; axis <= dim_; ++axis) {
    Key unit(dim_ + 1, 0);
    unit[axis] = 1;
    const std::vector<int64_t> step = Neighbors(unit);
    for (int64_t k = 0; k < n[axis]; ++k) {
      for (int64_t& v : at) v = v < 0 ? -1 : step[v];
    }
  }
  return at;
}

at::Tensor NaiveLattice::TapOperator(const at::Tensor& filter, int64_t support,
                                     bool walked) const {
  const int64_t labels_out = filter.size(0);
  const int64_t labels_in = filter.size(1);
  const int64_t vertices = num_vertices();
  const at::Tensor f = filter.to(at::kDouble);
  at::Tensor blur =
      at::zeros({vertices, labels_out, vertices, labels_in}, at::kDouble);
  auto access = blur.accessor<double, 4>();
  auto taps = f.accessor<double, 3>();
  // Every tuple in {0..s}^{d+1} with a zero, axis 0 slowest.
  Key n(dim_ + 1, 0);
  int64_t tap = 0;
  for (bool more = true; more;) {
    bool has_zero = false;
    for (int64_t x : n) has_zero = has_zero || x == 0;
    if (has_zero) {
      const auto neighbor = walked ? WalkedNeighbors(n) : Neighbors(n);
      for (int64_t v = 0; v < vertices; ++v) {
        if (neighbor[v] < 0) continue;
        for (int64_t l = 0; l < labels_out; ++l) {
          for (int64_t m = 0; m < labels_in; ++m) {
            access[v][l][neighbor[v]][m] += taps[l][m][tap];
          }
        }
      }
      ++tap;
    }
    more = false;
    for (int64_t k = dim_; k >= 0 && !more; --k) {
      more = n[k] < support;
      n[k] = more ? n[k] + 1 : 0;
    }
  }
  const int64_t points = splat_.size(1);
  const at::Tensor splatted =
      at::tensordot(blur, splat_, {2}, {0});        // [M,L_out,L_in,P]
  return at::tensordot(splat_, splatted, {0}, {0})  // [P,L_out,L_in,P]
      .permute({0, 1, 3, 2})
      .reshape({points * labels_out, points * labels_in});
}

at::Tensor NaiveLattice::GaussianOperator(bool reverse) const {
  at::Tensor result = splat_;
  for (int64_t k = 0; k <= dim_; ++k) {
    Key n(dim_ + 1, 0);
    n[reverse ? dim_ - k : k] = 1;
    const std::vector<int64_t> next = Neighbors(n);
    at::Tensor axis = at::eye(num_vertices(), at::kDouble);
    auto a = axis.accessor<double, 2>();
    for (int64_t v = 0; v < num_vertices(); ++v) {
      if (next[v] < 0) continue;
      a[v][next[v]] += 0.5;
      a[next[v]][v] += 0.5;
    }
    result = axis.matmul(result);
  }
  return splat_.t().matmul(result) / (1 + std::pow(2.0, -double(dim_)));
}

}  // namespace seg
