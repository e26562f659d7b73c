//! Plugins that do not return.

use super::{all_succeeded, stage};
use crate::stage::records;

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
