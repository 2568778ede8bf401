#!/bin/bash
# The example builds, runs, and improves the labels (its exit code says so).
set -eu
said=$(tools/example/refine_mask)
grep -q 'pixel accuracy .* before, .* after' <<<"$said"
