//! What a plugin brings, and what is told of it.

use serde_json::Value;

use super::{all_succeeded, stage};
use crate::stage::Stage;

#[test]
fn a_loaded_plugin_is_listed_with_form_version_and_defaults() {
    let stage = Stage::new();
    stage.config("", "");
    let table = stage.batchmill(&["plugin", "list"]).expect(0).stdout;
    let row = |kind: &str, name: &str| {
        let is_it = |line: &&str| line.split_whitespace().take(2).eq([kind, name]);
        table.lines().find(is_it).unwrap_or_else(|| panic!("no {kind} {name} in {table}")).to_owned()
    };
    assert!(row("scheduler", "faulty").contains("dynamic"), "{table}");
    let sink = row("sink", "faulty");
    let options: Vec<_> = table.lines().skip_while(|line| *line != sink).skip(1).collect();
    assert!(options.iter().take_while(|line| line.starts_with("    ")).any(|line| *line == "    after = 0"), "{table}");
    assert!(row("scheduler", "fifo").contains("static"), "{table}");
    let listed: Value =
        serde_json::from_str(&stage.batchmill(&["plugin", "list", "-o", "json"]).expect(0).stdout).unwrap();
    let loaded = listed.as_array().unwrap().iter().find(|p| p["name"] == "faulty" && p["kind"] == "retry").unwrap();
    assert_eq!((&loaded["form"], &loaded["version"]), (&"dynamic".into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(loaded["defaults"]["fault"], "none");
}

#[test]
fn an_editor_completes_the_options_of_a_loaded_plugin() {
    let stage = Stage::new();
    stage.config("", "");
    let schema: Value = serde_json::from_str(&stage.batchmill(&["config", "schema"]).expect(0).stdout).unwrap();
    let branches = schema["properties"]["scheduler"]["allOf"].as_array().unwrap();
    let branch = branches.iter().find(|branch| branch["if"]["properties"]["kind"]["const"] == "faulty").unwrap();
    assert!(branch["then"]["properties"]["options"]["properties"]["after"].is_object(), "{branch}");
    assert!(schema["properties"]["plugins"]["items"].is_object());
}

#[test]
fn a_batch_runs_by_loaded_policies_and_their_logs_and_metrics_arrive() {
    let stage = stage(100);
    let metrics = "[metrics]\nkind = \"prometheus\"\noptions = { textfile = \"metrics.prom\" }\n";
    let policies = "[scheduler]\nkind = \"faulty\"\n[failure]\nkind = \"faulty\"\n[[sinks]]\nkind = \"faulty\"\n";
    stage.config("", &format!("{policies}{metrics}"));
    let done = stage.run(&["-v", "--output", "out.jsonl"]).expect(0);
    all_succeeded(&crate::stage::records(&stage.read("out.jsonl")), 100);
    let done = done.says("made").says("batchmill-faulty");
    assert!(done.stderr.contains("fault"), "fields of the record too: {}", done.stderr);
    let metrics = stage.read("metrics.prom");
    let line = |start: &str| metrics.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert_eq!(line("faulty_results{"), "faulty_results{plugin=\"batchmill-faulty\"} 100", "{metrics}");
    assert!(line("batchmill_plugin_panics_total{name=\"batchmill-faulty\"}").ends_with(" 0"), "{metrics}");
    let info = "batchmill_plugin_info{kind=\"scheduler\",name=\"faulty\",version=\"0.1.0\"} 1";
    assert!(metrics.contains(info), "{metrics}");
}

#[test]
fn inspect_shows_a_library_without_running_it_and_check_holds_it_against_the_contracts() {
    let stage = Stage::new();
    let path = stage.faulty();
    let path = path.to_str().unwrap();
    let shown = stage.batchmill(&["plugin", "inspect", path]).expect(0).stdout;
    for line in ["name      batchmill-faulty", "kinds     scheduler, retry, failure, governor, sink", "abi       1.1"] {
        assert!(shown.contains(line), "{shown}");
    }
    let checked = stage.batchmill(&["plugin", "check", path]).expect(0).stdout;
    assert!(checked.contains("scheduler faulty: scheduler kit: ") && checked.contains(" 0 failed"), "{checked}");
    assert!(checked.ends_with("it keeps its contracts\n"), "{checked}");

    let panics = r#"{"fault": "panic", "after": 3}"#;
    let checked = stage.batchmill(&["plugin", "check", path, "--options", panics]).expect(1).stdout;
    assert!(checked.contains("it panics in a call"), "{checked}");
    assert!(checked.ends_with("it does not keep its contracts\n"), "{checked}");
    stage
        .batchmill(&["plugin", "check", path, "--options", r#"{"fault": "hang"}"#, "--time-limit", "5s"])
        .expect(1)
        .says("did not come to an end within 5s");
    stage.write("text.so", "no library\n".repeat(20));
    stage.batchmill(&["plugin", "inspect", "text.so"]).expect(65).says("text.so: this is no dynamic library (ELF)");
    stage.batchmill(&["plugin", "check", "text.so"]).expect(65).says("this is no dynamic library (ELF)");
}

#[test]
fn a_loaded_scheduler_is_played_beside_a_built_in_one() {
    let stage = stage(10);
    stage.config("", "[scheduler]\nkind = \"faulty\"\n");
    stage.write("fifo.toml", "[scheduler]\nkind = \"fifo\"\n");
    let done =
        stage.batchmill(&["simulate", "flow.yaml", "jobs.jsonl", "--against", "fifo.toml", "-o", "json"]).expect(0);
    let report: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let told = |run: &serde_json::Value| (run["scheduler"].clone(), run["counts"]["succeeded"].clone());
    let told: Vec<_> = report["runs"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(told, [("faulty".into(), 10.into()), ("fifo".into(), 10.into())], "{report}");
}
