// Tests of code with Highway's run-time dispatch. Where the code defines
// HWY_DISABLED_TARGETS, its test does the same before it includes this.
#ifndef COMMON_TESTING_INSTRUCTION_SETS_H_
#define COMMON_TESTING_INSTRUCTION_SETS_H_

#include <cstdint>
#include <functional>

#include "hwy/highway.h"

namespace seg {

// Runs `check` with each instruction set that this CPU has and the build made
// code for, one after the other; `name` is the set's. Not thread safe.
inline void ForEachTarget(const std::function<void(const char* name)>& check) {
  for (int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace seg

#endif  // COMMON_TESTING_INSTRUCTION_SETS_H_
