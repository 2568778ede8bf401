"""Turns `bazel aquery --output=jsonproto` on stdin into compile_commands.json.

Arguments: the execution root and the output base, as `bazel info` names them.
Paths of outputs and external repositories become absolute: the links to them in
the execution root last only until the next build.
"""

import json
import os
import sys


def main() -> None:
  execution_root, output_base = sys.argv[1:]
  workspace = os.getcwd()

  def resolve(argument: str) -> str:
    if argument.startswith("external/"):
      return os.path.join(output_base, argument)
    if argument.startswith("bazel-out/"):
      return os.path.join(execution_root, argument)
    return argument

  entries = {}
  for action in json.load(sys.stdin).get("actions", []):
    arguments = action["arguments"]
    source = arguments[arguments.index("-c") + 1]
    if source.startswith("external/") or not source.endswith(".cc"):
      continue
    file = os.path.join(workspace, source)
    arguments[arguments.index("-c") + 1] = file
    # Precompiled headers are GCC's; without them clang also sees what a file
    # forgot to include.
    while "-include" in arguments:
      position = arguments.index("-include")
      del arguments[position:position + 2]
    entries[source] = {
        "directory": workspace,
        "file": file,
        "arguments": [
            resolve(a) for a in arguments if a != "-fno-canonical-system-headers"
        ],
    }
  json.dump([entries[key] for key in sorted(entries)], sys.stdout, indent=1)


if __name__ == "__main__":
  main()
