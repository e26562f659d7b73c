//! The kit for [`Checkpointer`]s.
//!
//! One that keeps every checkpoint and one that keeps the latest of each thread run the same cases; a [`Subject`] says which
//! it is, and how to open again what it has written.

mod calls;
mod content;
mod flight;
mod history;
mod threads;

use std::{fmt, sync::Arc};

use batchmill_core::Checkpointer;

use crate::{Case, Report};

/// A checkpointer that nothing was put into, and what is to be known of it.
pub struct Subject {
    checkpointer: Arc<dyn Checkpointer>,
    only_latest: bool,
    reopen: Option<Box<dyn Fn() -> Arc<dyn Checkpointer>>>,
}

impl Subject {
    /// One that keeps every checkpoint.
    pub fn new(checkpointer: impl Checkpointer + 'static) -> Self {
        Self::shared(Arc::new(checkpointer))
    }

    /// The same of one that is shared already.
    pub fn shared(checkpointer: Arc<dyn Checkpointer>) -> Self {
        Self { checkpointer, only_latest: false, reopen: None }
    }

    /// It keeps only the latest checkpoint of each thread.
    #[must_use]
    pub fn only_latest(mut self) -> Self {
        self.only_latest = true;
        self
    }

    /// `reopen` opens what it has written, as a later process would, after it was dropped.
    #[must_use]
    pub fn reopened_by(mut self, reopen: impl Fn() -> Arc<dyn Checkpointer> + 'static) -> Self {
        self.reopen = Some(Box::new(reopen));
        self
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("checkpointer", &self.checkpointer)
            .field("only_latest", &self.only_latest)
            .finish_non_exhaustive()
    }
}

/// Runs every case, each in a tokio runtime of its own.
pub fn run(make: impl Fn() -> Subject) -> Report {
    Report::of("checkpointer", cases(), &make)
}

/// The cases, in the order of the report.
pub fn cases() -> &'static [Case<Subject>] {
    const CASES: &[Case<Subject>] = &[
        Case::new("an_unknown_thread_is_empty", history::an_unknown_thread_is_empty),
        Case::new("the_latest_has_the_largest_id", history::the_latest_has_the_largest_id),
        Case::new("each_id_finds_its_checkpoint", history::each_id_finds_its_checkpoint),
        Case::new("list_is_latest_first", history::list_is_latest_first),
        Case::new("the_same_id_replaces", history::the_same_id_replaces),
        Case::new("parents_are_kept", history::parents_are_kept),
        Case::new("extreme_ids_are_taken", history::extreme_ids_are_taken),
        Case::new("a_thousand_checkpoints_are_taken", history::a_thousand_checkpoints_are_taken),
        Case::new("what_was_put_is_there_whole", content::what_was_put_is_there_whole),
        Case::new("an_empty_checkpoint_is_taken", content::an_empty_checkpoint_is_taken),
        Case::new("any_text_survives", content::any_text_survives),
        Case::new("numbers_survive_to_the_last_digit", content::numbers_survive_to_the_last_digit),
        Case::new("keys_stay_in_their_order", content::keys_stay_in_their_order),
        Case::new("a_deep_state_survives", content::a_deep_state_survives),
        Case::new("sixteen_mebibytes_survive", content::sixteen_mebibytes_survive),
        Case::new("threads_do_not_mix", threads::threads_do_not_mix),
        Case::new("the_longest_names_are_told_apart", threads::the_longest_names_are_told_apart),
        Case::new("delete_forgets_one_thread_and_may_repeat", threads::delete_forgets_one_thread_and_may_repeat),
        Case::new("threads_write_at_the_same_time", threads::threads_write_at_the_same_time),
        Case::new("threads_come_and_go_at_the_same_time", threads::threads_come_and_go_at_the_same_time),
        Case::new("puts_in_flight_take_effect_in_their_order", flight::puts_in_flight_take_effect_in_their_order),
        Case::new("a_call_sees_the_puts_before_it", flight::a_call_sees_the_puts_before_it),
        Case::new("a_dropped_put_is_there_whole_or_not_at_all", flight::a_dropped_put_is_there_whole_or_not_at_all),
        Case::new("a_dropped_put_never_comes_late", flight::a_dropped_put_never_comes_late),
        Case::new("what_was_confirmed_outlives_the_process", flight::what_was_confirmed_outlives_the_process),
    ];
    CASES
}
