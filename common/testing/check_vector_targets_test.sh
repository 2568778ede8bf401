#!/bin/bash
# .ci/check_vector_targets.py on logs and CPUs written here.
set -u
script=.ci/check_vector_targets.py
cd "$TEST_SRCDIR/$TEST_WORKSPACE" || exit 1
logs=$TEST_TMPDIR/logs
mkdir -p "$logs/a/one_test" "$logs/b/two_test" "$logs/b/plain_test"
echo "flags : fpu avx2 avx512f avx512bw avx512dq avx512vl" >"$TEST_TMPDIR/new"
echo "flags : fpu avx2 avx512f" >"$TEST_TMPDIR/old"
echo "[ PASSED ]" >"$logs/b/plain_test/test.log"
failed=0
# expect CPU CODE TEXT: exit code and a part of the output.
expect() {
  local output code
  output=$(python3 "$script" "$logs" "$TEST_TMPDIR/$1")
  code=$?
  if [ $code -ne "$2" ] || [[ "$output" != *"$3"* ]]; then
    echo "on the $1 CPU: expected $2 and '$3', got $code and '$output'"
    failed=1
  fi
}
expect new 1 "expected test logs with a line 'vector targets: ...', found none"
echo "vector targets: AVX3 AVX2 SCALAR" >"$logs/a/one_test/test.log"
echo "vector targets: AVX2 SCALAR" >"$logs/b/two_test/test.log"
expect new 1 "b/two_test: ran on AVX2 SCALAR, not on AVX3, which this CPU has"
expect old 0 "2 tests ran on AVX2 AVX3 SCALAR; this CPU has no AVX-512"
echo "vector targets: AVX3 AVX2 SCALAR" >"$logs/b/two_test/test.log"
expect new 0 "2 tests ran on AVX-512 too"
exit $failed
