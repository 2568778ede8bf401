#include "common/datasets/mat_numbers.h"

#include <set>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/mat.h"

namespace seg {

absl::StatusOr<std::vector<int64_t>> ReadMatNumbers(const std::string& path,
                                                    const std::string& variable,
                                                    int64_t most) {
  SEG_ASSIGN_OR_RETURN(const at::Tensor array, ReadMatArray(path, variable));
  const at::Tensor numbers =
      array.to(at::kDouble).flatten().contiguous();  // MATLAB's own type
  std::vector<int64_t> out;
  std::set<int64_t> seen;
  for (int64_t i = 0; i < numbers.numel(); ++i) {
    const double value = numbers.const_data_ptr<double>()[i];
    const bool in_range = value >= 1 && value <= static_cast<double>(most);
    const int64_t number = in_range ? static_cast<int64_t>(value) : 0;
    if (!in_range || static_cast<double>(number) != value) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", variable, "[", i, "] is ", value,
                       ", expected the number of a picture, 1 .. ", most));
    }
    if (!seen.insert(number).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": ", variable, ": picture ", number, " is there twice"));
    }
    out.push_back(number);
  }
  return out;
}

}  // namespace seg
