//! Faults on purpose: places where a test has the host killed, and promises that a test has it break.
//!
//! Both exist only in builds with the feature `faults`, which no release has: they prove that the tests can fail. Without
//! the feature [`point`] does nothing and [`breaks`] is `false`, both at compile time.
//!
//! `BATCHMILL_FAILPOINT=record.before-commit:3` kills the process by SIGKILL when it comes to that place for the third time.
//! `BATCHMILL_SABOTAGE=forget-backoff` breaks that promise, once and for all.

/// A promise of durability that a build for tests can be told to break. The suite must notice each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sabotage {
    /// A job counts as ended before its record is durable.
    AckBeforeCommit,
    /// The end of an attempt whose lease is void is taken for a valid one.
    SkipEpochCheck,
    /// A host that lost its batch to another goes on writing.
    SkipFence,
    /// Results that are recorded are handed to the sinks twice.
    DoubleDelivery,
    /// A resumed file sink keeps what it wrote after its last mark.
    SkipCutBack,
    /// What is left of a backoff is forgotten with the host.
    ForgetBackoff,
    /// A resume does not ask whether the batch is still the same.
    SkipGuard,
    /// An attempt that was stopped on purpose counts as one that failed.
    CountPlannedStop,
    /// Records that find the store full are dropped.
    DropOnFull,
    /// A job that took its host down is not remembered.
    ForgetCrash,
    /// Processes that outlived their host run on while their jobs run again.
    KeepSurvivors,
    /// A resume lets the failure strategy decide anew instead of reading what was decided.
    RecomputeVerdict,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::AckBeforeCommit,
        Self::SkipEpochCheck,
        Self::SkipFence,
        Self::DoubleDelivery,
        Self::SkipCutBack,
        Self::ForgetBackoff,
        Self::SkipGuard,
        Self::CountPlannedStop,
        Self::DropOnFull,
        Self::ForgetCrash,
        Self::KeepSurvivors,
        Self::RecomputeVerdict,
    ];

    /// Its name in `BATCHMILL_SABOTAGE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AckBeforeCommit => "ack-before-commit",
            Self::SkipEpochCheck => "skip-epoch-check",
            Self::SkipFence => "skip-fence",
            Self::DoubleDelivery => "double-delivery",
            Self::SkipCutBack => "skip-cut-back",
            Self::ForgetBackoff => "forget-backoff",
            Self::SkipGuard => "skip-guard",
            Self::CountPlannedStop => "count-planned-stop",
            Self::DropOnFull => "drop-on-full",
            Self::ForgetCrash => "forget-crash",
            Self::KeepSurvivors => "keep-survivors",
            Self::RecomputeVerdict => "recompute-verdict",
        }
    }
}

/// Whether this promise is to be broken.
#[cfg(not(feature = "faults"))]
#[inline]
pub const fn breaks(_: Sabotage) -> bool {
    false
}

/// A place where the process may be killed.
#[cfg(not(feature = "faults"))]
#[inline]
pub const fn point(_: &'static str) {}

#[cfg(feature = "faults")]
pub use on_purpose::{breaks, point};

#[cfg(feature = "faults")]
mod on_purpose {
    use std::{
        env,
        process::Command,
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering},
        },
        thread,
    };

    use super::Sabotage;

    /// Whether this promise is to be broken.
    ///
    /// # Panics
    /// If the variable names none: a test that breaks nothing would prove nothing.
    pub fn breaks(which: Sabotage) -> bool {
        static CHOSEN: OnceLock<Option<Sabotage>> = OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| {
            let name = env::var("BATCHMILL_SABOTAGE").ok().filter(|name| !name.is_empty())?;
            let known = Sabotage::ALL.into_iter().find(|sabotage| sabotage.as_str() == name);
            Some(known.unwrap_or_else(|| panic!("BATCHMILL_SABOTAGE={name}: there is no such sabotage")))
        });
        *chosen == Some(which)
    }

    /// A place where the process may be killed.
    ///
    /// # Panics
    /// If the variable is no `NAME:COUNT`.
    pub fn point(name: &'static str) {
        static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let chosen = CHOSEN.get_or_init(|| {
            let text = env::var("BATCHMILL_FAILPOINT").ok().filter(|text| !text.is_empty())?;
            let (name, count) = text.rsplit_once(':').and_then(|(name, count)| Some((name, count.parse().ok()?)))?;
            Some((name.to_owned(), count))
        });
        let Some((_, count)) = chosen.as_ref().filter(|(chosen, _)| chosen == name) else { return };
        if PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count {
            die();
        }
    }

    /// As `kill -9` does it: nothing is flushed, nothing is dropped.
    fn die() -> ! {
        let killed = Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
        if !killed.is_ok_and(|status| status.success()) {
            std::process::abort();
        }
        loop {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sabotage_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Sabotage::ALL.iter().map(|sabotage| sabotage.as_str()).collect();
        assert_eq!(names.len(), Sabotage::ALL.len());
    }

    #[test]
    fn nothing_breaks_that_was_not_asked_to() {
        assert!(!Sabotage::ALL.into_iter().any(breaks));
        point("nowhere");
    }
}
