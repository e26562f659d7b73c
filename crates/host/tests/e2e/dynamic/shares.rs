//! `fair-share` in both forms: what shares used crosses the boundary whole, so that linked and loaded it decides alike.

use std::{path::PathBuf, sync::Arc, time::Duration};

use batchmill_abi::host::{Containment, LoadRequest, load};
use batchmill_core::{
    BuildContext, ClassId, Entry, Factory, MonoTime, Pick, PluginKind, Priority, Scheduler, ShareUsage, Token, Usage,
};
use batchmill_plugin::Registry;
use batchmill_testkit::{Ending, Seed, options, scheduler};
use serde_json::{Value, json};

use super::{built, stage};

/// Makes it anew each time.
type Form = Box<dyn Fn(Value) -> Box<dyn Scheduler>>;

/// Linked, and loaded from this file.
fn forms(library: PathBuf) -> [Form; 2] {
    let mut registry = Registry::default();
    batchmill_scheduler_fair_share::register(&mut registry);
    let linked = registry.get::<dyn Scheduler>("fair-share").unwrap().clone();
    let plugin = load(&LoadRequest { path: library, ..LoadRequest::default() }).unwrap();
    let loaded: Arc<dyn Factory<dyn Scheduler>> =
        Arc::new(plugin.factories(PluginKind::Scheduler, &Containment::default()).remove(0));
    [linked, loaded].map(|factory| {
        Box::new(move |chosen| factory.build(&options(chosen), &BuildContext::default()).unwrap()) as Form
    })
}

const SHARES: [&str; 4] = ["org/a", "org/b", "other", "org/a/deep"];

/// What a scheduler says in a life that follows from a seed.
fn life(scheduler: &mut dyn Scheduler, seed: u64) -> Vec<String> {
    let (mut seed, mut said, mut next, mut running) = (Seed::new(seed), Vec::new(), 0, Vec::new());
    for step in 1..2000_u64 {
        let now = MonoTime::from_nanos(step * 1_000_000_000);
        match seed.below(10) {
            0..4 => {
                let place = seed.index(SHARES.len());
                let class = ClassId(u32::try_from(place).unwrap());
                let mut entry = Entry::new(Token(next), class, Priority(0), SHARES[place], now);
                entry.cost = 0.5 + seed.below(4) as f64;
                scheduler.push(entry);
                next += 1;
            }
            4..7 => {
                let picked = scheduler.pop(now);
                said.push(format!("{picked:?}"));
                if let Pick::Run(token) = picked {
                    running.push(token);
                }
            }
            7 if !running.is_empty() => {
                let token = running.swap_remove(seed.index(running.len()));
                let usage = Usage::new(Duration::from_millis(seed.below(5000)));
                let usage = if seed.once_in(2) { usage } else { usage.measured(seed.below(1 << 33), Duration::ZERO) };
                scheduler.on_finish(token, usage);
            }
            8 => {
                let shares = scheduler.shares().expect("it divides by them");
                let used: Vec<ShareUsage> = shares.take_usage();
                said.push(format!("{used:?} {:?} {}", shares.memory(), shares.charges_memory()));
                if seed.once_in(4) {
                    shares
                        .recall(now, &[ShareUsage::new("org/b", seed.below(100) as f64), ShareUsage::new("gone", 1.5)]);
                }
            }
            _ => {
                let shares = scheduler.shares().expect("it divides by them");
                let weight = *seed.pick(&[0.0, 0.5, 1.0, 3.0, f64::NAN, f64::INFINITY]);
                let share = *seed.pick(&SHARES);
                said.push(format!("{:?} {}", shares.set_weight(share, weight), shares.weight(share)));
            }
        }
    }
    said
}

/// One batch ran eight jobs of `heavy`, which has twice the weight; what it used is recalled to the scheduler of the next,
/// which has four of each. The tenants in the order in which it starts them.
fn second_of_two(make: &Form, half_life: &str) -> String {
    let chosen = json!({"weights": {"heavy": 2}, "charge": "cost", "half_life": half_life});
    let entry = |token: u64, share| {
        Entry::new(Token(token), ClassId(u32::from(share == "heavy")), Priority(0), share, MonoTime::ZERO)
    };
    let (mut first, mut second) = (make(chosen.clone()), make(chosen));
    (0..8).for_each(|token| first.push(entry(token, "heavy")));
    while let Pick::Run(token) = first.pop(MonoTime::from_nanos(1)) {
        first.on_finish(token, Usage::new(Duration::from_millis(1)));
    }
    let used = first.shares().expect("it divides by them").take_usage();
    second.shares().expect("it divides by them").recall(MonoTime::from_nanos(2), &used);
    (0..8).for_each(|token| second.push(entry(token, if token % 2 == 0 { "heavy" } else { "light" })));
    let mut order = String::new();
    while let Pick::Run(token) = second.pop(MonoTime::from_nanos(3)) {
        order.push(if token.0 % 2 == 0 { 'h' } else { 'l' });
        second.on_finish(token, Usage::new(Duration::from_millis(1)));
    }
    order
}

#[test]
fn fair_share_remembers_what_shares_used_in_both_forms_alike() {
    let stage = stage(0);
    let forms = forms(stage.library(&built("batchmill-scheduler-fair-share"), "fair_share.so"));
    for form in &forms {
        // 8 of `heavy`, which has twice the weight, are as 4 of `light`.
        assert_eq!(second_of_two(form, "1d"), "llllhhhh");
        let forgets = second_of_two(form, "0s");
        assert!(forgets.starts_with("hl") || forgets.starts_with("lh"), "{forgets}");
    }
    let kinds =
        [json!({"half_life": "10m"}), json!({"half_life": "1h", "charge": "memory"}), json!({"charge": "cost"})];
    for (number, chosen) in (0_u64..).zip(&kinds) {
        for seed in 0..10 {
            let [linked, loaded] = forms.each_ref().map(|form| life(&mut *form(chosen.clone()), number * 100 + seed));
            for (place, (linked, loaded)) in linked.iter().zip(&loaded).enumerate() {
                assert_eq!(loaded, linked, "{chosen}, seed {seed}, answer {place}");
            }
        }
    }
    let report = scheduler::run(|| forms[1](json!({"half_life": "10m"})));
    report.assert_passed();
    let of_memory = report.rows.iter().find(|row| row.name == "what_is_recalled_counts_as_if_used_here");
    assert!(matches!(of_memory.map(|row| &row.ending), Some(Ending::Passed)), "its memory crosses: {report}");
}
