//! What must say yes before an attempt starts.
//!
//! **All must say yes; each no is a typed [`Reason`](crate::Reason) with what stands in the way.** There are three kinds, by
//! what they look at, so that a no costs as little as it can:
//!
//! - gates of the *host* ([`host`]): slots, room for records, what is set aside, limits without a key. They are asked before
//!   the scheduler is, so a no costs nothing a job;
//! - gates of a *class* ([`Limits`]): limits of jobs with one key. A class whose key is used up is held in the scheduler, so
//!   a million jobs in it cost the others nothing;
//! - gates of a *job*, in `step::fill`: its batch takes starts, its deadline, a trial, suspects. The job is set aside.
//!
//! Whoever adds one adds a file here that answers from its own state (and says at which moment the answer changes by itself),
//! asks it where its kind is asked, and gives it a reason: decisions and explanations ask the same functions.

mod breaker;
mod bucket;
pub(crate) mod host;
mod key;
mod limit;
mod limits;
mod waiting;

pub(crate) use key::{Attempt, AttemptEnd, Block, KeyId};
pub use limit::{BreakerSettings, LimitChange, LimitSettings, LimitStanding, RateSettings};
pub(crate) use limits::{Call, Limits};
pub(crate) use waiting::Waiter;
