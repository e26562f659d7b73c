#!/usr/bin/env bash
# A batch whose host is killed goes on where it stopped; one that is not the same any more does not.
set -euo pipefail

cat >flow.yaml <<'YAML'
version: 1
name: fragile
nodes:
  work:
    # The third job kills the program, once.
    run: [sh, -c, 'echo $1 >> ran; [ $1 != 3 ] || [ -e killed ] || { : > killed; kill -9 $PPID; }', sh, '${ .n }']
output: '{n}'
YAML
seq 10 | sed 's/.*/{"n":&}/' >jobs.jsonl

status=0
"$BATCHMILL" run flow.yaml jobs.jsonl --concurrency 1 --batch nightly --output results.jsonl || status=$?
test "$status" = 137

# Another file of jobs is another batch: nothing runs, and what differs is told.
sed 's/"n":10/"n":11/' jobs.jsonl >changed.jsonl
mv jobs.jsonl kept.jsonl && mv changed.jsonl jobs.jsonl
"$BATCHMILL" resume nightly 2>refused || status=$?
test "$status" = 65
grep -q 'jobs.jsonl: 1 job has other content: `10`' refused
mv kept.jsonl jobs.jsonl

# The same one goes on. Each job has one result, also those of the host that was killed.
"$BATCHMILL" resume nightly
test "$(wc -l <results.jsonl)" = 10
grep -c '^1$' ran | grep -qx 1

# Its name answers for it: the same command runs nothing more.
"$BATCHMILL" run flow.yaml jobs.jsonl --concurrency 1 --batch nightly --output again.jsonl
test "$(wc -l <again.jsonl)" = 10
test "$(grep -c '^10$' ran)" = 1
