#include "common/base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace seg {
namespace {

size_t KeyDistance(const std::string& wanted, const std::string& key) {
  const auto last = [](const std::string& k) {
    return k.substr(k.rfind('.') + 1);
  };
  return std::min(EditDistance(wanted, key),
                  EditDistance(last(wanted), last(key)) + 1);
}

// The first of those with the smallest distance; empty where there are none.
template <typename Distance>
std::string Nearest(const std::string& wanted,
                    const std::vector<std::string>& names,
                    const Distance& distance) {
  const auto nearest =
      std::min_element(names.begin(), names.end(),
                       [&](const std::string& a, const std::string& b) {
                         return distance(wanted, a) < distance(wanted, b);
                       });
  return nearest == names.end() ? "" : *nearest;
}

}  // namespace

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  std::vector<size_t> above, above_that;
  for (size_t i = 0; i < a.size(); ++i) {
    above_that = std::exchange(above, row);
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min(
          {row[j] + 1, above[j + 1] + 1, above[j] + (a[i] == b[j] ? 0 : 1)});
      if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j]) {
        row[j + 1] = std::min(row[j + 1], above_that[j - 1] + 1);
      }
    }
  }
  return row.back();
}

std::string NearestName(const std::string& wanted,
                        const std::vector<std::string>& candidates) {
  const std::string nearest = Nearest(wanted, candidates, EditDistance);
  const size_t longest = std::max(wanted.size(), nearest.size());
  return 3 * EditDistance(wanted, nearest) <= longest + 2 ? nearest : "";
}

std::string NearestKey(const std::string& wanted,
                       const std::vector<std::string>& keys) {
  return Nearest(wanted, keys, KeyDistance);
}

}  // namespace seg
