#!/usr/bin/env bash
# Shows a flow as a graph: for people, for Markdown, for Graphviz, for programs.
set -euo pipefail
flow="$ROOT/examples/audit/flow.yaml"

"$BATCHMILL" graph "$flow"
"$BATCHMILL" graph "$flow" --format mermaid > audit.mmd
"$BATCHMILL" graph "$flow" --format dot > audit.dot
"$BATCHMILL" graph "$flow" --format json > audit.json
grep -q 'n4 -- ".unsafe == 0" --> n5' audit.mmd
grep -q 'n4 -> n5 \[label=".unsafe == 0"\]' audit.dot
grep -q '"when": ".unsafe == 0"' audit.json
if command -v dot > /dev/null; then dot -Tsvg audit.dot > audit.svg; fi
