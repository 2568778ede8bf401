#!/bin/bash
# The example trains into the folder that it is given.
set -eu
run=$TEST_TMPDIR/run
said=$(tools/example/train_alone "$run")
grep -q "^report: $run/report.html" <<<"$said"
[[ -e $run/checkpoints/last/model.safetensors && -s $run/metrics.jsonl ]]
