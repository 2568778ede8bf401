#!/bin/bash
# The toy paper trains and evaluates as any other, and learns.
set -eu
cd tools/example/toy
./train --device=cpu --work_dir="$TEST_TMPDIR/run" >/dev/null
iou=$(./eval --device=cpu --checkpoint="$TEST_TMPDIR/run" --split=test --json |
  sed 's/.*"mean_iou":\([0-9.]*\).*/\1/')
# Background alone has 0.22.
awk "BEGIN { exit !($iou > 0.24) }" || { echo "mean IoU $iou" >&2; exit 1; }
