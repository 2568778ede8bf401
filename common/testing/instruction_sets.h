// Tests of code with Highway's run-time dispatch.
#ifndef COMMON_TESTING_INSTRUCTION_SETS_H_
#define COMMON_TESTING_INSTRUCTION_SETS_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include "hwy/highway.h"

namespace seg {

// Runs `check` with each instruction set that this CPU has and the build makes
// code for (third_party/highway), one after the other; `name` is the set's. Not
// thread safe. The first call of a process ends with the line
//   vector targets: AVX2 SCALAR
// for .ci/check_vector_targets.py: the sets that it ran on.
inline void ForEachTarget(const std::function<void(const char* name)>& check) {
  std::string line = "vector targets:";
  for (int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check(hwy::TargetName(target));
    line.append(" ").append(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  static bool printed = false;
  if (!printed) std::printf("%s\n", line.c_str());
  printed = true;
}

}  // namespace seg

#endif  // COMMON_TESTING_INSTRUCTION_SETS_H_
