# For tests of bad input: sourced with the paths of train, eval and predict as
# arguments, in the runfiles; goes on in the test's own empty folder.
set -u
train="$PWD/$1" eval="$PWD/$2" predict="$PWD/$3"
cd "$TEST_TMPDIR" || exit 1
unset BUILD_WORKING_DIRECTORY SEG_DATA_ROOT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect CODE TEXT COMMAND...: the exit code, and TEXT in the last line of
# stderr. (Lines before it are progress.)
expect() {
  local code=$1 text=$2 got
  shift 2
  "$@" >out 2>err
  got=$?
  [[ $got == "$code" ]] || fail "${*##*/}: exit $got, expected $code: $(tail -1 err)"
  [[ $(tail -1 err) == *"$text"* ]] || fail "${*##*/}: no '$text' in: $(tail -1 err)"
  [[ $code == 0 || ! -s out ]] || fail "${*##*/}: stdout holds $(head -1 out)"
}
