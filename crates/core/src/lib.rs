//! The vocabulary of Batchmill and the traits that plugins implement.
//!
//! **What it is.** Ids, jobs, outcomes, the one state machine of a job, the counters of the conservation law, error
//! classes as types, and every extension point: [`Scheduler`], [`RetryPolicy`], [`FailureStrategy`], [`Governor`],
//! [`ResultSink`], [`Checkpointer`], [`Journal`], [`Node`], [`MetricsExporter`] and the [`Factory`] that makes them.
//!
//! **When to use it.** To write a plugin, or to read what one may rely on: each trait states what the caller promises,
//! what the implementer promises, the order of calls and whether they may repeat.
//!
//! **What it deliberately does not do.** It knows no runtime, no clock, no random source, no file, no configuration
//! format and no plugin. Time and the random draw are arguments ([`MonoTime`], [`Draw`]).
//!
//! ```
//! use batchmill_core::{JobState, Status, Transition};
//!
//! let running = JobState::Ready.apply(Transition::Start).unwrap();
//! let recording = running.apply(Transition::End(Status::Succeeded)).unwrap();
//! assert_eq!(recording.apply(Transition::Recorded).unwrap(), JobState::Ended(Status::Succeeded));
//! // An illegal transition is an error, never a silent change.
//! assert!(JobState::Ready.apply(Transition::Recorded).is_err());
//! ```

mod attempt;
mod cancel;
mod checkpoint;
mod control_group;
mod counts;
mod error;
mod factory;
mod failure;
pub mod fault;
mod governor;
mod id;
mod in_words;
mod job;
mod journal;
mod limit;
mod median;
mod metrics;
mod node;
mod notes;
mod rate;
mod result;
mod retry;
mod scheduler;
mod schema;
mod share;
mod shares;
mod sink;
mod size;
mod state;
mod time;
mod usage;

pub use attempt::{AttemptFailure, GivenUp, NodeFailure, Outcome, RetryRef};
pub use cancel::{CancelReason, CancelSignal, Cancelled};
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointId, Checkpointer, PendingWrite, ThreadId};
pub use control_group::ControlGroup;
pub use counts::{BatchCounts, Bucket, ConservationError};
pub use error::{AttemptRecord, ErrorClass, JobError, UnknownErrorClass};
pub use factory::{BuildContext, BuildError, Factory, Options, PluginKind, Problem, nearest};
pub use failure::{Closing, Directive, FailureStrategy, FinalResult, Pause, StopReason, Verdict};
pub use governor::{Adjustment, Governor, LoadSample};
pub use id::{BatchId, IdError, JobId, Tenant};
pub use in_words::in_words;
pub use job::{BadPriority, Job, JobKeys, Priority};
pub use journal::{
    Delivered, Journal, JournalAnswer, JournalError, JournalEvent, Position, Recalled, Setback, StartLog,
};
pub use limit::{Key, LimitId, LimitKey, LimitKeys};
pub use median::Median;
pub use metrics::{MetricsError, MetricsExporter};
pub use node::{JobInfo, Node, NodeContext, NodeError, StateData};
pub use notes::Notes;
pub use rate::{BadRate, Rate};
pub use result::JobResult;
pub use retry::{Draw, FailedAttempt, RetryBudget, RetryDecision, RetryPolicy};
pub use scheduler::{ClassId, Entry, Pick, Position as QueuePosition, Scheduler, Token};
pub use schema::{hoist_definitions, take_definitions};
pub use share::{BadSharePath, SharePath};
pub use shares::{ShareUsage, Shares, UsageMemory};
pub use sink::{ResultSink, Resumed, SinkError};
pub use size::{BadSize, about_size, format_size, parse_size};
pub use state::{IllegalTransition, JobState, Status, Transition};
pub use time::{BadDuration, MonoTime, WallTime, format_duration, parse_duration};
pub use usage::{Request, Usage, UsageMeter};
