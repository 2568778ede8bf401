#!/bin/bash
# bazel run --config=cuda //tools:gpu_pack -- --out=DIR [--papers=cgm,...]
#     [--data=PACK,...] [--data_root=DIR] [--max_mb=60]
# Writes a folder to carry to a machine with a card: programs, configurations,
# ImageNet weights, what //tools:reproduce needs of each paper's folder, the
# named data packs and `run`, which starts a program on the LibTorch of an
# installed torch 2.11. Fails above --max_mb without data.
set -eu

usage() {
  echo "gpu_pack: $*" >&2
  echo "usage: gpu_pack --out=DIR [--papers=cgm,...] [--data=PACK,...]" \
    "[--data_root=DIR] [--max_mb=60]" >&2
  exit 2
}

out=
papers=cgm
data=
data_root=${SEG_DATA_ROOT:-}
max_mb=60
for argument in "$@"; do
  case $argument in
    --out=*) out=${argument#*=} ;;
    --papers=*) papers=${argument#*=} ;;
    --data=*) data=${argument#*=} ;;
    --data_root=*) data_root=${argument#*=} ;;
    --max_mb=*) max_mb=${argument#*=} ;;
    *) usage "unknown argument '$argument'" ;;
  esac
done
[ -n "$out" ] || usage "--out names the folder to write"

runfiles=${RUNFILES_DIR:-${TEST_SRCDIR:-$0.runfiles}}
[ -d "$runfiles" ] || runfiles=$(dirname "$(dirname "$(dirname "$PWD")")")
runfiles=$(cd "$runfiles" && pwd)
own=$runfiles/segpapers
if [ -n "${BUILD_WORKING_DIRECTORY:-}" ]; then cd "$BUILD_WORKING_DIRECTORY"; fi
if [ -e "$out" ]; then usage "$out exists already; name a new folder"; fi

IFS=, read -ra papers <<<"$papers"
IFS=, read -ra data <<<"$data"
for paper in "${papers[@]}"; do
  [ -e "$own/$paper/train" ] || usage "--papers: there is no '$paper'"
done
for pack in "${data[@]}"; do
  [ -n "$data_root" ] || usage "--data needs --data_root or SEG_DATA_ROOT"
  [ -e "$data_root/$pack/dataset.yaml" ] ||
    usage "--data: $data_root/$pack is no data pack (no dataset.yaml)"
done

tree=$out/runfiles/segpapers
mkdir -p "$out/lib" "$tree/tools" "$out/data"
program() {
  cp -L "$own/$1" "$tree/$2"
  chmod u+w "$tree/$2"
  strip "$tree/$2"
}
program tools/doctor/doctor tools/doctor
program tools/reproduce/reproduce tools/reproduce
for paper in "${papers[@]}"; do
  mkdir -p "$tree/$paper"
  for command in "$own/$paper"/*; do
    [ -f "$command" ] && [ -x "$command" ] || continue
    program "$paper/${command##*/}" "$paper/${command##*/}"
  done
  for path in README.md protocol.yaml reported.yaml configs results; do
    cp -rL "$own/$paper/$path" "$tree/$paper/"
  done
done
# What results are marked with there, where no git is: the commit, then what was
# changed since, a line each. Outside of `bazel run` it is not known.
[ -n "${BUILD_WORKSPACE_DIRECTORY:-}" ] &&
  (cd "$BUILD_WORKSPACE_DIRECTORY" && git rev-parse HEAD &&
    git status --porcelain) >"$tree/COMMIT" || echo unknown >"$tree/COMMIT"
# The backbone of the configurations; Lite1 and Lite2 are named by path.
cp -rL "$runfiles/efficientnet_lite0_weights" "$out/runfiles/"
# The one library that neither LibTorch nor every Linux brings.
cp -L "$(ldd "$own/crfgrad/train" | sed -n 's/.*libhwy[^ ]* => \([^ ]*\).*/\1/p')" \
  "$out/lib/"
cp -L "$own/tools/gpu_pack/run.sh" "$out/run"
size=$(du -sm "$out" | cut -f1)
for pack in "${data[@]}"; do cp -rL "$data_root/$pack" "$out/data/"; done
chmod -R u+w "$out"
chmod +x "$out/run"

echo "$out: ${papers[*]}, $size MB; with data $(du -sm "$out" | cut -f1) MB"
if [ "$size" -gt "$max_mb" ]; then
  echo "gpu_pack: above $max_mb MB; name fewer --papers" >&2
  exit 1
fi
