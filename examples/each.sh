#!/usr/bin/env bash
# One command a job, without a flow file.
set -euo pipefail

printf '{"n":%s}\n' 1 2 3 4 | "$BATCHMILL" each - --output results.jsonl -- sh -c 'echo $(($1 * $1))' sh '${ .n }'

squares=$(grep -o '"stdout":"[0-9]*' results.jsonl | grep -o '[0-9]*$' | sort -n | tr '\n' ' ')
if [ "$squares" != "1 4 9 16 " ]; then
    echo "the squares are $squares" >&2
    exit 1
fi
