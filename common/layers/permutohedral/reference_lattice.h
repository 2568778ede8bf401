// The lattice in plain C++ with the roundings of elevate.cc, for the benchmark
// on the card and for tests of the device kernels: keys in a hash map, sums in
// double. Needs no library.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_REFERENCE_LATTICE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_REFERENCE_LATTICE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace seg {

template <typename T>
class ReferenceLattice {
 public:
  // (image, quotients q_0 .. q_{d-1}, remainder).
  using Key = std::vector<int32_t>;

  // features: [dim][images points] (planes of all points).
  ReferenceLattice(const T* features, int64_t images, int64_t points, int dim)
      : dim_(dim), points_(images * points) {
    vertex_.reserve(points_ * (dim + 1));
    weight_.reserve(points_ * (dim + 1));
    std::vector<T> f(dim);
    for (int64_t p = 0; p < points_; ++p) {
      for (int j = 0; j < dim; ++j) f[j] = features[j * points_ + p];
      Insert(f.data(), static_cast<int32_t>(p / points));
    }
  }

  int64_t num_vertices() const { return static_cast<int64_t>(keys_.size()); }
  const std::vector<int32_t>& vertex() const { return vertex_; }
  const std::vector<T>& weight() const { return weight_; }
  const std::vector<Key>& keys() const { return keys_; }

  // The vertex at offset n [dim+1] of v, or -1.
  int32_t Neighbor(int64_t v, const int32_t* n) const {
    Key key = keys_[v];
    int64_t steps = 0;
    for (int i = 0; i <= dim_; ++i) steps += n[i];
    // In coordinates x_i = (d+1) q_i + r: minus the steps, plus (d+1) n_i.
    const int64_t low = key[dim_ + 1] - steps;
    int64_t borrow = 0;
    while (low + borrow * (dim_ + 1) < 0) ++borrow;
    for (int i = 0; i < dim_; ++i) {
      key[i + 1] += n[i] - static_cast<int32_t>(borrow);
    }
    key[dim_ + 1] = static_cast<int32_t>(low + borrow * (dim_ + 1));
    const auto it = index_.find(key);
    return it == index_.end() ? -1 : it->second;
  }

  // x: [labels][points] -> [vertices][labels].
  std::vector<double> Splat(const std::vector<T>& x, int labels) const {
    std::vector<double> rows(keys_.size() * labels, 0.0);
    for (size_t i = 0; i < vertex_.size(); ++i) {
      const int64_t p = static_cast<int64_t>(i) / (dim_ + 1);
      for (int l = 0; l < labels; ++l) {
        rows[int64_t{vertex_[i]} * labels + l] +=
            static_cast<double>(weight_[i]) * x[l * points_ + p];
      }
    }
    return rows;
  }

  std::vector<double> Blur(std::vector<double> rows, int labels,
                           bool reverse) const {
    std::vector<double> out(rows.size());
    for (int k = 0; k <= dim_; ++k) {
      std::vector<int32_t> n(dim_ + 1, 0);
      n[reverse ? dim_ - k : k] = 1;
      std::copy(rows.begin(), rows.end(), out.begin());
      for (int64_t v = 0; v < num_vertices(); ++v) {
        const int32_t next = Neighbor(v, n.data());
        if (next < 0) continue;
        for (int l = 0; l < labels; ++l) {
          out[v * labels + l] += 0.5 * rows[int64_t{next} * labels + l];
          out[int64_t{next} * labels + l] += 0.5 * rows[v * labels + l];
        }
      }
      rows.swap(out);
    }
    return rows;
  }

  // [vertices][labels] -> [labels][points].
  std::vector<double> Slice(const std::vector<double>& rows, int labels) const {
    std::vector<double> out(points_ * labels, 0.0);
    for (size_t i = 0; i < vertex_.size(); ++i) {
      const int64_t p = static_cast<int64_t>(i) / (dim_ + 1);
      for (int l = 0; l < labels; ++l) {
        out[l * points_ + p] += static_cast<double>(weight_[i]) *
                                rows[int64_t{vertex_[i]} * labels + l];
      }
    }
    return out;
  }

 private:
  struct Hash {
    size_t operator()(const Key& key) const {
      size_t h = 0;
      for (int32_t k : key)
        h = (h + static_cast<size_t>(k)) * 0x9E3779B97F4A7C15;
      return h ^ h >> 29;
    }
  };

  void Insert(const T* f, int32_t image) {
    const double deviation = std::sqrt(2.0 / 3.0) * (dim_ + 1);
    const T corners = static_cast<T>(dim_ + 1);
    const T inverse = T(1) / corners;
    std::vector<T> diff(dim_ + 1);
    T sum = 0;
    for (int j = dim_; j > 0; --j) {
      const T scale = static_cast<T>(
          deviation / std::sqrt(static_cast<double>(j) * (j + 1)));
      const T cf = f[j - 1] * scale;
      diff[j] = sum - static_cast<T>(j) * cf;
      sum = sum + cf;
    }
    diff[0] = sum;
    std::vector<int32_t> quotient(dim_ + 1), rank(dim_ + 1, 0);
    int32_t quotients = 0;
    for (int i = 0; i <= dim_; ++i) {
      const T rounded = std::nearbyint(diff[i] * inverse);
      diff[i] = diff[i] - rounded * corners;
      quotient[i] = static_cast<int32_t>(rounded);
      quotients += quotient[i];
    }
    for (int i = 0; i < dim_; ++i) {
      for (int j = i + 1; j <= dim_; ++j) ++rank[diff[i] < diff[j] ? i : j];
    }
    std::vector<T> sorted(dim_ + 1);
    for (int i = 0; i <= dim_; ++i) {
      rank[i] += quotients;
      const int move = rank[i] < 0 ? 1 : rank[i] > dim_ ? -1 : 0;
      rank[i] += move * (dim_ + 1);
      quotient[i] += move;
      sorted[rank[i]] = (diff[i] - static_cast<T>(move) * corners) * inverse;
    }
    Key key(dim_ + 2);
    key[0] = image;
    for (int r = 0; r <= dim_; ++r) {
      for (int i = 0; i < dim_; ++i) {
        key[i + 1] = quotient[i] - (rank[i] > dim_ - r ? 1 : 0);
      }
      key[dim_ + 1] = r;
      const auto [it, inserted] =
          index_.try_emplace(key, static_cast<int32_t>(keys_.size()));
      if (inserted) keys_.push_back(key);
      vertex_.push_back(it->second);
      weight_.push_back(r == 0 ? sorted[dim_] + (T(1) - sorted[0])
                               : sorted[dim_ - r] - sorted[dim_ + 1 - r]);
    }
  }

  int dim_;
  int64_t points_;
  std::vector<int32_t> vertex_;  // [points][dim+1]
  std::vector<T> weight_;
  std::vector<Key> keys_;
  std::unordered_map<Key, int32_t, Hash> index_;
};

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_REFERENCE_LATTICE_H_
