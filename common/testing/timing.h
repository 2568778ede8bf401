// Clocks and quantiles for benchmarks.

#ifndef COMMON_TESTING_TIMING_H_
#define COMMON_TESTING_TIMING_H_

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace seg {

// CPU time of the calling thread or of all threads of the process (neither is
// disturbed by other programs), or wall time.
enum class Clock { kThread, kProcess, kWall };

inline double Seconds(Clock clock) {
  timespec now;
  clock_gettime(clock == Clock::kThread    ? CLOCK_THREAD_CPUTIME_ID
                : clock == Clock::kProcess ? CLOCK_PROCESS_CPUTIME_ID
                                           : CLOCK_MONOTONIC,
                &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * now.tv_nsec;
}

// Linear between the two values that enclose it; q in [0, 1], values not empty.
inline double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double position = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) *
                             (values[above] - values[below]);
}

}  // namespace seg

#endif  // COMMON_TESTING_TIMING_H_
