#!/bin/bash
# Lists registers, shared memory and spills of every kernel of the repository
# for sm_90. Needs nvcc, no card. Exit code 1 where one spills.
#   ./bazelw run //tools:kernel_registers
set -u
# Of the Bazel that started this in its runfiles, also where it has an output
# base of its own.
output_base=$(pwd -P)
output_base=${output_base%%/execroot/*}
cd "${BUILD_WORKSPACE_DIRECTORY:?run it by bazel run}" || exit 1
bazel() { command bazel --output_base="$output_base" "$@"; }

log=$(mktemp)
trap 'rm "$log"' EXIT
tests=$(bazel query 'attr(tags, "kernel_registers", tests(//...))' 2>"$log") || {
  cat "$log" >&2
  exit 1
}
# shellcheck disable=SC2086  # a word a target
bazel test --keep_going $tests >"$log" 2>&1
status=$?
logs=$(bazel info bazel-testlogs 2>/dev/null)
for test in $tests; do
  path=${test#//}
  echo "$test"
  # Without the lines that every test of a shell script begins with.
  sed -n '/^ *registers/,$p' "$logs/${path/://}/test.log" 2>/dev/null ||
    cat "$log"
done
exit $status
