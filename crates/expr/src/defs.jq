# Functions of jq that jaq's library lacks, and bounds around those that it has.

def matches($re; $flags): regex_fits($re) | matches_unbounded($re; $flags);
def split_matches($re; $flags): regex_fits($re) | split_matches_unbounded($re; $flags);
def split_($re; $flags): regex_fits($re) | split_unbounded($re; $flags);

def toarray: if isarray then . else [.] end;
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] |= $row);
def INDEX(f): INDEX(.[]; f);
def ascii: [.] | implode;
def trimstr($x): ltrimstr($x) | rtrimstr($x);
def have_literal_numbers: true;
def @csv: map(if isstring then "\"" + gsub("\""; "\"\"") + "\"" elif isnumber or isboolean then tostring elif . == null then "" else error("a cell of @csv must be text, a number, a boolean or null") end) | join(",");
def @tsv: map(if isstring then gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r") elif isnumber or isboolean then tostring elif . == null then "" else error("a cell of @tsv must be text, a number, a boolean or null") end) | join("\t");
