#!/usr/bin/env bash
# A retry policy in C: built, held against its contract, and used by a batch.
set -euo pipefail

${CC:-cc} -std=c11 -Wall -Wextra -Werror -O2 -fPIC -shared -I "$ROOT/crates/abi/include" \
    -o liblinear.so "$ROOT/examples/plugins/retry-c/linear.c"
chmod 755 liblinear.so
"$BATCHMILL" plugin inspect "$PWD/liblinear.so"
"$BATCHMILL" plugin check "$PWD/liblinear.so"

cat >batchmill.toml <<CONFIG
[[plugins]]
name = "linear"
path = "$(realpath liblinear.so)"

[retry]
kind = "linear"
options = { attempts = 3, delay_ms = 10 }
CONFIG

# The first job succeeds when it is tried a third time; the other one never does.
cat >work.sh <<'WORK'
echo x >>"$1"
test "$(wc -l <"$1")" -ge "$2"
WORK
printf '{"file":"first","needs":3}\n{"file":"other","needs":9}\n' >jobs.jsonl
status=0
"$BATCHMILL" each jobs.jsonl --output results.jsonl -- sh "$PWD/work.sh" '${ .file }' '${ .needs }' || status=$?
test "$status" = 1
test "$(cat first other | wc -l)" = 6
grep -c '"status":"succeeded"' results.jsonl | grep -qx 1

# Options that are wrong are refused before anything runs, all at once.
status=0
"$BATCHMILL" config check --set retry.options.attempts=0 --set retry.options.dealy_ms=5 2>problems || status=$?
cat problems
grep -q 'must be a whole number from 1 to 100' problems
grep -q 'dealy_ms' problems
