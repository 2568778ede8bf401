"""Turns `bazel aquery --output=jsonproto` on stdin into compile_commands.json.

Paths stay relative to the execution root, the folder that each entry names.
"""

import json
import os
import sys


def main() -> None:
  execution_root = sys.argv[1]
  workspace = os.getcwd()
  entries = {}
  for action in json.load(sys.stdin).get("actions", []):
    arguments = action["arguments"]
    source = arguments[arguments.index("-c") + 1]
    if source.startswith("external/") or not source.endswith(".cc"):
      continue
    # The file of the workspace, so that an editor knows it as its own.
    arguments[arguments.index("-c") + 1] = os.path.join(workspace, source)
    entries[source] = {
        "directory": execution_root,
        "file": os.path.join(workspace, source),
        "arguments": [a for a in arguments if a != "-fno-canonical-system-headers"],
    }
  json.dump([entries[key] for key in sorted(entries)], sys.stdout, indent=1)


if __name__ == "__main__":
  main()
