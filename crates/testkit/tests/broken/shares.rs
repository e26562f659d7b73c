//! Who used least by weight goes first: right, or with one flaw.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use batchmill_core::{
    ClassId, Entry, MonoTime, Pick, QueuePosition, Scheduler, ShareUsage, Shares, Token, Usage, UsageMemory,
};
use batchmill_testkit::{Ending, scheduler::cases_of_shares};

use crate::caught;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    HasNoMemory,
    HandsOutTotals,
    HandsOutNothing,
    HandsOutWhatStarts,
    HandsOutWhatIsRecalled,
    NamesNoShare,
    ForgetsWhatIsRecalled,
    ChokesOnLargeAmounts,
    RemembersWithoutMemory,
    IgnoresWeights,
    WeighsOnlyNewShares,
    TakesAnyWeight,
    TellsNoWeights,
}

#[derive(Debug, Default, Clone)]
struct Standing {
    weight: Option<f64>,
    used: f64,
    untold: f64,
}

#[derive(Debug)]
struct Divided {
    flaw: Flaw,
    /// By share and class, in the order of arrival.
    jobs: BTreeMap<(String, ClassId), VecDeque<Token>>,
    queued: usize,
    held: BTreeSet<ClassId>,
    shares: BTreeMap<String, Standing>,
    running: BTreeMap<Token, String>,
}

impl Divided {
    fn new(flaw: Flaw) -> Self {
        let (jobs, held, shares) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self { flaw, jobs, queued: 0, held, shares, running: BTreeMap::new() }
    }

    fn remembers(&self) -> bool {
        !matches!(self.flaw, Flaw::HasNoMemory | Flaw::RemembersWithoutMemory)
    }

    fn standing(&mut self, share: &str) -> &mut Standing {
        self.shares.entry(share.to_owned()).or_default()
    }
}

impl Scheduler for Divided {
    fn push(&mut self, entry: Entry<'_>) {
        self.standing(entry.share);
        self.jobs.entry((entry.share.to_owned(), entry.class)).or_default().push_back(entry.token);
        self.queued += 1;
    }

    fn pop(&mut self, _: MonoTime) -> Pick {
        let by_weight = |share: &str| {
            let standing = &self.shares[share];
            standing.used / standing.weight.unwrap_or(1.0)
        };
        let free = self.jobs.iter().filter(|((_, class), jobs)| !self.held.contains(class) && !jobs.is_empty());
        let first = free.map(|(key, _)| key).min_by(|(a, _), (b, _)| by_weight(a).total_cmp(&by_weight(b))).cloned();
        let Some((share, class)) = first else { return Pick::Empty };
        let Some(token) = self.jobs.get_mut(&(share.clone(), class)).and_then(VecDeque::pop_front) else {
            return Pick::Empty;
        };
        self.queued -= 1;
        if self.flaw == Flaw::HandsOutWhatStarts {
            self.standing(&share).untold += 1.0;
        }
        self.running.insert(token, share);
        Pick::Run(token)
    }

    fn on_finish(&mut self, token: Token, usage: Usage) {
        let Some(share) = self.running.remove(&token) else { return };
        let standing = self.standing(&share);
        standing.used += usage.ran.as_secs_f64();
        standing.untold += usage.ran.as_secs_f64();
    }

    fn remove(&mut self, token: Token) -> bool {
        for jobs in self.jobs.values_mut() {
            if let Some(place) = jobs.iter().position(|queued| *queued == token) {
                jobs.remove(place);
                self.queued -= 1;
                return true;
            }
        }
        false
    }

    fn len(&self) -> usize {
        self.queued
    }

    fn can_hold(&self) -> bool {
        true
    }

    fn hold(&mut self, class: ClassId) {
        self.held.insert(class);
    }

    fn release(&mut self, class: ClassId) {
        self.held.remove(&class);
    }

    fn shares(&mut self) -> Option<&mut dyn Shares> {
        Some(self)
    }

    fn explain(&self, token: Token, _: MonoTime) -> Option<QueuePosition> {
        let ((share, _), _) = self.jobs.iter().find(|(_, jobs)| jobs.contains(&token))?;
        Some(QueuePosition::new(None, format!("share {share}")))
    }
}

impl Shares for Divided {
    fn weight(&self, share: &str) -> f64 {
        match self.flaw {
            Flaw::TellsNoWeights => 1.0,
            _ => self.shares.get(share).and_then(|standing| standing.weight).unwrap_or(1.0),
        }
    }

    fn set_weight(&mut self, share: &str, weight: f64) -> Result<(), String> {
        let is_good = weight.is_finite() && weight > 0.0;
        if !is_good && self.flaw != Flaw::TakesAnyWeight {
            return Err("a weight is above 0".to_owned());
        }
        match self.flaw {
            Flaw::IgnoresWeights => {}
            Flaw::WeighsOnlyNewShares if self.shares.contains_key(share) => {}
            _ => self.standing(share).weight = Some(weight),
        }
        Ok(())
    }

    fn memory(&self) -> Option<UsageMemory> {
        self.remembers().then_some(UsageMemory::new("seconds", Duration::from_secs(3600)))
    }

    fn recall(&mut self, _: MonoTime, used: &[ShareUsage]) {
        for ShareUsage { share, amount, .. } in used {
            assert!(self.flaw != Flaw::ChokesOnLargeAmounts || *amount < 1e300, "too much");
            let counts = match self.flaw {
                Flaw::ForgetsWhatIsRecalled | Flaw::HasNoMemory => 0.0,
                _ => *amount,
            };
            let told = if self.flaw == Flaw::HandsOutWhatIsRecalled { *amount } else { 0.0 };
            let standing = self.standing(share);
            standing.used = (standing.used + counts).min(f64::MAX);
            standing.untold += told;
        }
    }

    fn take_usage(&mut self) -> Vec<ShareUsage> {
        let (flaw, remembers) = (self.flaw, self.remembers());
        let used = self.shares.iter_mut().map(|(share, standing)| {
            let amount = if flaw == Flaw::HandsOutTotals { standing.used } else { standing.untold };
            standing.untold = 0.0;
            ShareUsage::new(if flaw == Flaw::NamesNoShare { "" } else { share }, amount)
        });
        let used: Vec<ShareUsage> = used.filter(|used| used.amount > 0.0).collect();
        if remembers && flaw != Flaw::HandsOutNothing { used } else { Vec::new() }
    }
}

/// The cases that one with this flaw is not asked; none of the others fails.
fn not_asked(flaw: Flaw) -> Vec<&'static str> {
    let endings = cases_of_shares().iter().map(|case| (case.name(), case.run(|| Box::new(Divided::new(flaw)))));
    let left_out = endings.filter(|(name, ending)| {
        assert!(!matches!(ending, Ending::Failed(_)), "{name}: {ending:?}");
        matches!(ending, Ending::NotApplicable(_))
    });
    left_out.map(|(name, _)| name).collect()
}

#[test]
fn a_right_division_passes_every_case() {
    assert_eq!(not_asked(Flaw::None), ["without_a_memory_nothing_is_remembered"]);
}

#[test]
fn a_memory_is_asked_only_of_those_who_have_one() {
    let of_memory = [
        "what_was_used_is_handed_out_once",
        "what_did_not_run_is_not_handed_out",
        "what_is_recalled_counts_as_if_used_here",
    ];
    assert_eq!(not_asked(Flaw::HasNoMemory), of_memory);
}

#[test]
fn each_flaw_is_caught_by_the_case_about_it() {
    for (flaw, case) in [
        (Flaw::HandsOutTotals, "what_was_used_is_handed_out_once"),
        (Flaw::HandsOutNothing, "what_was_used_is_handed_out_once"),
        (Flaw::NamesNoShare, "what_was_used_is_handed_out_once"),
        (Flaw::HandsOutWhatStarts, "what_did_not_run_is_not_handed_out"),
        (Flaw::HandsOutWhatIsRecalled, "what_is_recalled_counts_as_if_used_here"),
        (Flaw::ForgetsWhatIsRecalled, "what_is_recalled_counts_as_if_used_here"),
        (Flaw::ChokesOnLargeAmounts, "any_amount_is_recalled"),
        (Flaw::RemembersWithoutMemory, "without_a_memory_nothing_is_remembered"),
        (Flaw::IgnoresWeights, "a_weight_counts_from_the_next_pick_on"),
        (Flaw::WeighsOnlyNewShares, "a_weight_counts_from_the_next_pick_on"),
        (Flaw::TellsNoWeights, "a_weight_counts_from_the_next_pick_on"),
        (Flaw::TakesAnyWeight, "a_weight_that_is_none_is_refused"),
    ] {
        caught(flaw, case, cases_of_shares(), || Box::new(Divided::new(flaw)));
    }
}
