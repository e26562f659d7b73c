#!/usr/bin/env bash
# A batch that runs is looked at, paused, let go on, and loses a job; afterwards its store tells the rest.
set -euo pipefail

# Three jobs, one at a time, each of which waits until a line comes through the pipe.
mkfifo gate
seq 3 | sed 's/.*/{"n":&}/' >jobs.jsonl
"$BATCHMILL" each jobs.jsonl --concurrency 1 --output results.jsonl --batch nightly -- sh -c 'touch "started.$1"; read -r line <gate' sh '${ .n }' &
until [ -e started.1 ]; do sleep 0.05; done

"$BATCHMILL" status nightly
"$BATCHMILL" explain nightly 3 | grep -q 'the only slot is taken'

# Running jobs finish; nothing follows them.
"$BATCHMILL" pause nightly
echo go >gate
until "$BATCHMILL" status nightly -o json | grep -q '"succeeded": 1'; do sleep 0.05; done
"$BATCHMILL" status nightly | grep -q 'Paused by a person'
test ! -e started.2

# Who waits can be taken out, with the batch paused or not.
"$BATCHMILL" cancel nightly 3
"$BATCHMILL" unpause nightly
echo go >gate
status=0
wait $! || status=$?
test "$status" = 1

"$BATCHMILL" results nightly --status cancelled | grep -q '"job_id":"3"'
"$BATCHMILL" explain nightly 3
"$BATCHMILL" prune --older 0s --dry-run

# What was cancelled runs again, in a batch of its own; the latest result of each job counts.
(echo go >gate) &
"$BATCHMILL" retry nightly --status cancelled --output again.jsonl
test "$("$BATCHMILL" results nightly --status succeeded | wc -l)" = 3
"$BATCHMILL" results nightly --generation 1 | grep -q '"batch":"nightly.r1"'
