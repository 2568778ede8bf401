#!/bin/bash
# run PROGRAM [ARGUMENTS]: starts a program, `cgm/train` say, with the LibTorch of
# the torch 2.11 that python3 has (or PYTHON, or SEG_LIBTORCH names).
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

tree=$here/runfiles/segpapers

if [ $# = 0 ] || [ ! -f "$tree/$1" ] || [ ! -x "$tree/$1" ]; then
  echo "usage: run PROGRAM [ARGUMENTS]; programs:" >&2
  (cd "$tree" && find . -mindepth 2 -maxdepth 2 -type f -perm -u+x |
    sed 's|^\./|  |' | sort) >&2
  exit 2
fi

torch=${SEG_LIBTORCH:-}
if [ -z "$torch" ]; then
  # Found, not imported: that alone takes seconds.
  torch=$("${PYTHON:-python3}" -c '
import importlib.util
spec = importlib.util.find_spec("torch")
print(spec.submodule_search_locations[0] if spec else "")') || torch=
fi
version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$torch/version.py" 2>/dev/null || true)
case $version in
  2.11.*) ;;
  *)
    echo "run: needs torch 2.11 (CUDA 13); found '${version:-none}'. Install it" \
      "by pip, or name its folder in SEG_LIBTORCH" >&2
    exit 1
    ;;
esac

path=$torch/lib:$here/lib
for folder in "$torch"/../nvidia/*/lib; do
  if [ -d "$folder" ]; then path=$path:$folder; fi
done
export LD_LIBRARY_PATH=$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export RUNFILES_DIR=$here/runfiles
export SEG_DATA_ROOT=${SEG_DATA_ROOT:-$here/data}
# Where reproduce finds protocols and writes results.
export BUILD_WORKSPACE_DIRECTORY=${BUILD_WORKSPACE_DIRECTORY:-$tree}
program=$tree/$1
shift
exec "$program" "$@"
