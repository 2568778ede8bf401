#!/bin/bash
# bazel run --config=cuda //tools:gpu_check -- [--papers=cgm,...]
#     [--limit=SECONDS] [--json=FILE] [--only=KIND,...]
# Checks this machine's card (check.py), with all papers unless some are named.
# bazel run --config=cuda //tools:gpu_check -- --pack=DIR [--papers=cgm,...]
#     [--max_mb=60]
# Writes a folder to carry to a machine with a card, where DIR/check does it:
# what //tools:gpu_pack writes, and the tests and benchmarks of kernels.
set -eu
# Bazel starts this in its runfiles, below its output base.
output_base=$(pwd -P)
output_base=${output_base%%/execroot/*}
RUNFILES_DIR=$(dirname "$(pwd -P)")
export RUNFILES_DIR
gpu_pack=$PWD/tools/gpu_pack/gpu_pack
check=$(realpath tools/gpu_check/check.py)

folder=
pack_arguments=()
check_arguments=()
for argument in "$@"; do
  case $argument in
    --pack=*)
      folder=$(cd "${BUILD_WORKING_DIRECTORY:-.}" && realpath -m "${argument#*=}") ;;
    --papers=* | --data=* | --data_root=* | --max_mb=*) pack_arguments+=("$argument") ;;
    *) check_arguments+=("$argument") ;;
  esac
done
here=
if [ -z "$folder" ]; then
  here=$(mktemp -d)
  trap 'rm -rf "$here"' EXIT
  folder=$here/pack
  papers=$(cd "$RUNFILES_DIR/segpapers" && ls -d -- */train | xargs dirname |
    paste -sd,)
  # What the caller names comes after it, and holds.
  pack_arguments=(--max_mb=1000000 "--papers=$papers"
    "${pack_arguments[@]+"${pack_arguments[@]}"}")
elif [ ${#check_arguments[@]} -gt 0 ]; then
  echo "gpu_check: ${check_arguments[*]}: with --pack nothing is checked" >&2
  exit 2
fi

cd "${BUILD_WORKSPACE_DIRECTORY:?run it by bazel run}"
bazel() { command bazel --output_base="$output_base" "$@"; }
quietly() { "$@" 2>"$log" || { cat "$log" >&2 && return 1; }; }
log=$(mktemp)
tests=$(quietly bazel query 'attr(tags, "\bgpu\b", kind(cc_test, //...))')
benchmarks=$(quietly bazel query \
  'attr(tags, "\bcuda_benchmark\b", kind(cc_binary, //...))')
# shellcheck disable=SC2086  # a word a target
bazel build --config=cuda --noshow_progress $tests $benchmarks >&2
bin=$(quietly bazel info --config=cuda bazel-bin)
rm "$log"

"$gpu_pack" --out="$folder" "${pack_arguments[@]+"${pack_arguments[@]}"}"
tree=$folder/runfiles/segpapers
# Copies the program of a label, and the small files that it reads.
take() {
  local label=${1#//} to=$tree/gpu_check/$2
  local path=$bin/${label/://}
  mkdir -p "$to"
  cp -L "$path" "$to/"
  chmod u+w "$to/${path##*/}"
  strip "$to/${path##*/}"
  [ -d "$path.runfiles/segpapers" ] || return 0
  (cd "$path.runfiles/segpapers" && find . -type l ! -name '*.so*' \
    -exec test -f {} \; ! -exec test -x {} \; -print) |
    while read -r file; do
      mkdir -p "$tree/$(dirname "$file")"
      cp -fL "$path.runfiles/segpapers/$file" "$tree/$file"
    done
}
for label in $tests; do take "$label" tests; done
for label in $benchmarks; do take "$label" benchmarks; done
cp "$check" "$folder/check"
chmod +x "$folder/check"
echo "$folder: $(wc -w <<<"$tests") tests, $(wc -w <<<"$benchmarks") benchmarks," \
  "$(du -sm "$folder" | cut -f1) MB" >&2
[ -n "$here" ] || exit 0
cd "${BUILD_WORKING_DIRECTORY:-.}"
"$folder/check" "${check_arguments[@]+"${check_arguments[@]}"}"
