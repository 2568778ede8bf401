// Independent trainings of one test, side by side: each in a child process of
// one thread, since threads of one process would share LibTorch's generators.
#ifndef COMMON_TESTING_IN_CHILDREN_H_
#define COMMON_TESTING_IN_CHILDREN_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace seg {

// What a test measures: JSON, the only thing that leaves the child.
using Measurement = std::function<absl::StatusOr<nlohmann::json>()>;

// Runs every measurement, `at_once` at a time, and returns what they gave, in
// their order. Error: the first one that failed, with its message, or died. The
// children write nothing to stdout. Call it before this process has computed
// anything on several threads.
absl::StatusOr<std::vector<nlohmann::json>> MeasureInChildren(
    const std::vector<Measurement>& measurements, int64_t at_once = 2);

}  // namespace seg

#endif  // COMMON_TESTING_IN_CHILDREN_H_
