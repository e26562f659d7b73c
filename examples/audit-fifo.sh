#!/usr/bin/env bash
# The audit with `[scheduler] kind` swapped: one crate at a time, so that the order of finishing is the scheduler's alone.
set -euo pipefail

xtask=(cargo run --quiet --manifest-path "$ROOT/Cargo.toml" --package xtask --)
for kind in priority fifo; do
    "${xtask[@]}" audit --batchmill "$BATCHMILL" --into "$kind" --limit 40 -- \
        --config "$ROOT/examples/audit/$kind.toml" --concurrency 1 | tee "$kind.txt"
    grep -o '"job_id":"[^"]*"' "$kind/results.jsonl" >"$kind.order"
done

cmp priority/jobs.jsonl fifo/jobs.jsonl # the same jobs
grep -o '"id":"[^"]*"' fifo/jobs.jsonl | sed 's/"id"/"job_id"/' | cmp - fifo.order # in the order of the file
if cmp -s priority.order fifo.order; then
    echo "both schedulers ran the crates in the same order" >&2
    exit 1
fi
cmp <(sort priority.order) <(sort fifo.order) # the same crates
