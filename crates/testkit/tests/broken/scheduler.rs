//! A plain sorted list that holds classes, right or with one flaw.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
    thread::ThreadId,
};

use batchmill_core::{ClassId, Entry, MonoTime, Pick, Priority, QueuePosition, Scheduler, Token, Usage};
use batchmill_testkit::scheduler::{cases, run};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    DropsAToken,
    DuplicatesAToken,
    DropsLateEntries,
    DropsBeyondFiftyThousand,
    RemoveKeeps,
    RemoveFindsStrangers,
    RemembersPickedForEver,
    RemembersRemovedForEver,
    CountsOnlyPushes,
    Idles,
    WaitsForThePast,
    PicksByChance,
    RefusesLongShares,
    AddsToTime,
    AddsUpUsage,
    ExplainsStrangers,
    ExplainsNothing,
    ExplainsTheWrongPlace,
    PushManyReverses,
    PopManyStopsEarly,
    HearsEndsInSecret,
    StaysOnItsThread,
    IgnoresHold,
    HoldsWhatIsQueuedOnly,
    NeverReleases,
    HoldsEverything,
    CountsHolds,
    ForgetsHeldInLen,
    CannotHold,
}

/// What [`Flaw::PicksByChance`] must not use.
static CALLS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Clone)]
struct Queued {
    token: Token,
    class: ClassId,
    priority: Priority,
    enqueued: MonoTime,
    held: bool,
}

#[derive(Debug)]
struct Model {
    flaw: Flaw,
    jobs: VecDeque<Queued>,
    held: Vec<ClassId>,
    pushes: usize,
    left: BTreeSet<Token>,
    newest: MonoTime,
    used: u64,
    thread: ThreadId,
}

impl Model {
    fn new(flaw: Flaw) -> Self {
        let thread = std::thread::current().id();
        let (jobs, held, left) = (VecDeque::new(), Vec::new(), BTreeSet::new());
        Self { flaw, jobs, held, pushes: 0, left, newest: MonoTime::ZERO, used: 0, thread }
    }

    fn is_held(&self, job: &Queued) -> bool {
        match self.flaw {
            Flaw::IgnoresHold => false,
            Flaw::HoldsWhatIsQueuedOnly => job.held,
            Flaw::HoldsEverything => !self.held.is_empty(),
            _ => self.held.contains(&job.class),
        }
    }

    fn loses(&self, entry: &Entry<'_>) -> bool {
        match self.flaw {
            Flaw::DropsAToken => self.pushes % 100 == 99,
            Flaw::DropsLateEntries => entry.enqueued < self.newest,
            Flaw::DropsBeyondFiftyThousand => self.jobs.len() >= 50_000,
            Flaw::RemembersPickedForEver | Flaw::RemembersRemovedForEver => self.left.contains(&entry.token),
            _ => false,
        }
    }
}

impl Scheduler for Model {
    fn push(&mut self, entry: Entry<'_>) {
        self.pushes += 1;
        assert!(self.flaw != Flaw::RefusesLongShares || entry.share.len() < 4096, "a long share");
        if self.flaw == Flaw::AddsToTime {
            assert!(entry.enqueued.as_nanos().checked_add(1).is_some(), "an overflow");
        }
        let lost = self.loses(&entry);
        self.newest = self.newest.max(entry.enqueued);
        if !lost {
            let place = self.jobs.partition_point(|job| job.enqueued <= entry.enqueued);
            let (token, class, priority, enqueued) = (entry.token, entry.class, entry.priority, entry.enqueued);
            self.jobs.insert(place, Queued { token, class, priority, enqueued, held: false });
        }
    }

    fn pop(&mut self, now: MonoTime) -> Pick {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed);
        match self.flaw {
            Flaw::StaysOnItsThread => assert_eq!(self.thread, std::thread::current().id()),
            Flaw::Idles if self.jobs.len() == 1 => return Pick::Empty,
            Flaw::WaitsForThePast if !self.jobs.is_empty() => return Pick::NotBefore(now),
            _ => {}
        }
        let free: Vec<usize> = (0..self.jobs.len()).filter(|place| !self.is_held(&self.jobs[*place])).take(3).collect();
        let Some(place) = free.first() else { return Pick::Empty };
        let place = match self.flaw {
            Flaw::PicksByChance => free[usize::try_from(calls).unwrap() % free.len()],
            _ => *place,
        };
        let token = self.jobs[place].token;
        if !(self.flaw == Flaw::DuplicatesAToken && token.0 % 50 == 7) {
            self.jobs.remove(place);
        }
        if self.flaw == Flaw::RemembersPickedForEver {
            self.left.insert(token);
        }
        Pick::Run(token)
    }

    fn remove(&mut self, token: Token) -> bool {
        let Some(place) = self.jobs.iter().position(|job| job.token == token) else {
            return self.flaw == Flaw::RemoveFindsStrangers;
        };
        if self.flaw == Flaw::RemembersRemovedForEver {
            self.left.insert(token);
        }
        if self.flaw != Flaw::RemoveKeeps {
            self.jobs.remove(place);
        }
        true
    }

    fn len(&self) -> usize {
        match self.flaw {
            Flaw::CountsOnlyPushes => self.pushes,
            Flaw::ForgetsHeldInLen => self.jobs.iter().filter(|job| !self.is_held(job)).count(),
            _ => self.jobs.len(),
        }
    }

    fn on_finish(&mut self, _: Token, usage: Usage) {
        if self.flaw == Flaw::AddsUpUsage {
            self.used = self.used.checked_add(u64::try_from(usage.ran.as_nanos()).unwrap()).unwrap();
        }
        if self.flaw == Flaw::HearsEndsInSecret {
            self.jobs.make_contiguous().reverse();
        }
    }

    fn hears_finish(&self) -> bool {
        false
    }

    fn can_hold(&self) -> bool {
        self.flaw != Flaw::CannotHold
    }

    fn hold(&mut self, class: ClassId) {
        if self.flaw == Flaw::CountsHolds || !self.held.contains(&class) {
            self.held.push(class);
        }
        self.jobs.iter_mut().filter(|job| job.class == class).for_each(|job| job.held = true);
    }

    fn release(&mut self, class: ClassId) {
        match self.flaw {
            Flaw::NeverReleases => {}
            Flaw::CountsHolds => {
                if let Some(place) = self.held.iter().position(|held| *held == class) {
                    self.held.swap_remove(place);
                }
            }
            _ => self.held.retain(|held| *held != class),
        }
        self.jobs.iter_mut().filter(|job| job.class == class).for_each(|job| job.held = false);
    }

    fn explain(&self, token: Token, _: MonoTime) -> Option<QueuePosition> {
        let place = self.jobs.iter().position(|job| job.token == token);
        match (self.flaw, place) {
            (Flaw::ExplainsNothing, _) => None,
            (Flaw::ExplainsStrangers, None) => Some(QueuePosition::new(None, "somewhere")),
            (Flaw::ExplainsTheWrongPlace, Some(place)) => Some(QueuePosition::new(Some(place as u64 / 2), "sorted")),
            (_, place) => {
                let reason = format!("priority {}", self.jobs.get(place?)?.priority);
                Some(QueuePosition::new(Some(place? as u64), reason))
            }
        }
    }

    fn push_many(&mut self, entries: &[Entry<'_>]) {
        let reversed = self.flaw == Flaw::PushManyReverses;
        for index in 0..entries.len() {
            let mut entry = entries[if reversed { entries.len() - 1 - index } else { index }].clone();
            if reversed {
                entry.enqueued = MonoTime::ZERO;
            }
            self.push(entry);
        }
    }

    fn pop_many(&mut self, now: MonoTime, max: usize, picked: &mut Vec<Token>) -> Option<Pick> {
        let max = if self.flaw == Flaw::PopManyStopsEarly { max / 2 } else { max };
        for _ in 0..max {
            match self.pop(now) {
                Pick::Run(token) => picked.push(token),
                other => return Some(other),
            }
        }
        None
    }
}

#[test]
fn a_right_scheduler_passes_every_case() {
    let report = run(|| Box::new(Model::new(Flaw::None)));
    report.assert_passed();
    assert_eq!(report.not_applicable(), [""; 0], "nothing is left out for one that can hold");
}

#[test]
fn holding_is_asked_only_of_those_who_can() {
    let report = run(|| Box::new(Model::new(Flaw::CannotHold)));
    report.assert_passed();
    assert_eq!(report.not_applicable().len(), 6, "{report}");
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::DropsAToken, "every_token_leaves_once_by_pop"),
        (Flaw::DropsAToken, "every_token_leaves_once_by_remove"),
        (Flaw::DuplicatesAToken, "every_token_leaves_once_by_pop"),
        (Flaw::DuplicatesAToken, "every_token_leaves_once_whatever_happens"),
        (Flaw::DropsLateEntries, "entries_may_arrive_late"),
        (Flaw::DropsBeyondFiftyThousand, "a_hundred_thousand_jobs_leave_once"),
        (Flaw::RemoveKeeps, "every_token_leaves_once_by_remove"),
        (Flaw::RemoveFindsStrangers, "removing_a_stranger_is_false"),
        (Flaw::RemembersPickedForEver, "a_picked_token_may_come_again"),
        (Flaw::RemembersRemovedForEver, "a_removed_token_may_come_again"),
        (Flaw::CountsOnlyPushes, "len_counts_what_is_queued"),
        (Flaw::Idles, "a_free_slot_never_idles"),
        (Flaw::WaitsForThePast, "a_free_slot_never_idles"),
        (Flaw::PicksByChance, "the_same_calls_give_the_same_picks"),
        (Flaw::RefusesLongShares, "any_share_is_taken"),
        (Flaw::AddsToTime, "extreme_keys_are_taken"),
        (Flaw::AddsUpUsage, "any_usage_is_taken"),
        (Flaw::ExplainsStrangers, "explain_knows_what_is_queued_and_nothing_else"),
        (Flaw::ExplainsStrangers, "an_empty_scheduler_says_so"),
        (Flaw::ExplainsNothing, "explain_knows_what_is_queued_and_nothing_else"),
        (Flaw::ExplainsTheWrongPlace, "explain_tells_the_true_place"),
        (Flaw::PushManyReverses, "push_many_equals_push"),
        (Flaw::PopManyStopsEarly, "pop_many_equals_pop"),
        (Flaw::HearsEndsInSecret, "an_end_that_is_not_heard_changes_nothing"),
        (Flaw::StaysOnItsThread, "moves_between_threads"),
        (Flaw::IgnoresHold, "a_held_class_is_not_picked"),
        (Flaw::HoldsWhatIsQueuedOnly, "a_held_class_is_not_picked"),
        (Flaw::NeverReleases, "a_released_class_is_picked_again"),
        (Flaw::HoldsEverything, "holding_stops_no_other_class"),
        (Flaw::CountsHolds, "hold_and_release_may_repeat"),
        (Flaw::ForgetsHeldInLen, "a_held_job_is_counted_explained_and_removable"),
        (Flaw::IgnoresHold, "holding_at_random_loses_nothing"),
    ] {
        caught(flaw, case, cases(), || Box::new(Model::new(flaw)));
    }
}

#[test]
fn state_shared_between_instances_is_caught() {
    use std::sync::{Arc, Mutex};

    /// Two handles to one queue.
    #[derive(Debug)]
    struct Shared(Arc<Mutex<Model>>);

    impl Scheduler for Shared {
        fn push(&mut self, entry: Entry<'_>) {
            self.0.lock().unwrap().push(entry);
        }
        fn pop(&mut self, now: MonoTime) -> Pick {
            self.0.lock().unwrap().pop(now)
        }
        fn remove(&mut self, token: Token) -> bool {
            self.0.lock().unwrap().remove(token)
        }
        fn len(&self) -> usize {
            self.0.lock().unwrap().len()
        }
        fn explain(&self, token: Token, now: MonoTime) -> Option<QueuePosition> {
            self.0.lock().unwrap().explain(token, now)
        }
    }

    let queue = Arc::new(Mutex::new(Model::new(Flaw::None)));
    caught("shared", "instances_are_independent", cases(), || Box::new(Shared(Arc::clone(&queue))));
}
