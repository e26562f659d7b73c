//! What is done about memory that fills up, rung by rung.

use std::fmt;

use serde::Serialize;

/// From which share of memory on, in percent, which rung is reached. Growing, each from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// One attempt more a look.
    pub slow: u32,
    /// Half as many attempts.
    pub shrink: u32,
    /// Nothing starts while something runs.
    pub stop: u32,
    /// Nothing starts, and the newest attempt that can be repeated is ended.
    pub kill: u32,
}

/// A rung is left only this many percent below its threshold: what hovers about one does not go up and down.
const HYSTERESIS: u32 = 5;

impl Default for Ladder {
    fn default() -> Self {
        Self { slow: 70, shrink: 80, stop: 90, kill: 95 }
    }
}

/// How far memory is filled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rung {
    /// There is room.
    #[default]
    Free,
    /// One attempt more a look.
    Slow,
    /// Half as many attempts.
    Shrink,
    /// Nothing starts while something runs.
    Stop,
    /// Nothing starts, and the newest attempt that can be repeated is ended.
    Kill,
}

impl Ladder {
    const RUNGS: [Rung; 5] = [Rung::Free, Rung::Slow, Rung::Shrink, Rung::Stop, Rung::Kill];

    /// From which share on a rung is reached, in percent.
    pub(crate) fn threshold(&self, rung: Rung) -> u32 {
        match rung {
            Rung::Free => 0,
            Rung::Slow => self.slow,
            Rung::Shrink => self.shrink,
            Rung::Stop => self.stop,
            Rung::Kill => self.kill,
        }
    }

    /// Where one stands with `percent` in use who stood on `before`.
    pub(crate) fn rung(&self, before: Rung, percent: u32) -> Rung {
        let reached = |rung: &Rung| {
            let threshold = self.threshold(*rung);
            percent >= if *rung <= before { threshold.saturating_sub(HYSTERESIS) } else { threshold }
        };
        Self::RUNGS.into_iter().rev().find(reached).unwrap_or_default()
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "memory is free again",
            Self::Slow => "one attempt more starts a look",
            Self::Shrink => "half as many attempts run",
            Self::Stop => "nothing starts while something runs",
            Self::Kill => "the newest attempt that can be repeated is ended",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_reached_at_their_threshold_and_left_five_points_below() {
        let ladder = Ladder::default();
        let mut rung = Rung::Free;
        let mut walk = |percents: &[u32]| -> Vec<Rung> {
            let climb = |percent: &u32| {
                rung = ladder.rung(rung, *percent);
                rung
            };
            percents.iter().map(climb).collect()
        };
        use Rung::{Free, Kill, Shrink, Slow, Stop};
        assert_eq!(walk(&[0, 69, 70, 69, 65, 64]), [Free, Free, Slow, Slow, Slow, Free]);
        assert_eq!(walk(&[79, 80, 75, 74]), [Slow, Shrink, Shrink, Slow]);
        assert_eq!(walk(&[250, 90, 89, 85, 84, 3]), [Kill, Kill, Stop, Stop, Shrink, Free]);
    }

    #[test]
    fn a_share_that_hovers_about_a_threshold_changes_the_rung_once() {
        let ladder = Ladder::default();
        let (mut rung, mut changes) = (Rung::Free, 0);
        for look in 0..1000 {
            let next = ladder.rung(rung, 88 + look % 5);
            changes += u32::from(next != rung);
            rung = next;
        }
        assert!(changes <= 2, "{changes}");
    }
}
