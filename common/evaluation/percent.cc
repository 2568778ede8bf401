#include "common/evaluation/percent.h"

#include <cmath>

#include "absl/strings/str_format.h"

namespace seg {

std::string Percent(double fraction) {
  return std::isnan(fraction) ? "-" : absl::StrFormat("%.2f", 100 * fraction);
}

}  // namespace seg
