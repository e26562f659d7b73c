#!/usr/bin/env bash
# Three tenants on one slot. The jobs of `archive` are first in the file and the most; the weights decide all the same.
set -euo pipefail

cat >flow.yaml <<'FLOW'
version: 1
name: shares
nodes:
  work: {set: '{done: true}'}
FLOW
for tenant in archive archive archive research/alice research/bob reports; do
    for number in $(seq 60); do
        printf '{"tenant": "%s", "input": {"number": %d}}\n' "$tenant" "$number"
    done
done >jobs.jsonl

# These jobs take no time worth dividing: divide the starts. Without `charge` it is the time of the slots.
"$BATCHMILL" run flow.yaml jobs.jsonl --config "$ROOT/config/examples/fair-share.toml" \
    --concurrency 1 --set scheduler.options.charge=cost --output results.jsonl

# Of each five starts three are research's, and of those two are alice's.
starts() { head -n 75 results.jsonl | grep -c "\"tenant\":\"$1\""; }
for tenant in research/alice research/bob archive reports; do
    echo "$tenant had $(starts "$tenant") of the first 75 starts"
done
test "$(starts research/alice) $(starts research/bob) $(starts archive) $(starts reports)" = "30 15 15 15"
