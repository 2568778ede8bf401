#!/bin/bash
# Usage: check_test.sh CHECK
set -u
failed=0
fail() {
  echo "$*" >&2
  failed=1
}

report() {
  cat <<EOF
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN3seg12_GLOBAL__N_14GoodIfEEvPT_' for 'sm_90'
ptxas info    : Function properties for _ZN3seg12_GLOBAL__N_14GoodIfEEvPT_
    16 bytes stack frame, $1 bytes spill stores, $2 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 512 bytes smem
EOF
}

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
report 0 0 >"$folder/good"
report 4 8 >"$folder/spills"
: >"$folder/empty"

output=$("$1" "$folder/good") || fail "a kernel without spills fails: $output"
[ "$(sed -n 2p <<<"$output" | tr -s ' ')" = " 40 512 16 0 0 seg::Good<float>" ] ||
  fail "not the table: $output"
output=$("$1" "$folder/good" "$folder/spills") && fail "spills are not found"
grep -q "these spill registers: seg::Good<float>" <<<"$output" ||
  fail "does not say what spills: $output"
"$1" "$folder/empty" >/dev/null && fail "an empty report passes"
exit $failed
