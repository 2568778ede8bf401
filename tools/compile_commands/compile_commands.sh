#!/bin/bash
# bazel run //tools/compile_commands: writes compile_commands.json at the root of
# the workspace, for clangd and clang-tidy.
set -eu
script=$(cd "$(dirname "$0")" && pwd)/compile_commands.py
cd "$BUILD_WORKSPACE_DIRECTORY"
# The outer `bazel run` has released its lock by now.
bazel aquery --output=jsonproto \
  'mnemonic("CppCompile", kind("cc_(library|binary|test)", //common/... + //crfgrad/... + //tools/...))' \
  2>/dev/null |
  python3 "$script" "$(bazel info execution_root 2>/dev/null)" \
    >compile_commands.json
echo "compile_commands.json: $(grep -c '"file"' compile_commands.json) files"
