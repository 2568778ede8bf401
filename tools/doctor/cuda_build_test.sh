#!/bin/bash
# Usage: cuda_build_test.sh DOCTOR PROGRAM... (of the papers)
# Programs of a CUDA build need LibTorch's two CUDA libraries and no other that
# is not needed without CUDA, and they start where there is no card.
set -u
failed=0
fail() {
  echo "$*" >&2
  failed=1
}

doctor=$1
allowed="libc10.so libtorch_cpu.so libgomp.so.1 libcudart.so.13 libcupti.so.13
libc10_cuda.so libtorch_cuda.so libhwy.so.1 libstdc++.so.6 libm.so.6
libgcc_s.so.1 libc.so.6 ld-linux-x86-64.so.2"
for program in "$@"; do
  needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
  for library in libtorch_cuda.so libc10_cuda.so; do
    grep -qx "$library" <<<"$needed" || fail "$program does not need $library"
  done
  for library in $needed; do
    tr ' ' '\n' <<<"$allowed" | grep -qxF "$library" ||
      fail "$program needs $library"
  done
done

# 0: a card is there; 1: it says what is missing. Others: it did not start.
output=$("$doctor" 2>&1)
status=$?
if [ $status -gt 1 ]; then
  fail "doctor: exit code $status: $output"
elif [ $status = 1 ] && ! grep -q "MISSING  device" <<<"$output"; then
  fail "doctor does not name the device as missing: $output"
fi

# All start; without a card a trainer that is told to use one says so in one
# line.
shift
for program in "$@"; do
  "$program" --help >/dev/null 2>&1 || fail "$program --help: exit code $?"
  [ "$(basename "$program")" = train ] || continue
  grep -q "MISSING  device" <<<"$output" || continue
  said=$("$program" --device=cuda:0 --dry_run 2>&1)
  status=$?
  [ $status = 2 ] || fail "$program: exit code $status, not 2: $said"
  grep -q -- "--device" <<<"$said" || fail "$program: $said"
  ! grep -q -- "--config=cuda" <<<"$said" ||
    fail "$program asks for the build it is: $said"
done
exit $failed
