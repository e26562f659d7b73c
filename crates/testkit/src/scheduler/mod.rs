//! The kit for [`Scheduler`]s.
//!
//! ```
//! # use batchmill_core::Scheduler;
//! # fn conformance(make: fn() -> Box<dyn Scheduler>) {
//! batchmill_testkit::scheduler::run(make).assert_passed();
//! # }
//! ```

mod accounting;
mod answers;
mod entries;
mod hold;
mod job;
mod script;
mod shares;

use batchmill_core::Scheduler;

use crate::{Case, Report};

pub use job::QueuedJob;

/// What the kit makes many of.
pub type Subject = Box<dyn Scheduler>;

/// Runs every case; those about shares where there are shares.
pub fn run(make: impl Fn() -> Subject) -> Report {
    let mut report = Report::of("scheduler", cases(), &make);
    if make().shares().is_some() {
        report.rows.extend(Report::of("scheduler", cases_of_shares(), &make).rows);
    }
    report
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("an_empty_scheduler_says_so", answers::an_empty_scheduler_says_so),
        Case::new("len_counts_what_is_queued", answers::len_counts_what_is_queued),
        Case::new("every_token_leaves_once_by_pop", accounting::every_token_leaves_once_by_pop),
        Case::new("every_token_leaves_once_by_remove", accounting::every_token_leaves_once_by_remove),
        Case::new("every_token_leaves_once_whatever_happens", accounting::every_token_leaves_once_whatever_happens),
        Case::new("a_hundred_thousand_jobs_leave_once", accounting::a_hundred_thousand_jobs_leave_once),
        Case::new("removing_a_stranger_is_false", accounting::removing_a_stranger_is_false),
        Case::new("a_picked_token_may_come_again", accounting::a_picked_token_may_come_again),
        Case::new("a_removed_token_may_come_again", accounting::a_removed_token_may_come_again),
        Case::new("a_free_slot_never_idles", answers::a_free_slot_never_idles),
        Case::new("the_same_calls_give_the_same_picks", answers::the_same_calls_give_the_same_picks),
        Case::new("instances_are_independent", answers::instances_are_independent),
        Case::new("any_share_is_taken", entries::any_share_is_taken),
        Case::new("extreme_keys_are_taken", entries::extreme_keys_are_taken),
        Case::new("entries_may_arrive_late", entries::entries_may_arrive_late),
        Case::new("any_usage_is_taken", entries::any_usage_is_taken),
        Case::new("explain_knows_what_is_queued_and_nothing_else", answers::explain_knows_what_is_queued),
        Case::new("explain_tells_the_true_place", answers::explain_tells_the_true_place),
        Case::new("push_many_equals_push", answers::push_many_equals_push),
        Case::new("pop_many_equals_pop", answers::pop_many_equals_pop),
        Case::new("an_end_that_is_not_heard_changes_nothing", answers::an_end_that_is_not_heard_changes_nothing),
        Case::new("moves_between_threads", answers::moves_between_threads),
        Case::new("a_held_class_is_not_picked", hold::a_held_class_is_not_picked),
        Case::new("a_released_class_is_picked_again", hold::a_released_class_is_picked_again),
        Case::new("holding_stops_no_other_class", hold::holding_stops_no_other_class),
        Case::new("hold_and_release_may_repeat", hold::hold_and_release_may_repeat),
        Case::new("a_held_job_is_counted_explained_and_removable", hold::a_held_job_is_counted_and_removable),
        Case::new("holding_at_random_loses_nothing", hold::holding_at_random_loses_nothing),
    ];
    CASES
}

/// The cases of schedulers that divide by shares, in the order of the report.
pub fn cases_of_shares() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("what_was_used_is_handed_out_once", shares::what_was_used_is_handed_out_once),
        Case::new("what_did_not_run_is_not_handed_out", shares::what_did_not_run_is_not_handed_out),
        Case::new("what_is_recalled_counts_as_if_used_here", shares::what_is_recalled_counts_as_if_used_here),
        Case::new("any_amount_is_recalled", shares::any_amount_is_recalled),
        Case::new("without_a_memory_nothing_is_remembered", shares::without_a_memory_nothing_is_remembered),
        Case::new("a_weight_counts_from_the_next_pick_on", shares::a_weight_counts_from_the_next_pick_on),
        Case::new("a_weight_that_is_none_is_refused", shares::a_weight_that_is_none_is_refused),
    ];
    CASES
}
