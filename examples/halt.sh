#!/usr/bin/env bash
# When a batch stops early: enough successes, too many failures, and rules from a config file.
set -euo pipefail

# The mirror that answers first is enough: the batch is a success, the others are skipped.
printf '{"mirror":"%s"}\n' near away far farther >mirrors.jsonl
"$BATCHMILL" each mirrors.jsonl --concurrency 1 --max-attempts 1 --halt now,success=1 --output answers.jsonl -- \
    test '${ .mirror }' = far
grep -c '"status":"skipped"' answers.jsonl | grep -qx 1

# A tenth of all jobs may fail, not more; the exit code says how many did.
seq 50 | sed 's/.*/{"n":&}/' >jobs.jsonl
status=0
"$BATCHMILL" each jobs.jsonl --concurrency 1 --max-attempts 1 --halt soon,fail=10% --exit-code count \
    --output halted.jsonl -- test '${ .n }' -gt 7 || status=$?
test "$status" = 5

# Several rules, one of them about some kinds of errors only. None is reached here.
"$BATCHMILL" each jobs.jsonl --config "$ROOT/config/examples/halt-rules.toml" --output rules.jsonl -- test '${ .n }' -gt 0
test "$(grep -c '"status":"succeeded"' rules.jsonl)" = 50
