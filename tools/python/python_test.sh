#!/bin/bash
# Usage: python_test.sh WHEEL OPS_TEST FILE...
# Runs OPS_TEST with FILEs on the unpacked WHEEL, by $SEG_PYTHON or python3; says
# so and passes where that has no torch 2.11.
set -u
python=${SEG_PYTHON:-python3}
version=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null)
if [[ $version != 2.11.* ]]; then
  why="$python has no torch 2.11 (found ${version:-none}). Set SEG_PYTHON."
  echo "SKIPPED: $why"
  if [[ -n ${XML_OUTPUT_FILE:-} ]]; then
    cat >"$XML_OUTPUT_FILE" <<END
<testsuites><testsuite name="python_test" tests="1"><testcase
name="python_test" classname="tools"><skipped message="$why"/></testcase>
</testsuite></testsuites>
END
  fi
  exit 0
fi
wheel=$1
test=$2
shift 2
package=$(mktemp -d "${TEST_TMPDIR:-/tmp}/package.XXXXXX") || exit 1
"$python" -m zipfile -e "$wheel" "$package" || exit 1
# Beside it: a script's own folder comes first, and in the tree the package has no
# library.
cp -L "$test" "$package/ops_test.py" || exit 1
"$python" "$package/ops_test.py" "$@"
