// The ranking SVM in its plainest form, for tests: every difference of features
// is written out, and the dual is climbed by projected gradients, in double.
#ifndef COMMON_SOLVERS_RANKING_SVM_REFERENCE_H_
#define COMMON_SOLVERS_RANKING_SVM_REFERENCE_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "common/base/random.h"
#include "common/solvers/ranking_svm.h"
#include "common/testing/test_tensors.h"

namespace seg {

// What a ranking is learnt from.
struct Toy {
  at::Tensor features, accuracies;
  std::vector<int64_t> sizes;
};

// Groups of 1 .. 6 items, some of equal accuracy; what they say is noisy.
inline Toy RandomToy(int64_t groups, int64_t size, uint64_t seed) {
  Rng rng(RandomKey({seed, 31}));
  Toy toy;
  int64_t items = 0;
  for (int64_t g = 0; g < groups; ++g) {
    toy.sizes.push_back(rng.Between(1, 6));
    items += toy.sizes.back();
  }
  toy.features =
      Random({items, size}, static_cast<int64_t>(seed)).to(at::kFloat);
  toy.accuracies = at::empty({items}, at::kDouble);
  double* a = toy.accuracies.data_ptr<double>();
  for (int64_t i = 0; i < items; ++i) {
    a[i] = 0.1 * static_cast<double>(rng.Below(8));
  }
  return toy;
}

// The dual with every difference written out: maximise
//   margins.x - |sum of x d|^2 / 2  over x >= 0, each block's sum <= its bound.
struct DenseProgram {
  std::vector<std::vector<double>> differences;
  std::vector<double> margins;
  std::vector<std::vector<int64_t>> blocks;
  std::vector<double> bounds;  // of the blocks
};

inline DenseProgram WriteOut(const Toy& toy, RankingLoss loss, double c) {
  const std::vector<double> f = Values(toy.features),
                            a = Values(toy.accuracies);
  const int64_t size = toy.features.size(1);
  DenseProgram program;
  const auto add = [&](int64_t better, int64_t worse, double scale,
                       double margin) {
    std::vector<double> d(size);
    for (int64_t k = 0; k < size; ++k) {
      d[k] = scale * (f[better * size + k] - f[worse * size + k]);
    }
    program.differences.push_back(d);
    program.margins.push_back(margin);
    return static_cast<int64_t>(program.margins.size()) - 1;
  };
  const double bound = c / static_cast<double>(toy.sizes.size());
  int64_t first = 0;
  for (const int64_t items : toy.sizes) {
    const int64_t end = first + items;
    if (loss == RankingLoss::kPairwise) {
      double total = 0.0;
      for (int64_t i = first; i < end; ++i) {
        for (int64_t j = first; j < end; ++j) {
          total += std::max(a[i] - a[j], 0.0);
        }
      }
      for (int64_t i = first; i < end; ++i) {
        for (int64_t j = first; j < end; ++j) {
          if (a[i] <= a[j]) continue;
          program.blocks.push_back({add(i, j, 1.0, 1.0)});
          program.bounds.push_back(bound * (a[i] - a[j]) / total);
        }
      }
    } else {
      const int64_t best =
          std::max_element(a.begin() + first, a.begin() + end) - a.begin();
      std::vector<int64_t> block;
      for (int64_t j = first; j < end; ++j) {
        const double l = a[best] - a[j];
        if (l == 0.0) continue;
        block.push_back(
            add(best, j, loss == RankingLoss::kSlackRescaled ? l : 1.0, l));
      }
      program.blocks.push_back(block);
      program.bounds.push_back(bound);
    }
    first = end;
  }
  return program;
}

// Euclidean projection on x >= 0, sum <= bound, by bisection.
inline void Project(const std::vector<int64_t>& block, double bound,
                    std::vector<double>* x) {
  const auto sum = [&](double shift) {
    double s = 0.0;
    for (const int64_t k : block) s += std::max((*x)[k] - shift, 0.0);
    return s;
  };
  double low = 0.0, high = 0.0;
  for (const int64_t k : block) high = std::max(high, (*x)[k]);
  if (sum(0.0) > bound) {
    for (int step = 0; step < 60; ++step) {
      const double middle = 0.5 * (low + high);
      (sum(middle) > bound ? low : high) = middle;
    }
  } else {
    high = 0.0;
  }
  for (const int64_t k : block) (*x)[k] = std::max((*x)[k] - high, 0.0);
}

// Projected gradient with momentum, restarted where it goes uphill. Returns w.
inline std::vector<double> SolveDense(const DenseProgram& program,
                                      int64_t size) {
  const size_t count = program.margins.size();
  double trace = 1e-9;
  for (const auto& d : program.differences) {
    for (const double v : d) trace += v * v;
  }
  std::vector<double> x(count, 0.0), before = x, y = x, w(size);
  const auto combine = [&](const std::vector<double>& at) {
    std::fill(w.begin(), w.end(), 0.0);
    for (size_t k = 0; k < count; ++k) {
      for (int64_t i = 0; i < size; ++i) {
        w[i] += at[k] * program.differences[k][i];
      }
    }
  };
  double momentum = 1.0;
  for (int step = 0; step < 20000; ++step) {
    combine(y);
    before = x;
    double uphill = 0.0;
    for (size_t k = 0; k < count; ++k) {
      double gradient = program.margins[k];
      for (int64_t i = 0; i < size; ++i) {
        gradient -= w[i] * program.differences[k][i];
      }
      x[k] = y[k] + gradient / trace;
    }
    for (size_t b = 0; b < program.blocks.size(); ++b) {
      Project(program.blocks[b], program.bounds[b], &x);
    }
    for (size_t k = 0; k < count; ++k) {
      uphill += (y[k] - x[k]) * (x[k] - before[k]);
    }
    if (uphill > 0.0) momentum = 1.0;
    const double next =
        0.5 * (1.0 + std::sqrt(1.0 + 4.0 * momentum * momentum));
    for (size_t k = 0; k < count; ++k) {
      y[k] = x[k] + (momentum - 1.0) / next * (x[k] - before[k]);
    }
    momentum = next;
  }
  combine(x);
  return w;
}

inline double DensePrimal(const DenseProgram& program,
                          const std::vector<double>& w) {
  double sum = 0.0;
  for (const double v : w) sum += 0.5 * v * v;
  for (size_t b = 0; b < program.blocks.size(); ++b) {
    double most = 0.0;
    for (const int64_t k : program.blocks[b]) {
      double violation = program.margins[k];
      for (size_t i = 0; i < w.size(); ++i) {
        violation -= w[i] * program.differences[k][i];
      }
      most = std::max(most, violation);
    }
    sum += program.bounds[b] * most;
  }
  return sum;
}

}  // namespace seg

#endif  // COMMON_SOLVERS_RANKING_SVM_REFERENCE_H_
