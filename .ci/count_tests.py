"""Counts test cases in Bazel's test.xml files and prints one closing line.

A case that was skipped because SEG_DATA_ROOT is not set counts as failed when
it is set: the packs are there, so nothing may be left out. Exit code 1 where a
case failed.
"""

import os
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def main() -> int:
  passed = failed = skipped = 0
  for path in sorted(pathlib.Path(sys.argv[1]).rglob("test.xml")):
    for case in ElementTree.parse(path).iter("testcase"):
      name = f"{path.parent}: {case.get('classname')}.{case.get('name')}"
      if case.find("failure") is not None or case.find("error") is not None:
        failed += 1
        print("failed:", name)
      elif case.find("skipped") is not None or case.get("result") == "skipped":
        skipped_node = case.find("skipped")
        why = "" if skipped_node is None else (
            skipped_node.get("message") or skipped_node.text or "")
        if "SEG_DATA_ROOT" in why and os.environ.get("SEG_DATA_ROOT"):
          failed += 1
          print("skipped although the data is there:", name)
        else:
          skipped += 1
          print("skipped:", name, why.strip())
      else:
        passed += 1
  print(f"{passed} passed, {failed} failed, {skipped} skipped")
  return 1 if failed or not passed else 0


if __name__ == "__main__":
  sys.exit(main())
