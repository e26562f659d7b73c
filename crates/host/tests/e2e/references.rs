//! The pages below `docs/` say what the program does: held against each other.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::stage::Stage;

const COMMANDS: &str = include_str!("../../../../docs/commands.md");
const FLOWS: &str = include_str!("../../../../docs/flows.md");
const METRICS: &str = include_str!("../../../../docs/metrics.md");
const RESULTS: &str = include_str!("../../../../docs/results.md");

/// The block of code in `language` that begins so.
fn block<'p>(page: &'p str, language: &str, begins: &str) -> &'p str {
    let mut blocks =
        page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    blocks.find(|block| block.starts_with(begins)).expect("the page has the example")
}

/// The names in backticks in the first column of the table below `heading`.
fn rows(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split_once(&format!("\n{heading}\n")).expect("the page has the section").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned())).collect()
}

fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).expect("an object")
}

fn keys(object: &Map<String, Value>) -> Vec<&String> {
    object.keys().collect()
}

#[test]
fn the_flow_of_the_page_about_flows_runs() {
    let stage = Stage::new();
    stage.write("flow.yaml", block(FLOWS, "yaml", "version: 1"));
    stage.write("jobs.jsonl", "{\"path\": \"jobs.jsonl\"}\n");
    stage.batchmill(&["check", "flow.yaml", "jobs.jsonl"]).expect(0);
    let result = object(&stage.batchmill(&["run", "flow.yaml", "jobs.jsonl"]).expect(0).stdout);
    assert_eq!(result["output"]["class"], "small", "{result:?}");
}

#[test]
fn results_and_progress_have_the_fields_of_their_page_in_its_order() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    let done = stage.batchmill(&["run", "flow.yaml", "jobs.jsonl", "--progress", "json"]).expect(0);
    let shown = object(block(RESULTS, "json", "{\"batch\""));
    assert_eq!(keys(&object(&done.stdout)), keys(&shown));
    let shown = object(block(RESULTS, "json", "{\"type\":\"progress\""));
    assert_eq!(keys(&object(done.stderr.lines().next().expect("a line of progress"))), keys(&shown));
}

#[test]
fn the_report_has_the_fields_of_its_page() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    stage.batchmill(&["run", "flow.yaml", "jobs.jsonl", "--report", "report.json"]).expect(0);
    let written: BTreeSet<String> = object(&stage.read("report.json")).keys().cloned().collect();
    assert_eq!(written, rows(RESULTS, "## The report"));
}

#[test]
fn the_page_about_stored_batches_names_their_commands_and_flags() {
    let stage = Stage::new();
    for command in ["status", "results", "errors", "explain", "cancel", "pause", "unpause", "drain", "prune"] {
        assert!(COMMANDS.contains(&format!("`{command}")), "docs/commands.md says nothing of {command}");
        let help = stage.batchmill(&[command, "--help"]).expect(0).stdout;
        for flag in ["--state <DIR>", "--format <FORMAT>"] {
            assert!(help.contains(flag), "{command} has no {flag}");
        }
    }
    for (command, flag) in
        [("results", "--status"), ("results", "--generation"), ("prune", "--older"), ("prune", "--dry-run")]
    {
        let help = stage.batchmill(&[command, "--help"]).expect(0).stdout;
        assert!(help.contains(flag) && COMMANDS.contains(flag), "{command} {flag}");
    }
}

#[test]
fn the_help_of_a_command_has_its_manual() {
    let stage = Stage::new();
    for (command, words) in [
        ("each", "There is no shell"),
        ("try", "one attempt"),
        ("resume", "are not run again"),
        ("retry", "NAME.r1"),
        ("status", "answers itself"),
        ("results", "in the place of the first"),
        ("prune", "however old it is"),
    ] {
        // Lines are broken to fit.
        let help = stage.batchmill(&[command, "--help"]).expect(0).stdout;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(words), "no `{words}` in the help of {command}:\n{help}");
    }
}

/// A family as a page or a scrape describes it: its name, its type, its labels.
type Family = (String, String, BTreeSet<String>);

fn families_of_the_page() -> Vec<Family> {
    let rows = METRICS.lines().filter_map(|line| line.strip_prefix("| `batchmill_"));
    let mut families: Vec<Family> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split(" |").map(str::trim).collect();
            let labels = cells[2].split(", ").map(|label| label.trim_matches('`').to_owned());
            let name = format!("batchmill_{}", cells[0].trim_matches('`'));
            (name, cells[1].to_owned(), labels.filter(|label| !label.is_empty()).collect())
        })
        .collect();
    families.sort();
    families
}

/// In the order of their names, as the exporter writes them.
fn families_of(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.push((name.to_owned(), kind.to_owned(), BTreeSet::new()));
        } else if let (Some(family), Some((_, labels))) = (families.last_mut(), line.split_once('{')) {
            // No value of this run has a comma or an equals sign.
            let names = labels.split(',').filter_map(|label| label.split('=').next());
            family.2.extend(names.filter(|name| *name != "le").map(str::to_owned));
        }
    }
    families
}

#[test]
fn the_metrics_of_a_run_are_those_of_their_page_with_type_and_labels() {
    let stage = Stage::with("  node: {set: '{}'}\n", ["{}"]);
    let options = "metrics.options={textfile='batchmill.prom'}";
    let set = ["--set", "metrics.kind=prometheus", "--set", options];
    stage.batchmill(&[&["run", "flow.yaml", "jobs.jsonl"], &set[..]].concat()).expect(0);
    // Of plugins that are loaded at run time, of which there are none here.
    const OF_LOADED: [&str; 2] = ["batchmill_plugin_slow_calls_total", "batchmill_plugin_wrong_answers_total"];
    let mut page = families_of_the_page();
    page.retain(|(name, ..)| !OF_LOADED.contains(&name.as_str()));
    assert_eq!(families_of(&stage.read("batchmill.prom")), page);
}
