//! Tokens, counted plainly: in millionths, with rates that come out even.

use batchmill_core::MonoTime;

use super::{At, Batch};

const TOKEN: u64 = 1_000_000;

impl Batch {
    fn full(&self) -> u64 {
        self.opened.plan.budget.map_or(0, |budget| u64::from(budget.burst().get()) * TOKEN)
    }

    /// How long a millionth of a token takes.
    fn nanos_each(&self) -> u64 {
        self.opened.plan.budget.map_or(1, |budget| whole(1_000.0 / budget.per_second()))
    }

    fn refill(&mut self, now: MonoTime) {
        let (level, since) = self.tokens;
        let passed = now.as_nanos() - since.as_nanos();
        let (added, rest) = (passed / self.nanos_each(), passed % self.nanos_each());
        let level = level + added;
        // What is begun counts on, unless the bucket is full.
        self.tokens = if level >= self.full() {
            (self.full(), now)
        } else {
            (level, MonoTime::from_nanos(now.as_nanos() - rest))
        };
    }

    /// A job of this batch succeeded.
    pub(super) fn earn(&mut self, by_retry: bool, now: MonoTime) {
        let Some(budget) = self.opened.plan.budget else { return };
        self.refill(now);
        let earned = if by_retry { TOKEN } else { whole(budget.ratio() * 1e6) };
        self.tokens.0 = (self.tokens.0 + earned).min(self.full());
        self.serve(now);
    }

    /// Lets those in line go on as far as there are tokens.
    pub(super) fn serve(&mut self, now: MonoTime) {
        if self.line.is_empty() || !self.closing.is_empty() || self.cut_off.is_some() {
            return;
        }
        self.refill(now);
        let Self { line, jobs, tokens, .. } = self;
        line.retain(|index| {
            let job = &mut jobs[*index as usize];
            if !matches!(job.at, At::Backoff(_)) || job.is_too_late(now) {
                return false;
            }
            let pays = tokens.0 >= TOKEN;
            if pays {
                tokens.0 -= TOKEN;
                job.at = At::Ready;
            }
            !pays
        });
    }

    /// When the next token is there for somebody who waits.
    pub(super) fn next_token(&self) -> Option<MonoTime> {
        let waits = |index: &u32| matches!(self.jobs[*index as usize].at, At::Backoff(_));
        let serves = self.closing.is_empty() && self.cut_off.is_none();
        let wait = TOKEN.saturating_sub(self.tokens.0) * self.nanos_each();
        (serves && self.line.iter().any(waits)).then(|| MonoTime::from_nanos(self.tokens.1.as_nanos() + wait))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number, not below 0")]
fn whole(number: f64) -> u64 {
    assert!(number.fract() == 0.0 && number >= 0.0, "{number} does not come out even");
    number as u64
}
