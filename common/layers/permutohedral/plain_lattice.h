// The permutohedral lattice as one would first write it, to measure against:
// scalar float, keys in a std::unordered_map, one point and one vertex at a
// time. Memory and time are linear, unlike in naive_lattice.h.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_PLAIN_LATTICE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_PLAIN_LATTICE_H_

#include <array>
#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace seg {

template <int D>
class PlainLattice {
 public:
  using Key = std::array<int16_t, D + 1>;

  // features: [points][D].
  PlainLattice(const float* features, int64_t points)
      : points_(points), vertex_(points * (D + 1)), weight_(points * (D + 1)) {
    std::unordered_map<Key, int32_t, Hash> index;
    std::vector<Key> keys;
    for (int64_t p = 0; p < points; ++p) {
      InsertPoint(features + p * D, p, &index, &keys);
    }
    vertices_ = static_cast<int64_t>(keys.size());
    for (int axis = 0; axis <= D; ++axis) {
      for (const Key& key : keys) {
        for (int sign : {-1, 1}) {
          Key near = key;
          for (int i = 0; i <= D; ++i) near[i] -= sign;
          near[axis] += sign * (D + 1);
          const auto it = index.find(near);
          neighbors_.push_back(it == index.end() ? -1 : it->second);
        }
      }
    }
  }

  int64_t num_vertices() const { return vertices_; }

  // in, out: [points][labels].
  void Filter(const float* in, int64_t labels, float* out) const {
    std::vector<float> value(vertices_ * labels, 0.0f);
    std::vector<float> next(vertices_ * labels);
    for (int64_t i = 0; i < points_ * (D + 1); ++i) {
      const float* x = in + i / (D + 1) * labels;
      float* v = &value[vertex_[i] * labels];
      for (int64_t l = 0; l < labels; ++l) v[l] += weight_[i] * x[l];
    }
    const int32_t* near = neighbors_.data();
    for (int axis = 0; axis <= D; ++axis) {
      for (int64_t v = 0; v < vertices_; ++v, near += 2) {
        for (int64_t l = 0; l < labels; ++l) {
          const float a = near[0] < 0 ? 0 : value[near[0] * labels + l];
          const float b = near[1] < 0 ? 0 : value[near[1] * labels + l];
          next[v * labels + l] = value[v * labels + l] + 0.5f * (a + b);
        }
      }
      value.swap(next);
    }
    const float scale = 1 / (1 + std::pow(2.0f, -D));
    for (int64_t p = 0; p < points_; ++p) {
      float* y = out + p * labels;
      for (int64_t l = 0; l < labels; ++l) y[l] = 0;
      for (int64_t i = p * (D + 1); i < (p + 1) * (D + 1); ++i) {
        const float* v = &value[vertex_[i] * labels];
        for (int64_t l = 0; l < labels; ++l) y[l] += scale * weight_[i] * v[l];
      }
    }
  }

 private:
  struct Hash {
    size_t operator()(const Key& key) const {
      size_t h = 0;
      for (int i = 0; i < D; ++i) h = (h + key[i]) * 1664525;
      return h;
    }
  };

  void InsertPoint(const float* f, int64_t p,
                   std::unordered_map<Key, int32_t, Hash>* index,
                   std::vector<Key>* keys) {
    float y[D + 1];
    float sum = 0;
    for (int j = D; j > 0; --j) {
      const float c = f[j - 1] * std::sqrt(2.0f / 3) * (D + 1) /
                      std::sqrt(static_cast<float>(j * (j + 1)));
      y[j] = sum - j * c;
      sum += c;
    }
    y[0] = sum;
    float v[D + 1];
    int rank[D + 1] = {};
    int h = 0;
    for (int i = 0; i <= D; ++i) {
      const float q = std::nearbyint(y[i] / (D + 1));
      v[i] = q * (D + 1);
      h += static_cast<int>(q);
    }
    for (int i = 0; i < D; ++i) {
      for (int j = i + 1; j <= D; ++j) {
        ++rank[y[i] - v[i] < y[j] - v[j] ? i : j];
      }
    }
    float b[D + 2] = {};
    for (int i = 0; i <= D; ++i) {
      rank[i] += h;
      const int move = rank[i] < 0 ? D + 1 : rank[i] > D ? -(D + 1) : 0;
      rank[i] += move;
      v[i] += move;
      const float w = (y[i] - v[i]) / (D + 1);
      b[D - rank[i]] += w;
      b[D + 1 - rank[i]] -= w;
    }
    b[0] += 1 + b[D + 1];
    for (int r = 0; r <= D; ++r) {
      Key key;
      for (int i = 0; i <= D; ++i) {
        key[i] = static_cast<int16_t>(v[i] + r - (rank[i] > D - r) * (D + 1));
      }
      const auto [it, inserted] =
          index->try_emplace(key, static_cast<int32_t>(keys->size()));
      if (inserted) keys->push_back(key);
      vertex_[p * (D + 1) + r] = it->second;
      weight_[p * (D + 1) + r] = b[r];
    }
  }

  int64_t points_;
  int64_t vertices_ = 0;
  std::vector<int32_t> vertex_;
  std::vector<float> weight_;
  std::vector<int32_t> neighbors_;  // [D+1][vertices][2]
};

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_PLAIN_LATTICE_H_
