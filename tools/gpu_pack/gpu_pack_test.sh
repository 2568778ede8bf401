#!/bin/bash
# Usage: gpu_pack_test.sh GPU_PACK. A pack of one paper trains a step on the
# LibTorch that a folder in the form of an installed torch names.
set -u
pack=$PWD/$1
cgm=$PWD/cgm/train
out=$TEST_TMPDIR/pack
failed=0
fail() {
  echo "$*" >&2
  failed=1
}

"$pack" --out="$out" --papers=cgm >"$TEST_TMPDIR/log" 2>&1 ||
  fail "gpu_pack: $(cat "$TEST_TMPDIR/log")"
grep -q "cgm, [0-9]* MB" "$TEST_TMPDIR/log" || fail "$(cat "$TEST_TMPDIR/log")"

# A torch package as far as `run` looks: the version and the libraries.
torch=$TEST_TMPDIR/site/torch
mkdir -p "$torch/lib"
for library in $(ldd "$cgm" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p'); do
  case $library in
    */libtorch* | */libc10* | */libgomp* | */libcud* | */libcupti*)
      ln -s "$library" "$torch/lib/" ;;
  esac
done
echo "__version__ = '2.11.0+cu130'" >"$torch/version.py"

# Nothing of the build may serve it but LibTorch.
run() { env -u RUNFILES_DIR -u TEST_SRCDIR SEG_LIBTORCH="$torch" "$out/run" "$@"; }
cd "$TEST_TMPDIR" || exit 1
run cgm/train --device=cpu --work_dir=r train.steps=1 \
  >"$TEST_TMPDIR/log" 2>&1 || fail "train: $(tail -n 5 "$TEST_TMPDIR/log")"
[ -e r/config.yaml ] || fail "train wrote no run folder"

# Nothing says of which commit this pack is.
run tools/reproduce cgm --work_dir=w >"$TEST_TMPDIR/log" 2>&1 &&
  fail "reproduce measures programs of no known commit"
grep -q "does not know the commit" "$TEST_TMPDIR/log" ||
  fail "reproduce: $(tail -n 5 "$TEST_TMPDIR/log")"

run cgm/trian >"$TEST_TMPDIR/log" 2>&1
[ $? = 2 ] || fail "an unknown program is not answered with exit code 2"
grep -q "cgm/train" "$TEST_TMPDIR/log" || fail "the programs are not listed"
echo "__version__ = '2.10.0'" >"$torch/version.py"
run cgm/train >"$TEST_TMPDIR/log" 2>&1
[ $? = 1 ] || fail "another torch is not answered with exit code 1"
grep -q "2.10.0" "$TEST_TMPDIR/log" || fail "the version found is not named"
for wrong in --papers=cgm "--out=$out" "--out=x --papers=nothing" --nothing; do
  # shellcheck disable=SC2086
  "$pack" $wrong >/dev/null 2>&1
  [ $? = 2 ] || fail "gpu_pack $wrong is not answered with exit code 2"
done
exit $failed
