#!/usr/bin/env bash
# Would fair share help? The same jobs under two configs, in virtual time: nothing runs.
set -euo pipefail

cat >flow.yaml <<'FLOW'
version: 1
name: nightly
nodes:
  work: {run: [sleep, "${ .seconds }"]}
FLOW
for tenant in archive archive archive reports research; do
    for number in $(seq 200); do
        printf '{"tenant": "%s", "input": {"seconds": %d}}\n' "$tenant" $((number % 7 + 1))
    done
done >jobs.jsonl

play() {
    "$BATCHMILL" simulate flow.yaml jobs.jsonl --config "$ROOT/config/examples/fifo.toml" \
        --against "$ROOT/config/examples/fair-share.toml" --durations 'jq:.input.seconds' --failures 2% "$@"
}
play --svg shares.svg | tee first
play --svg again.svg >second
cmp first second
cmp shares.svg again.svg

# First come, first served: research waits for everybody. With three times the weight it is done first.
waits() { play -o jsonl | sed -n "$1p" | grep -o '"tenant":"research".*' | grep -o '"p50_seconds":[0-9]*' | head -n 1 | cut -d: -f2; }
echo "half of research's jobs wait for $(waits 1) s, or with fair share for $(waits 2) s at most"
test "$(waits 2)" -lt "$(waits 1)"
