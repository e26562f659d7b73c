//! The text format, in an order that people and tests can rely on.

/// Families by name, and the samples of counters and gauges by their labels. The exporter renders from hash maps; the
/// buckets of a histogram already come in the order of their bounds and stay so.
pub(crate) fn in_order(text: &str) -> String {
    let mut families: Vec<Vec<&str>> = text
        .split("\n\n")
        .map(|family| family.lines().collect())
        .filter(|lines: &Vec<&str>| !lines.is_empty())
        .collect();
    for lines in &mut families {
        let head = lines.iter().take_while(|line| line.starts_with('#')).count();
        let (comments, samples) = lines.split_at_mut(head);
        if !comments.iter().any(|line| line.ends_with(" histogram")) {
            samples.sort_unstable();
        }
    }
    families.sort_unstable_by_key(|lines| name(lines).to_owned());
    families.iter().map(|lines| lines.join("\n") + "\n").collect::<Vec<_>>().join("\n")
}

/// The name in the `# TYPE name kind` line.
fn name<'a>(family: &[&'a str]) -> &'a str {
    family.iter().find_map(|line| line.strip_prefix("# TYPE ")).and_then(|rest| rest.split(' ').next()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_samples_are_sorted_and_buckets_stay() {
        let text = "# TYPE b counter\nb{x=\"2\"} 1\nb{x=\"1\"} 1\n\n\
                    # HELP a Seconds.\n# TYPE a histogram\na_bucket{le=\"5\"} 1\na_bucket{le=\"10\"} 1\na_sum 1\n\n";
        assert_eq!(
            in_order(text),
            "# HELP a Seconds.\n# TYPE a histogram\na_bucket{le=\"5\"} 1\na_bucket{le=\"10\"} 1\na_sum 1\n\n\
             # TYPE b counter\nb{x=\"1\"} 1\nb{x=\"2\"} 1\n"
        );
        assert_eq!(in_order(""), "");
    }
}
