#!/bin/bash
# The example trains into the folder that it is given.
set -eu
run=$TEST_TMPDIR/run
tools/example/train_alone "$run" | grep -q "^report: $run/report.html"
[[ -e $run/checkpoints/last/model.safetensors && -s $run/metrics.jsonl ]]
