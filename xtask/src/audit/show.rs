//! The tables of an audit.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    results::{Audited, Finding},
    table::{grouped, table},
};

/// How many crates the lists name.
const TOP: usize = 10;
const FIRST: usize = 8;

/// Everything that is shown, as text.
pub(super) fn tables(audited: &Audited) -> String {
    let crates = &audited.crates;
    let mut text = format!("\nBy licence\n{}", by_licence(crates));
    text += &format!("\nMost uses of `unsafe`\n{}", top(crates));
    text += &format!("\nVerdicts: {}\n", verdicts(audited));
    let first: Vec<&str> = crates.iter().take(FIRST).map(|one| one.name.as_str()).collect();
    text += &format!("Finished first: {}\n", first.join(", "));
    text
}

fn by_licence(crates: &[Finding]) -> String {
    let mut licences: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    let mut total = [0; 3];
    for one in crates {
        for sums in [licences.entry(&one.licence).or_default(), &mut total] {
            *sums = [sums[0] + 1, sums[1] + one.lines, sums[2] + one.uses];
        }
    }
    let mut licences: Vec<(&str, [u64; 3])> = licences.into_iter().collect();
    licences.sort_by_key(|(_, [crates, ..])| Reverse(*crates));
    licences.push(("all", total));
    let row = |(licence, sums): (&str, [u64; 3])| {
        std::iter::once(licence.to_owned()).chain(sums.into_iter().map(grouped)).collect()
    };
    let rows: Vec<Vec<String>> = licences.into_iter().map(row).collect();
    table(&["licence", "crates", "lines", "unsafe"], &rows)
}

fn top(crates: &[Finding]) -> String {
    let mut users: Vec<&Finding> = crates.iter().filter(|one| one.uses > 0).collect();
    users.sort_by_key(|one| (Reverse(one.uses), &one.name));
    let row = |one: &&Finding| {
        let numbers = [one.uses, one.lines, one.per_1000, one.reasons];
        std::iter::once(one.name.clone()).chain(numbers.into_iter().map(grouped)).collect()
    };
    let rows: Vec<Vec<String>> = users.iter().take(TOP).map(row).collect();
    table(&["crate", "unsafe", "lines", "per 1,000", "SAFETY comments"], &rows)
}

fn verdicts(audited: &Audited) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &audited.crates {
        *counts.entry(&one.verdict).or_default() += 1;
    }
    if audited.unfinished > 0 {
        counts.insert("without a verdict", audited.unfinished);
    }
    let parts: Vec<String> = counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, licence: &str, verdict: &str, lines: u64, uses: u64) -> Finding {
        let per_1000 = uses * 1000 / lines;
        Finding {
            name: name.into(),
            licence: licence.into(),
            verdict: verdict.into(),
            lines,
            uses,
            per_1000,
            reasons: 2,
        }
    }

    #[test]
    fn an_audit_is_shown_by_licence_by_unsafe_and_in_the_order_of_finishing() {
        let crates = vec![
            finding("b-1", "MIT OR Apache-2.0", "unsafe-heavy", 2000, 100),
            finding("a-1", "MIT", "clean", 500, 0),
            finding("c-1", "MIT OR Apache-2.0", "uses unsafe", 10_000, 100),
        ];
        assert_eq!(
            tables(&Audited { crates, unfinished: 1 }),
            "
By licence
  licence            crates   lines  unsafe
  MIT OR Apache-2.0       2  12,000     200
  MIT                     1     500       0
  all                     3  12,500     200

Most uses of `unsafe`
  crate  unsafe   lines  per 1,000  SAFETY comments
  b-1       100   2,000         50                2
  c-1       100  10,000         10                2

Verdicts: 1 clean, 1 unsafe-heavy, 1 uses unsafe, 1 without a verdict
Finished first: b-1, a-1, c-1
"
        );
    }
}
