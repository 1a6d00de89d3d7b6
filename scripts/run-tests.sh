#!/usr/bin/env bash
# Runs every test and closes with one line of totals, which cargo itself does not give.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .work

# --no-fail-fast: one run names every failure, not only those of the first file.
cargo test --no-fail-fast "$@" 2>&1 | tee .work/test.log
status=${PIPESTATUS[0]}
awk '/^test result:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1); if ($i ~ /^ignored/) s += $(i-1) } }
     END { printf "%d passed, %d failed, %d skipped\n", p, f, s }' .work/test.log
exit "$status"
