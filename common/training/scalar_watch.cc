#include "common/training/scalar_watch.h"

#include <cmath>
#include <string>
#include <utility>

namespace seg {

ScalarWatch::Finding ScalarWatch::Update(const std::string& name,
                                         double value) {
  Seen& seen = seen_[name];
  if (!std::isfinite(value)) {
    seen.equal = 0;
    return std::exchange(seen.told_not_finite, true) ? Finding::kNothing
                                                     : Finding::kNotFinite;
  }
  seen.equal = seen.equal > 0 && seen.value == value ? seen.equal + 1 : 1;
  seen.value = value;
  if (seen.equal < plateau_) return Finding::kNothing;
  return std::exchange(seen.told_plateau, true) ? Finding::kNothing
                                                : Finding::kPlateau;
}

}  // namespace seg
