//! Which rules can never act, because another one has stopped the batch by then. Only the first stop of a batch counts.
//!
//! Two rules are looked at, and all batches: it is refused only what acts in none of them, whatever its jobs do and however
//! many they are. `soon,fail=10%` may come before `now,fail=100` or after it.

use super::{Action, Condition, Counted, Of, Rule, Threshold};

/// The rule that has always stopped the batch before rule number `nth` could act, with the number that it has in config.
pub(crate) fn forestalled(rules: &[(usize, Rule)], nth: usize, min_sample: u64) -> Option<(usize, &Rule)> {
    let late = rules[nth].1.condition()?;
    let other = |(place, (_, rule)): &(usize, &(usize, Rule))| {
        let Some(stop) = rule.condition().filter(|_| *place != nth) else { return false };
        // A pause that is asked before the stop may take its turn: then the end after it is asked about.
        let pauses = |(place, rule): (usize, &(usize, Rule))| {
            place != nth && rule.1.condition().is_some_and(|it| it.action == Action::Pause)
        };
        let is_delayed = || rules[..*place].iter().enumerate().any(pauses);
        let lead = u64::from(*place > nth || !stop.heeds_the_last_job() && late.heeds_the_last_job());
        (lead == 0 || !is_delayed()) && Stop { stop, lead, min_sample }.forestalls(late)
    };
    rules.iter().enumerate().find(other).map(|(_, (index, rule))| (*index, rule))
}

/// A rule that stops a batch.
struct Stop<'a> {
    stop: &'a Condition,
    /// How many ends before the other rule it must be reached: none, if it is asked first.
    lead: u64,
    /// Of rules that do not say it.
    min_sample: u64,
}

impl Stop<'_> {
    fn forestalls(&self, late: &Condition) -> bool {
        let Self { stop, lead, min_sample } = *self;
        // When the other rule is reached, at least so many jobs have ended, and so many of those that it counts.
        let sample = late.min_sample(min_sample).max(1);
        let counted = late.threshold.fewest(sample);
        let ended = sample.max(counted);
        let in_window = stop.window.unwrap_or(u64::MAX).min(ended - lead);
        let has_its_sample = in_window >= stop.min_sample(min_sample);
        stop.action != Action::Pause
            && stop.counts_all_of(late)
            && has_its_sample
            && match stop.threshold {
                Threshold::Count(enough) if stop.counted == Counted::Done => ended - lead >= enough,
                Threshold::Count(enough) => stop.sees_all_of(late, lead) && counted - lead >= enough,
                Threshold::Share { parts, whole } => {
                    let Some((least, of)) = stop.share_at(late) else { return false };
                    let (less, more) = (u128::from(parts) * of, least * u128::from(whole));
                    // One end before, one less was counted, of at least so many.
                    let all = late.window.unwrap_or(u64::MAX).min(ended);
                    lead == 0 && less <= more
                        || less < more
                            && counted > 1
                            && (more - less).saturating_mul(all.into()) >= u128::from(whole) * of
                }
            }
    }
}

impl Condition {
    /// Whether it counts every end that `other` counts.
    fn counts_all_of(&self, other: &Self) -> bool {
        let has_classes = self.classes.is_empty()
            || !other.classes.is_empty() && other.classes.iter().all(|class| self.classes.contains(class));
        self.counted == Counted::Done || self.counted == other.counted && has_classes
    }

    /// Whether the ends that it looks at are all those that `other` looks at, also if it is asked so many ends before.
    fn sees_all_of(&self, other: &Self, lead: u64) -> bool {
        self.window.is_none_or(|mine| other.window.is_some_and(|theirs| theirs <= mine.saturating_add(lead)))
    }

    /// The least share, as a fraction, that it sees when `late` is reached; none where it can be anything.
    fn share_at(&self, late: &Self) -> Option<(u128, u128)> {
        match late.threshold {
            Threshold::Share { parts, whole } => {
                // What is a share of all jobs is at least as much of those that have ended.
                let is_of_more = self.of == Of::Done && self.window.is_none() && late.of == Of::Total;
                let is_same = self.of == late.of && self.window == late.window;
                (is_same || is_of_more).then_some((parts.into(), whole.into()))
            }
            Threshold::Count(count) => {
                let window = self.window.filter(|_| self.window == late.window && self.of == Of::Done)?;
                Some((count.into(), window.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use batchmill_core::{Directive, ErrorClass, FailureStrategy, FinalResult, MonoTime, Status};

    use super::*;
    use crate::{Halt, watch::Watch};

    /// Numbers of jobs.
    const COUNTS: [&str; 9] = [
        "fail=1",
        "fail=2",
        "fail=3",
        "fail=2,classes=timeout",
        "fail=2,min_sample=3",
        "success=1",
        "success=2",
        "done=1",
        "done=3",
    ];
    /// Of these, not everything that never acts is found.
    const OTHERS: [&str; 14] = [
        "fail=2,window=2",
        "fail=2,window=3",
        "fail=3,window=3",
        "success=2,window=3",
        "done=50%",
        "success=60%",
        "fail=30%",
        "fail=60%",
        "fail=60%,min_sample=4",
        "fail_rate=30%",
        "fail_rate=60%",
        "fail_rate=90%,min_sample=5",
        "fail_rate=30%,window=3,min_sample=2",
        "fail_rate=60%,window=3,min_sample=3",
    ];
    const MIN_SAMPLE: u64 = 2;
    const JOBS_MAX: u32 = 5;

    fn ends() -> [FinalResult; 4] {
        let end = |status, class| {
            let mut end = FinalResult::new(status, None, MonoTime::ZERO);
            end.class = class;
            end
        };
        [
            end(Status::Succeeded, None),
            end(Status::Failed, Some(ErrorClass::Transient)),
            end(Status::TimedOut, Some(ErrorClass::Timeout)),
            end(Status::Cancelled, None),
        ]
    }

    fn rules(lines: &[String]) -> Vec<(usize, Rule)> {
        lines.iter().map(|line| line.parse().unwrap()).enumerate().collect()
    }

    /// Which rules act in this batch.
    fn acting(rules: &[(usize, Rule)], batch: &[&FinalResult], seen: &mut [bool]) {
        let watches = rules.iter().filter_map(|(_, rule)| Watch::new(rule.clone(), MIN_SAMPLE)).collect();
        let mut halt = Halt { watches, heard: 0 };
        for end in batch {
            let (reason, stops) = match halt.on_result(end, batch.len() as u64) {
                Directive::Continue => continue,
                Directive::Pause(reason) => (reason, false),
                Directive::Soon(reason) | Directive::Now(reason) => (reason, true),
                other => panic!("{other:?}"),
            };
            let place = rules.iter().position(|(_, rule)| rule.to_string() == reason.rule).unwrap();
            seen[place] = true;
            if stops {
                break;
            }
        }
    }

    /// Which rules act in some batch of few jobs.
    fn ever_acting(rules: &[(usize, Rule)]) -> Vec<bool> {
        let ends = ends();
        let mut seen = vec![false; rules.len()];
        for jobs in 1..=JOBS_MAX {
            for number in 0..4_usize.pow(jobs) {
                let batch: Vec<_> = (0..jobs).map(|place| &ends[number >> (2 * place) & 3]).collect();
                acting(rules, &batch, &mut seen);
                if seen.iter().all(|acts| *acts) {
                    return seen;
                }
            }
        }
        seen
    }

    fn refused(rules: &[(usize, Rule)]) -> Vec<bool> {
        (0..rules.len()).map(|nth| forestalled(rules, nth, MIN_SAMPLE).is_some()).collect()
    }

    /// Two rules in both orders.
    fn pairs(of: &[&str], action: &str) -> Vec<[String; 2]> {
        let different =
            of.iter().flat_map(|stop| of.iter().filter(move |other| *other != stop).map(move |it| (stop, it)));
        let lines = different.map(|(stop, other)| (format!("soon,{stop}"), format!("{action},{other}")));
        lines.flat_map(|(stop, other)| [[stop.clone(), other.clone()], [other, stop]]).collect()
    }

    #[test]
    fn of_two_numbers_of_jobs_exactly_what_never_acts_is_refused() {
        for lines in pairs(&COUNTS, "now") {
            let rules = rules(&lines);
            let idle: Vec<bool> = ever_acting(&rules).into_iter().map(|acts| !acts).collect();
            assert_eq!(refused(&rules), idle, "{lines:?}");
        }
    }

    #[test]
    fn what_is_refused_acts_in_no_batch_whatever_else_pauses_it() {
        let all = [&COUNTS[..], &OTHERS].concat();
        let mut found = 0;
        for lines in ["now", "pause"].into_iter().flat_map(|action| pairs(&all, action)) {
            for pause in ["", "pause,fail=1", "pause,success=1"] {
                let pause = (!pause.is_empty()).then(|| pause.to_owned());
                let rules = rules(&pause.into_iter().chain(lines.clone()).collect::<Vec<_>>());
                let refused = refused(&rules);
                if !refused.contains(&true) {
                    continue;
                }
                found += 1;
                for (nth, acts) in ever_acting(&rules).into_iter().enumerate() {
                    assert!(!(acts && refused[nth]), "{rules:?}: {nth}");
                }
            }
        }
        assert!(found > 500, "{found}");
    }
}
