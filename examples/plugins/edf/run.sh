#!/usr/bin/env bash
# A scheduler in Rust, outside the workspace: tested, built, held against its contract, and used by a batch.
set -euo pipefail

project="$ROOT/examples/plugins/edf"
target="${CARGO_TARGET_DIR:-$ROOT/target}"
# The versions of the checkout, which are there already.
cp "$ROOT/Cargo.lock" "$project/Cargo.lock"
# Not what cargo said to the program that runs this script.
cargo=(env -u CARGO_MANIFEST_DIR cargo)
"${cargo[@]}" test --quiet --offline --manifest-path "$project/Cargo.toml" --target-dir "$target"
"${cargo[@]}" rustc --quiet --offline --manifest-path "$project/Cargo.toml" --target-dir "$target" \
    --lib --crate-type cdylib -- --cfg batchmill_export
install -m 755 "$target/debug/libedf.so" libedf.so
"$BATCHMILL" plugin check "$PWD/libedf.so"

cat >batchmill.toml <<CONFIG
[[plugins]]
name = "edf"
path = "$(realpath libedf.so)"
on_fault = "fallback:priority"

[scheduler]
kind = "edf"
CONFIG

# In the file the most urgent one is the last.
for day in 5 4 3 2 1; do
    printf '{"id":"in-%d-days","deadline":"%s","input":{}}\n' $day "$(date -u -d "+$day days" +%Y-%m-%dT%H:%M:%SZ)"
done >jobs.jsonl
printf '{"id":"whenever","input":{}}\n' >>jobs.jsonl
"$BATCHMILL" each jobs.jsonl --concurrency 1 --output results.jsonl -- true
grep -o '"job_id":"[^"]*"' results.jsonl | cut -d'"' -f4 | tee order
printf '%s\n' in-1-days in-2-days in-3-days in-4-days in-5-days whenever | cmp - order
