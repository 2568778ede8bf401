"""Fails where this CPU has AVX-512 and a vector test did not run on it.

  check_vector_targets.py TESTLOGS [CPUINFO]

A test of code with several instruction sets prints one line
"vector targets: AVX3 AVX2 SCALAR" (common/testing/instruction_sets.h). Exit
code 1 where the CPU has what Highway calls AVX3 and a test ran without it, or
where no test printed the line.
"""

import pathlib
import sys

PREFIX = "vector targets:"
AVX3_FLAGS = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}


def cpu_flags(cpuinfo: str) -> set:
  for line in cpuinfo.splitlines():
    if line.startswith("flags"):
      return set(line.partition(":")[2].split())
  return set()


def main() -> int:
  logs = pathlib.Path(sys.argv[1])
  cpuinfo = sys.argv[2] if len(sys.argv) > 2 else "/proc/cpuinfo"
  tests = {}
  for path in sorted(logs.rglob("test.log")):
    for line in path.read_text(errors="replace").splitlines():
      if line.startswith(PREFIX):
        targets = tests.setdefault(str(path.parent.relative_to(logs)), set())
        targets.update(line[len(PREFIX):].split())
  if not tests:
    print(f"{logs}: expected test logs with a line '{PREFIX} ...', found none")
    return 1
  if not AVX3_FLAGS <= cpu_flags(pathlib.Path(cpuinfo).read_text()):
    seen = " ".join(sorted(set().union(*tests.values())))
    print(f"vector targets: {len(tests)} tests ran on {seen}; "
          "this CPU has no AVX-512, whose code is not tested here")
    return 0
  lacking = [name for name, targets in tests.items() if "AVX3" not in targets]
  for name in lacking:
    print(f"{name}: ran on {' '.join(sorted(tests[name]))}, "
          "not on AVX3, which this CPU has")
  if not lacking:
    print(f"vector targets: {len(tests)} tests ran on AVX-512 too")
  return 1 if lacking else 0


if __name__ == "__main__":
  sys.exit(main())
