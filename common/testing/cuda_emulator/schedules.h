// Runs a computation in several schedules (emulator.h) and compares its bits.
#ifndef COMMON_TESTING_CUDA_EMULATOR_SCHEDULES_H_
#define COMMON_TESTING_CUDA_EMULATOR_SCHEDULES_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "common/testing/cuda_emulator/emulator.h"

namespace seg::cuda::emulator {

// run() -> std::vector of numbers. Returns what the first schedule gave.
// A kernel whose float additions are atomic gives other bits in each: compare
// such a one with its CPU form in each schedule instead (ForEachSchedule).
template <typename Function>
auto ExpectSameInAllSchedules(Function run, int schedules = 4) {
  decltype(run()) first;
  for (int seed = 0; seed < schedules; ++seed) {
    ScopedSchedule schedule(seed);
    auto result = run();
    if (seed == 0) {
      first = std::move(result);
      continue;
    }
    EXPECT_EQ(result.size(), first.size()) << "in schedule " << seed;
    if (result.size() != first.size()) break;
    for (size_t i = 0; i < first.size(); ++i) {
      // Bits: NaN equals itself, and 0 is not -0.
      if (std::memcmp(&result[i], &first[i], sizeof(first[i])) != 0) {
        ADD_FAILURE() << "element " << i << " is " << first[i]
                      << " in schedule 0 and " << result[i] << " in schedule "
                      << seed << ": a barrier is missing, or memory is read "
                      << "that nobody wrote";
        return first;
      }
    }
  }
  return first;
}

// test() once a schedule.
template <typename Function>
void ForEachSchedule(Function test, int schedules = 4) {
  for (int seed = 0; seed < schedules; ++seed) {
    SCOPED_TRACE(testing::Message() << "schedule " << seed);
    ScopedSchedule schedule(seed);
    test();
  }
}

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_SCHEDULES_H_
