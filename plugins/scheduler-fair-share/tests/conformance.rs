//! `fair-share` against the scheduler kit, its config, a machine in virtual time, and a plain model.

#[path = "conformance/decay.rs"]
mod decay;
#[path = "conformance/hold.rs"]
mod hold;
#[path = "conformance/joining.rs"]
mod joining;
#[path = "conformance/machine.rs"]
mod machine;
#[path = "conformance/memory.rs"]
mod memory;
#[path = "conformance/model.rs"]
mod model;
#[path = "conformance/options.rs"]
mod options;
#[path = "conformance/order.rs"]
mod order;
#[path = "conformance/remembering.rs"]
mod remembering;
#[path = "conformance/shares.rs"]
mod shares;
#[path = "conformance/weights.rs"]
mod weights;

use batchmill_core::{BuildContext, ClassId, MonoTime, Pick, Scheduler};
use batchmill_plugin::Registry;
use batchmill_scheduler_fair_share::{FairShare, Options, register};
use batchmill_testkit::{QueuedJob, options as table, scheduler};
use serde_json::{Value, json};

fn built(options: Value) -> Box<dyn Scheduler> {
    let mut registry = Registry::default();
    register(&mut registry);
    let factory = registry.get::<dyn Scheduler>("fair-share").unwrap();
    factory.build(&table(options), &BuildContext::default()).unwrap()
}

fn with(options: &Options) -> FairShare {
    FairShare::new(options).unwrap()
}

/// A job of a share, and of the class `class`.
fn job(token: u64, share: &str, class: u32) -> QueuedJob {
    let mut job = QueuedJob::new(token);
    (job.share, job.class) = (share.to_owned(), ClassId(class));
    job
}

/// The next `count` picks, each as the number of its token.
fn picks(scheduler: &mut dyn Scheduler, count: usize) -> Vec<u64> {
    let pick = |_| match scheduler.pop(MonoTime::ZERO) {
        Pick::Run(token) => Some(token.0),
        _ => None,
    };
    (0..count).map_while(pick).collect()
}

#[test]
fn fair_share_keeps_the_contract() {
    for options in [
        json!({}),
        json!({"charge": "cost"}),
        json!({"charge": "memory"}),
        json!({"charge": "memory", "slot_memory": "1GiB", "half_life": "1h"}),
        json!({"weights": {"tenant-1": 3, "tenant-2": 0.1, "org/team": 7}, "default_weight": 2.5}),
        json!({"age_step": "0s", "charge": "cost"}),
        json!({"age_step": "20ns", "default_weight": 1e6}),
        json!({"half_life": "1h"}),
        json!({"half_life": "1s", "charge": "cost", "weights": {"tenant-1": 3}}),
    ] {
        let report = scheduler::run(|| built(options.clone()));
        report.assert_passed();
        let left_out = report.not_applicable();
        let of_memory = match options.get("half_life") {
            Some(_) => &["without_a_memory_nothing_is_remembered"][..],
            None => &[
                "what_was_used_is_handed_out_once",
                "what_did_not_run_is_not_handed_out",
                "what_is_recalled_counts_as_if_used_here",
            ],
        };
        // It hears of ends, and does not tell the place that a walk through all shares would give.
        let never = ["explain_tells_the_true_place", "an_end_that_is_not_heard_changes_nothing"];
        let others: Vec<_> = left_out.into_iter().filter(|case| !never.contains(case)).collect();
        assert_eq!(others, of_memory, "{options}");
    }
}
