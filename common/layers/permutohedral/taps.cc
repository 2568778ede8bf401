#include "common/layers/permutohedral/taps.h"

#include <algorithm>
#include <unordered_map>

#include "ATen/ATen.h"

namespace seg {
namespace {

// More taps than this are a mistake in (d, s), not a filter.
constexpr double kMaxTaps = 1 << 24;

void CheckSupport(int64_t dim, int64_t support) {
  TORCH_CHECK(dim >= 1, "PermutohedralTaps: dim must be >= 1, got ", dim);
  TORCH_CHECK(support >= 1, "PermutohedralTaps: support must be >= 1, got ",
              support);
}

// Index of the offset as a number in base s + 1.
int64_t Code(const std::vector<int64_t>& offset, int64_t base) {
  int64_t code = 0;
  for (int64_t n : offset) code = code * base + n;
  return code;
}

// Shifts an offset to its representative with minimum zero.
void Normalize(std::vector<int64_t>* offset) {
  const int64_t low = *std::min_element(offset->begin(), offset->end());
  for (int64_t& n : *offset) n -= low;
}

std::unordered_map<int64_t, int64_t> IndexOf(
    const std::vector<std::vector<int64_t>>& offsets, int64_t base) {
  std::unordered_map<int64_t, int64_t> index;
  for (size_t i = 0; i < offsets.size(); ++i) {
    index[Code(offsets[i], base)] = static_cast<int64_t>(i);
  }
  return index;
}

}  // namespace

int64_t PermutohedralTaps(int64_t dim, int64_t support) {
  CheckSupport(dim, support);
  double larger = 1;
  double smaller = 1;
  for (int64_t k = 0; k <= dim; ++k) {
    larger *= static_cast<double>(support + 1);
    smaller *= static_cast<double>(support);
    TORCH_CHECK(larger - smaller <= kMaxTaps, "PermutohedralTaps: dim ", dim,
                " and support ", support, " give more than ", kMaxTaps,
                " taps");
  }
  return static_cast<int64_t>(larger) - static_cast<int64_t>(smaller);
}

int64_t PermutohedralSupport(int64_t dim, int64_t taps) {
  TORCH_CHECK(dim >= 1, "PermutohedralSupport: dim must be >= 1, got ", dim);
  for (int64_t s = 1;; ++s) {
    const int64_t n = taps <= kMaxTaps ? PermutohedralTaps(dim, s) : 0;
    if (n == taps) return s;
    TORCH_CHECK(n != 0 && n < taps, "PermutohedralSupport: no support has ",
                taps, " taps in dimension ", dim, " (s=1 has ",
                PermutohedralTaps(dim, 1), ")");
  }
}

std::vector<std::vector<int64_t>> PermutohedralOffsets(int64_t dim,
                                                       int64_t support) {
  std::vector<std::vector<int64_t>> offsets;
  offsets.reserve(PermutohedralTaps(dim, support));
  std::vector<int64_t> n(dim + 1, 0);
  while (true) {
    if (*std::min_element(n.begin(), n.end()) == 0) offsets.push_back(n);
    int64_t k = dim;
    while (k >= 0 && n[k] == support) n[k--] = 0;
    if (k < 0) return offsets;
    ++n[k];
  }
}

std::vector<int64_t> PermutohedralReflection(int64_t dim, int64_t support) {
  const auto offsets = PermutohedralOffsets(dim, support);
  const auto index = IndexOf(offsets, support + 1);
  std::vector<int64_t> reflection;
  reflection.reserve(offsets.size());
  for (std::vector<int64_t> n : offsets) {
    for (int64_t& x : n) x = -x;
    Normalize(&n);
    reflection.push_back(index.at(Code(n, support + 1)));
  }
  return reflection;
}

at::Tensor PermutohedralGaussianTaps(int64_t dim, int64_t support) {
  const auto offsets = PermutohedralOffsets(dim, support);
  const auto index = IndexOf(offsets, support + 1);
  const int64_t taps = static_cast<int64_t>(offsets.size());
  std::vector<double> value(taps, 0.0);
  value[0] = 1;
  for (int64_t axis = 0; axis <= dim; ++axis) {
    const std::vector<double> old = value;
    for (int64_t i = 0; i < taps; ++i) {
      for (int64_t step : {-1, 1}) {
        std::vector<int64_t> n = offsets[i];
        n[axis] += step;
        Normalize(&n);
        if (*std::max_element(n.begin(), n.end()) > support) continue;
        value[i] += 0.5 * old[index.at(Code(n, support + 1))];
      }
    }
  }
  at::Tensor result = at::empty({taps}, at::kDouble);
  for (int64_t i = 0; i < taps; ++i) {
    result.data_ptr<double>()[i] = value[i] / value[0];
  }
  return result;
}

at::Tensor TiedPermutohedralFilter(const at::Tensor& filter, int64_t dim) {
  TORCH_CHECK(filter.dim() == 3 && filter.size(0) == filter.size(1),
              "TiedPermutohedralFilter: filter must be [L,L,taps], got ",
              filter.sizes());
  const int64_t support = PermutohedralSupport(dim, filter.size(2));
  const at::Tensor reflection =
      at::tensor(at::IntArrayRef(PermutohedralReflection(dim, support)),
                 filter.options().dtype(at::kLong).requires_grad(false));
  return 0.5 * (filter + filter.transpose(0, 1).index_select(2, reflection));
}

}  // namespace seg
