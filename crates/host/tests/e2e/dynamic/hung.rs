//! Plugins that do not return.

use super::{all_succeeded, stage};
use crate::stage::{records, wait_until};

#[test]
fn a_scheduler_that_hangs_ends_the_host_and_the_next_goes_on_with_the_fallback() {
    let stage = stage(60);
    let scheduler = "[scheduler]\nkind = \"faulty\"\noptions = { fault = \"hang\", after = 25 }\n";
    stage.config("on_fault = \"fallback:fifo\"", scheduler);
    stage
        .run(&["--output", "out.jsonl"])
        .expect(75)
        .says("plugin batchmill-faulty (scheduler faulty) has not returned for 1");
    assert!(stage.read(".batchmill/hung-plugins.json").contains("batchmill-faulty"));
    stage.batchmill(&["resume"]).expect(0).says("`fifo` decides in its place");
    all_succeeded(&records(&stage.read("out.jsonl")), 60);
}

#[test]
fn sinks_that_hang_are_given_up_and_everything_else_goes_on() {
    for fault in ["hang", "lost"] {
        let stage = stage(300);
        let sink = format!("[[sinks]]\nkind = \"faulty\"\noptions = {{ fault = \"{fault}\" }}\n").repeat(100);
        let good = "[[sinks]]\nkind = \"jsonl\"\noptions = { path = \"beside.jsonl\" }\n";
        stage.config("call_timeout = \"2s\"", &format!("{sink}{good}"));
        let done = stage.run(&["--output", "out.jsonl"]);
        assert!(
            done.stderr.contains("plugin batchmill-faulty (sink faulty): `write` did not end within 2s"),
            "{}",
            done.stderr
        );
        all_succeeded(&records(&stage.read("out.jsonl")), 300);
        all_succeeded(&records(&stage.read("beside.jsonl")), 300);
    }
}

#[test]
fn while_a_hundred_calls_of_sinks_hang_the_other_sinks_have_everything_and_all_jobs_have_ended() {
    let stage = stage(300);
    let sink = "[[sinks]]\nkind = \"faulty\"\noptions = { fault = \"hang\" }\n".repeat(100);
    let good = "[[sinks]]\nkind = \"jsonl\"\noptions = { path = \"beside.jsonl\" }\n";
    // Longer than any patience: none of the hundred is given up before the test is over.
    stage.config("call_timeout = \"1h\"", &format!("{sink}{good}"));
    let running = stage.start(&["--batch", "b", "--output", "out.jsonl"]);
    let has_all = |name: &str| {
        let text = std::fs::read_to_string(stage.path(name)).unwrap_or_default();
        text.lines().count() == 300 && text.ends_with('\n')
    };
    wait_until("all results in the sinks beside", || has_all("out.jsonl") && has_all("beside.jsonl"));
    let told = stage.batchmill(&["status", "b", "-o", "json"]).expect(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(status["counts"]["succeeded"], 300, "{told}");
    assert!(crate::stage::is_alive(&running.pid().to_string()), "the hundred calls still hang");
    all_succeeded(&records(&stage.read("out.jsonl")), 300);
    all_succeeded(&records(&stage.read("beside.jsonl")), 300);
}
