#!/bin/bash
# Usage: check.sh REPORT...
# Lists the kernels of ptxas' reports: registers, shared memory and stack of
# each, in bytes, and what it spills. Fails where one spills, or where no report
# names a kernel.
set -u
for report in "$@"; do
  awk '
    function done_with() {
      if (name == "") return
      printf "%s %s %s %s %s %s\n", registers, shared, stack, stores, loads, name
      name = ""
    }
    /Compiling entry function/ {
      done_with()
      split($0, quoted, "\047")
      name = quoted[2]
      registers = shared = stack = stores = loads = 0
    }
    # Of the kernel, and of each function that it calls.
    /bytes stack frame/ {
      stack += $1
      stores += $5
      loads += $9
    }
    /Used [0-9]+ registers/ {
      for (i = 1; i <= NF; ++i) {
        if ($i == "registers,") registers = $(i - 1)
        if ($i ~ /^smem/) shared = $(i - 2)
      }
    }
    END { done_with() }' "$report"
done | c++filt | sed 's/ void / /' | sort -k6 | awk '
  BEGIN {
    format = "%9s %8s %7s %13s %12s  %s\n"
    printf format, "registers", "static", "stack", "spill stores", \
      "spill loads", "kernel"
  }
  {
    kernel = ""
    for (i = 6; i <= NF; ++i) kernel = kernel (i > 6 ? " " : "") $i
    gsub(/\(anonymous namespace\)::/, "", kernel)
    sub(/\(.*/, "", kernel)
    printf format, $1, $2, $3, $4, $5, kernel
    if ($4 + $5 > 0) spilled = spilled " " kernel
  }
  END {
    if (NR == 0) {
      print "no kernel in the reports"
      exit 1
    }
    if (spilled != "") {
      print "these spill registers:" spilled
      exit 1
    }
  }'
