#!/usr/bin/env bash
# The audit of the README: as many results as crates, all of them succeeded, and the tables.
set -euo pipefail

xtask=(cargo run --quiet --manifest-path "$ROOT/Cargo.toml" --package xtask --)
"${xtask[@]}" audit --batchmill "$BATCHMILL" --into . -- --config "$ROOT/examples/audit/priority.toml" | tee shown.txt

jobs=$(wc -l <jobs.jsonl)
results=$(wc -l <results.jsonl)
succeeded=$(grep -c '"status":"succeeded"' results.jsonl)
if [ "$jobs" -ne "$results" ] || [ "$jobs" -ne "$succeeded" ]; then
    echo "$jobs jobs, $results results, $succeeded succeeded" >&2
    exit 1
fi
grep -Eq "^  all +$jobs " shown.txt      # the table by licence
grep -q '^Most uses of `unsafe`' shown.txt
grep -Eq '^Verdicts: [0-9]+ clean' shown.txt

# A crate that everybody has here: its checksum is the one in Cargo.lock.
checksum=$(grep -A3 '^name = "serde_json"' "$ROOT/Cargo.lock" | sed -n 's/^checksum = "\(.*\)"/\1/p')
grep -q "\"sha256\":\"$checksum\"" results.jsonl
