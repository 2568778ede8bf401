#!/bin/bash
# bazel run //tools/compile_commands: writes compile_commands.json at the root of
# the workspace, for clangd and clang-tidy.
set -eu -o pipefail
cd "$BUILD_WORKSPACE_DIRECTORY"
new=$(mktemp)
trap 'rm -f "$new"' EXIT
# The outer `bazel run` has released its lock by now.
root=$(bazel info execution_root 2>/dev/null)
base=$(bazel info output_base 2>/dev/null)
bazel aquery --ui_event_filters=-info --noshow_progress --output=jsonproto \
  'mnemonic("CppCompile", kind("cc_(library|binary|test)", //...))' |
  python3 tools/compile_commands/compile_commands.py "$root" "$base" >"$new"
cp "$new" compile_commands.json
echo "compile_commands.json: $(grep -c '"file"' compile_commands.json) files"
