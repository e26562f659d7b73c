#!/usr/bin/env bash
# Schemas for editors: of flow files and of the host's config.
set -euo pipefail

"$BATCHMILL" config schema --of flow > flow.schema.json
"$BATCHMILL" config schema > batchmill.schema.json
grep -q '"title": "Batchmill flow"' flow.schema.json
grep -q '"title": "Batchmill host configuration"' batchmill.schema.json
