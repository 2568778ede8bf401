#!/usr/bin/env python3
"""check [--limit=SECONDS] [--json=FILE] [--device=cuda:0] [--only=KIND,...]

Checks a pack of //tools:gpu_check on the machine it lies on, in this order:
doctor, tests (all that are tagged gpu), sanitizer (compute-sanitizer: memcheck
on all of these, racecheck on those of kernels alone), benchmarks of kernels,
training (a paper's demo each, cut short). Prints a table and writes one JSON
file.

Exit code 0: everything ran and passed; 1: something failed, or time ran out
before it; 2: wrong usage. A machine without compute-sanitizer is no failure.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE / "runfiles" / "segpapers"
KINDS = ("doctor", "tests", "sanitizer", "benchmarks", "training")
# Of one item, so that a hanging one leaves time to the others.
ITEM_SECONDS = {"doctor": 60, "tests": 240, "benchmarks": 120, "training": 120,
                "sanitizer": 180}


class Clock:
  """What is left of the limit."""

  def __init__(self, limit):
    self.end = time.monotonic() + limit

  def left(self):
    return self.end - time.monotonic()


def run(command, seconds, log):
  """Runs with output to `log`. Returns the exit code, None when cut short."""
  with open(log, "wb") as out:
    process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                               start_new_session=True)
    try:
      return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
      os.killpg(process.pid, signal.SIGINT)  # a trainer saves and ends
      try:
        process.wait(timeout=10)
      except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
      return None


def tail(log, lines=12):
  """The end of a log, and before it what GoogleTest says of failures."""
  text = pathlib.Path(log).read_text(errors="replace").strip().splitlines()
  told = []
  for k, line in enumerate(text):
    if re.search(r": (Failure|error)\b|^\[  FAILED  \]|terminate called", line):
      told += [at for at in range(k, k + 8) if at < len(text) - lines]
  kept = sorted(set(told))[:60]
  return "\n".join([text[k] for k in kept] + text[-lines:])


def programs(folder):
  path = TREE / "gpu_check" / folder
  return sorted(p.name for p in path.iterdir()) if path.is_dir() else []


def compute_sanitizer():
  homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"]
  found = [shutil.which("compute-sanitizer")]
  found += [f"{home}/bin/compute-sanitizer" for home in homes if home]
  return next((f for f in found if f and os.access(f, os.X_OK)), None)


def images_per_second(run_folder):
  """The median of the later half: the first steps warm up."""
  rates = []
  for path in pathlib.Path(run_folder).rglob("metrics.jsonl"):
    for line in path.read_text().splitlines():
      rate = json.loads(line).get("images_per_second")
      if rate is not None:
        rates.append(rate)
  return statistics.median(rates[len(rates) // 2:]) if rates else None


def items(kind, scratch, device):
  """(name, command, result of (exit code, log) -> (status, details)) each."""
  start = [str(HERE / "run")]

  def plain(code, log):
    if code is None:
      return "time", {"output": tail(log)}
    return ("ok", {}) if code == 0 else (
        "failed", {"exit_code": code, "output": tail(log)})

  if kind == "doctor":
    def has_card(code, log):
      # It also asks for what only a build needs, and for data.
      text = pathlib.Path(log).read_text(errors="replace")
      if code is not None and re.search(r"^ *ok +device ", text, re.M):
        return "ok", {"output": text}
      return plain(code or 1, log)
    yield "doctor", start + ["tools/doctor"], has_card

  elif kind == "tests":
    def passed(code, log):
      # Without a card they skip, which is no pass here.
      text = pathlib.Path(log).read_text(errors="replace")
      if code == 0 and "[       OK ]" not in text:
        return "failed", {"output": "no test ran\n" + tail(log)}
      return plain(code, log)
    for name in programs("tests"):
      yield name, start + [f"gpu_check/tests/{name}"], passed

  elif kind == "benchmarks":
    for name in programs("benchmarks"):
      results = scratch / f"{name}.json"

      def timed(code, log, results=results):
        status, details = plain(code, log)
        if results.exists():
          try:
            details["results"] = json.loads(results.read_text())
          except ValueError:
            status, details["output"] = "failed", "writes no JSON"
        return status, details
      yield name, start + [f"gpu_check/benchmarks/{name}", str(results)], timed

  elif kind == "training":
    for paper in sorted(p.parent.name for p in TREE.glob("*/train")):
      folder = scratch / paper

      def trained(code, log, folder=folder):
        rate = images_per_second(folder)
        details = {"images_per_second": rate, "whole": code == 0}
        # Cut short is fine once it trains.
        if (code in (0, None, 130)) and rate is not None:
          return "ok", details
        return plain(1 if code == 0 else code, log)
      yield paper, start + [f"{paper}/train", f"--device={device}",
                            f"--work_dir={folder}"], trained

  elif kind == "sanitizer":
    tool = compute_sanitizer()
    for name in programs("tests"):
      # With LibTorch's own kernels racecheck takes many times as long.
      kernels = name.endswith("_on_card")
      for check in ("memcheck", "racecheck") if kernels else ("memcheck",):
        yield (f"{name} {check}",
               tool and [tool, "--tool", check, "--error-exitcode", "9",
                         "--target-processes", "all"] + start +
               [f"gpu_check/tests/{name}"], plain)


def card():
  try:
    return subprocess.run(
        ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
        capture_output=True, text=True, timeout=20).stdout.strip()
  except (OSError, subprocess.TimeoutExpired):
    return ""


def check(kinds, clock, device):
  rows = []
  with tempfile.TemporaryDirectory() as scratch_name:
    scratch = pathlib.Path(scratch_name)
    for kind in kinds:
      todo = list(items(kind, scratch, device))
      for at, (name, command, result) in enumerate(todo):
        row = {"kind": kind, "name": name, "status": "absent", "seconds": 0.0}
        rows.append(row)
        if command is None:
          row["output"] = "compute-sanitizer is not installed"
        elif clock.left() < 1:
          row.update(status="time", output="the limit was reached before it")
        else:
          log = scratch / "log"
          before = time.monotonic()
          seconds = min(ITEM_SECONDS[kind], clock.left())
          if kind == "training":  # each paper gets its turn
            seconds = min(seconds, max(1, clock.left() / (len(todo) - at)))
          code = run(command, seconds, log)
          row["seconds"] = round(time.monotonic() - before, 1)
          row["status"], details = result(code, log)
          row.update(details)
        print(f"{row['status']:7} {row['seconds']:7.1f} s  {kind:10} {name}",
              file=sys.stderr, flush=True)
  return rows


def table(rows):
  lines = []
  for row in rows:
    rate = row.get("images_per_second")
    more = "" if rate is None else f"{rate:.1f} images/s"
    lines.append(f"{row['status']:7} {row['kind']:10} {row['name']:52} "
                 f"{row['seconds']:6.1f} s  {more}".rstrip())
    if row["status"] in ("failed", "time"):
      lines += ["        " + line for line in row.get("output", "").splitlines()]
  counts = {s: sum(r["status"] == s for r in rows)
            for s in ("ok", "failed", "time", "absent")}
  lines.append(f"{counts['ok']} ok, {counts['failed']} failed, "
               f"{counts['time']} out of time, {counts['absent']} absent")
  return "\n".join(lines), counts


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument("--limit", type=float, default=600, help="seconds")
  parser.add_argument("--json", default="gpu_check.json", help="results")
  parser.add_argument("--device", default="cuda:0", help="to train on")
  parser.add_argument("--only", default=",".join(KINDS), help="kinds of checks")
  arguments = parser.parse_args()
  kinds = [k for k in KINDS if k in arguments.only.split(",")]
  unknown = set(arguments.only.split(",")) - set(KINDS)
  if unknown or arguments.limit <= 0:
    parser.error(f"--only takes {', '.join(KINDS)}; --limit more than 0")
  rows = check(kinds, Clock(arguments.limit), arguments.device)
  text, counts = table(rows)
  commit = TREE / "COMMIT"
  pathlib.Path(arguments.json).write_text(json.dumps({
      "commit": commit.read_text().split("\n")[0] if commit.exists() else "",
      "card": card(),
      "limit_seconds": arguments.limit,
      "counts": counts,
      "checks": rows,
  }, indent=1) + "\n")
  print(text)
  return 1 if counts["failed"] or counts["time"] or not counts["ok"] else 0


if __name__ == "__main__":
  sys.exit(main())
