#!/bin/bash
# Usage: check_test.sh CHECK. On a pack whose programs are shell scripts.
set -u
failed=0
fail() {
  echo "$*" >&2
  failed=1
}
pack=$TEST_TMPDIR/pack
tree=$pack/runfiles/segpapers
mkdir -p "$tree/gpu_check/tests" "$tree/gpu_check/benchmarks" "$tree/tools" \
  "$tree/toy"
cp "$1" "$pack/check"
program() {
  printf '#!/bin/bash\n%s\n' "$2" >"$tree/$1"
  chmod +x "$tree/$1"
}
# shellcheck disable=SC2016  # of the programs
{
  printf '#!/bin/bash\nprogram=$(dirname "$0")/runfiles/segpapers/$1\nshift\nexec "$program" "$@"\n' \
    >"$pack/run"
  program tools/doctor 'echo "  ok       device         one"; echo "  MISSING  compiler"; exit 1'
  program gpu_check/tests/a_on_card 'echo "[       OK ] a"'
  program gpu_check/benchmarks/b 'echo "{\"rows\": [1]}" >"$1"'
  program toy/train 'for a in "$@"; do case $a in --work_dir=*) d=${a#*=};; esac; done
mkdir -p "$d/r" && for i in 1 100 102; do echo "{\"images_per_second\": $i}"; done >"$d/r/metrics.jsonl"'
}
chmod +x "$pack/run" "$pack/check"
echo 0123abc >"$tree/COMMIT"
cd "$TEST_TMPDIR" || exit 1
value() { python3 -c "import json; r = json.load(open('r.json')); print($1)"; }
check() { env -u CUDA_HOME "$pack/check" --json=r.json "$@" >out 2>log; }

check --only=doctor,tests,benchmarks,training || fail "good pack: $(cat out log)"
grep -q "^4 ok, 0 failed, 0 out of time, 0 absent$" out || fail "$(cat out)"
grep -q "toy .* 101.0 images/s" out || fail "no rate: $(cat out)"
[ "$(value 'r["commit"]')" = 0123abc ] || fail "commit is not in the JSON"
[ "$(value '[c["results"]["rows"] for c in r["checks"] if "results" in c]')" = "[[1]]" ] ||
  fail "the benchmark's results are not in the JSON"

# The sanitizer goes over all tests, before what is timed; for races over those
# of kernels alone.
mkdir "$TEST_TMPDIR/bin"
printf '#!/bin/bash\nwhile [ "${1:0:2}" = -- ]; do shift 2; done\nexec "$@"\n' \
  >"$TEST_TMPDIR/bin/compute-sanitizer"
chmod +x "$TEST_TMPDIR/bin/compute-sanitizer"
program gpu_check/tests/c_gpu_test 'echo "[       OK ] c"'
PATH=$TEST_TMPDIR/bin:$PATH check || fail "good pack: $(cat out log)"
[ "$(value '[c["name"] for c in r["checks"]]')" = "['doctor', 'a_on_card', 'c_gpu_test', 'a_on_card memcheck', 'a_on_card racecheck', 'c_gpu_test memcheck', 'b', 'toy']" ] ||
  fail "other checks, or in another order: $(cat out)"
rm "$tree/gpu_check/tests/c_gpu_test"

program gpu_check/tests/a_on_card 'echo "wrong at 3"; exit 1'
check --only=tests,doctor && fail "a failed test passes"
grep -q "wrong at 3" out || fail "its output is not shown: $(cat out)"
program gpu_check/tests/a_on_card 'echo "x.cc:7: Failure"; echo "expected 3"; seq 100; exit 1'
check --only=tests && fail "a failed test passes"
grep -q "x.cc:7: Failure" out && grep -q "expected 3" out && ! grep -q " 50$" out ||
  fail "the failure is not shown: $(cat out)"
program gpu_check/tests/a_on_card 'echo "[  SKIPPED ] no card"'
check --only=tests && fail "a test without a card passes"
program gpu_check/tests/a_on_card 'exec sleep 100'
check --only=tests,training --limit=2 && fail "a hanging test passes"
[ "$(value '[c["status"] for c in r["checks"]]')" = "['time', 'time']" ] ||
  fail "not out of time: $(cat out)"
program tools/doctor 'echo "  MISSING  device  none"; exit 1'
check --only=doctor && fail "a machine without a card passes"
program toy/train 'exit 1'
check --only=training && fail "a failed training passes"
check --only=nothing
[ $? = 2 ] || fail "an unknown kind is not answered with exit code 2"
exit $failed
