#!/bin/bash
# Usage: lift_out_test.sh ATEN_HEADER FOLDER...
# For each FOLDER of operators: copies what its README says to take ("To lift it
# out") out of the tree, builds the program there by the README's command, with
# plain g++, and runs it. ATEN_HEADER is LibTorch's include/ATen/ATen.h.
#
# The command runs as it stands, through a `g++` that changes what costs time and
# not what is shown: -O0, one instruction set of Highway, LibTorch's headers
# parsed once, each source compiled once for all operators, two at a time.
set -u
header=$(readlink -f "$1")
TORCH=${header%/include/ATen/ATen.h}
shift
here=$PWD
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/lift_out.XXXXXX") || exit 1
export work
# What libtorch_cpu.so needs beside it: the packages next to it, or the toolkit.
cuda=${CUDA_HOME:-/usr/local/cuda}
companions=$TORCH/../nvidia/cu13/lib:$TORCH/../companions
companions+=:$cuda/lib64:$cuda/extras/CUPTI/lib64

# Compiles $1 with the flags in $2 to $work/objects; a source that includes much
# of LibTorch starts from its headers parsed.
compile() {
  local object=$work/objects/${1//\//_}.o
  [ -e "$object" ] && return
  local parsed=()
  if grep -qE '#include [<"](ATen/ATen.h|torch/csrc)' "$1"; then
    parsed=(-include "$work/parsed.h" -Winvalid-pch)
  fi
  # shellcheck disable=SC2086
  command g++ $2 "${parsed[@]}" -c "$1" -o "$object"
}
export -f compile

g++() {
  local sources=() flags="" link=() out=alone objects=()
  while [ $# -gt 0 ]; do
    case $1 in
      -o) out=$2 && shift ;;
      *.cc) sources+=("$1") ;;
      -L* | -l* | -Wl,*) link+=("$1") ;;
      -O*) flags+=" -O0 -DHWY_COMPILE_ONLY_STATIC -ffp-contract=off" ;;
      *) flags+=" $1" ;;
    esac
    shift
  done
  if [[ $flags == *-isystem* && ! -e $work/parsed.h.gch ]]; then
    printf '#include <%s>\n' ATen/ATen.h torch/csrc/autograd/custom_function.h \
      >"$work/parsed.h"
    # shellcheck disable=SC2086
    command g++ $flags -x c++-header "$work/parsed.h" -o "$work/parsed.h.gch" ||
      return 1
  fi
  mkdir -p "$work/objects"
  printf '%s\n' "${sources[@]}" |
    xargs -P 2 -I {} bash -c 'compile "$1" "$2"' compile {} "$flags" || return 1
  for source in "${sources[@]}"; do
    objects+=("$work/objects/${source//\//_}.o")
  done
  case $flags in *-fopenmp*) link+=(-fopenmp) ;; esac
  command g++ -o "$out" "${objects[@]}" "${link[@]}" \
    -Wl,-rpath-link,"$companions"
}

failed=()
for folder in "$@"; do
  section=$(sed -n '/^## To lift it out/,/^## [^T]/p' "$here/$folder/README.md")
  # Up to the command: what to take.
  take=$(sed '/^    /,$d' <<<"$section" | grep -o '`common/[a-z_/]*`' | tr -d '`')
  command=$(sed -n '/^    /p' <<<"$section")
  if [ -z "$take" ] || [ -z "$command" ]; then
    echo "$folder/README.md does not say what to take and how to build it" >&2
    failed+=("$folder")
    continue
  fi
  lifted=$work/$(basename "$folder")
  for part in $take; do
    mkdir -p "$lifted/$part"
    cp -L "$here/$part"/*.{cc,h} "$lifted/$part" 2>/dev/null
  done
  # shellcheck disable=SC2164
  if (cd "$lifted" && eval "$command" &&
    LD_LIBRARY_PATH=$companions ./alone); then
    echo "$folder: built and run"
  else
    echo "$folder: what its README says does not build and run" >&2
    failed+=("$folder")
  fi
done
rm -rf "$work"
[ ${#failed[@]} = 0 ] || exit 1
