#!/bin/bash
# Lists registers, shared memory and spills of every kernel of the repository
# for sm_90. Needs nvcc, no card. Exit code 1 where one spills.
#   ./bazelw run //tools:kernel_registers
set -u
# Of the Bazel that started this, also where it has an output base of its own.
output_base=$(realpath "$0")
output_base=${output_base%%/execroot/*}
cd "${BUILD_WORKSPACE_DIRECTORY:?run it by bazel run}" || exit 1
bazel() { command bazel --output_base="$output_base" "$@"; }

tests=$(bazel query --noshow_progress \
  'attr(tags, "kernel_registers", tests(//...))' 2>/dev/null) || {
  echo "bazel query failed" >&2
  exit 1
}
# shellcheck disable=SC2086  # a word a target
bazel test --noshow_progress --test_output=all --test_summary=none \
  --ui_event_filters=-info,-debug $tests 2>&1 |
  grep -v '^=*$\|^==* Test output\|^//.*PASSED'
exit "${PIPESTATUS[0]}"
