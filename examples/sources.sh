#!/usr/bin/env bash
# Jobs from a CSV file, a pattern and a list of lines; bad lines that are kept.
set -euo pipefail

here=$ROOT/examples/sources
mkdir data
printf 'four' >data/small.txt
printf 'twelve bytes' >'data/large one.txt'

# What the flow says of each job, by id.
told() { grep -o '"job_id":.*"fits":[a-z]*' "$1" | sed 's/,"sequence".*"path":/ /; s/"job_id"://' | sort; }
expect() {
    if ! diff <(told "$1") -; then
        echo "$1 is not what was expected" >&2
        exit 1
    fi
}

"$BATCHMILL" run "$here/flow.yaml" "$here/files.csv" --id-column name --priority-column urgency --tenant-column team \
    --output csv.jsonl
expect csv.jsonl <<'END'
"large, with a comma" "data/large one.txt","bytes":12,"fits":false
"small" "data/small.txt","bytes":4,"fits":true
"with \"quotes\"" "data/small.txt","bytes":4,"fits":false
END
grep -q '"tenant":"ann","priority":200' csv.jsonl

"$BATCHMILL" run "$here/flow.yaml" 'glob:data/*.txt' --output glob.jsonl
expect glob.jsonl <<'END'
"1" "data/large one.txt","bytes":12,"fits":true
"2" "data/small.txt","bytes":4,"fits":true
END

find data -type f | sort | "$BATCHMILL" each lines:- --output lines.jsonl -- wc -c '${ .line }'
grep -q '"stdout":"12 data/large one.txt' lines.jsonl

# Three of the five are no jobs: one is left out for its fields, one for its id, one for its limit.
if "$BATCHMILL" check "$here/flow.yaml" "$here/broken.csv" --id-column name 2>problems; then
    echo "bad records were not refused" >&2
    exit 1
fi
grep -q 'broken.csv:3: the record has 2 fields' problems
"$BATCHMILL" run "$here/flow.yaml" "$here/broken.csv" --id-column name --on-bad-line quarantine --output some.jsonl
expect some.jsonl <<'END'
"small" "data/small.txt","bytes":4,"fits":true
"twice" "data/small.txt","bytes":4,"fits":true
END
cut -d: -f3 some.jsonl.quarantine.jsonl | sort | tr -d '\n' | grep -q '3,"column"5,"column"6,"column"'
